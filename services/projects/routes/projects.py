"""`/v1/projects`: write, read, list, history, erasure."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from schemas.http.project_answers import (
    ProjectAnswer,
    ProjectPage,
    ProjectRevisionPage,
    ProjectWritten,
)
from schemas.http.projects import Level, ProjectBody, ProjectState
from services.chassis.identity.principal import principal_of
from services.chassis.web import problems
from services.chassis.web.access import PUBLIC
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import Responses, refusals
from services.chassis.web.operation import execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.reading import respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.projects.commands.erasure import erase_project
from services.projects.commands.writing import put_project
from services.projects.queries import projects as queries
from services.projects.routes.parameters import (
    Country,
    ProjectId,
    Region,
    RevisionNumber,
    TagFilter,
    check_codes,
    codebook_in,
)
from services.projects.rules import problems as ours

CREATED: Responses = {201: {"model": ProjectWritten, "description": "Created, as a draft"}}
WRITING = CREATED | refusals(
    ours.ProjectClosed, ours.DuplicateExternalId, ours.IdInUse, ours.ProjectErased, problems.RecordTooLarge
)
ERASING = refusals(ours.ProjectErased)


def router() -> APIRouter:
    """Return the routes of projects as records."""
    routes = APIRouter(prefix="/v1/projects", tags=["projects"])

    @routes.get(
        "",
        operation_id="list_projects",
        summary="Projects, newest first",
        response_model=ProjectPage,
        openapi_extra=PUBLIC,
    )
    async def list_projects(
        request: Request,
        limit: Limit = 50,
        cursor: Cursor = None,
        state: Annotated[ProjectState | None, Query(description="Only projects in this state.")] = None,
        level: Annotated[Level | None, Query(description="Only projects of this level.")] = None,
        region: Region = None,
        country: Country = None,
        flagship: Annotated[UUID | None, Query(description="Only projects of this flagship.")] = None,
        tag: TagFilter = None,
        owner: Annotated[UUID | None, Query(description="Only projects of this organisation.")] = None,
    ) -> Response:
        """List the open projects for everybody; a team its own too, offices theirs, BDT and auditors all."""
        check_codes(codebook_in(request), region=region, country=country, tag=tag)
        filters = queries.Filters(
            state=state,
            level=level,
            region=region,
            country=country,
            flagship=None if flagship is None else str(flagship),
            tag=tag,
            owner=None if owner is None else str(owner),
        )
        principal, cursors = principal_of(request), cursors_of(request)
        after = None if cursor is None else cursors.unseal(filters.kind(), cursor, principal)
        async with runtime_in(request).database.read() as connection:
            items, following = await queries.list_projects(
                connection, filters, principal=principal, limit=limit, after=after
            )
        sealed = None if following is None else cursors.seal(filters.kind(), following, principal)
        return respond_page(request, items, next_cursor=sealed)

    @routes.put(
        "/{project_id}",
        operation_id="put_project",
        summary="Create a project as a draft, or replace what it says",
        response_model=ProjectWritten,
        responses=WRITING,
    )
    async def put(request: Request, project_id: ProjectId, body: ProjectBody) -> Response:
        """Store the project under the client's id. An existing project needs If-Match with the ETag that was read."""
        return await execute(request, partial(put_project, project_id=str(project_id), body=body))

    @routes.get(
        "/{project_id}",
        operation_id="get_project",
        summary="One project",
        response_model=ProjectAnswer,
        openapi_extra=PUBLIC,
    )
    async def get(request: Request, project_id: ProjectId) -> Response:
        """Show an open project to everybody, and others to their team, their office, BDT and auditors."""
        async with runtime_in(request).database.read() as connection:
            revision, body = await queries.read_project(
                connection,
                str(project_id),
                principal=principal_of(request),
                reference=codebook_in(request).reference,
            )
        return respond(request, body, revision=revision)

    @routes.delete(
        "/{project_id}",
        operation_id="erase_project",
        summary="Erase a project for good",
        status_code=204,
        response_class=Response,
        responses=ERASING,
    )
    async def erase(request: Request, project_id: ProjectId) -> Response:
        """Empty every row and tell all readers by a tombstone; the id stays taken. For a BDT administrator."""
        return await execute(request, partial(erase_project, project_id=str(project_id)))

    @routes.get(
        "/{project_id}/revisions",
        operation_id="list_project_revisions",
        summary="The history of a project, newest first",
        response_model=ProjectRevisionPage,
        openapi_extra=PUBLIC,
    )
    async def revisions(
        request: Request, project_id: ProjectId, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """List the published revisions of an open project for everybody; for its own people and BDT, all."""
        kind = f"revisions {project_id}"
        principal, cursors = principal_of(request), cursors_of(request)
        after = None if cursor is None else cursors.unseal(kind, cursor, principal)
        async with runtime_in(request).database.read() as connection:
            items, following = await queries.list_revisions(
                connection, str(project_id), principal=principal, limit=limit, after=after
            )
        sealed = None if following is None else cursors.seal(kind, following, principal)
        return respond_page(request, items, next_cursor=sealed)

    @routes.get(
        "/{project_id}/revisions/{revision}",
        operation_id="get_project_revision",
        summary="A project as it was",
        response_model=ProjectAnswer,
        openapi_extra=PUBLIC,
    )
    async def revision_of(request: Request, project_id: ProjectId, revision: RevisionNumber) -> Response:
        """Show one revision; it never changes, and erasure alone takes it away."""
        async with runtime_in(request).database.read() as connection:
            body = await queries.read_revision(
                connection,
                str(project_id),
                revision,
                principal=principal_of(request),
                reference=codebook_in(request).reference,
            )
        return respond(request, body)

    return routes
