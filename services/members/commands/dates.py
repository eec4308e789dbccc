"""What a date alone changes in a record: it becomes dormant, or its membership changes state.

*What.* The owner writes such a change as a revision of its own, because ranking reads no clock. *Why one
transaction each.* A row that cannot be changed now must not hold up the others. *Never:* touch a record that a
person changed meanwhile; the row is read again under its lock.
"""

from datetime import date

import orjson
from sqlalchemy import select, update

from schemas.events.members import Organisation
from services.chassis.identity.principal import Principal
from services.chassis.runtime import Runtime
from services.chassis.web.conditions import Conditions
from services.chassis.web.operation import Unit
from services.members.commands.storing import Change, locked, store
from services.members.rules.problems import OrganisationErased
from services.members.rules.standing import dormant, membership_state, next_change
from services.members.tables import ORGANISATIONS

SYSTEM = Principal("comity:members", frozenset({"public"}))
"""Who stands in the history for what a date did."""

BATCH = 200


async def apply_dates(runtime: Runtime) -> int:
    """Write every revision that is due today (UTC) and return how many were written."""
    written = 0
    while True:
        today = runtime.clock.now().date()
        async with runtime.database.read() as connection:
            query = select(ORGANISATIONS.c.id).where(ORGANISATIONS.c.next_change_on <= today.isoformat())
            due = (await connection.scalars(query.order_by(ORGANISATIONS.c.id).limit(BATCH))).all()
        for organisation_id in due:
            written += await _apply(runtime, organisation_id, today=today)
        if len(due) < BATCH:
            return written


async def _apply(runtime: Runtime, organisation_id: str, *, today: date) -> bool:
    async with runtime.database.write() as connection:
        unit = Unit(
            connection=connection,
            principal=SYSTEM,
            runtime=runtime,
            now=runtime.clock.now(),
            conditions=Conditions(None, None),
            request_id=f"dates-{today.isoformat()}",
        )
        try:
            before = await locked(unit, organisation_id)
        except OrganisationErased:
            return False
        if before is None or before["next_change_on"] is None or before["next_change_on"] > today.isoformat():
            return False
        held = Organisation.model_validate(orjson.loads(before["record"]))
        falls_dormant = held.state == "active" and dormant(held.review_by, today)
        member_changes = membership_state(held.membership, today) != before["membership_state"]
        if not falls_dormant and not member_changes:
            following = next_change(held, today)
            await connection.execute(
                update(ORGANISATIONS)
                .where(ORGANISATIONS.c.id == organisation_id)
                .values(next_change_on=None if following is None else following.isoformat())
            )
            return False
        state = "dormant" if falls_dormant else held.state
        record = held.model_copy(update={"revision": held.revision + 1, "state": state})
        why = (
            f"review_by {held.review_by} has passed"
            if falls_dormant
            else "a term of membership began or ended"
        )
        action = "dormant" if falls_dormant else "membership_changed"
        await store(unit, Change(record, before, action, why))
        return True
