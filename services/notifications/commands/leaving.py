"""What ends when an organisation is erased: its subscriptions, its endpoints, and every address and message.

*Never:* delete the audit trail, which holds ids and no words.
"""

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.tables import (
    DELIVERIES,
    DISMISSALS,
    ENDPOINTS,
    NOTICES,
    SECRETS,
    SUBSCRIPTIONS,
)

UNENDED = ("pending", "sending", "retrying")
"""The states of a message that may still be sent."""


async def forget_organisation(connection: AsyncConnection, organisation: str, *, now: str) -> None:
    """End everything that an erased organisation had here, and empty what it said."""
    endpoints = select(ENDPOINTS.c.id).where(ENDPOINTS.c.organisation == organisation)
    await connection.execute(delete(SECRETS).where(SECRETS.c.endpoint.in_(endpoints)))
    await connection.execute(
        update(ENDPOINTS)
        .where(ENDPOINTS.c.organisation == organisation)
        .values(state="deleted", url="", description=None, changed_at=now, revision=ENDPOINTS.c.revision + 1)
    )
    await connection.execute(
        update(SUBSCRIPTIONS)
        .where(SUBSCRIPTIONS.c.organisation == organisation)
        .values(
            state="ended",
            email=None,
            conditions=b"{}",
            next_digest_at=None,
            changed_at=now,
            revision=SUBSCRIPTIONS.c.revision + 1,
        )
    )
    await connection.execute(
        update(NOTICES).where(NOTICES.c.organisation == organisation).values(data=None, state="dropped")
    )
    await connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.organisation == organisation, DELIVERIES.c.state.in_(UNENDED))
        .values(state="cancelled", ended_at=now)
    )
    await connection.execute(
        update(DELIVERIES).where(DELIVERIES.c.organisation == organisation).values(body=None)
    )
    await connection.execute(delete(DISMISSALS).where(DISMISSALS.c.organisation == organisation))


async def forget_project(connection: AsyncConnection, project: str, *, now: str) -> None:
    """Empty what was said of an erased project; what has not been sent yet is not sent."""
    about = select(NOTICES.c.delivery).where(NOTICES.c.project == project, NOTICES.c.delivery.is_not(None))
    await connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.id.in_(about), DELIVERIES.c.state.in_(("pending", "retrying")))
        .values(state="cancelled", ended_at=now)
    )
    await connection.execute(update(DELIVERIES).where(DELIVERIES.c.id.in_(about)).values(body=None))
    await connection.execute(
        update(NOTICES).where(NOTICES.c.project == project).values(data=None, state="dropped")
    )


async def cancel_unsent(connection: AsyncConnection, *, subscription: str, now: str) -> None:
    """Cancel what a subscription that has ended or is paused has not been sent yet."""
    await connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.subscription == subscription, DELIVERIES.c.state.in_(("pending", "retrying")))
        .values(state="cancelled", ended_at=now)
    )
    await connection.execute(
        update(NOTICES)
        .where(NOTICES.c.subscription == subscription, NOTICES.c.state.in_(("waiting", "ready")))
        .values(state="dropped")
    )
