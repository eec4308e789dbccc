"""`/v1/exposure`: who is shown on the lists of open projects, by groups for everybody, and for an organisation its own."""

from fastapi import APIRouter, Request, Response

from schemas.http.exposure import ExposureAnswer, OrganisationExposure
from services.chassis.identity.principal import principal_of
from services.chassis.web.access import PUBLIC
from services.chassis.web.openapi import refusals
from services.chassis.web.reading import respond
from services.chassis.web.runtime import runtime_in
from services.matches.queries import exposure as queries
from services.matches.routes.parameters import OrganisationId
from services.matches.rules import rights


def router() -> APIRouter:
    """Return the routes of exposure."""
    routes = APIRouter(prefix="/v1/exposure", tags=["lists"])

    @routes.get(
        "",
        operation_id="get_exposure",
        summary="Who is shown on the lists of open projects: how many, how evenly, by region, category, SME, LDC, newcomer",
        response_model=ExposureAnswer,
        openapi_extra=PUBLIC,
    )
    async def get_exposure(request: Request) -> Response:
        """For everybody in cells of at least five organisations; offices, BDT and auditors see every cell."""
        whole = principal_of(request).has(*rights.READ_EVERY_LIST)
        body = await queries.report(runtime_in(request), view="every_cell" if whole else "cells_of_five")
        return respond(request, body)

    @routes.get(
        "/organisations/{organisation_id}",
        operation_id="get_organisation_exposure",
        summary="What the lists of open projects give to one organisation in attention, and what it deserves",
        response_model=OrganisationExposure,
        responses=refusals(rights.ListRestricted),
    )
    async def get_organisation_exposure(request: Request, organisation_id: OrganisationId) -> Response:
        """For its own people, offices, BDT and auditors: sums over all lists, never a rank."""
        organisation = str(organisation_id)
        rights.require_exposure(principal_of(request), organisation)
        return respond(request, await queries.of_organisation(runtime_in(request), organisation))

    return routes
