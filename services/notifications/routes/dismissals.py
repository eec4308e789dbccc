"""`/v1/dismissals`: projects of which an organisation does not want to hear, with a reason."""

from functools import partial

from fastapi import APIRouter, Request, Response

from schemas.http.notifications import DismissalAnswer, DismissalBody, DismissalCounts, DismissalPage
from services.chassis.identity.principal import principal_of
from services.chassis.web.access import PUBLIC
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import refusals
from services.chassis.web.operation import execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.notifications.commands.dismissals import dismiss, undismiss
from services.notifications.queries import finding
from services.notifications.queries.reading import dismissal_json
from services.notifications.routes.parameters import ProjectId, Whose, named
from services.notifications.rules import rights
from services.notifications.rules.problems import OrganisationErased, OrganisationWithdrawn
from services.notifications.tables import DISMISSALS


def router() -> APIRouter:
    """Return the routes of dismissals."""
    routes = APIRouter(prefix="/v1/dismissals", tags=["subscriptions"])

    @routes.get(
        "",
        operation_id="list_dismissals",
        summary="Projects that an organisation has dismissed",
        response_model=DismissalPage,
    )
    async def list_dismissals(
        request: Request, organisation: Whose = None, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """Each with its reason, for its own people and the auditor, and whether the project has changed since."""
        principal = principal_of(request)
        whose = rights.organisation_asked(principal, named(organisation))
        kind = f"dismissals {whose}"
        after = None if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
        whole = DISMISSALS.c.organisation == whose
        async with runtime_in(request).database.read() as connection:
            rows = await finding.page(
                connection, DISMISSALS, whole, after=after, limit=limit + 1, by="project"
            )
        following = (
            cursors_of(request).seal(kind, rows[limit - 1]["project"], principal)
            if len(rows) > limit
            else None
        )
        reasons = rights.sees_reasons(principal, whose)
        items = [dismissal_json(row, reasons=reasons) for row in rows[:limit]]
        return respond_page(request, items, next_cursor=following)

    @routes.get(
        "/{project_id}/counts",
        operation_id="count_dismissals",
        summary="Why a project is dismissed, counted in cells of five",
        response_model=DismissalCounts,
        openapi_extra=PUBLIC,
    )
    async def count_dismissals(request: Request, project_id: ProjectId) -> Response:
        """How many organisations gave each reason, for everybody; fewer than five are not told from none."""
        async with runtime_in(request).database.read() as connection:
            counts = await finding.reasons_of(connection, str(project_id))
        return respond(request, {"project": str(project_id), "counts": counts})

    @routes.put(
        "/{project_id}",
        operation_id="dismiss_project",
        summary="Dismiss a project with a reason",
        response_model=DismissalAnswer,
        responses=refusals(OrganisationErased, OrganisationWithdrawn)
        | {201: {"model": DismissalAnswer, "description": "Dismissed"}},
    )
    async def put_dismissal(request: Request, project_id: ProjectId, body: DismissalBody) -> Response:
        """Nothing is told of it until its needs or countries change. It changes no list and no score."""
        return await execute(request, partial(dismiss, project=str(project_id), body=body))

    @routes.delete(
        "/{project_id}",
        operation_id="undismiss_project",
        summary="Take a dismissal back",
        status_code=204,
        response_class=Response,
    )
    async def delete_dismissal(
        request: Request, project_id: ProjectId, organisation: Whose = None
    ) -> Response:
        """Be told of the project again: of what waited when it was dismissed, and of the project itself if nothing was told of it yet.

        Both if the organisation stands above the floor still. What came up in between, after the first word, is not told later.
        """
        command = partial(undismiss, project=str(project_id), organisation=organisation)
        return await execute(request, command)

    return routes
