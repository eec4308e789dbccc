"""The partitions that a consumer owns now: proved on arrival, drained on departure.

It is what a membership tells about its partitions. On arrival the stored position of each is loaded and proved to
belong to this log; one that is not makes the consumer fail, loudly, instead of reading on from somewhere else. On
departure the transaction in flight is given time to end and is rolled back after that; either way the next owner
begins exactly where the last commit stands. This module must not read from the log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Literal

import structlog

from schemas.topics import is_state
from services.chassis.bus import limits, positions
from services.chassis.bus.delivery import Ahead, Handler, microseconds
from services.chassis.bus.errors import PositionMoved
from services.chassis.bus.failures import TRANSIENT
from services.chassis.bus.host import Host
from services.chassis.bus.lane import Lane, LaneRules
from services.chassis.bus.positions import Position
from services.chassis.bus.rebuilding import offset_at
from services.chassis.bus.transport import TopicPartition

Beginning = Literal["earliest", "latest"] | datetime
"""Where a new group begins: at the first record, after the last, or with what was appended at a moment or later."""

PartitionsHook = Callable[[frozenset[TopicPartition]], Awaitable[None]]

_RETRY_SECONDS = 0.5

_log = structlog.get_logger(__name__)


class Assignment:
    """The listener of one consumer, and its lanes."""

    def __init__(
        self,
        runtime: Host,
        *,
        group: str,
        handle: Handler,
        rules: LaneRules,
        drain_seconds: float,
        stop: asyncio.Event,
        on_assigned: PartitionsHook | None,
        on_revoked: PartitionsHook | None,
        on_room: Callable[[TopicPartition], None],
        begin: Beginning = "earliest",
        ahead: Ahead | None = None,
    ) -> None:
        self._runtime = runtime
        self._group = group
        self._handle = handle
        self._rules = rules
        self._drain_seconds = drain_seconds
        self._stop = stop
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._on_room = on_room
        self._begin = begin
        self._ahead = ahead
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._burials: dict[TopicPartition, limits.Burials] = {}  # of partitions that are about to be opened
        self.told = False  # whether the group has said what is ours, and that stands
        self._arriving: set[TopicPartition] = set()  # what is held and has no lane yet
        self.held: set[TopicPartition] = set()  # what the group gives us, while a lane is changed too
        self.lanes: dict[TopicPartition, Lane] = {}
        self.moved: set[TopicPartition] = set()
        self.failure: BaseException | None = None

    async def assigned(self, partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Prove the positions, tell the service, open the lanes; where one cannot be proved the consumer fails, and none is read."""
        self.told = True
        with self._rebalancing(partitions):
            return await self._assigned(partitions)

    async def _assigned(self, partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        await self._drain([at for at in sorted(partitions) if at in self.lanes])
        try:
            taken = await self._take(sorted(partitions))
            self._arriving = {position.at for position in taken}
            self.held |= self._arriving
            if self._on_assigned is not None and taken:
                await self._on_assigned(frozenset(position.at for position in taken))
        except Exception as error:  # noqa: BLE001 - the consumer edge; a listener never raises into a client
            self.fail(error)
            return {}
        for position in taken:
            self._open(position)
        self._arriving.clear()
        return {position.at: position.next_offset for position in taken}

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Close the lanes, let their transactions end, tell the service."""
        self.told = False
        with self._rebalancing(partitions):
            await self._revoked(partitions)

    async def _revoked(self, partitions: frozenset[TopicPartition]) -> None:
        leaving = [at for at in sorted(partitions) if at in self.held]
        self.held.difference_update(leaving)
        await self._drain([at for at in leaving if at in self.lanes])
        try:
            if self._on_revoked is not None and leaving:
                await self._on_revoked(frozenset(leaving))
        except Exception as error:  # noqa: BLE001 - as above
            self.fail(error)

    def report_refused(self) -> None:
        """Count it; the stored position decides anyway."""
        self._runtime.metrics.reports_refused.labels(self._group).inc()

    async def retake(self, at: TopicPartition) -> int | None:
        """Take a partition anew whose position somebody else moved while it is still ours: the offset, or None."""
        if at not in self.lanes:
            return None
        await self._drain([at])
        taken = await self._take([at])
        if not taken or at not in self.held - self._arriving or at in self.lanes:
            return None  # it has left meanwhile, comes back, or has come back
        self._open(taken[0])
        return taken[0].next_offset

    @contextmanager
    def _rebalancing(self, partitions: frozenset[TopicPartition]) -> Iterator[None]:
        metrics = self._runtime.metrics
        with metrics.rebalance_seconds.labels(self._group).time():
            yield
        if partitions:
            metrics.rebalances.labels(self._group).inc()
        metrics.assigned.labels(self._group).set(len(self.held))

    async def _take(self, partitions: Sequence[TopicPartition]) -> Sequence[Position]:
        """Load and prove the stored positions; waits for a database or a log that is away; none once stopping."""
        while partitions and not self._stop.is_set():
            try:
                return await self._taken(partitions)
            except TRANSIENT as error:
                at = ", ".join(map(str, partitions))
                _log.warning("consumer.assign", group=self._group, at=at, error=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _RETRY_SECONDS)
        return ()

    async def _taken(self, partitions: Sequence[TopicPartition]) -> Sequence[Position]:
        """Load the positions of all in one transaction, then prove each."""
        transport, now = self._runtime.transport, microseconds(self._runtime)
        logs = {topic: await transport.identity(topic) for topic in {at.topic for at in partitions}}
        begins = {at: await self._beginning(at) for at in partitions}
        taken = []
        async with self._runtime.database.write() as connection:
            for at, begin in begins.items():
                taken.append(
                    await positions.take(
                        connection, self._group, at, log=logs[at.topic], now=now, begin=begin
                    )
                )
                self._burials[at] = await limits.load(connection, self._group, at)
        for position in taken:
            await positions.verify(
                transport,
                position,
                now=now,
                compacted=is_state(position.at.topic),
                tombstone_seconds=self._runtime.settings.log.tombstone_seconds,
            )
        return taken

    async def _beginning(self, at: TopicPartition) -> int:
        """Return where a group that was never here begins."""
        transport = self._runtime.transport
        if self._begin == "earliest":
            return 0
        if self._begin == "latest":
            return (await transport.ends(at.topic)).get(at.partition, 0)
        return await offset_at(transport, at, self._begin)

    def _open(self, position: Position) -> None:
        room = partial(self._on_room, position.at)
        lane = Lane(
            self._runtime,
            position,
            handle=self._handle,
            rules=self._rules,
            on_room=room,
            burials=self._burials.pop(position.at, None),
            ahead=self._ahead,
        )
        task = asyncio.create_task(lane.run(), name=f"{self._group} {position.at}")
        self.lanes[position.at] = lane
        self._tasks[position.at] = task
        task.add_done_callback(lambda done: self._lane_ended(position.at, lane, done))

    def _lane_ended(self, at: TopicPartition, lane: Lane, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, PositionMoved):
            self._runtime.metrics.conflicts.labels(self._group).inc()
            if self.lanes.get(at) is lane:
                self.moved.add(at)
        elif error is not None:
            self.fail(error)

    async def _drain(self, leaving: list[TopicPartition]) -> None:
        tasks = [self._tasks.pop(at) for at in leaving]
        for at in leaving:
            self.lanes.pop(at).close()
            self.moved.discard(at)
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._drain_seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def fail(self, error: BaseException) -> None:
        """Make the consumer end with this error at its next turn; the first one counts."""
        if self.failure is None:
            self.failure = error
