"""`/v1/streams/matches`: the match feed as server-sent events, with the feed's ids."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from services.chassis.identity.principal import Principal
from services.chassis.identity.verification import Verifier
from services.chassis.web.runtime import runtime_in
from services.matches.queries.feeds import place_of
from services.matches.queries.streaming import Streaming, Verify
from services.matches.routes.feeds import EVENT_ID, EVENT_ID_OR_EMPTY, STATEMENT, Wanted
from services.matches.routes.sending import Opened, Sent, only_headers

MEDIA_TYPE = "text/event-stream"
_HEADERS = {
    "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
    "Link": STATEMENT,
}
_EVENT = {
    "type": "object",
    "description": "One server-sent event, its fields by name.",
    "properties": {
        "id": {"type": "string", "description": "The entry's place in the feed: take it as it is."},
        "event": {"type": "string", "description": "The type of the entry, or `reset`."},
        "data": {
            "type": "string",
            "description": "The entry as JSON; of `reset`, why and where to read anew.",
        },
    },
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Entries as they come, each with the id and the JSON that it has in the feed",
        "content": {MEDIA_TYPE: {"schema": _EVENT}},
    }
}


def router() -> APIRouter:
    """Return the routes of streams."""
    routes = APIRouter(prefix="/v1/streams", tags=["feeds"])

    @routes.get(
        "/matches",
        operation_id="stream_matches",
        summary="The match feed as server-sent events",
        response_class=Response,
        responses=_STREAM,
    )
    async def stream_matches(
        request: Request,
        asked: Wanted,
        last: Annotated[
            Annotated[str, *EVENT_ID] | None,
            Query(alias="lastEventId", description="As the header `Last-Event-ID`, for who cannot send it."),
        ] = None,
        header: Annotated[
            Annotated[str, *EVENT_ID_OR_EMPTY] | None,
            Header(
                alias="Last-Event-ID",
                description="The id of the last entry that you have; outranks `lastEventId`. Empty is none. Without either, from now on.",
            ),
        ] = None,
    ) -> Response:
        """Exactly what follows the id, then what comes; a comment every 15 seconds is a sign of life without an id.

        `event: reset`: what followed your id is not kept any more; read `/v1/feeds/matches/current` anew, the stream goes on from
        its newest entry. The stream ends with the token; come again with a new one and the last id.
        """
        runtime = runtime_in(request)
        if request.state.head:
            return only_headers(_HEADERS)
        given = header or last
        streaming = Streaming(
            runtime=runtime,
            verify=_verifying(request),
            asked=asked,
            after=None if given is None else place_of(given),
        )
        return Sent(
            _opened(streaming),
            places=runtime.state["streams"],
            slow_seconds=runtime.settings.matches.slow_reader_seconds,
        )

    return routes


@asynccontextmanager
async def _opened(streaming: Streaming) -> AsyncIterator[Opened]:
    yield Opened(headers=_HEADERS, pieces=streaming.pieces())


def _verifying(request: Request) -> Verify:
    verifier: Verifier = request.app.state.verifier
    token = request.headers["authorization"].partition(" ")[2].strip()

    async def verify() -> Principal:
        return await verifier.verify(token)

    return verify
