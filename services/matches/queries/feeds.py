"""The match feed as it is read: pages from a place on, and whether one can go on from a place at all.

*What.* Positions and filters in, entries out, each page with the place behind it: that of the last entry that was looked at,
shown or not, so a reader of a narrow filter moves on too. *Never:* show an entry that `rules.feeds` would not; the two say
the same, once for rows and once for statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sqlalchemy import ColumnElement, and_, false, literal, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.feeds.matches import entry_json
from services.chassis.identity.principal import Principal
from services.chassis.runtime import Runtime
from services.chassis.web.problems import Problem
from services.matches.queries.register import register_of
from services.matches.rules.feeds import Asked, Viewer, moves, reads_everything, viewer_of
from services.matches.tables import FEED, FEED_HORIZON

MATCHES, CURRENT = "/v1/feeds/matches", "/v1/feeds/matches/current"
PAGE = 500
"""Entries on a full page."""

_COLUMNS = (
    FEED.c.position,
    FEED.c.incarnation,
    FEED.c.type,
    FEED.c.project,
    FEED.c.organisation,
    FEED.c.flagship,
    FEED.c.level,
    FEED.c.regions,
    FEED.c.moved,
    FEED.c.hidden,
)
_UNREAD = literal(b"")
_HEAD = select(FEED.c.position, FEED.c.incarnation).order_by(FEED.c.position.desc()).limit(1)


class FeedPlaceGone(Problem):
    """The feed cannot be continued from this id: a deletion behind it is not kept any more, or the feed was restored."""

    status = 410
    code = "feed-place-gone"
    title = "The feed cannot be continued from here"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry with what it is chosen by."""

    position: int
    incarnation: int
    type: str
    project: str
    organisation: str | None
    flagship: str | None
    level: str | None
    regions: str
    moved: bool
    hidden: bool
    body: bytes

    @property
    def id(self) -> str:
        """Its place in the feed, as readers name it."""
        return f"{self.incarnation}-{self.position}"

    def json(self) -> bytes:
        """Return the entry as a JSON object."""
        return entry_json(self.id, self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in the feed: that of an entry, or the beginning."""

    incarnation: int = 1
    position: int = 0

    @property
    def id(self) -> str | None:
        """The id to go on from; None at the beginning."""
        return self.told if self.position else None

    @property
    def told(self) -> str:
        """The id that a stream tells its reader: the beginning has one too, so that who comes back misses nothing."""
        return f"{self.incarnation}-{self.position}"


BEGINNING = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries, the place behind them, and whether there may be more right now."""

    entries: tuple[Entry, ...]
    behind: Place
    full: bool

    @property
    def tag(self) -> str:
        """What names its bytes: the ids that are on it, for what has a place is never written again."""
        return blake2b(" ".join(entry.id for entry in self.entries).encode(), digest_size=16).hexdigest()


def place_of(text: str) -> Place:
    """Read an id that has the pattern of one."""
    incarnation, _, position = text.partition("-")
    return Place(incarnation=int(incarnation), position=int(position))


def place_at(entry: Entry) -> Place:
    """Return the place of an entry."""
    return Place(incarnation=entry.incarnation, position=entry.position)


async def head(connection: AsyncConnection) -> Place:
    """Return the place of the newest entry."""
    row = (await connection.execute(_HEAD)).first()
    return BEGINNING if row is None else Place(incarnation=row.incarnation, position=row.position)


async def check_place(connection: AsyncConnection, place: Place, *, current: bool = False) -> None:
    """Raise FeedPlaceGone if the place is none of this feed's, or a deletion behind it is not kept any more.

    Who has nothing has nothing to delete: the beginning is always good, and so is any place of `current`, which is read in one go.
    """
    if place == BEGINNING:
        return
    horizon = 0 if current else await connection.scalar(select(FEED_HORIZON.c.position)) or 0
    # The entry itself may have gone, superseded: then it is of the life of the next one that is kept.
    kept = select(FEED.c.incarnation).where(FEED.c.position >= place.position)
    found = await connection.scalar(kept.order_by(FEED.c.position).limit(1))
    if place.position < horizon or found != place.incarnation:
        raise FeedPlaceGone(
            f"The feed cannot be read from {place.id} on. Read {CURRENT} to an empty batch, and go on with its link next."
        )


async def page(
    connection: AsyncConnection,
    viewer: Viewer,
    asked: Asked | None,
    *,
    after: Place,
    current: bool = False,
    limit: int = PAGE,
    bodies: bool = True,
) -> Page:
    """Return the entries behind a place, at most `limit`; `current`: only the newest of each subject.

    `asked` is None for who keeps the feed for others, whatever they ask. Without `bodies`, only what is on the page is looked at:
    entries without what they say.
    """
    conditions = [FEED.c.position > after.position, _seen(viewer), *(_taken(asked) if asked else ())]
    if asked and not moves(viewer, asked):
        conditions.append(not_(FEED.c.moved))
    if current:
        conditions.append(FEED.c.latest)
    query = select(*_COLUMNS, FEED.c.body if bodies else _UNREAD).where(and_(*conditions))
    rows: Sequence[Any] = (await connection.execute(query.order_by(FEED.c.position).limit(limit))).all()
    entries = tuple(Entry(*row) for row in rows)
    if len(entries) == limit:
        return Page(entries=entries, behind=place_at(entries[-1]), full=True)
    # The whole rest was looked at, in this transaction's snapshot: whatever comes stands behind the head.
    newest = await head(connection)
    return Page(entries=entries, behind=max(after, newest, key=lambda one: one.position), full=False)


async def viewer(runtime: Runtime, connection: AsyncConnection, principal: Principal) -> Viewer:
    """Return what a principal may read now."""
    if reads_everything(principal):
        return viewer_of(principal, frozenset())
    register = register_of(runtime)
    await register.refresh(connection)
    return viewer_of(principal, register.teams_of(principal.id))


def _seen(viewer: Viewer) -> ColumnElement[bool]:
    if viewer.whole:
        return FEED.c.position.is_not(None)
    parts: list[ColumnElement[bool]] = []
    if viewer.organisation is not None:
        parts.append(and_(FEED.c.organisation == viewer.organisation, not_(FEED.c.hidden)))
    if viewer.projects:
        parts.append(FEED.c.project.in_(sorted(viewer.projects)))
    return or_(*parts) if parts else false()


def _taken(asked: Asked) -> list[Any]:
    conditions: list[Any] = []
    if asked.types is not None:
        conditions.append(FEED.c.type.in_(sorted(asked.types)))
    for name in ("project", "flagship", "level"):
        wanted = getattr(asked, name)
        if wanted is not None:
            conditions.append(FEED.c[name] == wanted)
    if asked.region is not None:
        conditions.append(FEED.c.regions.contains(f" {asked.region} ", autoescape=True))
    return conditions
