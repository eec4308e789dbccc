"""What the routes of this service take from the address, and who may go on."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Request

from services.chassis.identity.principal import Principal, principal_of
from services.chassis.web.problems import Forbidden, Unauthenticated
from services.chassis.web.runtime import runtime_in
from services.members import queries
from services.members.queries import Row
from services.members.rules import rights
from services.members.rules.rights import View

OrganisationId = Annotated[
    UUID,
    Path(
        description="The organisation's id, a UUID that its client chose.",
        examples=["018f3c2a-7d10-7000-8000-000000000001"],
    ),
]


def shown_to(principal: Principal, organisation_id: str) -> View:
    """Return how much of an organisation a principal sees."""
    return rights.view_of(organisation_id, roles=principal.roles, own=principal.organisation)


async def profile_row(request: Request, organisation_id: str) -> Row:
    """Return the row for a caller who sees the profile. Raises Unauthenticated, Forbidden, NotFound, OrganisationErased."""
    principal = principal_of(request)
    if shown_to(principal, organisation_id) == "public":
        if principal.is_anonymous:
            raise Unauthenticated
        raise Forbidden("Only the organisation itself and those who see profiles may read this.")
    async with runtime_in(request).database.read() as connection:
        return await queries.one(connection, organisation_id)
