"""`/v1/feeds/opportunities.atom`: the open projects for feed readers; public."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from schemas.http.texts import formed
from services.chassis.web.access import PUBLIC
from services.chassis.web.reading import is_known, respond_bytes
from services.chassis.web.runtime import runtime_in
from services.matches.queries.atom import Choice, opportunities
from services.matches.routes.parameters import check_region

MEDIA_TYPE = "application/atom+xml"
FRESH = {"Cache-Control": "public, max-age=300", "Vary": "Accept"}
_ATOM: dict[int | str, dict[str, Any]] = {
    200: {"description": "An Atom feed (RFC 4287)", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}


def router() -> APIRouter:
    """Return the routes of feeds for readers."""
    routes = APIRouter(prefix="/v1/feeds", tags=["feeds"])

    @routes.get(
        "/opportunities.atom",
        operation_id="read_opportunities_atom",
        summary="The open projects as an Atom feed, the newest first",
        response_class=Response,
        responses=_ATOM,
        openapi_extra=PUBLIC,
    )
    async def read_opportunities_atom(
        request: Request,
        flagship: Annotated[UUID | None, Query(description="Projects of this flagship initiative.")] = None,
        region: Annotated[
            str | None, Query(max_length=60, description="Projects in this ITU region.")
        ] = None,
        language: Annotated[
            Annotated[
                str,
                *formed(
                    r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$",
                    "This is no language tag.",
                    "Use a tag such as ar, en, es, fr, ru, zh or pt-BR.",
                ),
            ]
            | None,
            Query(
                max_length=35,
                description="Projects with a title in this language (a tag, in any case; `pt` has `pt-BR` too), shown in it.",
            ),
        ] = None,
        page: Annotated[int, Query(ge=1, le=10_000, description="A page has 100 entries.")] = 1,
    ) -> Response:
        """Projects that look for partners now. A project that closes leaves the feed."""
        runtime = runtime_in(request)
        check_region(runtime, region)
        choice = Choice(
            flagship=None if flagship is None else str(flagship), region=region, language=language, page=page
        )
        tag, content = await opportunities(runtime, choice, known=lambda tag: is_known(request, f'"{tag}"'))
        return respond_bytes(request, content, etag=tag, headers=FRESH, media_type=MEDIA_TYPE)

    return routes
