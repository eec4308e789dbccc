"""Registers an organisation under the id that its client chose, or replaces its profile whole.

*What.* `put_organisation`: right, If-Match, every rule, then row, revision, contact, external ids, event, audit.
The same profile again makes no new revision. *Why whole.* A partial change would need a language of its own to say
"empty this", and two half-changes could make a profile that nobody wrote. *Never:* block a profile because another
has the same name; only its owner can know whether they are one.
"""

from collections.abc import Sequence as Series
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import orjson
from sqlalchemy import RowMapping, delete, insert, select, tuple_, update

from schemas.envelope import Sequence
from schemas.events.members import Organisation
from schemas.http.members import Contact, OrganisationBody, Provenance
from services.chassis.runtime import Runtime, timestamp
from services.chassis.web.operation import Answer, Unit
from services.members import events
from services.members.commands.tree import check_parent
from services.members.queries import contact_of, same_name, view
from services.members.rules import rights
from services.members.rules.faults import Codebook, body_faults
from services.members.rules.names import name_key
from services.members.rules.problems import (
    DuplicateExternalId,
    OrganisationErased,
    refuse_faults,
    refuse_writer,
)
from services.members.rules.standing import membership_state, next_change
from services.members.tables import CONTACTS, EXTERNAL_IDS, ORGANISATIONS, REVISIONS


@dataclass(frozen=True, slots=True)
class Change:
    """A revision about to be written: the record, what was there, what is done, why."""

    record: Organisation
    before: RowMapping | None
    action: str
    why: str | None = None


async def put_organisation(
    unit: Unit,
    *,
    organisation_id: str,
    body: OrganisationBody,
    constants: Series[str] = (),
    conditional: bool = True,
) -> Answer:
    """Register or replace an organisation; 201 for a new one, 200 otherwise, with warnings.

    `constants` names the fields that an import filled with a constant, beside those that the body names itself.
    `conditional=False` is for a bulk import, which repeats its rows and holds no ETag. Raises Forbidden or Unauthenticated,
    OrganisationErased, PreconditionRequired, StaleRevision, InvalidBody (all faults at once), DuplicateExternalId.
    """
    if not rights.may_write(organisation_id, roles=unit.principal.roles, own=unit.principal.organisation):
        refuse_writer(unit.principal)
    before = await locked(unit, organisation_id)
    if conditional:
        unit.check_match(None if before is None else before["revision"])
    codebook = codebook_of(unit.runtime)
    if constants:
        filled = sorted({*body.provenance.constants, *constants})
        body = body.model_copy(update={"provenance": Provenance(constants=tuple(filled))})
    faults = body_faults(body, today=unit.now.date(), codebook=codebook)
    if not faults:
        faults = await check_parent(unit.connection, organisation_id, body, before=before)
    refuse_faults(faults)
    record = events.record_of(
        body,
        organisation_id=organisation_id,
        revision=1 if before is None else before["revision"] + 1,
        state="active",
        reference=codebook.reference,
    )
    warnings = await _warnings(unit, record)
    if before is not None and await _unchanged(unit, record, body.contact, before=before):
        await unit.audit(
            action="organisation.unchanged",
            subject=organisation_id,
            before=before["revision"],
            after=before["revision"],
        )
        return await _answer(unit, organisation_id, status=200, warnings=warnings)
    change = Change(record, before, "registered" if before is None else "revised")
    await _check_external_ids(unit, record)
    await write(unit, change)
    await _replace_contact(unit, organisation_id, body.contact)
    await _replace_external_ids(unit, record)
    await announce(unit, change)
    return await _answer(unit, organisation_id, status=201 if before is None else 200, warnings=warnings)


def codebook_of(runtime: Runtime) -> Codebook:
    """Return the published lists that were loaded at start."""
    return cast("Codebook", runtime.state["codebook"])


async def token_of(unit: Unit, organisation_id: str, revision: int) -> dict[str, str]:
    """Return the token of a revision: with it, the candidates of a project can be waited for until it counts."""
    sequence = Sequence(await events.incarnation(unit.connection), revision)
    return {"topic": events.TOPIC, "id": organisation_id, "sequence": str(sequence)}


async def locked(unit: Unit, organisation_id: str) -> RowMapping | None:
    """Return the organisation's row, locked until the commit; None if there is none. Raises OrganisationErased."""
    query = select(ORGANISATIONS).where(ORGANISATIONS.c.id == organisation_id).with_for_update()
    row = (await unit.connection.execute(query)).mappings().first()
    if row is not None and row["state"] == "erased":
        raise OrganisationErased
    return row


async def write(unit: Unit, change: Change) -> None:
    """Write the organisation's row and its new revision. The event comes after, with `announce`."""
    record, now = change.record, timestamp(unit.now)
    values = _columns(record, today=unit.now.date(), region=_region(unit, record)) | {"revised_at": now}
    if change.before is None:
        await unit.connection.execute(insert(ORGANISATIONS).values(values | {"registered_at": now}))
    else:
        await unit.connection.execute(
            update(ORGANISATIONS).where(ORGANISATIONS.c.id == record.id).values(values)
        )
    await unit.connection.execute(
        insert(REVISIONS).values(
            id=record.id,
            revision=record.revision,
            state=record.state,
            action=change.action,
            changed_by=unit.principal.id,
            changed_at=now,
            why=change.why,
            record=values["record"],
        )
    )


async def announce(unit: Unit, change: Change) -> None:
    """Post the revision's event and write the command's audit row."""
    incarnation = await events.incarnation(unit.connection)
    await unit.post(events.revised(change.record, incarnation=incarnation, clock=unit.runtime.clock))
    await unit.audit(
        action=f"organisation.{change.action}",
        subject=change.record.id,
        before=None if change.before is None else change.before["revision"],
        after=change.record.revision,
        why=change.why,
    )


def _columns(record: Organisation, *, today: date, region: str | None) -> dict[str, Any]:
    following = next_change(record, today)
    return {
        "id": record.id,
        "revision": record.revision,
        "state": record.state,
        "legal_name": record.legal_name,
        "name_key": name_key(record.legal_name),
        "category": record.category,
        "hq_country": record.hq_country,
        "region": region,
        "sme": record.sme is not None and record.sme.flag,
        "fictional": record.fictional,
        "parent": record.parent,
        "membership_state": membership_state(record.membership, today),
        "next_change_on": None if following is None else following.isoformat(),
        "record": events.encode_record(record),
    }


def _region(unit: Unit, record: Organisation) -> str | None:
    return codebook_of(unit.runtime).reference.region_of(record.hq_country)


async def _unchanged(unit: Unit, record: Organisation, contact: Contact, *, before: RowMapping) -> bool:
    """Whether the profile, the state and the contact are those that stand there."""
    held = orjson.loads(before["record"])
    given = orjson.loads(events.encode_record(record)) | {"revision": held["revision"]}
    stored = await contact_of(unit.connection, record.id)
    return bool(held == given and stored == contact.model_dump(exclude_none=True))


async def _warnings(unit: Unit, record: Organisation) -> list[dict[str, Any]]:
    warnings: list[dict[str, Any]] = []
    others = await same_name(unit.connection, record)
    if others:
        warnings.append(
            {
                "rule": "same-name-and-country",
                "detail": f"{len(others)} other organisation(s) of {record.hq_country} have this legal name.",
                "fix": "If it is the same organisation, keep one record; if it is a branch, set parent.",
                "organisations": others,
            }
        )
    if record.category == "associate" and record.study_group is None:
        warnings.append(
            {
                "rule": "associate-without-study-group",
                "detail": "An Associate works in one study group; none is named, so no role in one can be confirmed.",
                "fix": "Set study_group to SG1 or SG2.",
                "organisations": [],
            }
        )
    return warnings


async def _check_external_ids(unit: Unit, record: Organisation) -> None:
    if not record.external_ids:
        return
    pairs = [(one.scheme, one.value) for one in record.external_ids]
    query = select(EXTERNAL_IDS).where(
        tuple_(EXTERNAL_IDS.c.scheme, EXTERNAL_IDS.c.value).in_(pairs),
        EXTERNAL_IDS.c.organisation != record.id,
    )
    taken = {
        (row["scheme"], row["value"]): row["organisation"]
        for row in (await unit.connection.execute(query)).mappings()
    }
    if taken:
        raise DuplicateExternalId.of(pairs, taken, named=rights.may_search_profiles(unit.principal.roles))


async def _replace_external_ids(unit: Unit, record: Organisation) -> None:
    await unit.connection.execute(delete(EXTERNAL_IDS).where(EXTERNAL_IDS.c.organisation == record.id))
    if record.external_ids:
        rows = [
            {"scheme": one.scheme, "value": one.value, "organisation": record.id}
            for one in record.external_ids
        ]
        await unit.connection.execute(insert(EXTERNAL_IDS), rows)


async def _replace_contact(unit: Unit, organisation_id: str, contact: Contact) -> None:
    await unit.connection.execute(delete(CONTACTS).where(CONTACTS.c.id == organisation_id))
    await unit.connection.execute(insert(CONTACTS).values(id=organisation_id, **contact.model_dump()))


async def _answer(unit: Unit, organisation_id: str, *, status: int, warnings: list[dict[str, Any]]) -> Answer:
    query = select(ORGANISATIONS).where(ORGANISATIONS.c.id == organisation_id)
    row = (await unit.connection.execute(query)).mappings().one()
    shown = rights.view_of(organisation_id, roles=unit.principal.roles, own=unit.principal.organisation)
    contact = await contact_of(unit.connection, organisation_id) if shown == "full" else None
    body = view(row, shown=shown, contact=contact) | {"warnings": warnings}
    body["token"] = await token_of(unit, organisation_id, row["revision"])
    headers = {"Location": f"/v1/organisations/{organisation_id}"} if status == 201 else {}
    return Answer(status=status, body=body, revision=row["revision"], headers=headers)
