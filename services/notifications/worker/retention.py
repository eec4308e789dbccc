"""The delivery log and the notices let go of what is old: messages that have ended, with every try, and what was told long ago.

Subscriptions that have ended go as late as notices do, for links of their mails are about for as long.

*What.* A batch a transaction, so many batches a step; beyond that the next step goes on. How often an address was asked is
forgotten after a day, too. What has waited as long for an endpoint that is not verified or is paused is cancelled: `recover` finds it
until it goes in its turn, so nothing grows without end. *Why the newest notice of a project stays while that is open.* It is how a
subscriber is known to have been told; that the same is not told twice is in what was last told of pairs and lists, which stays.
*Never:* a message that may still be sent, however old, one whose end lies within the time that a cap of mails looks back on, or a
question whose answer is waited for, or one that is made anew; a notice whose message is in the log, by which an erasure finds it.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Column, ColumnElement, Table, and_, delete, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import ENDPOINT_PINGED
from services.chassis.runtime import Runtime, timestamp
from services.chassis.web import idempotency
from services.notifications.mail.letters import CONFIRMATION
from services.notifications.rules.yearly import ANSWER_WITHIN, ASKED_WITHIN
from services.notifications.tables import (
    ATTEMPTS,
    DELIVERIES,
    ENDPOINTS,
    NOTICES,
    PROJECTS,
    QUESTIONS,
    SUBSCRIPTIONS,
)
from services.notifications.worker.knowing import later
from services.notifications.worker.yearly import YEARLY

BATCH = 500
BATCHES = 20
"""Of one step; the herald comes again within a minute or so."""


_OVER = NOTICES.c.project.in_(
    select(PROJECTS.c.id).where(
        PROJECTS.c.state.in_(("closed", "withdrawn", "erased")), PROJECTS.c.ending.is_(None)
    )
)
"""Whether a notice's project has ended, and those who were told of it were told of that."""


async def step(runtime: Runtime) -> int:
    """Delete what is due to go, as far as one step may; returns how many messages that were."""
    kept = timedelta(days=runtime.settings.notifications.delivery_days)
    before = timestamp(runtime.clock.now() - kept)
    waited_for = timestamp(runtime.clock.now() - ANSWER_WITHIN)
    gone = 0
    async with runtime.database.write() as connection:
        await idempotency.forget_expired(connection, now=runtime.clock.now())
        counted_since = timestamp(runtime.clock.now() - ASKED_WITHIN)
        await connection.execute(delete(QUESTIONS).where(QUESTIONS.c.asked_since <= counted_since))
    for _ in range(BATCHES):
        async with runtime.database.write() as connection:
            batch = await _batch(connection, before, waited_for)
        gone += batch
        if batch < BATCH:
            break
    for _ in range(BATCHES):
        async with runtime.database.write() as connection:
            if await _give_up_waiting(connection, before, now=timestamp(runtime.clock.now())) < BATCH:
                break
    await _forget_notices(runtime)
    await _forget_subscriptions(runtime)
    return gone


async def _forget_notices(runtime: Runtime) -> None:
    """Delete the oldest notices that need not be kept, as far as one step may."""
    passed = (
        NOTICES.c.made_at < _long_ago(runtime),
        NOTICES.c.delivery.is_(None),
        or_(NOTICES.c.state == "dropped", later("sent"), and_(_OVER, not_(later("waiting", "ready")))),
    )
    await _forget(runtime, NOTICES, passed, by=NOTICES.c.made_at)


async def _forget_subscriptions(runtime: Runtime) -> None:
    """Delete what has ended long ago and of which no notice and no message is kept, as far as one step may."""
    passed = (
        SUBSCRIPTIONS.c.state == "ended",
        SUBSCRIPTIONS.c.changed_at < _long_ago(runtime),
        ~select(NOTICES.c.id).where(NOTICES.c.subscription == SUBSCRIPTIONS.c.id).exists(),
        ~select(DELIVERIES.c.id).where(DELIVERIES.c.subscription == SUBSCRIPTIONS.c.id).exists(),
    )
    await _forget(runtime, SUBSCRIPTIONS, passed, by=SUBSCRIPTIONS.c.changed_at)


def _long_ago(runtime: Runtime) -> str:
    return timestamp(runtime.clock.now() - timedelta(days=runtime.settings.notifications.notice_days))


async def _forget(
    runtime: Runtime, table: Table, passed: Sequence[ColumnElement[bool]], *, by: Column[str]
) -> None:
    """Delete the oldest of these rows, as far as one step may."""
    oldest = select(table.c.id).where(*passed).order_by(by).limit(BATCH)
    for _ in range(BATCHES):
        async with runtime.database.read() as connection:
            found = (await connection.scalars(oldest)).all()
        if found:
            async with runtime.database.write() as connection:
                await connection.execute(delete(table).where(table.c.id.in_(found), *passed))
        if len(found) < BATCH:
            break


async def _give_up_waiting(connection: AsyncConnection, before: str, *, now: str) -> int:
    held = select(ENDPOINTS.c.id).where(ENDPOINTS.c.state.in_(("pending", "paused")))
    waiting = (
        select(DELIVERIES.c.id)
        .where(
            DELIVERIES.c.state.in_(("pending", "retrying")),
            DELIVERIES.c.due_at < before,
            DELIVERIES.c.endpoint.in_(held),
            DELIVERIES.c.type != ENDPOINT_PINGED,
        )
        .order_by(DELIVERIES.c.due_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    found = (await connection.scalars(waiting)).all()
    if found:
        await connection.execute(
            update(DELIVERIES).where(DELIVERIES.c.id.in_(found)).values(state="cancelled", ended_at=now)
        )
    return len(found)


async def _batch(connection: AsyncConnection, before: str, waited_for: str) -> int:
    old = (
        select(DELIVERIES.c.id)
        .where(
            DELIVERIES.c.ended_at < before,  # NULL while it may still be sent
            or_(DELIVERIES.c.type.not_in((CONFIRMATION, YEARLY)), DELIVERIES.c.ended_at < waited_for),
            ~select(NOTICES.c.id)
            .where(NOTICES.c.delivery == DELIVERIES.c.id, NOTICES.c.state == "waiting")
            .exists(),
        )
        .order_by(DELIVERIES.c.ended_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    found = (await connection.scalars(old)).all()
    if found:
        theirs = NOTICES.c.delivery.in_(found)
        missed = select(DELIVERIES.c.id).where(
            DELIVERIES.c.id.in_(found), DELIVERIES.c.state.in_(("cancelled", "exhausted"))
        )
        await connection.execute(update(NOTICES).where(NOTICES.c.delivery.in_(missed)).values(unsure=True))
        await connection.execute(update(NOTICES).where(theirs).values(delivery=None))
        await connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.delivery.in_(found)))
        await connection.execute(delete(DELIVERIES).where(DELIVERIES.c.id.in_(found)))
    return len(found)
