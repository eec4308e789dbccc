"""Answers to reads: JSON with a strong ETag, 304 where the caller has it already, links to further pages.

The transaction is over when a route calls `respond`: nothing here may read from a database.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

_REVALIDATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept"}


def respond(
    request: Request,
    body: Mapping[str, Any],
    *,
    status: int = 200,
    revision: int | None = None,
    etag: str | None = None,
    links: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the body as JSON.

    The ETag is the revision in quotation marks if there is one (what a write sends back in If-Match), else `etag`
    (given without its quotation marks), else a digest of the body. `links` are relation → address.
    """
    content = encode(body)
    tag = (
        etag_of(revision)
        if revision is not None
        else f'"{etag or blake2b(content, digest_size=16).hexdigest()}"'
    )
    sent = _REVALIDATE | {"ETag": tag} | dict(headers or {})
    if links:
        sent["Link"] = ", ".join(f'<{address}>; rel="{relation}"' for relation, address in links.items())
    if status == 200 and is_known(request, tag):
        return Response(status_code=304, headers=sent)
    return Response(content, status_code=status, media_type="application/json", headers=sent)


def respond_bytes(
    request: Request,
    content: bytes,
    *,
    etag: str | None = None,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """Return bytes exactly as they are. `etag` is given without its quotation marks; without it, their digest is it."""
    etag = etag or blake2b(content, digest_size=16).hexdigest()
    tag = f'"{etag}"'
    sent = _REVALIDATE | {"ETag": tag} | dict(headers or {})
    if is_known(request, tag):
        return Response(status_code=304, headers=sent)
    return Response(content, media_type=media_type, headers=sent)


def respond_page(
    request: Request,
    items: Iterable[Mapping[str, Any]],
    *,
    next_cursor: str | None,
    members: Mapping[str, Any] | None = None,
    etag: str | None = None,
) -> Response:
    """Return one page of a list: `{"items": […], "next": cursor or null, …members}` with its links."""
    body = {"items": list(items), "next": next_cursor} | dict(members or {})
    return respond(request, body, links=page_links(request, next_cursor), etag=etag)


def page_links(request: Request, next_cursor: str | None) -> dict[str, str]:
    """Return the links of a page: `first`, and `next` if there is one, with the same filters."""
    rest = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    links = {"first": _address(request, rest)}
    if next_cursor is not None:
        links["next"] = _address(request, [*rest, ("cursor", next_cursor)])
    return links


def etag_of(revision: int) -> str:
    """Return the strong ETag of a revision."""
    return f'"{revision}"'


def encode(body: Mapping[str, Any]) -> bytes:
    """Return the body as JSON bytes, members in their own order."""
    return orjson.dumps(body)


def _address(request: Request, parameters: list[tuple[str, str]]) -> str:
    path: str = request.scope["path"]
    return path + (f"?{urlencode(parameters)}" if parameters else "")


def is_known(request: Request, tag: str) -> bool:
    """Whether the caller has what this ETag (with its quotation marks) names already, so that 304 is the answer; to a POST it never is."""
    condition = request.headers.get("if-none-match")
    if condition is None or request.method not in {"GET", "HEAD"}:
        return False
    return condition.strip() == "*" or tag in (
        part.strip().removeprefix("W/") for part in condition.split(",")
    )
