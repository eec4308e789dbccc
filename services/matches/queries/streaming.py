"""The match feed as one reader's stream: what lies behind its place, then what comes, with signs of life in between.

*What.* Bytes of server-sent events, in pieces of a bounded size. An entry has the feed's id and is the feed's JSON. A sign of
life, or `reset`, has no id, so a reader's place never moves by it; where entries for others have gone by, a block with nothing but an
id goes before the sign of life, so that who comes back need not pass them again. *Why by pulling.* The reader takes what stands
behind its own place, from the tail or, if it fell behind, from the table: no queue, nothing to overflow, no gap
between what was and what comes. *Never:* go on after the token has ended, which is asked at every sign of life, or by teams that
are older than the entries: who publishes a project reads of it from its first list on.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

import orjson

from services.chassis.database import DatabaseAway
from services.chassis.identity.principal import Principal
from services.chassis.identity.verification import KeysAway, TokenRefused
from services.chassis.runtime import Runtime
from services.matches.queries import feeds
from services.matches.queries.feeds import CURRENT, FeedPlaceGone, Place, place_at
from services.matches.rules.feeds import Asked, Viewer, is_for, viewer_of
from services.matches.worker.tail import FED, Tail, frame_of

ALIVE = b":\n\n"
RETRY_MILLISECONDS = 1_000
_BACKLOG = 100
"""Entries read from the table at once: what lies in memory for a reader that is far behind."""
_PIECE_BYTES = 65_536

Verify = Callable[[], Awaitable[Principal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What stands behind a place: entries for the reader, the place of the last of them, and that behind all looked at."""

    frames: Iterable[bytes]
    last: Place | None
    behind: Place
    full: bool


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Who reads and what they may see, as it was when that was last asked."""

    asked_at: float
    principal: Principal
    viewer: Viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """One stream: whose token (`verify` says who it is still), what is asked, and from which place on; None: from now on."""

    runtime: Runtime
    verify: Verify
    asked: Asked
    after: Place | None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what is to be sent until the stream ends: stop of the process, its longest time, the token's end."""
        runtime, settings = self.runtime, self.runtime.settings.matches
        tail: Tail = runtime.state["tail"]
        clock = runtime.clock
        ends = clock.monotonic() + settings.stream_seconds
        with tail.waited_for():
            principal = await self.verify()
            place, opening = await self._begin()
            known = self.after or place  # what the reader has been told of its place: by `reset` nothing
            yield opening
            told_at = clock.monotonic()
            reader = _Reader(asked_at=told_at, principal=principal, viewer=await self._viewer(principal))
            while not runtime.stopping.is_set() and clock.monotonic() < ends:
                seen = runtime.signals.mark(FED)
                if not await self._stands(reader):
                    return
                if tail.teams_at > reader.asked_at and not reader.viewer.whole:
                    teams = tail.teams.get(reader.principal.id, frozenset())
                    reader.viewer = viewer_of(reader.principal, teams)
                found = await self._behind(tail, reader, place)
                place = found.behind
                for piece in _pieces(found.frames):
                    yield piece
                    if not await self._stands(reader):
                        return  # a slow reader takes its time over what was read before its token ended
                if found.last is not None:
                    told_at, known = clock.monotonic(), found.last
                if found.full:
                    continue
                left = min(told_at + settings.heartbeat_seconds, ends) - clock.monotonic()
                woken = left > 0 and await runtime.signals.wait(FED, left, since=seen)
                if not woken:
                    yield ALIVE if place == known else _moved(place) + ALIVE
                    told_at, known = clock.monotonic(), place

    async def _stands(self, reader: _Reader) -> bool:
        """Whether the token is still good; where that was asked long enough ago, it is asked again, and what it may read."""
        now, every = self.runtime.clock.monotonic(), self.runtime.settings.matches.heartbeat_seconds
        if now - reader.asked_at < every:
            return True
        reader.asked_at = now
        try:
            reader.principal = await self.verify()
            reader.viewer = await self._viewer(reader.principal)
        except (TokenRefused, KeysAway, DatabaseAway):
            return False
        return True

    async def _behind(self, tail: Tail, reader: _Reader, place: Place) -> Found:
        """Take what stands behind a place: from the tail, or from the table if the reader fell behind it."""
        told = tail.behind(place.position)
        if told is None:
            async with self.runtime.database.read() as connection:
                viewer = reader.viewer
                if not viewer.whole:  # teams as they are where the entries are read
                    viewer = await feeds.viewer(self.runtime, connection, reader.principal)
                page = await feeds.page(connection, viewer, self.asked, after=place, limit=_BACKLOG)
            last = place_at(page.entries[-1]) if page.entries else None
            frames = (frame_of(entry) for entry in page.entries)
            return Found(frames=frames, last=last, behind=page.behind, full=page.full)
        mine = [one for one in told if is_for(one.entry, reader.viewer, self.asked)]
        return Found(
            frames=(one.frame for one in mine),
            last=place_at(mine[-1].entry) if mine else None,
            behind=place_at(told[-1].entry) if told else place,
            full=False,
        )

    async def _begin(self) -> tuple[Place, bytes]:
        """Find the place to go on from. A new reader is told the head's id, so that it can come back to it."""
        opening = b"retry: %d\n" % RETRY_MILLISECONDS
        async with self.runtime.database.read() as connection:
            newest = await feeds.head(connection)
            if self.after is not None:
                try:
                    await feeds.check_place(connection, self.after)
                except FeedPlaceGone as gone:
                    told = orjson.dumps({"detail": gone.detail, "current": CURRENT})
                    return newest, opening + b"\nevent: reset\ndata: " + told + b"\n\n"
                return self.after, opening + b"\n"
        return newest, opening + _moved(newest)

    async def _viewer(self, principal: Principal) -> Viewer:
        async with self.runtime.database.read() as connection:
            return await feeds.viewer(self.runtime, connection, principal)


def _moved(place: Place) -> bytes:
    """Return the block that tells a reader its place and nothing else: without data it is no event to anybody."""
    return b"id: %b\n\n" % place.told.encode()


def _pieces(frames: Iterable[bytes]) -> Iterable[bytes]:
    """Put frames together into pieces of a bounded size, so that a reader costs few sends and little memory."""
    held: list[bytes] = []
    size = 0
    for frame in frames:
        held.append(frame)
        size += len(frame)
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
