"""`/v1/opportunities`: the open projects on which an organisation stands above the floor."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from schemas.http.matches import Language
from schemas.http.opportunities import OpportunityPage
from services.chassis.identity.principal import principal_of
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import refusals
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.problems import InvalidParameter
from services.chassis.web.reading import page_links, respond
from services.chassis.web.runtime import runtime_in
from services.matches.queries.opportunities import opportunities
from services.matches.routes.parameters import language_in, told_in
from services.matches.rules import rights


def router() -> APIRouter:
    """Return the routes of opportunities."""
    routes = APIRouter(prefix="/v1/opportunities", tags=["lists"])

    @routes.get(
        "",
        operation_id="list_opportunities",
        summary="An organisation's open projects above the floor, the best fit first",
        response_model=OpportunityPage,
        responses=refusals(rights.ListRestricted),
    )
    async def list_opportunities(
        request: Request,
        organisation: Annotated[
            UUID | None, Query(description="Whose; without it, that of the token.")
        ] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
        language: Annotated[Language, Depends(language_in)] = "en",
    ) -> Response:
        """For its own people, offices and BDT: fit, band and reasons on each project, never a rank or a competitor."""
        principal = principal_of(request)
        asked = rights.speaks_for(principal) if organisation is None else str(organisation)
        if asked is None:
            raise InvalidParameter(
                "Name the organisation; your token speaks for none.",
                errors=[
                    {
                        "parameter": "organisation",
                        "rule": "speaks-for-none",
                        "detail": "It is missing.",
                        "fix": "Add ?organisation=<uuid>.",
                    }
                ],
            )
        rights.require_opportunities(principal, asked)
        kind = f"opportunities {asked}"
        after = None if cursor is None else tuple(cursors_of(request).unseal(kind, cursor, principal))
        body, last = await opportunities(
            runtime_in(request), asked, after=after, limit=limit, language=language
        )
        following = None if last is None else cursors_of(request).seal(kind, last, principal)
        links = page_links(request, following)
        return respond(request, body | {"next": following}, links=links, headers=told_in(language))

    return routes
