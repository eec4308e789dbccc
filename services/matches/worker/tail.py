"""The end of the match feed as this process follows it: the last entries, each ready to be sent, for all who wait at once.

What: while anybody waits, looks for new entries (woken by the relay of this process, polling for that of another), keeps
the last of them and wakes the waiting. Why: a thousand readers of a stream must not be a thousand readers of the table.
Nobody has a queue here: a reader takes what stands behind its own place, and who fell behind reads the table instead. It
must not know who the readers are, nor leave anything out.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from services.chassis.database import DatabaseAway
from services.chassis.runtime import Runtime
from services.matches.queries.feeds import BEGINNING, PAGE, Entry, head, page
from services.matches.queries.register import register_of
from services.matches.rules.feeds import Viewer

FED = "fed:matches"
"""The signal that the tail has moved."""

_RELAYED = "relayed:matches"
_KEPT = 2_000
_EVERYTHING = Viewer(whole=True)


@dataclass(frozen=True, slots=True)
class Told:
    """An entry and the bytes that a stream sends for it."""

    entry: Entry
    frame: bytes


class Tail:
    """The last entries of the feed."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._kept: deque[Told] = deque()
        self._floor = 0  # everything behind this position, up to `head`, is kept
        self._waiting = 0
        self._called = asyncio.Event()
        self.head = BEGINNING
        self.teams: Mapping[
            str, frozenset[str]
        ] = {}  # as of when the last entries were taken, and that moment
        self.teams_at = float("-inf")

    @property
    def waiting(self) -> int:
        """How many readers wait here."""
        return self._waiting

    @contextmanager
    def waited_for(self) -> Iterator[None]:
        """Follow the feed for as long as this lasts."""
        self._waiting += 1
        self._called.set()
        try:
            yield
        finally:
            self._waiting -= 1

    def behind(self, position: int) -> list[Told] | None:
        """Return the entries behind a position; None if some of them are not kept here (any more)."""
        if position < self._floor:
            return None
        found = []
        for told in reversed(self._kept):
            if told.entry.position <= position:
                break
            found.append(told)
        found.reverse()
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop` is set, and only while somebody waits."""
        ends = [asyncio.create_task(self._call_at(stop)), asyncio.create_task(self._let_go())]
        poll = self._runtime.settings.log.poll_seconds
        try:
            while not stop.is_set():
                self._called.clear()
                if not self._waiting:
                    await self._called.wait()
                    await self._settle(self._jump)
                    continue
                seen = self._runtime.signals.mark(_RELAYED)
                if not await self._settle(self.follow):
                    await self._runtime.signals.wait(_RELAYED, poll, since=seen)
        finally:
            for end in ends:
                end.cancel()

    async def follow(self) -> int:
        """Take what is new, and wake the waiting; how many entries.

        Teams are looked up in the same transaction: a project's first entries are for a team that nobody here has heard of.
        """
        register = register_of(self._runtime)
        async with self._runtime.database.read() as connection:
            found = await page(connection, _EVERYTHING, None, after=self.head)
            if found.entries:
                await register.refresh(connection)
                teams = register.teams
        for entry in found.entries:
            self._kept.append(Told(entry, frame_of(entry)))
        while len(self._kept) > _KEPT:
            self._floor = self._kept.popleft().entry.position
        self.head = found.behind
        if found.entries:
            self.teams, self.teams_at = teams, self._runtime.clock.monotonic()
            self._runtime.signals.notify(FED)
        return len(found.entries)

    async def _jump(self) -> int:
        """Begin at the end of the feed: what lies between was nobody's to wait for."""
        async with self._runtime.database.read() as connection:
            newest = await head(connection)
        if newest.position - self.head.position > PAGE:
            self._kept.clear()
            self.head, self._floor = newest, newest.position
            self._runtime.signals.notify(FED)
        return 0

    async def _settle(self, step: Callable[[], Awaitable[int]]) -> int:
        try:
            return await step()
        except DatabaseAway:
            return 0  # looked at again at the next poll

    async def _call_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._called.set()
        self._runtime.signals.notify(_RELAYED)

    async def _let_go(self) -> None:
        """Wake the waiting when the process is about to stop, so that nothing has to be cut off."""
        await self._runtime.stopping.wait()
        self._runtime.signals.notify(FED)


def frame_of(entry: Entry) -> bytes:
    """Return the entry as a stream sends it: its id, its type, the very JSON of the feed."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (entry.id.encode(), entry.type.encode(), entry.json())
