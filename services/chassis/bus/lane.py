"""One partition's lane: its batches, one after the other, each a transaction of the consumer.

A transaction is *compare-and-set of the position, then effects and next outbox rows, then commit*. Many records
share one as long as nothing goes wrong; if something does, it is rolled back and the records are taken one by one,
so that the one at fault is found and the others do not pay for it. Order within the lane is never given up:

- transient: the same records again, in place, after a growing pause with jitter;
- invalid: buried at once, its key parked;
- unexpected: a few tries, then buried, its key parked;
- too much was buried (`limits`): the lane halts before the record, until the partition is resumed or left;
- the position was moved by somebody else: the lane ends, for the partition has another owner;
- the log was compacted before the lane read on: it ends, for what was erased may never be learnt.

This is the consumer edge: the one place here that catches every error of a handler, because classifying what
nobody foresaw is its job.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from schemas.topics import is_state
from services.chassis.bus import deadletters, limits, positions
from services.chassis.bus.delivery import Ahead, Handler, Together, deliver, microseconds
from services.chassis.bus.errors import PositionMoved, RebuildNeeded
from services.chassis.bus.failpoints import reach
from services.chassis.bus.failures import TRANSIENT, classify, printable
from services.chassis.bus.host import Host
from services.chassis.bus.limits import Burials, Limits
from services.chassis.bus.positions import Position
from services.chassis.bus.transport import BATCH_BYTES, Batch, Record

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 10.0
_HALTED_POLL = 0.5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRules:
    """How much one transaction takes on, and how much failure is borne."""

    transaction_seconds: float = 0.25  # after this a transaction commits what it has
    tries: int = 3  # of a record on which the handler fails unexpectedly
    limits: Limits = field(default_factory=Limits)  # of burying
    backlog: int = 2  # batches waiting before the partition is paused,
    backlog_bytes: int = (
        BATCH_BYTES  # or bytes of their values: a lane never holds more than these and one batch
    )


class Lane:
    """The records of one assigned partition, from its stored position on."""

    def __init__(
        self,
        runtime: Host,
        position: Position,
        *,
        handle: Handler,
        rules: LaneRules,
        on_room: Callable[[], None],
        burials: Burials | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        self._runtime = runtime
        self._handle = handle
        self._rules = rules
        self._on_room = on_room
        self._ahead = ahead
        self._made: Mapping[int, Any] = {}  # of the batch that is worked on
        self._waiting: deque[Batch] = deque()
        self._arrived = asyncio.Event()
        self._closing = asyncio.Event()
        self._burials = burials or Burials(group=position.group, at=position.at)
        self._letters = True  # whether keys may be parked here; after the first look only this lane parks any
        self.position = position
        self.expected = position.next_offset
        self.done_to = position.next_offset
        self.trouble: str | None = None

    @property
    def full(self) -> bool:
        """Whether the partition should be paused until the lane has caught up."""
        return len(self._waiting) >= self._rules.backlog or self.in_flight_bytes >= self._rules.backlog_bytes

    @property
    def in_flight(self) -> int:
        """How many records are fetched and not committed."""
        return sum(len(batch.records) for batch in self._waiting)

    @property
    def in_flight_bytes(self) -> int:
        """Bytes of their values."""
        return sum(batch.size for batch in self._waiting)

    @property
    def idle(self) -> bool:
        """Whether everything that was offered is committed."""
        return self.done_to == self.expected

    def offer(self, batch: Batch) -> bool:
        """Queue a batch; False if it was read for another assignment and has to be fetched anew."""
        if batch.offset != self.expected:
            return False
        self.expected = batch.next_offset
        self._waiting.append(batch)
        self._arrived.set()
        return True

    def close(self) -> None:
        """Finish the transaction in flight, start no other."""
        self._closing.set()
        self._arrived.set()

    async def run(self) -> None:
        """Work until closed. Raises PositionMoved, RebuildNeeded."""
        while not self._closing.is_set():
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            await self._work(self._waiting[0])
            if not self._closing.is_set():
                self.done_to = self._waiting.popleft().next_offset
                self._on_room()

    async def note_end(self) -> None:
        """Store that the end of the log was seen; called when idle there, writes once a day at most.

        Whatever arrives meanwhile is committed beside it, and then that stands.
        """
        before = self.position
        seen = before.seen_at_end(microseconds(self._runtime))
        if seen is not before and self.idle:
            # Whose partition it is now the next commit will find out; a database that is away costs one look at the end.
            with suppress(PositionMoved, *TRANSIENT):
                async with self._runtime.database.write() as connection:
                    await positions.move(connection, before, seen)
                if self.position is before:
                    self.position = seen

    async def _work(self, batch: Batch) -> None:
        """Commit a batch, in as few transactions as time and faults allow."""
        self._prove(batch)
        records = deque(batch.records)
        self._made = await self._ahead(self._runtime, batch.records) if self._ahead else {}
        together, tries, pause = True, 0, _FIRST_PAUSE
        while records and not self._closing.is_set():
            group = tuple(records) if together else (records[0],)
            try:
                committed = await self._commit(group)
            except PositionMoved:
                raise
            except Exception as error:  # noqa: BLE001 - the consumer edge
                self.trouble = f"{type(error).__name__}: {error}"
                kind = classify(error)
                self._runtime.metrics.retries.labels(self.position.group, kind).inc()
                if kind == "transient":
                    await self._pause(error, pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
                elif together and len(group) > 1:
                    together = False
                elif kind == "unexpected" and tries + 1 < self._rules.tries:
                    tries += 1
                    await self._pause(error, _FIRST_PAUSE)
                else:
                    if await self._bury(records[0], error, tries + 1):
                        records.popleft()
                    tries = 0
                continue
            for _ in range(committed):
                records.popleft()
            self.trouble, tries, pause = None, 0, _FIRST_PAUSE

    def _prove(self, batch: Batch) -> None:
        """Prove that no tombstone went from the log before this lane read on to it. Raises RebuildNeeded.

        Positions are proved on assignment; here it is what a lane stands before that is halted, waits for its database, or
        reads from the beginning while the log is compacted.
        """
        if batch.offset == 0:
            self.position = replace(self.position, begun=batch.horizon or 0)
        elif batch.lacks(self.position.begun):
            raise RebuildNeeded(
                f"The log was compacted before {self.position.group} read on from {batch.offset} of {batch.at}, and tombstones "
                "that it has not read may be gone; stop every process of the service that reads and run `comity rebuild` for it."
            )

    async def _commit(self, records: Sequence[Record]) -> int:
        """Run one transaction over these records, or over the first of them if time runs out; how many."""
        runtime, before = self._runtime, self.position
        planned = before.past(records[-1], positions.event_id(records[-1]))
        taken, after = 0, planned
        applied: list[Event] = []
        together = Together(records)
        async with runtime.database.write() as connection:
            await positions.move(connection, before, planned)
            await reach("consumer.moved")
            parked = await self._parked(connection) if self._letters else set()
            # What it has waited for other lanes up to here, for their locks and for their work, is no time of its own.
            started = runtime.clock.monotonic()
            for record in records:
                event = await deliver(
                    connection,
                    record,
                    runtime=runtime,
                    group=before.group,
                    handle=self._handle,
                    parked=parked,
                    together=together,
                    made=self._made.get(record.offset),
                )
                if event is not None:
                    applied.append(event)
                taken += 1
                if runtime.clock.monotonic() - started > self._rules.transaction_seconds:
                    break
            await together.write(connection)
            if taken < len(records):
                last = records[taken - 1]
                after = before.past(last, positions.event_id(last))
                await positions.move(connection, planned, after)
            counted = applied and (self._burials.in_a_row or self._burials.halted_offset is not None)
            if counted:
                await limits.applied(connection, before.group, before.at)
            await reach("consumer.before_commit")
        self.position = after
        self._observe(applied)
        if counted:
            self._burials = replace(self._burials, in_a_row=0, halted_offset=None)
        await self._committed()
        return taken

    def _observe(self, applied: Sequence[Event]) -> None:
        """Note how long each event took from its time to this commit; a clock that is behind ours counts as none."""
        now = self._runtime.clock.now()
        effect = self._runtime.metrics.effect_seconds.labels(self.position.group)
        for event in applied:
            try:
                written = datetime.fromisoformat(event.time)
                effect.observe(max(0.0, (now - written).total_seconds()))
            except (ValueError, TypeError):
                continue  # a foreign writer's time may be anything

    async def _parked(self, connection: AsyncConnection) -> set[str]:
        """Return the parked keys of this partition. Where there is none, only a burial of this lane can park one."""
        parked = await deadletters.parked_keys(connection, self.position.group, self.position.at)
        self._letters = bool(parked)
        return parked

    async def _bury(self, record: Record, error: Exception, attempts: int) -> bool:
        """Set the record aside and move past it, in one transaction of its own; False if the lane halted instead."""
        group, pause = self.position.group, _FIRST_PAUSE
        after = self.position.past(record, positions.event_id(record))
        while not self._closing.is_set():
            try:
                async with self._runtime.database.write() as connection:
                    counted = await limits.load(connection, group, self.position.at)
                    why = await limits.reached(connection, self._rules.limits, counted, offset=record.offset)
                    now = microseconds(self._runtime)
                    # Whoever has lost the partition neither buries nor halts.
                    await positions.move(connection, self.position, self.position if why else after)
                    if why is None:
                        await deadletters.bury(
                            connection, group, record, error=error, attempts=attempts, now=now
                        )
                        counted = replace(counted, in_a_row=counted.in_a_row + 1)
                    else:
                        fault = printable(f"{why}; the last fault: {type(error).__name__}: {error}")
                        counted = replace(counted, halted_offset=record.offset, halted_at=now, reason=fault)
                    await limits.store(connection, counted)
            except PositionMoved:
                raise
            except Exception as again:
                if classify(again) != "transient":
                    raise
                await self._pause(again, pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            self._burials = counted
            at = str(self.position.at)
            if why is not None:
                _log.error("consumer.halted", group=group, at=at, offset=record.offset, reason=counted.reason)
                await self._wait_until_resumed()
                return False
            self._runtime.metrics.buried.labels(group).inc()
            _log.error("consumer.buried", group=group, at=at, offset=record.offset, error=self.trouble)
            self.position = after
            self._letters = True
            await self._committed()
            return True
        return False

    async def _wait_until_resumed(self) -> None:
        """Stand still before the record at fault until somebody resumes the partition, or it is taken away.

        Raises RebuildNeeded if it stood for longer than tombstones are kept, as a start would.
        """
        self.trouble = f"halted: {self._burials.reason}"
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _HALTED_POLL)
                return
            with suppress(*TRANSIENT):
                async with self._runtime.database.read() as connection:
                    self._burials = await limits.load(connection, self.position.group, self.position.at)
                if self._burials.halted_offset is None:
                    await self._prove_absence()
                    return

    async def _prove_absence(self) -> None:
        at = self.position.at
        if is_state(at.topic):
            await positions.verify_tombstones(
                self._runtime.transport,
                self.position,
                now=microseconds(self._runtime),
                tombstone_seconds=self._runtime.settings.log.tombstone_seconds,
            )

    async def _committed(self) -> None:
        await reach("consumer.committed")
        self._runtime.signals.notify(f"consumed:{self.position.group}")

    async def _pause(self, error: Exception, seconds: float) -> None:
        group, at = self.position.group, str(self.position.at)
        _log.warning("consumer.retry", group=group, at=at, error=f"{type(error).__name__}: {error}")
        try:
            await asyncio.wait_for(self._closing.wait(), seconds * random.uniform(0.5, 1.0))
        except TimeoutError:
            return
