"""Publish: what a transaction decided on reaches the log, in order and once in effect; what it took back, never."""

import asyncio
import random
from dataclasses import replace

import pytest

from services.chassis.bus import outbox
from services.chassis.bus.errors import Fenced, InvalidEvent, RecordTooLarge
from services.chassis.bus.failpoints import armed
from services.chassis.bus.relay import Relay
from tests.conformance.kit import LIMIT, Bench, Site, erased, ids, revised, until

ONE, TWO, THREE = ids(3)


async def test_c01_what_is_committed_is_delivered(bench: Bench) -> None:
    await bench.post(revised(ONE, 1, "Kigali Fibre"), revised(TWO, 1, "Nairobi Mesh"))
    assert await bench.relay() == 2
    await bench.consume()
    assert await bench.things() == {ONE: (1, "Kigali Fibre"), TWO: (1, "Nairobi Mesh")}
    assert await bench.waiting() == []


async def test_c02_what_is_rolled_back_is_never_delivered(bench: Bench) -> None:
    async def change_its_mind() -> None:
        async with bench.database.write() as connection:
            await outbox.post(connection, revised(ONE, 1), max_record_bytes=LIMIT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_its_mind()
    await bench.post(revised(TWO, 1))
    assert await bench.relay() == 1
    assert await bench.versions() == {TWO: [1]}


async def test_c03_sixteen_writers_with_pauses_lose_nothing_and_keep_the_order_of_each_key(
    bench: Bench,
) -> None:
    """Each writer holds its transaction open after it has its place in the outbox: a cursor would run past it."""
    locks = {key: asyncio.Lock() for key in ids(8)}
    last = dict.fromkeys(locks, 0)
    chance = random.Random(3)

    async def write(key: str, pause: float) -> None:
        async with locks[key]:  # the row lock of the aggregate
            async with bench.database.write() as connection:
                await outbox.post(connection, revised(key, last[key] + 1), max_record_bytes=LIMIT)
                await asyncio.sleep(pause)
            last[key] += 1

    async def writer() -> None:
        for _ in range(10):
            await write(chance.choice(ids(8)), chance.choice((0, 0, 0, 0.02)))

    stop = asyncio.Event()
    relaying = asyncio.create_task(Relay(bench.process).run(stop))
    async with bench.consuming() as running:
        await asyncio.gather(*(writer() for _ in range(16)))

        async def all_on_the_log() -> bool:
            return not await bench.waiting() and len(await bench.log()) >= 160

        await until(all_on_the_log)
        await bench.caught_up(running)
        stop.set()
        await relaying

    assert sum(last.values()) == 160
    assert await bench.versions() == {key: list(range(1, count + 1)) for key, count in last.items()}
    assert {key: version for key, (version, _) in (await bench.things()).items()} == last


async def test_c04_a_crash_between_commit_and_relay_loses_nothing(site: Site, bench: Bench) -> None:
    await bench.post(revised(ONE, 1), revised(ONE, 2))
    await bench.crash_at("relay.read", bench.relay)
    after = await site.successor()
    assert await after.relay() == 2
    assert await after.versions() == {ONE: [1, 2]}


async def test_c05_a_crash_between_append_and_delete_duplicates_at_most_and_reorders_nothing(
    site: Site, bench: Bench
) -> None:
    posted = [revised(ONE, 1, "first"), revised(TWO, 1), revised(ONE, 2, "second")]
    await bench.post(*posted)
    await bench.crash_at("relay.appended", bench.relay)
    after = await site.successor()
    assert [event.id for event in await after.waiting()] == [event.id for event in posted]
    await after.relay()

    versions = await after.versions()
    assert versions[ONE] in ([1, 2], [1, 2, 1, 2])  # Kafka has the batch twice, the SQL log once
    assert versions[TWO] in ([1], [1, 1])
    await after.consume()
    assert await after.things() == {ONE: (2, "second"), TWO: (1, "Kigali Fibre")}
    assert sorted(await after.effects()) == [(ONE, 1), (ONE, 2), (TWO, 1)]


async def test_c06_a_relay_frozen_between_read_and_append_is_fenced_and_its_old_word_never_wins(
    bench: Bench,
) -> None:
    frozen, thaw = asyncio.Event(), asyncio.Event()

    async def freeze(name: str) -> None:
        if name == "relay.read" and not thaw.is_set():
            frozen.set()
            await thaw.wait()

    await bench.post(revised(ONE, 1, "old"))
    with armed(freeze):
        first = asyncio.create_task(Relay(bench.process).run(asyncio.Event()))
    await frozen.wait()  # it has read version 1, and stands still before appending it

    await bench.relay()  # another relay takes over, appends version 1 ...
    await bench.post(revised(ONE, 2, "new"))
    await bench.relay()  # ... and a newer one
    thaw.set()
    with pytest.raises(Fenced):
        await first

    assert (await bench.versions())[ONE][-1] == 2  # so compaction keeps the newest
    await bench.consume()
    assert await bench.things() == {ONE: (2, "new")}


async def test_c08_what_the_log_would_refuse_is_refused_where_it_is_written(bench: Bench) -> None:
    with pytest.raises(RecordTooLarge, match="900,000"):
        await bench.post(revised(ONE, 1, "x" * 900_001))
    with pytest.raises(InvalidEvent, match="needs data"):
        await bench.post(replace(revised(TWO, 1), data=None))
    assert await bench.waiting() == []
    await bench.post(revised(THREE, 1, "x" * 890_000))  # just below the limit, and the log takes it
    await bench.relay()
    assert await bench.versions() == {THREE: [1]}


async def test_c06_nothing_of_a_fenced_appender_becomes_readable(bench: Bench) -> None:
    async with bench.transport.appender("members") as first:
        await first.append([revised(ONE, 1)])
        async with bench.transport.appender("members") as second:
            with pytest.raises(Fenced):
                await first.append([revised(ONE, 2), erased(TWO, 9)])
            await second.append([last := revised(THREE, 1)])
    await bench.visible([last])
    assert await bench.versions() == {ONE: [1], THREE: [1]}
