"""The HTTP addresses of this service; each route asks one command or one query and shapes nothing itself."""

from fastapi import APIRouter

from services.chassis.web import audit, dead_letters
from services.projects.routes import flagships, lifecycle, projects
from services.projects.tables import METADATA


def routers() -> tuple[APIRouter, ...]:
    """Return the routers of `/v1/projects`, `/v1/flagships`, the audit trail and the dead letters."""
    return (
        projects.router(),
        lifecycle.router(),
        flagships.router(),
        audit.router("projects", METADATA.tables["audit"]),
        dead_letters.router("projects"),
    )
