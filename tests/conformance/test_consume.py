"""Consume: every group gets everything, and what it does about it happens exactly once."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.chassis.bus.consumer import Delivery
from services.chassis.bus.lane import LaneRules
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.rebuilding import offset_at
from services.chassis.bus.transport import BATCH_BYTES, TopicPartition
from tests.conformance.kit import PARTITIONS, Bench, Site, apply, ids, revised, until

KEYS = ids(12)


async def test_c12_every_group_sees_everything(bench: Bench) -> None:
    await bench.append(*(revised(key, 1) for key in KEYS))
    seen: dict[str, list[str]] = {"one": [], "two": []}

    def into(group: str) -> Any:
        async def take(delivery: Delivery) -> None:
            seen[group].append(delivery.event.key)

        return take

    await bench.consume(into("one"), group="one")
    await bench.append(*(revised(key, 2) for key in KEYS[:3]))
    await bench.consume(into("two"), group="two")  # a new group begins at the beginning
    await bench.consume(into("one"), group="one")
    assert sorted(seen["one"]) == sorted([*KEYS, *KEYS[:3]])
    assert sorted(seen["two"]) == sorted([*KEYS, *KEYS[:3]])


async def test_c12_records_of_a_partition_come_in_order_with_their_coordinates(bench: Bench) -> None:
    await bench.append(*(revised(key, version) for version in (1, 2, 3) for key in KEYS))
    seen: dict[int, list[tuple[int, str]]] = {}

    async def take(delivery: Delivery) -> None:
        seen.setdefault(delivery.at.partition, []).append((delivery.at.offset, delivery.event.key))

    await bench.consume(take)
    assert sum(map(len, seen.values())) == 36
    assert seen == {
        partition: [(record.offset, record.key.decode()) for record in records]
        for partition, records in (await bench.partitions()).items()
        if records
    }


@pytest.mark.parametrize("beginning", ["earliest", "latest", "moment"])
async def test_c13_a_new_group_begins_where_it_says(site: Site, bench: Bench, beginning: str) -> None:
    await bench.append(*(revised(key, version) for version in (1, 2) for key in KEYS))
    await asyncio.sleep(0.05)
    moment = datetime.now(UTC)  # the log's clock and ours are one machine's here
    await asyncio.sleep(0.05)
    await bench.append(*(revised(key, 3) for key in KEYS))
    begin: Any = moment if beginning == "moment" else beginning
    await bench.consume(begin=begin)
    first = {"earliest": (1, 2, 3), "latest": (), "moment": (3,)}[beginning]
    assert sorted(await bench.effects()) == sorted((key, version) for key in KEYS for version in first)

    after = await site.successor()
    await after.append(*(revised(key, 4) for key in KEYS))
    await after.consume(begin="latest")  # a group that was here before goes on where it was
    assert sorted(await after.effects()) == sorted((key, v) for key in KEYS for v in (*first, 4))


async def test_c13_a_moment_after_everything_is_the_end_and_one_before_is_the_beginning(bench: Bench) -> None:
    await bench.append(*(revised(key, version) for version in (1, 2) for key in KEYS))
    for partition in await bench.transport.ends("members.v1"):
        at = TopicPartition("members.v1", partition)
        after = await offset_at(bench.transport, at, datetime(2200, 1, 1, tzinfo=UTC))
        assert not (await bench.transport.read("members.v1", partition, offset=after, limit=1)).records
        assert await offset_at(bench.transport, at, datetime(2001, 1, 1, tzinfo=UTC)) == 0


async def test_c14_a_restart_resumes_exactly(site: Site, bench: Bench) -> None:
    await bench.append(*(revised(key, 1) for key in KEYS))
    await bench.consume()
    after = await site.successor()
    await after.append(*(revised(key, 2) for key in KEYS[:5]))
    seen: list[tuple[str, int]] = []

    async def take(delivery: Delivery) -> None:
        seen.append((delivery.event.key, delivery.event.sequence.version))

    await after.consume(take)
    assert sorted(seen) == sorted((key, 2) for key in KEYS[:5])


@pytest.mark.parametrize("line", ["consumer.moved", "consumer.before_commit", "consumer.committed"])
async def test_c15_effects_happen_once_though_the_process_dies(site: Site, bench: Bench, line: str) -> None:
    await bench.append(*(revised(key, version) for version in (1, 2) for key in KEYS))
    await bench.crash_at(line, bench.consume)
    after = await site.successor()
    await after.consume()
    assert sorted(await after.effects()) == sorted((key, version) for key in KEYS for version in (1, 2))
    assert await after.things() == dict.fromkeys(KEYS, (2, "Kigali Fibre"))


async def test_c15_effects_happen_once_though_events_are_appended_twice(bench: Bench) -> None:
    events = [revised(key, version) for version in (1, 2) for key in KEYS]
    await bench.append(*events)
    await bench.append(*events[:15])
    await bench.consume()
    await bench.append(*events)
    await bench.consume()
    assert sorted(await bench.effects()) == sorted((key, version) for key in KEYS for version in (1, 2))


async def test_c15_effects_happen_once_though_the_log_forgets_where_the_group_was(
    site: Site, bench: Bench
) -> None:
    """The stored position decides, not what was reported: a new name at the log, the same rows in the database."""
    await bench.append(*(revised(key, 1) for key in KEYS))
    await bench.consume(group="before")
    await bench.execute("UPDATE positions SET group_name = 'after'")
    after = await site.successor()
    await after.consume(group="after")
    assert sorted(await after.effects()) == sorted((key, 1) for key in KEYS)


async def test_c16_an_owner_whose_position_was_moved_changes_nothing_and_goes_on_from_there(
    bench: Bench,
) -> None:
    """Another owner has dealt with a record that this one, which slept, only gets now."""
    theirs, ours = revised(KEYS[0], 1), revised(KEYS[0], 2)
    await bench.consume()
    async with bench.consuming() as running:
        await bench.caught_up(running)
        await bench.execute(
            "UPDATE positions SET next_offset = next_offset + 1 WHERE partition = :partition",
            partition=partition_for(KEYS[0], PARTITIONS),
        )
        await bench.append(theirs)
        await bench.append(ours)
        await bench.caught_up(running)
        await until(lambda: _any(bench))
    assert await bench.effects() == [(KEYS[0], 2)]


async def test_c19_what_waits_for_a_slow_handler_is_bounded_in_bytes(site: Site) -> None:
    bench = await site.process()
    size = len(revised(KEYS[0], 1).data or b"")
    rules = LaneRules(backlog=1_000, backlog_bytes=10 * size)
    await bench.append(*(revised(KEYS[0], version) for version in range(1, 101)))
    handling, going_on = asyncio.Event(), asyncio.Event()

    async def slow(delivery: Delivery) -> None:
        handling.set()
        await going_on.wait()
        await apply(delivery)

    async with bench.consuming(slow, batch=4, rules=rules) as one:
        await handling.wait()

        async def full() -> bool:
            return any(lane.full for lane in one.consumer._assignment.lanes.values())

        await until(full)
        await asyncio.sleep(0.5)  # two fetches more, if anything were fetched
        await one.consumer.progress()
        said = bench.process.metrics.exposition().decode()
        (waiting,) = re.findall(r'in_flight_bytes\{group="things"\} ([0-9.]+)', said)
        assert 10 * size <= float(waiting) < 14 * (size + 1)
        going_on.set()
        await bench.caught_up(one)
    assert await bench.effects() == [(KEYS[0], version) for version in range(1, 101)]


async def test_c19_a_batch_ends_with_the_record_that_reaches_its_bytes(site: Site) -> None:
    bench = await site.process()
    large = [replace(revised(KEYS[0], version), data=bytes(800_000)) for version in range(1, 9)]
    await bench.append(*large[:4])
    await bench.append(*large[4:])
    (partition,) = {record.partition for record in await bench.log()}
    offset, offsets = 0, []
    while len(offsets) < len(large):
        batch = await bench.transport.read("members.v1", partition, offset=offset, limit=1_000)
        assert 0 < batch.size < BATCH_BYTES + 800_000
        offsets += [record.offset for record in batch.records]
        offset = batch.next_offset
    assert offsets == sorted(set(offsets))


async def test_c20_a_graceful_stop_leaves_nothing_half_applied(site: Site, bench: Bench) -> None:
    await bench.append(*(revised(key, version) for version in range(1, 6) for key in KEYS))

    async def slow(delivery: Delivery) -> None:
        await apply(delivery)
        await asyncio.sleep(0.005)

    async with bench.consuming(slow):
        await until(lambda: _any(bench))
    after = await site.successor()
    await after.consume()
    assert sorted(await after.effects()) == sorted((key, version) for key in KEYS for version in range(1, 6))
    for key in KEYS:
        assert [version for each, version in await after.effects() if each == key] == [1, 2, 3, 4, 5]


async def _any(bench: Bench) -> bool:
    return bool(await bench.effects())
