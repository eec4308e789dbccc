"""The watchdog of a consumer: it ends a process that looks alive and does nothing, and no other.

A client can lose its way without a word: it holds its partitions, records wait, and nothing ever comes. So the watchdog
looks at *progress*: while records wait in a partition that is assigned, its position must move, or the partition must
say why it does not (it retries, it is halted). Where neither is so for as long as the settings allow, it logs the stack
of every task and the process ends with an error, for its supervisor to start it anew; the stored position loses nothing.

Its patience is counted in its own looks, never read from a clock: a machine that slept, or a process that was frozen,
wakes up with one look missed and no more. An idle consumer has nothing waiting, so it is never found wanting. This
module must not touch the log's groups, and asks for nothing that a member could be stuck in.
"""

import asyncio
import io
from collections.abc import Mapping
from contextlib import suppress

import structlog

from services.chassis.bus.errors import BusError
from services.chassis.bus.failures import TRANSIENT
from services.chassis.bus.host import Host
from services.chassis.bus.lane import Lane
from services.chassis.bus.transport import TopicPartition

_LOOKS = 10  # without any progress, before the process ends
_LONGEST_STACKS = 20_000

_log = structlog.get_logger(__name__)


class Stuck(BusError):  # noqa: N818 - what is the matter
    """Records wait, nothing says why, and nothing moves: only a new process is certain to be sound."""


class Watchdog:
    """Looks at the lanes of one consumer, `_LOOKS` times within the time that the settings allow."""

    def __init__(self, runtime: Host, group: str, lanes: Mapping[TopicPartition, Lane]) -> None:
        self._runtime = runtime
        self._group = group
        self._lanes = lanes
        self._places: dict[TopicPartition, int] = {}
        self._looks: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        """Look until cancelled. Raises Stuck."""
        while True:
            await asyncio.sleep(self._runtime.settings.lifecycle.stuck_seconds / _LOOKS)
            with suppress(*TRANSIENT):  # a log that is away is no fault of the member
                await self.look()

    async def look(self) -> None:
        """Compare every lane's position with the last look's. Raises Stuck."""
        lanes = dict(self._lanes)
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
                self._end(at, lane)

    def _end(self, at: TopicPartition, lane: Lane) -> None:
        sentence = (
            f"{self._group} holds {at} and has not moved from {lane.position.next_offset} for "
            f"{self._runtime.settings.lifecycle.stuck_seconds:.0f} s although records wait there and nothing says why."
        )
        _log.critical("consumer.stuck", group=self._group, at=str(at), reason=sentence, stacks=_stacks())
        raise Stuck(sentence)


def _stacks() -> str:
    told = io.StringIO()
    for task in asyncio.all_tasks():
        task.print_stack(limit=8, file=told)
    return told.getvalue()[:_LONGEST_STACKS]
