"""How a revision is stored: the organisation's row first, then its history, and last its event.

*What.* The one way by which an organisation's row changes. *Why.* The outbox row must follow the row in the same
transaction, for the lock on that row makes the order of events the order of commits. *Never:* decide whether a
change is allowed, or commit.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import bindparam, insert, select, update

from schemas.envelope import Sequence
from schemas.events.members import Organisation
from schemas.http.write_token import write_token
from services.chassis.bus import incarnation
from services.chassis.reference import Reference
from services.chassis.runtime import timestamp
from services.chassis.web.faults import codebook_of
from services.chassis.web.operation import Unit
from services.members import events
from services.members.queries import Row
from services.members.rules.names import name_key
from services.members.rules.problems import OrganisationErased
from services.members.rules.standing import membership_state, next_change
from services.members.tables import ORGANISATIONS, REVISIONS

_FOR_CHANGE = select(ORGANISATIONS).where(ORGANISATIONS.c.id == bindparam("this_id")).with_for_update()
_ADD = insert(ORGANISATIONS)
_REPLACE = update(ORGANISATIONS).where(ORGANISATIONS.c.id == bindparam("this_id"))
_ADD_REVISION = insert(REVISIONS)


@dataclass(frozen=True, slots=True)
class Change:
    """A revision about to be written: the record, what was there, what is done, why."""

    record: Organisation
    before: Row | None
    action: str
    why: str | None = None


async def locked(unit: Unit, organisation_id: str) -> Row | None:
    """Return the organisation's row, locked until the commit; None if there is none. Raises OrganisationErased."""
    row = (await unit.connection.execute(_FOR_CHANGE, {"this_id": organisation_id})).mappings().first()
    if row is not None and row["state"] == "erased":
        raise OrganisationErased
    return cast("Row | None", row)


async def store(unit: Unit, change: Change) -> Row:
    """Write the row and its new revision, post the event, leave the audit row; return the row as it now is.

    What hangs on the row (contact, external ids) may be written before or after, in the same transaction.
    """
    row = await _write_row(unit, change)
    await unit.connection.execute(
        _ADD_REVISION,
        {
            "id": change.record.id,
            "revision": change.record.revision,
            "state": change.record.state,
            "action": change.action,
            "changed_by": unit.principal.id,
            "changed_at": row["revised_at"],
            "why": change.why,
            "record": row["record"],
        },
    )
    number = await incarnation.current(unit.connection)
    await unit.post(events.revised(change.record, incarnation=number, clock=unit.runtime.clock))
    await unit.audit(
        action=f"organisation.{change.action}",
        subject=change.record.id,
        before=None if change.before is None else change.before["revision"],
        after=change.record.revision,
        why=change.why,
    )
    return row


async def token_of(unit: Unit, row: Row) -> dict[str, str]:
    """Return the token of a revision: with it, the candidates of a project can be waited for until it counts."""
    sequence = Sequence(await incarnation.current(unit.connection), row["revision"])
    return write_token(events.TOPIC, row["id"], sequence)


async def _write_row(unit: Unit, change: Change) -> Row:
    now = timestamp(unit.now)
    reference = codebook_of(unit.runtime).reference
    values = columns(change.record, reference, unit.now.date()) | {"revised_at": now}
    if change.before is None:
        values["registered_at"] = now
        await unit.connection.execute(_ADD, values)
        return values
    await unit.connection.execute(_REPLACE, {"this_id": change.record.id} | values)
    return {**change.before, **values}


def columns(record: Organisation, reference: Reference, today: date) -> dict[str, Any]:
    """Return what the row of an organisation holds of its record: the record itself, and what queries filter by."""
    following = next_change(record, today)
    return {
        "id": record.id,
        "revision": record.revision,
        "state": record.state,
        "legal_name": record.legal_name,
        "name_key": name_key(record.legal_name),
        "category": record.category,
        "hq_country": record.hq_country,
        "region": reference.region_of(record.hq_country),
        "sme": record.sme is not None and record.sme.flag,
        "fictional": record.fictional,
        "parent": record.parent,
        "membership_state": membership_state(record.membership, today),
        "next_change_on": None if following is None else following.isoformat(),
        "record": events.encode_record(record),
    }
