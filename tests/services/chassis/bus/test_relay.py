"""From the outbox to the log: in order, at least once, fenced, and without a cursor to lose anything by."""

import asyncio
import uuid
from functools import partial

import pytest

from services.chassis.bus.errors import Fenced
from services.chassis.bus.failpoints import armed
from services.chassis.bus.relay import Relay
from services.chassis.telemetry import Metrics
from tests.services.chassis.bus.bench import Bench, Crash, erased, eventually, organisation


def crash_at(name):
    async def hook(reached):
        if reached == name:
            raise Crash(name)

    return hook


async def has(bench, count):
    return len(await bench.log()) >= count


async def versions(bench, key):
    return [
        int(dict(record.headers)["ce_sequence"].decode().partition(".")[2])
        for record in await bench.log()
        if record.key == key.encode()
    ]


async def test_committed_events_reach_the_log_in_the_order_of_their_commits(bench, key):
    await bench.post(*(organisation(key, version=version) for version in range(1, 6)))
    assert await bench.relay() == 5
    assert await versions(bench, key) == [1, 2, 3, 4, 5]
    assert await bench.waiting() == 0


async def test_the_log_holds_the_bytes_of_the_event(bench, key):
    event, stone = organisation(key, version=1, name="Ünïcode 大学"), erased(key, version=2)
    await bench.post(event, stone)
    await bench.relay()
    records = await bench.log()
    assert [(r.key, r.headers, r.value) for r in records] == [
        (key.encode(), event.headers(), event.data),
        (key.encode(), stone.headers(), None),
    ]


async def test_a_crash_before_the_append_loses_nothing(bench, key):
    await bench.post(organisation(key, version=1))
    with armed(crash_at("relay.read")), pytest.raises(Crash):
        await bench.relay()
    assert await versions(bench, key) == []
    await bench.relay()
    assert await versions(bench, key) == [1]


async def test_a_crash_between_append_and_delete_appends_nothing_twice(bench, key):
    await bench.post(organisation(key, version=1))
    with armed(crash_at("relay.appended")), pytest.raises(Crash):
        await bench.relay()
    assert await bench.waiting() == 1
    await bench.post(organisation(key, version=2))
    await bench.relay()
    assert await versions(bench, key) == [1, 2]
    assert await bench.waiting() == 0


async def test_a_crash_inside_the_appending_transaction_leaves_the_log_as_it_was(bench, key):
    await bench.post(organisation(key, version=1))
    with armed(crash_at("log.before_commit")), pytest.raises(Crash):
        await bench.relay()
    assert await bench.log() == []
    assert await bench.transport.ends("members.v1") == dict.fromkeys(range(8), 0)
    await bench.relay()
    assert await versions(bench, key) == [1]


async def test_a_relay_frozen_between_read_and_append_is_fenced_by_its_successor(bench, key):
    await bench.post(organisation(key, version=1))
    frozen, go_on = asyncio.Event(), asyncio.Event()

    async def freeze(name):
        if name == "relay.read":
            frozen.set()
            await go_on.wait()

    with armed(freeze):
        zombie = asyncio.create_task(Relay(bench.process).run(asyncio.Event()))
        await frozen.wait()
    await bench.post(organisation(key, version=2))
    await bench.relay()
    go_on.set()
    with pytest.raises(Fenced):
        await zombie
    assert await versions(bench, key) == [1, 2]
    assert await bench.waiting() == 0


async def test_a_running_relay_sends_at_once_what_is_committed_and_stops_when_told(bench):
    stop = asyncio.Event()
    relay = asyncio.create_task(Relay(bench.process).run(stop))
    for number in range(1, 4):
        await bench.post(organisation(str(uuid.UUID(int=number)), version=1))
        await eventually(partial(has, bench, number))
    stop.set()
    await relay


async def test_who_waits_for_an_event_goes_before_its_removal_and_nothing_waits_for_that(
    bench, key, monkeypatch
):
    monkeypatch.setattr("services.chassis.bus.relay._PATIENCE", 600.0)
    stop = asyncio.Event()
    relay = asyncio.create_task(Relay(bench.process).run(stop))
    for version in (1, 2):
        await bench.post(organisation(key, version=version))
        await eventually(partial(has, bench, version))
        assert await bench.waiting() == 1, "it is on the log, and the one before it has gone"
    stop.set()
    await relay
    assert await bench.waiting() == 0
    assert await versions(bench, key) == [1, 2]


async def test_each_start_of_a_relay_shows_from_outside_in_a_new_process_too(bench):
    """Who is fenced ends; whatever is asked for must not begin anew with the process that is started in its place."""
    began = set()
    for _ in range(3):
        bench.process.metrics = Metrics()
        relay = asyncio.create_task(Relay(bench.process).run(stop := asyncio.Event()))
        asked = partial(
            bench.process.metrics.registry.get_sample_value,
            "comity_relay_began_timestamp_seconds",
            {"service": bench.process.service.name},
        )
        await eventually(lambda asked=asked: asyncio.sleep(0, asked()))
        began.add(asked())
        stop.set()
        await relay
    assert len(began) == 3


async def test_a_running_relay_finds_what_another_process_wrote(bench, key):
    stop = asyncio.Event()
    relay = asyncio.create_task(Relay(bench.process).run(stop))
    await asyncio.sleep(0.1)
    other = Bench(bench.folder)
    await other.post(organisation(key, version=1))
    await other.database.close()
    await other.log_database.close()
    await eventually(partial(has, bench, 1))
    stop.set()
    await relay


async def test_sixteen_writers_lose_nothing_and_keep_every_keys_order(bench):
    keys = [str(uuid.UUID(int=number)) for number in range(16)]

    async def write(key):
        for version in range(1, 13):
            await bench.post(organisation(key, version=version))
            await asyncio.sleep(0)

    stop = asyncio.Event()
    relay = asyncio.create_task(Relay(bench.process, batch=7).run(stop))
    await asyncio.gather(*(write(key) for key in keys))
    await eventually(partial(has, bench, 16 * 12))
    stop.set()
    await relay
    for key in keys:
        assert await versions(bench, key) == list(range(1, 13))


async def test_a_batch_is_bounded_in_bytes_and_the_next_follows_at_once(bench, key):
    """Half a thousand of the largest events at once would be more than a log takes, at every new attempt."""
    await bench.post(*(organisation(key, version=version, name="x" * 800_000) for version in range(1, 7)))
    relay, stop, looked = Relay(bench.process), asyncio.Event(), []

    async def note(name):
        if name == "relay.read":
            looked.append(await bench.waiting())

    with armed(note):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(relay.run(stop))
            await eventually(lambda: has(bench, 6))
            stop.set()
    assert relay.figures.batches == 2
    assert await versions(bench, key) == list(range(1, 7))
