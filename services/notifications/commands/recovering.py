"""What is sent again because somebody asks: which webhooks may be, and those of them that are made anew first.

*What.* Of messages that have ended, by `recover` many, by `replay` one. *Why made anew.* What has not arrived names the deadline that holds when
it leaves. *Never:* send what was taken back, or is held.
"""

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.commands.leaving import DISMISSED, OUTDATED, RESTING
from services.notifications.tables import DELIVERIES, NOTICES, SUBSCRIPTIONS

WANTED = and_(
    or_(
        DELIVERIES.c.subscription.is_(None),
        DELIVERIES.c.subscription.in_(
            select(SUBSCRIPTIONS.c.id).where(
                SUBSCRIPTIONS.c.state == "active", SUBSCRIPTIONS.c.channel == "webhook"
            )
        ),
    ),
    DELIVERIES.c.id.not_in(
        select(NOTICES.c.delivery).where(
            or_(RESTING, DISMISSED, NOTICES.c.state == "dropped"), NOTICES.c.delivery.is_not(None)
        )
    ),
)
"""Whether a webhook may be sent again: none of a subscription that has ended, is paused or has none any more, nor of a project that rests or was dismissed, nor what was dropped."""


async def make_anew(connection: AsyncConnection, which: ColumnElement[bool], *, now: str) -> int:
    """Have those of these webhooks that name a deadline which holds no more wait, to be made anew under their ids; returns how many."""
    told = await connection.scalars(
        update(NOTICES)
        .where(
            NOTICES.c.delivery.in_(select(DELIVERIES.c.id).where(which)), OUTDATED, NOTICES.c.state == "sent"
        )
        .values(state="waiting")
        .returning(NOTICES.c.delivery)
    )
    outdated = list(told)
    if outdated:
        await connection.execute(
            update(DELIVERIES)
            .where(DELIVERIES.c.id.in_(outdated))
            .values(state="cancelled", body=None, due_at=now, ended_at=now)
        )
    return len(outdated)
