"""An organisation leaves: withdrawn for the time being, or erased for good.

*What.* Withdrawal is a revision that takes it out of all open lists; writing the profile anew brings it back. Erasure
empties every text and the contact, frees the external ids, leaves the bare row and sends a tombstone. *Never:*
delete the audit trail, which holds ids and no words of the profile.
"""

import orjson
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events.members import Organisation
from services.chassis.bus import incarnation
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import NotFound
from services.members import events
from services.members.commands.storing import Change, locked, store, token_of
from services.members.queries import view
from services.members.rules import rights
from services.members.rules.problems import OrganisationWithdrawn, refuse_writer
from services.members.tables import CONTACTS, EXTERNAL_IDS, METADATA, ORGANISATIONS, REVISIONS


async def withdraw_organisation(unit: Unit, *, organisation_id: str, reason: str) -> Answer:
    """Take an organisation out of all open lists. Its own editors and BDT may.

    Raises Forbidden, NotFound, OrganisationErased, OrganisationWithdrawn, PreconditionRequired, StaleRevision.
    """
    if not rights.may_write(organisation_id, roles=unit.principal.roles, own=unit.principal.organisation):
        refuse_writer(unit.principal)
    before = await locked(unit, organisation_id)
    if before is None:
        raise NotFound
    unit.check_match(before["revision"])
    if before["state"] == "withdrawn":
        raise OrganisationWithdrawn
    held = orjson.loads(before["record"])
    record = Organisation.model_validate(held | {"revision": before["revision"] + 1, "state": "withdrawn"})
    row = await store(unit, Change(record, before, "withdrawn", reason))
    # The answer is kept for Idempotency-Key, so it must not hold a contact that erasure could not reach.
    body = view(row, shown="profile", contact=None) | {"token": await token_of(unit, row)}
    return Answer(body=body, revision=record.revision)


async def erase_organisation(unit: Unit, *, organisation_id: str) -> Answer:
    """Erase an organisation for good; 204. Its own administrator and BDT's may.

    Raises Forbidden, NotFound, OrganisationErased, PreconditionRequired, StaleRevision.
    """
    if not rights.may_erase(organisation_id, roles=unit.principal.roles, own=unit.principal.organisation):
        refuse_writer(unit.principal)
    before = await locked(unit, organisation_id)
    if before is None:
        raise NotFound
    unit.check_match(before["revision"])
    revision, now = before["revision"] + 1, timestamp(unit.now)
    connection = unit.connection
    await empty_organisation(connection, organisation_id, revision=revision, moment=now)
    await connection.execute(
        REVISIONS.insert().values(
            id=organisation_id,
            revision=revision,
            state="erased",
            action="erased",
            changed_by=unit.principal.id,
            changed_at=now,
        )
    )
    number = await incarnation.current(connection)
    await unit.post(
        events.erased(organisation_id, revision=revision, incarnation=number, clock=unit.runtime.clock)
    )
    await unit.audit(
        action="organisation.erased", subject=organisation_id, before=before["revision"], after=revision
    )
    return Answer(status=204)


async def empty_organisation(
    connection: AsyncConnection, organisation_id: str, *, revision: int, moment: str
) -> None:
    """Take every word of an organisation and its contact out of the tables; the bare row stays for its id."""
    await connection.execute(
        update(ORGANISATIONS)
        .where(ORGANISATIONS.c.id == organisation_id)
        .values(
            revision=revision,
            state="erased",
            legal_name="",
            name_key="",
            category="",
            hq_country="",
            region=None,
            sme=False,
            parent=None,
            membership_state="none",
            next_change_on=None,
            revised_at=moment,
            record=None,
        )
    )
    await connection.execute(
        update(REVISIONS).where(REVISIONS.c.id == organisation_id).values(record=None, why=None)
    )
    await connection.execute(delete(CONTACTS).where(CONTACTS.c.id == organisation_id))
    await connection.execute(delete(EXTERNAL_IDS).where(EXTERNAL_IDS.c.organisation == organisation_id))
    # An answer kept for Idempotency-Key holds the profile's words.
    kept = METADATA.tables["idempotency"]
    await connection.execute(delete(kept).where(kept.c.route.like(f"/v1/organisations/{organisation_id}/%")))
