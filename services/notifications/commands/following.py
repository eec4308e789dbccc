"""What has not arrived goes where its subscription has it sent now: another endpoint, another address, another channel.

*What.* Whoever saves a subscription finds what waits; the dispatcher, once a try has failed, what was out meanwhile. *Why.* Who
has left a receiver or a mailbox reads there no more. *Why nothing twice.* A webhook keeps its id and its tries; by another
channel only what was surely not taken is told again, as what is so by then: it was never tried, or every try was refused in words. *Never:* send to
an endpoint or an address that is not verified; what follows there waits, as all that comes up for it.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, case, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.commands.leaving import open_digests
from services.notifications.rules.schedule import FAULT
from services.notifications.tables import ATTEMPTS, DELIVERIES, ENDPOINTS, NOTICES, SUBSCRIPTIONS

_WAITS = DELIVERIES.c.state.in_(("pending", "retrying"))
_NOT_ARRIVED = ("pending", "retrying", "exhausted", "cancelled")
_MAY_HAVE_ARRIVED = (
    select(ATTEMPTS.c.delivery)
    .where(
        ATTEMPTS.c.delivery == DELIVERIES.c.id,
        or_(
            ATTEMPTS.c.outcome.is_(None),
            ATTEMPTS.c.outcome == "interrupted",
            ATTEMPTS.c.error.in_(("timeout", "reset", "too_large", FAULT)),
            ATTEMPTS.c.status.in_((502, 504)),  # a gateway had no answer to what it may have passed on
        ),
    )
    .exists()
)
"""Whether some try of a message has no answer that says that it was not taken."""


async def follow(
    connection: AsyncConnection,
    about: ColumnElement[bool],
    *,
    now: str,
    subscriptions: Sequence[str] = (),
    due: str | None = None,
) -> None:
    """Have these messages follow their subscriptions, and the news that waits for a mail of these subscriptions.

    What waits between two tries is due at `due`, with the whole schedule before it; None: when it was due anyway.
    """
    await _to_another_endpoint(connection, about, now=now, due=due)
    by_mail = select(SUBSCRIPTIONS.c.id).where(
        SUBSCRIPTIONS.c.channel == "email", SUBSCRIPTIONS.c.state == "active"
    )
    opened = await open_digests(connection, and_(about, DELIVERIES.c.subscription.not_in(by_mail)), now=now)
    await _from_mail(connection, about, [*subscriptions, *opened], now=now)
    await _from_webhook(connection, about, now=now)


async def keep_hours(connection: AsyncConnection, subscription: str, *, due: str) -> None:
    """Have webhooks of a subscription that nobody tried yet come at the hour at which it has them come now."""
    await connection.execute(
        update(DELIVERIES)
        .where(
            DELIVERIES.c.subscription == subscription,
            DELIVERIES.c.channel == "webhook",
            DELIVERIES.c.state == "pending",
            DELIVERIES.c.attempts == 0,
        )
        .values(due_at=due)
    )


async def _to_another_endpoint(
    connection: AsyncConnection, about: ColumnElement[bool], *, now: str, due: str | None
) -> None:
    """Move what has not arrived, also what was given up, so that `recover` finds it where the subscription is now."""
    chosen = (
        select(SUBSCRIPTIONS.c.endpoint)
        .where(SUBSCRIPTIONS.c.id == DELIVERIES.c.subscription)
        .scalar_subquery()
    )
    values: dict[str, Any] = {"endpoint": chosen}
    if due is not None:
        between = DELIVERIES.c.state == "retrying"
        values["due_at"] = case((between, due), else_=DELIVERIES.c.due_at)
        values["earlier"] = case((between, DELIVERIES.c.attempts), else_=DELIVERIES.c.earlier)
    moved = await connection.scalars(
        update(DELIVERIES)
        .where(
            about,
            DELIVERIES.c.channel == "webhook",
            DELIVERIES.c.state.in_(_NOT_ARRIVED),
            chosen != DELIVERIES.c.endpoint,  # not true of one that has no endpoint now
        )
        .values(values)
        .returning(DELIVERIES.c.id)
    )
    found = moved.all()
    if found:
        disabled = select(ENDPOINTS.c.id).where(ENDPOINTS.c.state == "disabled")
        await connection.execute(
            update(DELIVERIES)
            .where(DELIVERIES.c.id.in_(found), _WAITS, DELIVERIES.c.endpoint.in_(disabled))
            .values(state="cancelled", ended_at=now)
        )


async def _from_mail(
    connection: AsyncConnection, about: ColumnElement[bool], subscriptions: Sequence[str], *, now: str
) -> None:
    """Tell what waits for a mail by the channel that there is instead; the feed has shown it already."""
    others = select(SUBSCRIPTIONS.c.id).where(SUBSCRIPTIONS.c.channel != "email")
    await connection.execute(
        update(DELIVERIES)
        .where(about, DELIVERIES.c.channel == "email", _WAITS, DELIVERIES.c.subscription.in_(others))
        .values(state="cancelled", ended_at=now)
    )
    if not subscriptions:
        return
    for channel, state in (("webhook", "waiting"), ("feed", "sent")):
        theirs = select(SUBSCRIPTIONS.c.id).where(
            SUBSCRIPTIONS.c.id.in_(subscriptions), SUBSCRIPTIONS.c.channel == channel
        )
        await connection.execute(
            update(NOTICES)
            .where(NOTICES.c.subscription.in_(theirs), NOTICES.c.state == "ready")
            .values(state=state)
        )


async def _from_webhook(connection: AsyncConnection, about: ColumnElement[bool], *, now: str) -> None:
    """Send no webhook any more where there is none now; what was surely not taken, be it given up, comes with a mail, if there are mails."""
    mails = select(SUBSCRIPTIONS.c.id).where(SUBSCRIPTIONS.c.channel == "email")
    others = select(SUBSCRIPTIONS.c.id).where(SUBSCRIPTIONS.c.channel != "webhook")
    theirs = and_(about, DELIVERIES.c.channel == "webhook", DELIVERIES.c.subscription.in_(others))
    read = select(DELIVERIES.c.id).where(theirs, DELIVERIES.c.attempts > 0, _MAY_HAVE_ARRIVED)
    await connection.execute(  # that was put back since
        update(NOTICES).where(NOTICES.c.delivery.in_(read), NOTICES.c.state == "waiting").values(state="sent")
    )
    untaken = select(DELIVERIES.c.id).where(
        theirs,
        DELIVERIES.c.state.in_(_NOT_ARRIVED),
        DELIVERIES.c.body.is_not(None),
        DELIVERIES.c.subscription.in_(mails),
        ~_MAY_HAVE_ARRIVED,
    )
    found = (await connection.scalars(untaken.order_by(DELIVERIES.c.id).with_for_update())).all()
    await connection.execute(
        update(NOTICES)
        .where(NOTICES.c.delivery.in_(found), NOTICES.c.state == "sent")
        .values(state="waiting", delivery=None)
    )
    await connection.execute(
        update(DELIVERIES)
        .where(or_(and_(theirs, _WAITS), DELIVERIES.c.id.in_(found)))
        .values(state="cancelled", body=None, ended_at=now)
    )
