"""Registers an organisation under the id that its client chose, or replaces its profile whole.

*What.* `put_organisation`: right, If-Match, every rule, then row, revision, contact, external ids, event, audit.
The same profile again makes no new revision. *Why whole.* A partial change would need a language of its own to say
"empty this", and two half-changes could make a profile that nobody wrote. *Never:* block a profile because another
has the same name; only its owner can know whether they are one.
"""

from typing import Any

import orjson
from sqlalchemy import bindparam, delete, insert, select, tuple_

from schemas.events.members import Organisation
from schemas.http.members import Contact, OrganisationBody
from services.chassis.web.faults import codebook_of, refuse_faults
from services.chassis.web.operation import Answer, Unit
from services.members import events
from services.members.commands.storing import Change, locked, store, token_of
from services.members.commands.tree import check_parent
from services.members.queries import Row, contact_of, same_name, view
from services.members.rules import rights
from services.members.rules.faults import body_faults, standing_faults
from services.members.rules.problems import DuplicateExternalId, refuse_writer
from services.members.rules.recording import recorded
from services.members.tables import CONTACTS, EXTERNAL_IDS

_TAKEN = select(EXTERNAL_IDS).where(
    tuple_(EXTERNAL_IDS.c.scheme, EXTERNAL_IDS.c.value).in_(bindparam("pairs", expanding=True)),
    EXTERNAL_IDS.c.organisation != bindparam("this_id"),
)
_LET_GO = delete(EXTERNAL_IDS).where(EXTERNAL_IDS.c.organisation == bindparam("this_id"))
_TAKE = insert(EXTERNAL_IDS)
_FORGET_CONTACT = delete(CONTACTS).where(CONTACTS.c.id == bindparam("this_id"))
_KEEP_CONTACT = insert(CONTACTS)


async def put_organisation(unit: Unit, *, organisation_id: str, body: OrganisationBody) -> Answer:
    """Register or replace an organisation; 201 for a new one, 200 otherwise, with warnings.

    Raises Forbidden or Unauthenticated, OrganisationErased, PreconditionRequired, StaleRevision, InvalidBody (all faults at once), DuplicateExternalId.
    """
    if not rights.may_write(organisation_id, roles=unit.principal.roles, own=unit.principal.organisation):
        refuse_writer(unit.principal)
    before = await locked(unit, organisation_id)
    unit.check_match(None if before is None else before["revision"])
    codebook = codebook_of(unit.runtime)
    faults = body_faults(body, today=unit.now.date(), codebook=codebook)
    held = None if before is None else Organisation.model_validate_json(before["record"])
    if not rights.keeps_standing(unit.principal.roles):
        faults += standing_faults(body, before=held)
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
    since = recorded(record, held=held, today=unit.now.date())
    record = record.model_copy(update={"recorded": since})
    warnings = await _warnings(unit, record)
    if before is not None and await _unchanged(unit, record, body.contact, before=before):
        revision = before["revision"]
        await unit.audit(
            action="organisation.unchanged", subject=organisation_id, before=revision, after=revision
        )
        return await _answer(unit, before, contact=body.contact, status=200, warnings=warnings)
    new = before is None
    await _check_external_ids(unit, record)
    row = await store(unit, Change(record, before, "registered" if new else "revised"))
    await _replace_contact(unit, organisation_id, body.contact, new=new)
    await _replace_external_ids(unit, record, new=new)
    return await _answer(unit, row, contact=body.contact, status=201 if new else 200, warnings=warnings)


async def _unchanged(unit: Unit, record: Organisation, contact: Contact, *, before: Row) -> bool:
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
    found = await unit.connection.execute(_TAKEN, {"pairs": pairs, "this_id": record.id})
    taken = {(row["scheme"], row["value"]): row["organisation"] for row in found.mappings()}
    if taken:
        raise DuplicateExternalId.of(pairs, taken, named=rights.may_search_profiles(unit.principal.roles))


async def _replace_external_ids(unit: Unit, record: Organisation, *, new: bool) -> None:
    if not new:
        await unit.connection.execute(_LET_GO, {"this_id": record.id})
    if record.external_ids:
        rows = [
            {"scheme": one.scheme, "value": one.value, "organisation": record.id}
            for one in record.external_ids
        ]
        await unit.connection.execute(_TAKE, rows)


async def _replace_contact(unit: Unit, organisation_id: str, contact: Contact, *, new: bool) -> None:
    if not new:
        await unit.connection.execute(_FORGET_CONTACT, {"this_id": organisation_id})
    await unit.connection.execute(_KEEP_CONTACT, {"id": organisation_id, **contact.model_dump()})


async def _answer(
    unit: Unit, row: Row, *, contact: Contact, status: int, warnings: list[dict[str, Any]]
) -> Answer:
    shown = rights.view_of(row["id"], roles=unit.principal.roles, own=unit.principal.organisation)
    body = view(row, shown=shown, contact=contact.model_dump(exclude_none=True))
    body |= {"warnings": warnings, "token": await token_of(unit, row)}
    headers = {"Location": f"/v1/organisations/{row['id']}"} if status == 201 else {}
    return Answer(status=status, body=body, revision=row["revision"], headers=headers)
