"""What a clock that was ahead wrote, found once that clock has been put right: hours that nothing may lie so far from.

*What.* A try that lies further ahead than the schedule lets any is due now; what `Retry-After` asked for, were it the most that
is granted, has passed. *Why.* Nobody would find them until the time comes again: a month of silence for one wrong hour. *Never:*
send; quiet hours are looked at when the message leaves. Claims, digests and places have theirs where they are used.
"""

from sqlalchemy import and_, func, literal, or_, select, update

from services.chassis.runtime import Runtime, timestamp
from services.notifications.rules.cadence import FIRST_TRY, FURTHEST
from services.notifications.rules.schedule import LONGEST_APART, LONGEST_WAIT
from services.notifications.tables import DELIVERIES, ENDPOINTS, SUBSCRIPTIONS


async def step(runtime: Runtime) -> int:
    """Put right what lies too far ahead; returns how many messages and endpoints those were."""
    now = runtime.clock.now()
    shut = ENDPOINTS.c.not_before > timestamp(now + LONGEST_WAIT)
    told = select(SUBSCRIPTIONS.c.cadence).where(SUBSCRIPTIONS.c.id == DELIVERIES.c.subscription)
    cadence = func.coalesce(told.scalar_subquery(), literal("instant"))
    first_tries = [
        and_(
            DELIVERIES.c.due_at > timestamp(now + furthest), cadence == name, DELIVERIES.c.channel == channel
        )
        for channel, latest in (("webhook", FIRST_TRY), ("email", FURTHEST))
        for name, furthest in latest.items()
    ]
    far = or_(
        and_(DELIVERIES.c.state == "retrying", DELIVERIES.c.due_at > timestamp(now + LONGEST_APART)),
        and_(
            DELIVERIES.c.state == "pending",
            DELIVERIES.c.due_at > timestamp(now + min(FIRST_TRY.values())),
            or_(*first_tries),
        ),
    )
    async with runtime.database.read() as connection:
        found = await connection.scalar(
            select(
                or_(select(ENDPOINTS.c.id).where(shut).exists(), select(DELIVERIES.c.id).where(far).exists())
            )
        )
    if not found:
        return 0
    async with runtime.database.write() as connection:
        opened = await connection.execute(update(ENDPOINTS).where(shut).values(not_before=None))
        due = await connection.execute(update(DELIVERIES).where(far).values(due_at=timestamp(now)))
    return opened.rowcount + due.rowcount
