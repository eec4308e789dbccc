"""Notifications: who has asked to hear, hears; once, with the reason, and all in the same cycle.

Owns subscriptions, webhook endpoints, dismissals, and every message on its way. It decides by the floor and by what the
subscriber asked for, never by a rank, and it has nothing to say that the public page does not show at the same time.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from services.chassis.reference import load_reference
from services.chassis.runtime import Runtime, Service
from services.notifications.commands.endpoints import REACH
from services.notifications.consumers import READER, REFERENCE
from services.notifications.routes import routers
from services.notifications.rules.keys import Keys
from services.notifications.tables import DELIVERIES, METADATA, NOTICES
from services.notifications.worker.cycles import KEYS
from services.notifications.worker.guard import reach_of
from services.notifications.worker.loops import CONSUMER, loops


async def startup(runtime: Runtime) -> None:
    """Load the published lists, the keys, and what webhooks may reach."""
    runtime.state[REFERENCE] = load_reference()
    runtime.state[KEYS] = Keys.of(runtime.settings)
    runtime.state[REACH] = reach_of(runtime.settings)


async def progress(runtime: Runtime) -> Mapping[str, Any]:
    """Return how far the log was read, and how many notices and messages wait."""
    async with runtime.database.read() as connection:
        waiting = await connection.scalar(select(func.count()).where(NOTICES.c.state == "waiting"))
        unsent = select(func.count()).where(DELIVERIES.c.state.in_(("pending", "sending", "retrying")))
        unsent_count = await connection.scalar(unsent)
    figures: dict[str, Any] = {"notices_waiting": waiting, "messages_unsent": unsent_count}
    consumer = runtime.state.get(CONSUMER)
    return figures if consumer is None else figures | {"consumers": {READER.group: await consumer.progress()}}


SERVICE = Service(
    name="notifications",
    title="Who hears of what: subscriptions, webhooks, digests by e-mail, and every message with its reason.",
    prefixes=(
        "/v1/subscriptions",
        "/v1/subscription-previews",
        "/v1/endpoints",
        "/v1/deliveries",
        "/v1/notices",
        "/v1/dismissals",
        "/v1/mail-links",
        "/v1/audit/notifications",
        "/v1/dead-letters/notifications",
    ),
    metadata=METADATA,
    routers=routers,
    readers=(READER,),
    loops=loops,
    startup=startup,
    progress=progress,
)
