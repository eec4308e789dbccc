"""The watchdog of a consumer: it ends a process that looks alive and does nothing, and no other.

A client can lose its way without a word: it holds its partitions, records wait, and nothing ever comes. So the watchdog
looks at *progress*: while records wait in a partition that is assigned, its position must move, or the partition must
say why it does not (it retries, it is halted). A member can also be lost on its way into the group: while it has not been
told what is its own, and records wait, somebody must move the group's stored positions. Where nothing is so for as long as
the settings allow, it logs the stack of every task and the process ends with an error, for its supervisor to start it anew;
the stored position loses nothing. A member that was told that nothing is its own is a spare one, and never found wanting.

Its patience is counted in its own looks, never read from a clock: a machine that slept, or a process that was frozen,
wakes up with one look missed and no more. An idle consumer has nothing waiting, so it is never found wanting. This
module must not touch the log's groups, and asks for nothing that a member could be stuck in.
"""

import asyncio
import io
from collections.abc import Sequence
from contextlib import suppress

import structlog

from services.chassis.bus import positions
from services.chassis.bus.assignment import Assignment
from services.chassis.bus.errors import BusError
from services.chassis.bus.failures import TRANSIENT
from services.chassis.bus.host import Host
from services.chassis.bus.transport import TopicPartition

_LOOKS = 10  # without any progress, before the process ends
_LONGEST_STACKS = 20_000

_log = structlog.get_logger(__name__)


class Stuck(BusError):  # noqa: N818 - what is the matter
    """Records wait, nothing says why, and nothing moves: only a new process is certain to be sound."""


class Watchdog:
    """Looks at one consumer, `_LOOKS` times within the time that the settings allow."""

    def __init__(self, runtime: Host, group: str, topics: Sequence[str], assignment: Assignment) -> None:
        self._runtime = runtime
        self._group = group
        self._topics = topics
        self._assignment = assignment
        self._places: dict[TopicPartition, int] = {}
        self._looks: dict[TopicPartition, int] = {}
        self._stored: dict[TopicPartition, int] = {}
        self._untold = 0

    async def run(self) -> None:
        """Look until cancelled. Raises Stuck."""
        while True:
            await asyncio.sleep(self._runtime.settings.lifecycle.stuck_seconds / _LOOKS)
            with suppress(*TRANSIENT):  # a log that is away is no fault of the member
                await self.look()

    async def look(self) -> None:
        """Compare what has moved with the last look's. Raises Stuck."""
        await self._look_at_lanes()
        await self._look_at_joining()

    async def _look_at_lanes(self) -> None:
        lanes = dict(self._assignment.lanes)
        topics = {at.topic for at in lanes}
        ends = {topic: await self._runtime.transport.ends(topic) for topic in topics}
        for at in self._places.keys() - lanes.keys():
            del self._places[at]
            self._looks.pop(at, None)
        for at, lane in lanes.items():
            place, before = lane.position.next_offset, self._places.get(at)
            self._places[at] = place
            waits = ends[at.topic].get(at.partition, 0) > lane.done_to
            if not waits or lane.trouble is not None or place != before:
                self._looks[at] = 0
                continue
            self._looks[at] = self._looks.get(at, 0) + 1
            if self._looks[at] >= _LOOKS:
                self._end(f"holds {at} and has not moved from {place}")

    async def _look_at_joining(self) -> None:
        """Count the looks since which the group has not said what is ours, and nobody works on what waits."""
        if self._assignment.told:
            self._untold = 0
            return
        before = self._stored
        async with self._runtime.database.read() as connection:
            stored = await positions.all_of(connection, self._group)
        self._stored = {one.at: one.next_offset for one in stored}
        self._untold = self._untold + 1 if self._stored == before and await self._any_waits() else 0
        if self._untold >= _LOOKS:
            self._end("has not been told which partitions are its own")

    async def _any_waits(self) -> bool:
        """Whether a record stands behind a stored position: an end alone may have moved on past markers only."""
        transport = self._runtime.transport
        for topic in self._topics:
            for number, end in (await transport.ends(topic)).items():
                offset = self._stored.get(TopicPartition(topic, number), 0)
                if offset < end and (await transport.read(topic, number, offset=offset, limit=1)).records:
                    return True
        return False

    def _end(self, what: str) -> None:
        seconds = self._runtime.settings.lifecycle.stuck_seconds
        sentence = (
            f"{self._group} {what} for {seconds:.0f} s although records wait there and nothing says why."
        )
        _log.critical("consumer.stuck", group=self._group, reason=sentence, stacks=_stacks())
        raise Stuck(sentence)


def _stacks() -> str:
    told = io.StringIO()
    for task in asyncio.all_tasks():
        task.print_stack(limit=8, file=told)
    return told.getvalue()[:_LONGEST_STACKS]
