"""The HTTP addresses of `identity`."""

from fastapi import APIRouter

from services.chassis.web import audit
from services.identity.routes import clients, people, tokens
from services.identity.tables import AUDIT


def routers() -> tuple[APIRouter, ...]:
    """Return every router of this service."""
    return (tokens.router(), clients.router(), people.router(), audit.router("identity", AUDIT))
