"""The HTTP addresses of this service; each route asks one command or one query and decides nothing itself."""

from fastapi import APIRouter

from services.chassis.web import audit, dead_letters
from services.notifications.routes import (
    deliveries,
    dismissals,
    endpoints,
    links,
    subscriptions,
    suppressions,
)
from services.notifications.tables import METADATA


def routers() -> tuple[APIRouter, ...]:
    """Return every router of this service."""
    return (
        subscriptions.router(),
        endpoints.router(),
        deliveries.router(),
        dismissals.router(),
        links.router(),
        suppressions.router(),
        audit.router("notifications", METADATA.tables["audit"]),
        dead_letters.router("notifications"),
    )
