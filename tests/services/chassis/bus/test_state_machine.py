"""The bus against a dictionary: any order of writes, relay steps, deliveries, crashes, take-overs and restarts.

Hypothesis draws the steps. What was written stands in `model`; nothing else is believed. After every step each effect has
happened at most once and in the order of its key; at the end, when everything is let through, the projection is the model
and every event that was accepted was applied exactly once (but for what was past when compaction ran: once at most).
`COMITY_TEST_MACHINE_EXAMPLES` sets how many runs are drawn.
"""

import asyncio
import os
import tempfile
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.envelope import Event
from services.chassis.bus import outbox, positions
from services.chassis.bus.errors import Fenced, PositionMoved
from services.chassis.bus.failpoints import armed
from services.chassis.bus.lane import Lane, LaneRules
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.relay import Relay
from services.chassis.bus.transport import Batch, TopicPartition
from services.chassis.bus.transports.sql.compaction import compact
from tests.services.chassis.bus.bench import LIMIT, Bench, Crash, apply, erased, organisation

EXAMPLES = int(os.environ.get("COMITY_TEST_MACHINE_EXAMPLES", "25"))
TOPIC = "members.v1"
KEYS = [str(uuid.UUID(int=number)) for number in range(1, 5)]
RELAY_LINES = ("relay.read", "log.before_commit", "relay.appended")
DELIVERY_LINES = ("consumer.moved", "consumer.before_commit", "consumer.committed")
WHICH = st.integers(0, len(KEYS) - 1)
FUTURE = 1 << 60


@dataclass(kw_only=True)
class Frozen:
    """Somebody who stopped in the middle of a step, and wakes up later."""

    events: list[Event]
    appender: Any


class Bus(RuleBasedStateMachine):
    """One service, its log and its consumer, moved step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="comity-machine-")
        self.runner = asyncio.Runner()
        self.model: dict[str, tuple[int, str | None]] = {}
        self.posted: dict[str, tuple[str, int]] = {}  # event id → key and version
        self.spared: set[str] = set()  # events that compaction may have taken before anybody read them
        self.frozen: list[Frozen] = []
        self.zombies: list[tuple[Lane, Batch]] = []
        self.run(self._start())

    def run(self, doing: Any) -> Any:
        return self.runner.run(doing)

    async def _start(self) -> None:
        self.bench = Bench(Path(self.folder.name))
        await self.bench.start()
        await self._new_relay()
        await self._new_lanes()

    async def _new_relay(self) -> None:
        self.appender = await self.bench.transport.appender("members").__aenter__()

    async def _new_lanes(self) -> None:
        log = await self.bench.transport.identity(TOPIC)
        self.lanes = {}
        for number in range(await self.bench.transport.partitions(TOPIC)):
            at = TopicPartition(TOPIC, number)
            async with self.bench.database.write() as connection:
                position = await positions.take(connection, "things", at, log=log, now=0)
            self.lanes[number] = Lane(
                self.bench.process, position, handle=apply, rules=LaneRules(), on_room=lambda: None
            )

    async def _batch(self, lane: Lane, limit: int) -> Batch:
        at = lane.position.at
        return await self.bench.transport.read(
            at.topic, at.partition, offset=lane.position.next_offset, limit=limit
        )

    # Writing

    @rule(key=st.sampled_from(KEYS), name=st.sampled_from(["Ada", "Bea", "Cid"]))
    def write(self, key: str, name: str) -> None:
        version = self.model.get(key, (0, None))[0] + 1
        self._accept(organisation(key, version=version, name=name), key, version, name)

    @rule(key=st.sampled_from(KEYS))
    def erase(self, key: str) -> None:
        version, name = self.model.get(key, (0, None))
        if name is not None:
            self._accept(erased(key, version=version + 1), key, version + 1, None)

    @rule(key=st.sampled_from(KEYS))
    def write_and_roll_back(self, key: str) -> None:
        async def fail() -> None:
            async with self.bench.database.write() as connection:
                event = organisation(key, version=self.model.get(key, (0, None))[0] + 1, name="nobody")
                await outbox.post(connection, event, max_record_bytes=LIMIT)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            self.run(fail())

    def _accept(self, event: Event, key: str, version: int, name: str | None) -> None:
        self.run(self.bench.post(event))
        self.model[key] = (version, name)
        self.posted[event.id] = (key, version)

    # Relaying

    @rule(batch=st.integers(1, 3))
    def relay(self, batch: int) -> None:
        self.run(self._relay(batch))

    @rule(line=st.sampled_from(RELAY_LINES), batch=st.integers(1, 3))
    def relay_and_crash(self, line: str, batch: int) -> None:
        self.run(self._crash(line, lambda: self._relay(batch)))
        self.run(self._new_relay())

    async def _relay(self, batch: int) -> int:
        """Relay as one that starts now, which must find that its database knows all that the log holds."""
        relay = Relay(self.bench.process, batch=batch)
        await relay.prove()
        return await relay.step(self.appender)

    @rule()
    def freeze_the_relay(self) -> None:
        """A relay has read its batch and stands still; another takes over."""

        async def freeze() -> None:
            async with self.bench.database.read() as connection:
                rows = await outbox.oldest(connection, limit=3)
            if rows:
                self.frozen.append(Frozen(events=[event for _, event in rows], appender=self.appender))
            await self._new_relay()

        self.run(freeze())

    @precondition(lambda self: self.frozen)
    @rule()
    def wake_the_frozen_relay(self) -> None:
        zombie = self.frozen.pop()
        with pytest.raises(Fenced):
            self.run(zombie.appender.append(zombie.events))

    # Delivering

    @rule(which=WHICH, limit=st.integers(1, 3))
    def deliver(self, which: int, limit: int) -> None:
        self.run(self._deliver(self._waiting(which), limit))

    @rule(which=WHICH, line=st.sampled_from(DELIVERY_LINES))
    def deliver_and_crash(self, which: int, line: str) -> None:
        lane = self._waiting(which)
        self.run(self._crash(line, lambda: self._deliver(lane, 3)))
        self.run(self._new_lanes())

    @rule(which=WHICH, then=st.sampled_from(["nothing", "a delivery", "a wake"]))
    def rebalance(self, which: int, then: str) -> None:
        """The partitions get another owner, while the one before holds a batch in its hands; then the one or the other acts."""
        lane = self._waiting(which)

        async def move() -> None:
            batch = await self._batch(lane, 3)
            if batch.records:
                self.zombies.append((lane, batch))
            await self._new_lanes()
            if then == "a delivery":
                await self._deliver(self.lanes[lane.position.at.partition], 3)

        self.run(move())
        if then == "a wake" and self.zombies:
            self.wake_the_former_owner()

    @precondition(lambda self: self.zombies)
    @rule()
    def wake_the_former_owner(self) -> None:
        """It may commit only if nobody has moved the position since; the present owner finds out then."""

        async def wake() -> None:
            lane, batch = self.zombies.pop()
            present = self.lanes[lane.position.at.partition]
            if present.position.next_offset != lane.position.next_offset:
                with pytest.raises(PositionMoved):
                    await lane._commit(batch.records)
            else:
                await lane._commit(batch.records)
                with pytest.raises(PositionMoved):
                    await present._commit(batch.records)
                await self._new_lanes()

        self.run(wake())

    def _waiting(self, which: int) -> Lane:
        """Return one of the lanes that have something to read; where none has, something is written first."""
        waiting = [lane for lane in self.lanes.values() if self.run(self._batch(lane, 1)).records]
        if waiting:
            return waiting[which % len(waiting)]
        self.write(KEYS[which], "Ada")
        while self.run(self._relay(2_000)):
            pass
        return self.lanes[partition_for(KEYS[which], len(self.lanes))]

    async def _deliver(self, lane: Lane, limit: int) -> int:
        batch = await self._batch(lane, limit)
        if batch.records:
            await lane._commit(batch.records)
        return len(batch.records)

    # The world

    @rule()
    def restart(self) -> None:
        async def again() -> None:
            await self.bench.stop()
            await self._start()

        self.frozen.clear()
        self.zombies.clear()
        self.run(again())

    @rule()
    def compact(self) -> None:
        self.spared |= {
            event for event, (key, version) in self.posted.items() if version < self.model[key][0]
        }
        self.run(
            compact(self.bench.log_database, now=FUTURE, lag_seconds=0, tombstone_seconds=FUTURE // 1_000_000)
        )

    async def _crash(self, line: str, doing: Any) -> None:
        async def hook(name: str) -> None:
            if name == line:
                raise Crash

        with armed(hook):
            try:
                await asyncio.ensure_future(doing())
            except Crash:
                return

    # What must be true

    @invariant()
    def every_effect_happened_once_and_in_order(self) -> None:
        applied = self.run(self.bench.effects())
        assert max(Counter(applied).values(), default=1) == 1, "an effect happened twice"
        seen: dict[str, int] = {}
        for event in applied:
            key, version = self.posted[event]  # KeyError: nobody accepted it
            assert version > seen.get(key, 0), "an older version was applied after a newer one"
            seen[key] = version

    def teardown(self) -> None:
        try:
            self.run(self._let_everything_through())
        finally:
            self.run(self.bench.stop())
            self.runner.close()
            self.folder.cleanup()

    async def _let_everything_through(self) -> None:
        for _ in range(2 + len(self.posted)):
            if not await self._relay(2_000):
                break
        for lane in self.lanes.values():
            for _ in range(2 + len(self.posted)):
                if not await self._deliver(lane, 100):
                    break
        assert await self.bench.waiting() == 0
        assert await self.bench.things() == self.model
        applied = set(await self.bench.effects())
        assert set(self.posted) - self.spared <= applied, "an accepted event had no effect"
        await self._new_lanes()  # what a restart would find: nothing left to do
        assert [await self._deliver(lane, 100) for lane in self.lanes.values()] == [0] * len(self.lanes)


TestBus = pytest.mark.timeout(600)(Bus.TestCase)
TestBus.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
