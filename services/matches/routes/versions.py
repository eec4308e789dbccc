"""`/v1/lists/{project}/versions`: what was told of a list, version by version."""

from fastapi import APIRouter, Request, Response

from schemas.http.matches import Version, VersionPage
from services.chassis.identity.principal import principal_of
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import refusals
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.matches.queries import versions as queries
from services.matches.queries.archive import project_of
from services.matches.queries.listing import version_line
from services.matches.routes.parameters import ProjectId, VersionNumber
from services.matches.rules import rights

RESTRICTED = refusals(rights.ListRestricted)


def router() -> APIRouter:
    """Return the routes of list versions."""
    routes = APIRouter(prefix="/v1/lists", tags=["lists"])

    @routes.get(
        "/{project_id}/versions",
        operation_id="list_list_versions",
        summary="The versions of a project's list, newest first",
        response_model=VersionPage,
        responses=RESTRICTED,
    )
    async def list_versions(
        request: Request, project_id: ProjectId, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """List inputs, counts, digest and what was material, for those who see the whole list."""
        principal, kind = principal_of(request), f"versions {project_id}"
        async with runtime_in(request).database.read() as connection:
            project = await project_of(connection, str(project_id))
            rights.require_whole(principal, project.team, state=project.state)
            before = None if cursor is None else cursors_of(request).unseal(kind, cursor, principal)
            rows = await queries.list_versions(connection, project.id, before=before, limit=limit + 1)
        more = len(rows) > limit
        following = cursors_of(request).seal(kind, rows[limit - 1].number, principal) if more else None
        return respond_page(request, [version_line(row) for row in rows[:limit]], next_cursor=following)

    @routes.get(
        "/{project_id}/versions/{number}",
        operation_id="get_list_version",
        summary="One version of a list: its inputs, head and delta",
        response_model=Version,
        responses=RESTRICTED,
    )
    async def get_version(request: Request, project_id: ProjectId, number: VersionNumber) -> Response:
        """Show what was told then; it is stored and never rebuilt."""
        async with runtime_in(request).database.read() as connection:
            project = await project_of(connection, str(project_id))
            rights.require_whole(principal_of(request), project.team, state=project.state)
            body = await queries.version_of(connection, project.id, number)
        return respond(request, body)

    return routes
