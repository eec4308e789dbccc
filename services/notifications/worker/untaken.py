"""Mails that no server took in all their tries: their news comes with the next digest, their question is asked anew.

*What.* In the transaction that records the last try, notices of a digest are ready again, and a yearly question counts as not
asked. *Why.* A mail server that was away for days has lost nobody's news; and as nothing was handed over, what comes later
is no second copy. *Never:* for what was refused for its address or for itself; that was an answer.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.runtime import timestamp
from services.notifications.queries.reading import quiet_of
from services.notifications.rules.cadence import next_digest
from services.notifications.tables import DELIVERIES, NOTICES, SUBSCRIPTIONS
from services.notifications.worker.digests import DIGEST
from services.notifications.worker.yearly import YEARLY


async def take_up_again(connection: AsyncConnection, deliveries: Sequence[str], *, now: datetime) -> None:
    """Take up what these mails had to say, of subscriptions that somebody asks for; one told at once has it the next morning."""
    if not deliveries:
        return
    untaken = (
        select(DELIVERIES.c.id.label("delivery"), DELIVERIES.c.type.label("kind"), SUBSCRIPTIONS)
        .join(SUBSCRIPTIONS, SUBSCRIPTIONS.c.id == DELIVERIES.c.subscription)
        .where(
            DELIVERIES.c.id.in_(deliveries),
            DELIVERIES.c.state == "exhausted",
            SUBSCRIPTIONS.c.state.in_(("active", "unconfirmed")),
        )
        .with_for_update(of=SUBSCRIPTIONS)
    )
    for row in [dict(one) for one in (await connection.execute(untaken)).mappings()]:
        whose = update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == row["id"])
        if row["kind"] == YEARLY:
            changed = {"revision": row["revision"] + 1, "changed_at": timestamp(now)}
            await connection.execute(whose.values(confirm_by=None, **changed))
        if row["kind"] != DIGEST:
            continue
        await connection.execute(
            update(NOTICES)
            .where(NOTICES.c.delivery == row["delivery"], NOTICES.c.state == "sent")
            .values(state="ready", delivery=None)
        )
        if row["next_digest_at"] is None:
            due = next_digest(now, "daily", quiet_of(row), row["time_zone"])
            await connection.execute(whose.values(next_digest_at=timestamp(due)))
