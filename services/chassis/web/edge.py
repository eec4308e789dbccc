"""The outermost layer of every application: what holds for each request, whatever it asks.

The request's id and trace, the check of its address, the security headers, the log line, the metrics, and the answer to
whatever was raised. HEAD is asked of the routes as GET (RFC 9110 §9.3.2), so both have the same status and headers; the
server sends no body, for it knows what it was asked. It must not read bodies, nor know routes.
"""

import re
import secrets
import time
from typing import Any
from urllib.parse import unquote_to_bytes

import uuid_utils
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.http.texts import MISLEADING
from services.chassis import tracing
from services.chassis.runtime import Runtime
from services.chassis.telemetry import bound, log_of, unbound
from services.chassis.web import failures
from services.chassis.web.problems import InvalidParameter

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,80}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_MISLEADING = re.compile(f"[{MISLEADING}]")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Edge:
    """ASGI middleware around one application."""

    def __init__(self, app: ASGIApp, *, runtime: Runtime) -> None:
        self.app = app
        self.runtime = runtime
        self.log = log_of("web")
        headers = dict(_HEADERS)
        if runtime.settings.address.startswith("https://"):
            headers["Strict-Transport-Security"] = "max-age=31536000"
        self.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method: str = scope["method"]
        if method == "HEAD":
            scope = {**scope, "method": "GET"}  # a copy: the server reads its own to leave the body out
        state = scope.setdefault("state", {})
        state["head"] = method == "HEAD"  # for whom the body alone would be costly or without end
        given = dict(scope["headers"])
        request_id = given.get(b"x-request-id", b"").decode("latin-1")
        state["request_id"] = request_id if _REQUEST_ID.fullmatch(request_id) else str(uuid_utils.uuid7())
        trace = given.get(b"traceparent", b"").decode("latin-1")
        caller = trace if _TRACEPARENT.fullmatch(trace) else None
        state["answer_headers"] = {}
        started = time.perf_counter()
        status = 499  # the client went away before an answer began

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = [*state["answer_headers"].items(), ("X-Request-ID", state["request_id"])]
                ours = [(name.lower().encode(), value.encode()) for name, value in given]
                headers = [*message.get("headers", ()), *ours]
                there = {name for name, _ in headers}
                message["headers"] = [*headers, *(one for one in self.headers if one[0] not in there)]
            await send(message)

        with tracing.span(method, tracing.SpanKind.SERVER, traceparent=caller) as inside:
            state["traceparent"] = inside or _new_trace()
            tokens = bound(request_id=state["request_id"], trace_id=tracing.trace_id_of(state["traceparent"]))
            try:
                await self._answer(scope, receive, send_with_headers)
            except ClientDisconnect:
                pass
            finally:
                self._record(scope, method, status, time.perf_counter() - started)
                unbound(tokens)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            _check_address(scope)
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            raise
        except Exception as error:
            response = failures.answer(error, scope, public_url=self.runtime.settings.address)
            if begun:
                raise  # an answer is on its way; only cutting it off tells the client that it is not whole
            await response(scope, receive, send)

    def _record(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", "unmatched")
        name = self.runtime.service.name
        method = method if method in _METHODS else "other"
        self.runtime.metrics.requests.labels(name, method, route, str(status)).inc()
        self.runtime.metrics.request_seconds.labels(name, method, route).observe(seconds)
        tracing.answered(method, route, status)
        principal = scope["state"].get("principal")
        self.log.info(
            "request",
            method=method,
            route=route,
            path=route if "{token}" in route else scope["path"][:200],  # whoever reads a token can use it
            status=status,
            ms=round(seconds * 1000, 1),
            principal=principal.id if principal is not None else None,
        )


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def _new_trace() -> str:
    drawn = secrets.token_hex(24)
    return f"00-{drawn[:32]}-{drawn[32:]}-01"


def _check_address(scope: Scope) -> None:
    """Raise InvalidParameter for an address whose path or query is not UTF-8 or holds misleading characters."""
    parts: tuple[tuple[str, Any], ...] = (
        ("path", scope.get("raw_path")),
        ("query", scope.get("query_string")),
    )
    for name, raw in parts:
        try:
            text = unquote_to_bytes(raw or b"").decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidParameter(f"The {name} of the address is not UTF-8.") from None
        if found := _MISLEADING.search(text):
            raise InvalidParameter(
                f"The {name} of the address holds the character U+{ord(found[0]):04X}, which no address may hold."
            )
