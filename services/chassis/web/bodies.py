"""The gate that every request body passes before a route sees it: size, content type, strict JSON.

Why one gate rather than a rule a route: a route cannot forget it. The size is counted as bytes arrive, so a chunked
body or a wrong Content-Length is cut off at the same bound.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from email.message import Message as ContentType
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis.web import strict_json
from services.chassis.web.problems import BodyTooLarge, UnsupportedMedia

FORM = "application/x-www-form-urlencoded"
_DISCARDED = 64_000_000  # bytes that are read and thrown away before a body that is too large is answered
_DISCARD_SECONDS = 5.0
_LONG = 1_000_000  # bytes; a longer body is parsed in a thread, so that other requests go on


class BodyGate:
    """ASGI middleware; raises Problems, which the edge outside of it answers.

    `larger`: path → its own bound. `unread`: beginnings of paths whose bodies nobody reads; they may be of any type.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        max_depth: int,
        larger: Mapping[str, int] | None = None,
        unread: tuple[str, ...] = (),
    ) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.max_depth = max_depth
        self.larger = dict(larger or {})
        self.unread = unread

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS", "TRACE"}:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = await self._read(headers, receive, self.larger.get(scope["path"], self.max_bytes))
        if scope["path"].startswith(self.unread):
            pass
        elif len(body) > _LONG:
            await asyncio.to_thread(self._check, headers, body)
        elif body:
            self._check(headers, body)
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)

    async def _read(self, headers: Headers, receive: Receive, most: int) -> bytes:
        declared = headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > most):
            await _discard(receive)
            raise _too_large(most)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > most:
                if message.get("more_body", False):
                    await _discard(receive)
                raise _too_large(most)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _check(self, headers: Headers, body: bytes) -> None:
        kind, charset = _content_type(headers.get("content-type", ""))
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMedia(
                "Send the body without a content encoding.", headers={"Accept-Encoding": "identity"}
            )
        if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
            if charset not in {"utf-8", "utf8"}:
                raise UnsupportedMedia("JSON is read as UTF-8 only.", headers={"Accept": "application/json"})
            strict_json.parse(body, max_depth=self.max_depth)
        elif kind != FORM:
            named = f"{kind[:60]!r} is not read here." if kind else "The body has no content type."
            raise UnsupportedMedia(f"{named} Send application/json.", headers={"Accept": "application/json"})


@lru_cache(maxsize=256)
def _content_type(header: str) -> tuple[str, str]:
    """Return the media type ("" if there is none) and the charset of a Content-Type, in lower case."""
    sent = ContentType()
    sent["content-type"] = header
    return (sent.get_content_type() if header else ""), str(sent.get_param("charset", "utf-8")).lower()


async def _discard(receive: Receive) -> None:
    """Read on for a while without keeping anything: who is still sending when the connection closes loses the answer."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while size <= _DISCARDED:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"At most {most:,} bytes are read.", headers={"Connection": "close"})
