"""The HTTP addresses of this service; each route asks one command or one query and decides nothing itself."""

from fastapi import APIRouter

from services.chassis.web import audit
from services.members.routes import history, organisations, writing
from services.members.tables import METADATA


def routers() -> tuple[APIRouter, ...]:
    """Return the routers of `/v1/organisations` and `/v1/audit/members`."""
    return (
        organisations.router(),
        history.router(),
        writing.router(),
        audit.router("members", METADATA.tables["audit"]),
    )
