"""Webhooks that wait for their hour, or their endpoint, when more is to be told of the same project: they are made anew with it, as one.

*What.* Those that nobody could read yet, be their endpoint disabled, of subscriptions for which another word of the project is about to be made ready. *Why.* What
moved and came back before it could be read is nothing new, and of two that leave together the first is not true any more.
*Never:* touch what was tried: it may have been read.
"""

from collections.abc import Collection

from sqlalchemy import select

from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.leaving import UNREAD, put_back
from services.notifications.tables import DELIVERIES, NOTICES

AT_ONCE = 500
"""Subscriptions in one statement."""


async def put_back_held(runtime: Runtime, project: str, subscriptions: Collection[str]) -> bool:
    """Have what is held for these of a project wait again, beside what is new; whether there was any."""
    some = sorted(subscriptions)
    if not some:
        return False
    held: list[str] = []
    unread = select(DELIVERIES.c.id).where(DELIVERIES.c.id == NOTICES.c.delivery, UNREAD)
    async with runtime.database.read() as connection:
        for start in range(0, len(some), AT_ONCE):
            mine = NOTICES.c.subscription.in_(some[start : start + AT_ONCE])
            told = select(NOTICES.c.id).where(
                mine,
                NOTICES.c.project == project,
                NOTICES.c.state == "sent",
                NOTICES.c.fits.is_not(None),
                unread.exists(),
            )
            held += await connection.scalars(told)
    for start in range(0, len(held), AT_ONCE):
        async with runtime.database.write() as connection:
            which = NOTICES.c.id.in_(held[start : start + AT_ONCE])
            await put_back(connection, which, now=timestamp(runtime.clock.now()))
    return bool(held)
