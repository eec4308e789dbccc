"""`/v1/flagships`: the public register of flagship initiatives."""

from functools import partial
from hashlib import blake2b

from fastapi import APIRouter, Request, Response

from schemas.http.project_answers import (
    FlagshipAnswer,
    FlagshipPage,
    FlagshipRevisionPage,
    FlagshipWithProjects,
)
from schemas.http.projects import FlagshipBody
from services.chassis.identity.principal import principal_of
from services.chassis.web.access import PUBLIC
from services.chassis.web.cursors import cursors_of
from services.chassis.web.openapi import IF_MATCH, Responses, refusals
from services.chassis.web.operation import execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.reading import encode, respond, respond_page
from services.chassis.web.runtime import runtime_in
from services.projects.commands.flagships import put_flagship
from services.projects.queries import flagships as queries
from services.projects.routes.parameters import FlagshipId, codebook_in
from services.projects.rules import problems as ours

DECLARED: Responses = {201: {"model": FlagshipAnswer, "description": "Declared"}}
WHOLE_OR_REVISION = IF_MATCH | {
    "description": "The ETag that you read, whole or its revision alone; required where the flagship exists.",
    "schema": {
        "type": "string",
        "pattern": '^"[0-9]+(;[0-9a-f]{16})?"$',
        "minLength": 3,
        "maxLength": 37,
    },
}
"""The ETag of a flagship has a second part, the digest of its projects' lists."""


def router() -> APIRouter:
    """Return the routes of the flagship register."""
    routes = APIRouter(prefix="/v1/flagships", tags=["flagships"])

    @routes.get(
        "",
        operation_id="list_flagships",
        summary="The flagship register, newest declaration first",
        response_model=FlagshipPage,
        openapi_extra=PUBLIC,
    )
    async def list_flagships(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Response:
        """List every flagship with its level, who declared it, when and why. Public."""
        principal, cursors = principal_of(request), cursors_of(request)
        after = None if cursor is None else cursors.unseal("flagships", cursor, principal)
        async with runtime_in(request).database.read() as connection:
            items, following = await queries.list_flagships(
                connection,
                principal=principal,
                reference=codebook_in(request).reference,
                limit=limit,
                after=after,
            )
        sealed = None if following is None else cursors.seal("flagships", following, principal)
        return respond_page(request, items, next_cursor=sealed)

    @routes.put(
        "/{flagship_id}",
        operation_id="put_flagship",
        summary="Declare a flagship, or replace what is said of it",
        response_model=FlagshipAnswer,
        responses=DECLARED | refusals(ours.IdInUse),
        openapi_extra={"parameters": [WHOLE_OR_REVISION]},
    )
    async def put(request: Request, flagship_id: FlagshipId, body: FlagshipBody) -> Response:
        """Declare it; for BDT editors. The change is logged and public; projects name the flagship that they belong to."""
        return await execute(request, partial(put_flagship, flagship_id=str(flagship_id), body=body))

    @routes.get(
        "/{flagship_id}",
        operation_id="get_flagship",
        summary="One flagship with its projects, their lists and how well needs are met",
        response_model=FlagshipWithProjects,
        openapi_extra=PUBLIC,
    )
    async def get(request: Request, flagship_id: FlagshipId) -> Response:
        """Show the open projects to everybody, others to their own people and BDT.

        The ETag is the revision and a digest of the rest, which changes when a list does; If-Match takes it whole.
        """
        async with runtime_in(request).database.read() as connection:
            revision, body = await queries.read_flagship(
                connection,
                str(flagship_id),
                principal=principal_of(request),
                reference=codebook_in(request).reference,
            )
        digest = blake2b(encode(body), digest_size=8).hexdigest()
        return respond(request, body, etag=f"{revision};{digest}")

    @routes.get(
        "/{flagship_id}/revisions",
        operation_id="list_flagship_revisions",
        summary="What was declared of a flagship, when and why",
        response_model=FlagshipRevisionPage,
        openapi_extra=PUBLIC,
    )
    async def revisions(
        request: Request, flagship_id: FlagshipId, limit: Limit = 50, cursor: Cursor = None
    ) -> Response:
        """List the public history of a declaration, newest first."""
        kind = f"flagship revisions {flagship_id}"
        principal, cursors = principal_of(request), cursors_of(request)
        after = None if cursor is None else cursors.unseal(kind, cursor, principal)
        async with runtime_in(request).database.read() as connection:
            items, following = await queries.list_flagship_revisions(
                connection, str(flagship_id), limit=limit, after=after
            )
        sealed = None if following is None else cursors.seal(kind, following, principal)
        return respond_page(request, items, next_cursor=sealed)

    return routes
