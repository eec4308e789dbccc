"""A lane notes on which day it saw the end of its partition, and what goes wrong with that concerns nobody else."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from services.chassis.bus import consumer, positions
from services.chassis.bus.delivery import Delivery, microseconds
from services.chassis.bus.failpoints import armed
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import Record, TopicPartition
from services.chassis.database import DatabaseAway
from tests.services.chassis.bus.bench import Bench, apply, eventually, organisation

KEY = str(uuid.UUID(int=1))
AT = TopicPartition("members.v1", partition_for(KEY, 8))


async def noted(bench: Bench) -> set[int]:
    """The days, as they are stored, on which the ends were seen."""
    async with bench.database.read() as connection:
        return {one.at_end_on for one in await positions.all_of(connection, "things")}


async def test_a_group_at_rest_stores_every_day_that_it_has_seen_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else tombstones would count as missed by a group that only had nothing to do (`positions.verify`)."""
    monkeypatch.setattr(consumer, "_NOTE_END_SECONDS", 0.0)
    clock = bench.process.clock
    start = clock.now()
    async with bench.consuming() as running:
        await bench.caught_up(running)
        for day in (1, 2):
            now = start + timedelta(days=day, hours=1)
            monkeypatch.setattr(clock, "now", lambda now=now: now)

            async def stored() -> bool:
                return await noted(bench) == {microseconds(bench.process)}

            await eventually(stored)


async def test_a_database_that_is_away_when_the_end_is_noted_ends_no_membership(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench.consuming() as running:
        await bench.caught_up(running)
        lane = next(iter(running.consumer._assignment.lanes.values()))
        before = lane.position
        tomorrow = bench.process.clock.now() + timedelta(days=1)

        @asynccontextmanager
        async def away() -> AsyncIterator[None]:
            raise DatabaseAway("The database does not answer.")
            yield

        with monkeypatch.context() as patch:
            patch.setattr(bench.process.clock, "now", lambda: tomorrow)
            patch.setattr(bench.database, "write", away)
            await lane.note_end()
        assert lane.position == before


@pytest.mark.parametrize("slow", ["its connection comes", "its connection goes"])
async def test_a_lane_that_commits_while_the_end_is_noted_stays_where_it_is(
    slow: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was moved back to where the end had been: after a crash what it had done since was done again."""
    await bench.append(organisation(KEY, version=1))
    async with bench.consuming() as running:
        await bench.caught_up(running)
        lane = running.consumer._assignment.lanes[AT]
        tomorrow = bench.process.clock.now() + timedelta(days=1)
        monkeypatch.setattr(bench.process.clock, "now", lambda: tomorrow)
        write = bench.database.write

        async def moved_on() -> bool:
            return bool(lane.position.next_offset == 2)

        @asynccontextmanager
        async def slowly() -> AsyncIterator[Any]:
            monkeypatch.setattr(bench.database, "write", write)
            if slow == "its connection comes":
                await bench.append(organisation(KEY, version=2))
                await eventually(moved_on)
            async with write() as connection:
                yield connection
            if slow == "its connection goes":
                await bench.append(organisation(KEY, version=2))
                await eventually(moved_on)

        monkeypatch.setattr(bench.database, "write", slowly)
        await lane.note_end()
        async with bench.database.read() as connection:
            stored = {one.at: one.next_offset for one in await positions.all_of(connection, "things")}
        assert (stored[AT], lane.position.next_offset) == (2, 2)


async def test_what_a_transaction_waits_for_others_is_no_time_of_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else lanes that share a database would each commit one record after each wait, and never catch up."""
    clock, waited, transactions = bench.process.clock, [0.0], []
    monkeypatch.setattr(clock, "monotonic", lambda: waited[0])

    async def count(name: str) -> None:
        if name == "consumer.committed":
            transactions.append(name)

    one = str(uuid.uuid4())
    with armed(count):
        async with bench.consuming() as running:
            await bench.caught_up(running)
            async with bench.database.write():  # another transaction of the same service
                await bench.append(*(organisation(one, version=version) for version in range(1, 11)))

                async def offered() -> bool:
                    return any(lane.in_flight == 10 for lane in running.consumer._assignment.lanes.values())

                await eventually(offered)
                await asyncio.sleep(0.05)
                waited[0] += 60.0
            await bench.caught_up(running)
    assert len(await bench.effects()) == 10
    assert transactions == ["consumer.committed"]


async def test_what_other_lanes_do_before_a_transaction_has_its_turn_is_no_time_of_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each lane gives way as it moves its position: else eight lanes that are busy would cut one another short."""
    clock, passed, transactions = bench.process.clock, [0.0], []
    monkeypatch.setattr(clock, "monotonic", lambda: passed[0])

    async def pass_time(name: str) -> None:
        if name == "consumer.moved":
            passed[0] += 60.0
        if name == "consumer.committed":
            transactions.append(name)

    one = str(uuid.uuid4())
    await bench.append(*(organisation(one, version=version) for version in range(1, 11)))
    with armed(pass_time):
        await bench.consume()
    assert len(await bench.effects()) == 10
    assert transactions == ["consumer.committed"]


async def test_what_needs_no_transaction_is_made_ahead_of_it_once_for_a_batch(bench: Bench) -> None:
    """A record that nothing was made of comes all the same, and one that is tried again has what was made of it."""
    steps: list[Any] = []

    async def ahead(_runtime: Any, records: Sequence[Record]) -> Mapping[int, Any]:
        steps.append([record.offset for record in records])
        return {record.offset: f"made of {record.offset}" for record in records if record.offset != 1}

    async def handle(delivery: Delivery) -> None:
        steps.append(delivery.made)
        if steps.count(delivery.made) == 1 and delivery.at.offset == 2:
            raise RuntimeError("not at the first try")
        await apply(delivery)

    one = str(uuid.uuid4())
    await bench.append(*(organisation(one, version=version) for version in range(1, 4)))
    await bench.consume(handle, ahead=ahead)
    first, rest = steps[0], steps[1:]
    assert first == [0, 1, 2]
    assert rest == ["made of 0", None, "made of 2"] * 2
    assert len(await bench.effects()) == 3
