"""The way back out of the list of addresses that no mail is sent to: somebody who looked into it lifts the entry.

*What.* The entry goes, and the subscriptions that were refused for it are written to again. *Never:* say who is on the list; it holds keyed hashes, and an address has to be known to be asked for.
"""

from sqlalchemy import delete, select, update

from schemas.http.notifications import LiftBody
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import NotFound
from services.notifications.commands.subscriptions import first_digest, holds_news
from services.notifications.rules import rights
from services.notifications.rules.keys import Keys, keys_of
from services.notifications.tables import SUBSCRIPTIONS, SUPPRESSIONS


async def lift_suppression(unit: Unit, *, body: LiftBody) -> Answer:
    """Let mails go to an address again that its server had refused; 204. Raises Unauthenticated, Forbidden, NotFound."""
    rights.require_support(unit.principal)
    keys = keys_of(unit.runtime.state)
    hashed = keys.address_hash(body.email)
    lifted = await unit.connection.execute(delete(SUPPRESSIONS).where(SUPPRESSIONS.c.address_hash == hashed))
    taken_up = await _take_up(unit, keys, hashed)
    if not lifted.rowcount and not taken_up:
        raise NotFound
    await unit.audit(action="suppression.lifted", subject=hashed, before=None, after=None)
    return Answer(status=204)


async def _take_up(unit: Unit, keys: Keys, hashed: str) -> int:
    """Have the subscriptions with the address written to again, what has waited with the next digest; how many those were.

    Also without an entry: a mail may have found it while it was being lifted.
    """
    taken_up = 0
    refused = (
        select(SUBSCRIPTIONS)
        .where(SUBSCRIPTIONS.c.refused_at.is_not(None), SUBSCRIPTIONS.c.email.is_not(None))
        .order_by(SUBSCRIPTIONS.c.id)
        .with_for_update()
    )
    for found in (await unit.connection.execute(refused)).mappings().all():
        if keys.address_hash(found["email"]) != hashed:
            continue
        taken_up += 1
        row = {**found, "refused_at": None}
        due = first_digest(unit, row, held=await holds_news(unit, row["id"]))
        await unit.connection.execute(
            update(SUBSCRIPTIONS)
            .where(SUBSCRIPTIONS.c.id == row["id"])
            .values(
                refused_at=None,
                next_digest_at=due if row["state"] == "active" else None,
                changed_at=timestamp(unit.now),
                revision=row["revision"] + 1,
            )
        )
    return taken_up
