"""`/v1/streams/matches`: the match feed as server-sent events, with the feed's ids."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, cast

from fastapi import APIRouter, Header, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from services.chassis.identity.principal import Principal
from services.chassis.identity.verification import Verifier
from services.chassis.web.problems import Unavailable
from services.matches.queries.feeds import place_of
from services.matches.queries.streaming import Streaming, Verify
from services.matches.routes.feeds import EVENT_ID, STATEMENT, LastEventId, Wanted
from services.matches.routes.parameters import runtime_in
from services.matches.worker.tail import Tail

MEDIA_TYPE = "text/event-stream"
_EVENT = {
    "type": "object",
    "description": "One server-sent event, its fields by name.",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Entries as they come, each with the id and the JSON that it has in the feed",
        "content": {MEDIA_TYPE: {"schema": _EVENT}},
    }
}


class EventStream(Response):
    """Sends pieces as they come; ends when they do, when the client has gone, or when it takes nothing for too long."""

    media_type = MEDIA_TYPE

    def __init__(self, pieces: AsyncIterator[bytes], *, slow_seconds: float) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Link": STATEMENT})
        del self.headers["content-length"]
        self._pieces = pieces
        self._slow_seconds = slow_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer (ASGI)."""
        del scope
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send))
        going = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, going}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, going):
                task.cancel()
            await asyncio.gather(sending, going, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        async with aclosing(cast("Any", self._pieces)) as pieces:
            async for piece in pieces:
                await self._piece(send, piece, more=True)
        await self._piece(send, b"", more=False)

    async def _piece(self, send: Send, piece: bytes, *, more: bool) -> None:
        """Send a piece; a client that does not take it in time is cut off, and comes again with the last id it got."""
        try:
            async with asyncio.timeout(self._slow_seconds):
                await send({"type": "http.response.body", "body": piece, "more_body": more})
        except TimeoutError:
            raise ClientDisconnect from None


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


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
        last: LastEventId = None,
        header: Annotated[
            Annotated[str, *EVENT_ID] | None,
            Header(
                alias="Last-Event-ID",
                description="As `lastEventId`, which it outranks; without either, from now on.",
            ),
        ] = None,
    ) -> Response:
        """Exactly what follows the id, then what comes; a comment every 15 seconds is a sign of life without an id.

        `event: reset`: what followed your id is not kept any more; read `/v1/feeds/matches/current` anew, the stream goes on from
        its newest entry. The stream ends with the token; come again with a new one and the last id.
        """
        runtime = runtime_in(request)
        settings = runtime.settings.matches
        tail: Tail = runtime.state["tail"]
        if tail.waiting >= settings.streams:
            raise Unavailable(f"This process serves {settings.streams} streams already.", retry_after=10)
        given = header or last
        streaming = Streaming(
            runtime=runtime,
            verify=_verifying(request),
            asked=asked,
            after=None if given is None else place_of(given),
        )
        return EventStream(streaming.pieces(), slow_seconds=settings.slow_reader_seconds)

    return routes


def _verifying(request: Request) -> Verify:
    verifier: Verifier = request.app.state.verifier
    token = request.headers["authorization"].partition(" ")[2].strip()

    async def verify() -> Principal:
        return await verifier.verify(token)

    return verify
