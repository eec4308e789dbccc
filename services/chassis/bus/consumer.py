"""The consumer: events of a group's partitions become effects in a service's database, exactly once.

It is one member of a group at the log. Records go to a lane per partition (`lane`), which turns them into
transactions in order; arriving and leaving partitions are the `assignment`'s. The loop here only moves batches and
keeps the balance: a partition whose lane is full is paused, never waited for, so one slow or failing partition holds
up no other. It is also the sign of life, and goes on fetching whether or not anything is assigned.

This module must not know what any record means, and must not ask the log how far the group has come.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog

from services.chassis.bus import deadletters
from services.chassis.bus.assignment import Assignment, Beginning, PartitionsHook
from services.chassis.bus.delivery import Ahead, Coordinates, Delivery, Handler, microseconds, replay
from services.chassis.bus.failures import TRANSIENT
from services.chassis.bus.host import Host
from services.chassis.bus.lane import LaneRules
from services.chassis.bus.limits import Limits
from services.chassis.bus.transport import Membership, TopicPartition
from services.chassis.bus.watchdog import Watchdog

__all__ = ["Consumer", "Coordinates", "Delivery", "Handler", "PartitionsHook"]

_FETCH_SECONDS = 0.25
_REJOIN_SECONDS = 0.5
_REPORT_SECONDS = 1.0
_NOTE_END_SECONDS = 3_600.0

_log = structlog.get_logger(__name__)


class Consumer:
    """One member of a group, for one handler.

    `on_assigned` is awaited before the first delivery of newly assigned partitions, `on_revoked` after the last
    one of those that leave. `begin` is where a group starts that was never here. After every commit the signal `consumed:<group>` is given.
    `linger` is for a group that nobody waits for: so many seconds after records have come in they are worked on, so that a
    burst shares a transaction, and groups of the same process that somebody waits for go first. `ahead` makes of a batch what
    its handler needs and no transaction has to be open for.
    """

    def __init__(
        self,
        runtime: Host,
        *,
        group: str,
        topics: Sequence[str],
        handle: Handler,
        on_assigned: PartitionsHook | None = None,
        on_revoked: PartitionsHook | None = None,
        batch: int = 500,
        rules: LaneRules | None = None,
        drain_seconds: float = 10.0,
        begin: Beginning = "earliest",
        linger: float = 0.0,
        ahead: Ahead | None = None,
    ) -> None:
        self._runtime = runtime
        self._linger = linger
        self._group = group
        self._topics = tuple(topics)
        self._handle = handle
        self._batch = batch
        self._stop = asyncio.Event()
        self._reported: dict[TopicPartition, int] = {}
        self._report_at = 0.0
        self._note_end_at = 0.0
        self._membership: Membership | None = None
        self._paused: set[TopicPartition] = set()
        self._assignment = Assignment(
            runtime,
            group=group,
            handle=handle,
            rules=rules or LaneRules(limits=_limits_of(runtime)),
            drain_seconds=drain_seconds,
            stop=self._stop,
            on_assigned=on_assigned,
            on_revoked=on_revoked,
            on_room=self._resume,
            begin=begin,
            ahead=ahead,
        )

    @property
    def assigned(self) -> frozenset[TopicPartition]:
        """The partitions that this member owns now."""
        return frozenset(self._assignment.held)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; then finish what is in flight and leave the group.

        Raises LogReplaced or RebuildNeeded: a person has to decide; Stuck: only a new process helps.
        """
        stopping = asyncio.create_task(self._stop_with(stop))
        watching = asyncio.create_task(
            Watchdog(self._runtime, self._group, self._topics, self._assignment).run(),
            name=f"{self._group} watchdog",
        )
        watching.add_done_callback(self._watched)
        try:
            while not self._stop.is_set():
                try:
                    async with self._runtime.transport.membership(
                        self._group, self._topics, self._assignment
                    ) as membership:
                        await self._consume(membership)
                except TRANSIENT as error:
                    # The log is away. A membership that has failed is not trusted again: join anew.
                    _log.warning(
                        "consumer.rejoin", group=self._group, error=f"{type(error).__name__}: {error}"
                    )
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._stop.wait(), _REJOIN_SECONDS)
                self._raise_failure()
        finally:
            stopping.cancel()
            watching.cancel()

    async def progress(self) -> dict[str, Any]:
        """Tell, per partition: stored position, end of the log, lag, age, trouble; and the letters set aside.

        `lag` counts offsets, and so is more than records where compaction left gaps; `age_seconds` is how long ago the
        oldest record that is not applied was appended, None at rest: that is what an alarm should ask.
        """
        ends = {topic: await self._runtime.transport.ends(topic) for topic in self._topics}
        async with self._runtime.database.read() as connection:
            letters = await deadletters.counts(connection, self._group)
        partitions: dict[str, dict[str, Any]] = {}
        lags = 0
        for at, lane in sorted(self._assignment.lanes.items()):
            end = ends[at.topic].get(at.partition, 0)
            lag = max(0, end - lane.done_to)
            lags += lag
            partitions[str(at)] = {
                "position": lane.position.next_offset,
                "end": end,
                "lag": lag,
                "age_seconds": await self._age(at, lane.done_to) if lag else None,
                "trouble": lane.trouble,
            }
        ages = [found["age_seconds"] for found in partitions.values() if found["age_seconds"] is not None]
        oldest = max(ages, default=None)
        metrics = self._runtime.metrics
        metrics.lag_records.labels(self._group).set(lags)
        metrics.lag_seconds.labels(self._group).set(oldest or 0.0)
        metrics.paused.labels(self._group).set(len(self._paused))
        held = self._assignment.lanes.values()
        metrics.in_flight.labels(self._group).set(sum(lane.in_flight for lane in held))
        metrics.in_flight_bytes.labels(self._group).set(sum(lane.in_flight_bytes for lane in held))
        return {"group": self._group, "lag": lags, "age_seconds": oldest, "partitions": partitions, **letters}

    async def _age(self, at: TopicPartition, offset: int) -> float | None:
        """Return the age of the first record from `offset` on, None if there is none (markers and gaps alone)."""
        batch = await self._runtime.transport.read(at.topic, at.partition, offset=offset, limit=1)
        if not batch.records:
            return None
        # The log's clock and ours may differ; nothing is younger than new.
        return max(0.0, (microseconds(self._runtime) - batch.records[0].appended_at) / 1_000_000)

    async def replay(self, topic: str, key: str) -> int:
        """Hand the dead and parked records of a key to the handler again; returns how many. What fails raises."""
        async with self._runtime.database.write() as connection:
            return await replay(
                connection, self._runtime, group=self._group, topic=topic, key=key, handle=self._handle
            )

    async def _consume(self, membership: Membership) -> None:
        self._membership, self._paused, self._reported = membership, set(), {}
        retaking: dict[TopicPartition, asyncio.Task[int | None]] = {}
        try:
            await self._fetch_for_ever(membership, retaking)
        finally:
            for task in retaking.values():
                task.cancel()
            await asyncio.gather(*retaking.values(), return_exceptions=True)

    async def _fetch_for_ever(
        self, membership: Membership, retaking: dict[TopicPartition, asyncio.Task[int | None]]
    ) -> None:
        while not self._stop.is_set() and self._assignment.failure is None:
            # A database that is away holds the retaking up, and must not hold up the sign of life with it.
            while self._assignment.moved:
                at = self._assignment.moved.pop()
                retaking[at] = asyncio.create_task(self._assignment.retake(at))
            for at in [at for at, task in retaking.items() if task.done()]:
                offset = retaking.pop(at).result()
                if offset is not None:
                    membership.seek(at, offset)
                    self._resume(at)
            batches = await membership.fetch(timeout=_FETCH_SECONDS, limit=self._batch)
            if batches and self._linger:
                await asyncio.sleep(self._linger)
            for batch in batches:
                lane = self._assignment.lanes.get(batch.at)
                if lane is None:
                    continue
                if not lane.offer(batch):
                    membership.seek(batch.at, lane.expected)
                elif lane.full:
                    self._paused.add(batch.at)
                    membership.pause(frozenset({batch.at}))
            await self._report(membership)
            await self._note_ends()

    def _resume(self, at: TopicPartition) -> None:
        """Fetch again for a lane that has room; called by the lane, so that no poll has to pass first."""
        if at in self._paused and self._membership is not None:
            self._paused.discard(at)
            self._membership.resume(frozenset({at}))

    async def _report(self, membership: Membership) -> None:
        now = self._runtime.clock.monotonic()
        if now < self._report_at:
            return
        self._report_at = now + _REPORT_SECONDS
        stored = {at: lane.position.next_offset for at, lane in self._assignment.lanes.items()}
        changed = {at: offset for at, offset in stored.items() if self._reported.get(at) != offset}
        if changed:
            await membership.report(changed)
            self._reported = stored

    async def _note_ends(self) -> None:
        """Remember that the end was seen, for the rule about tombstones (`positions.verify`)."""
        now = self._runtime.clock.monotonic()
        if now < self._note_end_at:
            return
        self._note_end_at = now + _NOTE_END_SECONDS
        for topic in self._topics:
            ends = await self._runtime.transport.ends(topic)
            for at, lane in tuple(self._assignment.lanes.items()):
                if at.topic == topic and lane.done_to >= ends.get(at.partition, 0):
                    await lane.note_end()

    def _watched(self, watching: asyncio.Task[None]) -> None:
        if not watching.cancelled() and (error := watching.exception()) is not None:
            self._assignment.fail(error)

    def _raise_failure(self) -> None:
        if self._assignment.failure is not None:
            raise self._assignment.failure

    async def _stop_with(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stop.set()
        for lane in self._assignment.lanes.values():
            lane.close()  # at once, not when the fetch that is under way has ended


def _limits_of(runtime: Host) -> Limits:
    said = runtime.settings.dead_letters
    return Limits(in_a_row=said.in_a_row, share=said.share, window=said.window)
