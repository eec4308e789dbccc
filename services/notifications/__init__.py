"""Notifications: who has asked to hear, hears; once, with the reason, and all in the same cycle.

Owns subscriptions, webhook endpoints, dismissals, and every message on its way. It decides by the floor and by what the
subscriber asked for, never by a rank, and it has nothing to say that the public page does not show at the same time.
"""

from schemas.webhooks.section import described
from services.chassis.reference import load_reference
from services.chassis.runtime import Runtime, Service
from services.notifications.commands.endpoints import REACH
from services.notifications.consumers import READER, REFERENCE
from services.notifications.routes import routers
from services.notifications.rules.keys import KEYS, Keys
from services.notifications.tables import METADATA
from services.notifications.worker.guard import reach_of
from services.notifications.worker.loops import loops
from services.notifications.worker.measuring import measure, progress


async def startup(runtime: Runtime) -> None:
    """Load the published lists, the keys, and what webhooks may reach."""
    runtime.state[REFERENCE] = load_reference()
    runtime.state[KEYS] = Keys.of(runtime.settings)
    runtime.state[REACH] = reach_of(runtime.settings)


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
        "/v1/suppressions",
        "/v1/audit/notifications",
        "/v1/dead-letters/notifications",
    ),
    unread_bodies=("/v1/mail-links/",),  # RFC 8058 §3.1: mail programs send a form, multipart by preference
    metadata=METADATA,
    routers=routers,
    readers=(READER,),
    webhooks=described,
    loops=loops,
    startup=startup,
    progress=progress,
    measure=measure,
)
