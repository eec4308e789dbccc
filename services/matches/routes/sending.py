"""Answers that are sent piece by piece, streams and files, to readers who may be slow, go away, or be too many.

*What.* A bound on how many there are at once, one on how long a reader may take nothing, and one on the whole. An answer that
breaks is cut off: its end is never sent, so what came of it does not look whole. *Never:* know what is sent.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from services.chassis.runtime import Runtime
from services.chassis.web.problems import Unavailable

READ_AT_ONCE = 2
"""Files that are read out of the database at once, of those that are sent: an SQLite file has four readers for everybody."""


class Places:
    """How many answers of a kind one process gives at once."""

    def __init__(self, most: int, *, of: str) -> None:
        self.taken = 0
        self._most = most
        self._of = of

    @contextmanager
    def take(self) -> Iterator[None]:
        """Take a place for as long as this lasts. Raises Unavailable if there is none."""
        if self.taken >= self._most:
            raise Unavailable(f"This process serves {self._most} {self._of} already.", retry_after=10)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


def open_places(runtime: Runtime) -> None:
    """Give a process its places: as many streams and files at once as the settings say."""
    settings = runtime.settings.matches
    runtime.state["streams"] = Places(settings.streams, of="streams")
    runtime.state["exports"] = Places(settings.exports, of="files")
    runtime.state["reading"] = asyncio.Semaphore(READ_AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What is sent: the headers, and the pieces as they come."""

    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class Sent(Response):
    """Opens what is to be sent and sends it; ends with it, when the client has gone, and when a time is over."""

    def __init__(
        self,
        opening: AbstractAsyncContextManager[Opened],
        *,
        places: Places,
        slow_seconds: float,
        longest_seconds: float | None = None,
    ) -> None:
        super().__init__()
        self._opening = opening
        self._places = places
        self._slow_seconds = slow_seconds
        self._longest_seconds = longest_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer (ASGI). Raises what the opening raises, and Unavailable: until then, nothing has been sent."""
        del scope
        with self._places.take():
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
        begun = False
        try:
            async with asyncio.timeout(self._longest_seconds) as whole, self._opening as opened:
                headers = [(name.lower().encode(), value.encode()) for name, value in opened.headers.items()]
                begun = True
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                async with aclosing(cast("Any", opened.pieces)) as pieces:
                    async for piece in pieces:
                        await self._piece(send, piece, more=True)
                await self._piece(send, b"", more=False)
        except TimeoutError:
            if not whole.expired():
                raise
            if not begun:
                raise Unavailable("It took too long to begin.", retry_after=10) from None
            raise ClientDisconnect from None

    async def _piece(self, send: Send, piece: bytes, *, more: bool) -> None:
        """Send a piece; a client that does not take it in time is cut off."""
        try:
            async with asyncio.timeout(self._slow_seconds):
                await send({"type": "http.response.body", "body": piece, "more_body": more})
        except TimeoutError:
            raise ClientDisconnect from None


def only_headers(headers: Mapping[str, str]) -> Response:
    """Return the answer to HEAD: the headers of GET, of which nothing is made."""
    answer = Response(headers=dict(headers))
    del answer.headers["content-length"]  # it is not known, and not 0
    return answer


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
