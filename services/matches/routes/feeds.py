"""`/v1/feeds/matches`: what the log was told of lists and standings, from any place on, and compacted to what counts now."""

from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from schemas.feeds.matches import BATCH_CONTENT, PLACE_PATTERN, EntryType, FeedBatch
from schemas.http.projects import Level
from schemas.http.texts import formed
from services.chassis.identity.principal import principal_of
from services.chassis.web.openapi import refusals
from services.chassis.web.reading import is_known, respond_bytes
from services.chassis.web.runtime import runtime_in
from services.matches.queries import feeds as queries
from services.matches.queries.feeds import (
    BEGINNING,
    CURRENT,
    MATCHES,
    FeedPlaceGone,
    Page,
    Place,
    place_at,
    place_of,
)
from services.matches.routes.parameters import check_region
from services.matches.rules.feeds import Asked, Viewer, is_for, reads_everything
from services.matches.worker.tail import FED, Tail

PAST = {"Cache-Control": "private, max-age=86400"}
"""A full page behind which more stands, for who reads everything: the same until what is superseded on it goes. Who reads what
concerns them may be taken into a team tomorrow, and the page of yesterday has more on it then; what lies in a place has other projects
in it once they move. So those are asked for again, which costs no entry.
"""

STATEMENT = '</v1/ranking-statement>; rel="describedby"'
"""Where it says what a list is: a suggestion, and how it is computed. Entries are the log's own, to the byte; so a link says it."""

_NO_ID = ("This is no id of an entry.", "Send an entry's id as the feed gave it, such as 2-17.")
EVENT_ID = formed(PLACE_PATTERN, *_NO_ID)
EVENT_ID_OR_EMPTY = formed(f"^$|{PLACE_PATTERN}", *_NO_ID)
"""As the header: some clients send it empty until they have one."""
LONGEST_MILLISECONDS = 60_000
LastEventId = Annotated[
    Annotated[str, *EVENT_ID] | None,
    Query(
        alias="lastEventId",
        description="The id of the last entry that you have; without it, from the beginning.",
    ),
]
Timeout = Annotated[
    int,
    Query(
        alias="timeout",
        ge=0,
        le=LONGEST_MILLISECONDS,
        description="Milliseconds to wait for an entry where there is none, at most `http.wait_seconds` of the settings.",
    ),
]
_BATCH: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Entries in the order of the feed",
        "content": {
            BATCH_CONTENT: {"schema": {"$ref": "#/components/schemas/FeedBatch"}},
        },
    }
}


async def asked_in(  # not because it waits: a plain function would be run in a thread
    request: Request,
    types: Annotated[
        list[EntryType] | None, Query(alias="type", max_length=4, description="Types of entries, repeatable.")
    ] = None,
    project: Annotated[UUID | None, Query(description="One project's list.")] = None,
    flagship: Annotated[UUID | None, Query(description="Projects of this flagship initiative.")] = None,
    region: Annotated[str | None, Query(max_length=60, description="Projects in this ITU region.")] = None,
    level: Annotated[Level | None, Query(description="Projects of this level.")] = None,
) -> Asked:
    """Read what is wanted of the feed. Raises InvalidParameter for a region that does not exist."""
    check_region(runtime_in(request), region)
    return Asked(
        types=frozenset(types) if types else None,
        project=None if project is None else str(project),
        flagship=None if flagship is None else str(flagship),
        region=region,
        level=level,
    )


Wanted = Annotated[Asked, Depends(asked_in)]


def router() -> APIRouter:
    """Return the routes of the feed."""
    routes = APIRouter(prefix="/v1/feeds", tags=["feeds"])

    @routes.get(
        "/matches",
        operation_id="read_match_feed",
        summary="What became of lists and standings, in one order, from any place on",
        response_model=FeedBatch,
        response_class=Response,
        responses=_BATCH | refusals(FeedPlaceGone),
    )
    async def read_match_feed(
        request: Request, asked: Wanted, last: LastEventId = None, wait: Timeout = 0
    ) -> Response:
        """Entries behind `lastEventId` (HTTP Feeds), those that you may see; an empty batch: you have everything.

        Go on with the link `next`: it leads past what was not for you too. A reader of the feed from its beginning who keeps the newest
        entry of each subject, and drops it at `method: DELETE`, has what `/current` says. A full page may be kept as its `Cache-Control`
        says; with its `ETag` in `If-None-Match` it is answered 304 at the cost of no entry.
        """
        runtime = runtime_in(request)
        after = BEGINNING if last is None else place_of(last)
        seconds = min(wait / 1000, runtime.settings.http.wait_seconds)
        viewer, page = await _waited(request, asked, after, seconds=seconds)
        kept = page.full and viewer.whole and not asked.placed
        return _respond(request, page, onward=MATCHES, headers=PAST if kept else {})

    @routes.get(
        "/matches/current",
        operation_id="read_current_matches",
        summary="The newest entry of every list and standing",
        response_model=FeedBatch,
        response_class=Response,
        responses=_BATCH | refusals(FeedPlaceGone),
    )
    async def read_current_matches(request: Request, asked: Wanted, last: LastEventId = None) -> Response:
        """The feed compacted: follow the link `next` from its beginning; that of the empty batch leads on in the feed."""
        after = BEGINNING if last is None else place_of(last)
        _, page = await _read(request, asked, after, current=True)
        return _respond(request, page, onward=CURRENT if page.entries else MATCHES, headers={})

    return routes


async def _waited(request: Request, asked: Asked, after: Place, *, seconds: float) -> tuple[Viewer, Page]:
    """Read a page; where there is nothing, wait for the next entry that is for this reader, at most so long.

    What comes meanwhile is looked at where this process keeps it: who waits for nothing of it costs the table nothing.
    """
    runtime = runtime_in(request)
    viewer, page = await _read(request, asked, after)
    if page.entries or not seconds:
        return viewer, page
    tail: Tail = runtime.state["tail"]
    deadline = runtime.clock.monotonic() + seconds
    with tail.waited_for():
        while not runtime.stopping.is_set():
            seen = runtime.signals.mark(FED)
            told = tail.behind(page.behind.position)
            if told:
                viewer = await _viewer(request)
            if told is None or any(is_for(one.entry, viewer, asked) for one in told):
                viewer, page = await _read(request, asked, page.behind)
            elif told:
                page = replace(page, behind=place_at(told[-1].entry))
            left = deadline - runtime.clock.monotonic()
            if page.entries or left <= 0:
                break
            await runtime.signals.wait(FED, left, since=seen)
    return viewer, page


async def _viewer(request: Request) -> Viewer:
    """Return what the reader may read now: rights may change while somebody waits."""
    runtime, principal = runtime_in(request), principal_of(request)
    if reads_everything(principal):
        return Viewer(whole=True)
    async with runtime.database.read() as connection:
        return await queries.viewer(runtime, connection, principal)


async def _read(
    request: Request, asked: Asked, after: Place, *, current: bool = False
) -> tuple[Viewer, Page]:
    """Read a page, or only what is on it if the reader has that already."""
    runtime = runtime_in(request)
    async with runtime.database.read() as connection:
        await queries.check_place(connection, after, current=current)
        viewer = await queries.viewer(runtime, connection, principal_of(request))
        if "if-none-match" in request.headers:
            page = await queries.page(connection, viewer, asked, after=after, current=current, bodies=False)
            if _is_known(request, page):
                return viewer, page
        return viewer, await queries.page(connection, viewer, asked, after=after, current=current)


def _respond(request: Request, page: Page, *, onward: str, headers: dict[str, str]) -> Response:
    """Send a page; `onward` is where the link `next` goes on behind it, with what was asked."""
    content = b""
    if not _is_known(request, page):
        content = b"[" + b",".join(entry.json() for entry in page.entries) + b"]"
    query = [one for one in request.query_params.multi_items() if one[0] != "lastEventId"]
    if page.behind.id is not None:
        query.append(("lastEventId", page.behind.id))
    address = f"{onward}?{urlencode(query)}".rstrip("?")
    headers = headers | {"Link": f'<{address}>; rel="next", {STATEMENT}'}
    return respond_bytes(request, content, etag=page.tag, headers=headers, media_type=BATCH_CONTENT)


def _is_known(request: Request, page: Page) -> bool:
    return is_known(request, f'"{page.tag}"')
