"""`GET /v1/organisations/{id}/revisions`: what was done to an organisation, and how it stood."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from schemas.http.member_answers import RevisionPage, RevisionRecord
from services.chassis.identity.principal import principal_of
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import refusals
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.members import queries
from services.members.routes.parameters import OrganisationId, profile_row
from services.members.rules.problems import OrganisationErased


def router() -> APIRouter:
    """Return the routes of the history."""
    routes = APIRouter(prefix="/v1/organisations", tags=["organisations"])

    @routes.get(
        "/{organisation_id}/revisions",
        operation_id="list_organisation_revisions",
        summary="The history of an organisation, newest first",
        response_model=RevisionPage,
        responses=refusals(OrganisationErased),
    )
    async def list_revisions(
        request: Request, organisation_id: OrganisationId, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """Return what was done when and by whom, for those who see the profile."""
        principal = principal_of(request)
        await profile_row(request, str(organisation_id))
        kind = f"organisation-revisions {organisation_id}"
        before = None if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
        async with runtime_in(request).database.read() as connection:
            rows = await queries.history(connection, str(organisation_id), before=before, limit=limit + 1)
        last = rows[limit - 1]["revision"] if len(rows) > limit else None
        following = None if last is None else cursors_of(request).seal(kind, last, principal)
        return respond_page(request, [queries.entry(row) for row in rows[:limit]], next_cursor=following)

    @routes.get(
        "/{organisation_id}/revisions/{number}",
        operation_id="get_organisation_revision",
        summary="One revision of an organisation, whole",
        response_model=RevisionRecord,
        responses=refusals(OrganisationErased),
    )
    async def get_revision(
        request: Request,
        organisation_id: OrganisationId,
        number: Annotated[int, Path(ge=1, le=2**53, description="A revision's number, from 1 on.")],
    ) -> Response:
        """Return the record of that revision, for those who see the profile. Contacts have no history."""
        await profile_row(request, str(organisation_id))
        async with runtime_in(request).database.read() as connection:
            row = await queries.revision(connection, str(organisation_id), number)
        return respond(request, queries.entry(row) | {"record": queries.record_of(row)})

    return routes
