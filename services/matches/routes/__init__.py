"""The HTTP addresses of this service; each route asks one query or one command and computes nothing itself."""

from fastapi import APIRouter

from services.chassis.web import audit, dead_letters
from services.matches.routes import (
    atom,
    exports,
    exposure,
    feeds,
    lists,
    opportunities,
    ranking,
    streams,
    versions,
)
from services.matches.tables import METADATA


def routers() -> tuple[APIRouter, ...]:
    """Return the routers of all prefixes of this service."""
    return (
        lists.router(),
        versions.router(),
        opportunities.router(),
        exposure.router(),
        feeds.router(),
        atom.router(),
        exports.router(),
        streams.router(),
        *ranking.routers(),
        audit.router("matches", METADATA.tables["audit"]),
        dead_letters.router("matches"),
    )
