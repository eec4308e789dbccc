"""The log: compaction loses no last word, and a log that is not the one a position counts in stops the consumer."""

import asyncio
import time
from dataclasses import replace

import pytest
from sqlalchemy import text

from services.chassis.bus.consumer import Delivery
from services.chassis.bus.errors import LogBusy, LogReplaced, TopicMismatch
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transports.sql import holder
from tests.conformance.kit import (
    FILLERS,
    PARTITIONS,
    POSTGRESQL,
    TOPIC,
    Bench,
    Place,
    Site,
    apply,
    erased,
    ids,
    revised,
    until,
)

KEYS = ids(6)


@pytest.fixture
def place(place: Place, request: pytest.FixtureRequest) -> Place:
    """Scenarios about compaction have it at once; otherwise a superseded record stays for a week."""
    return (
        replace(place, compaction_lag_seconds=0)
        if request.node.name.startswith(("test_c28", "test_c29"))
        else place
    )


def test_c28_the_fillers_stand_one_in_each_partition() -> None:
    assert sorted(partition_for(key, PARTITIONS) for key in FILLERS) == [0, 1, 2, 3]


async def test_c28_compaction_keeps_the_last_word_of_each_key_and_every_tombstone(
    site: Site, bench: Bench
) -> None:
    await bench.append(*(revised(key, version) for version in range(1, 21) for key in KEYS))
    await bench.append(erased(KEYS[0], 21), revised(KEYS[1], 21, "last"))
    before = dict(await bench.transport.ends("members.v1"))
    await bench.compact()

    left = {key: found for key, found in (await bench.versions()).items() if key not in FILLERS}
    assert left == {KEYS[0]: [21], KEYS[1]: [21]} | {key: [20] for key in KEYS[2:]}
    ends = await bench.transport.ends("members.v1")
    assert all(ends[at] >= end for at, end in before.items())  # offsets are never given out again

    after = await site.successor()
    await after.consume()
    things = {key: found for key, found in (await after.things()).items() if key not in FILLERS}
    assert things == {KEYS[0]: (21, None), KEYS[1]: (21, "last")} | dict.fromkeys(
        KEYS[2:], (20, "Kigali Fibre")
    )


async def test_c28_a_consumer_goes_on_over_the_gaps_that_compaction_left(site: Site, bench: Bench) -> None:
    await bench.append(*(revised(key, version) for version in range(1, 6) for key in KEYS))
    await bench.consume()
    await bench.append(*(revised(key, version) for version in range(6, 11) for key in KEYS))
    await bench.compact()  # the record at the stored position is gone
    after = await site.successor()
    await after.consume()
    assert {
        key: version for key, (version, _) in (await after.things()).items() if key in KEYS
    } == dict.fromkeys(KEYS, 10)


async def test_c29_lag_and_age_are_right_at_rest_under_load_and_after_compaction(bench: Bench) -> None:
    let_through = asyncio.Event()

    async def held_up(delivery: Delivery) -> None:
        if delivery.event.key in KEYS:
            await let_through.wait()
        await apply(delivery)

    async with bench.consuming(held_up) as running:
        await bench.caught_up(running)
        rest = await running.consumer.progress()
        assert (rest["lag"], rest["age_seconds"]) == (0, None)
        began = time.monotonic()
        await bench.append(*(revised(key, version) for version in (1, 2, 3) for key in KEYS))
        await asyncio.sleep(0.3)
        load = await running.consumer.progress()
        at_most = time.monotonic() - began + 0.1
        assert load["lag"] >= 18  # Kafka counts its markers too
        assert 0.3 <= load["age_seconds"] <= at_most
        behind = {at for at, found in load["partitions"].items() if found["age_seconds"] is not None}
        assert behind == {f"members.v1/{partition_for(key, PARTITIONS)}" for key in KEYS}
        await bench.compact()
        compacted = await running.consumer.progress()
        assert compacted["lag"] > 0
        assert compacted["age_seconds"] >= 0.3
        let_through.set()
        await bench.caught_up(running)
        done = await running.consumer.progress()
        assert (done["lag"], done["age_seconds"]) == (0, None)


async def test_c30_another_log_of_the_same_name_stops_the_consumer(site: Site, bench: Bench) -> None:
    await bench.append(*(revised(key, 1) for key in KEYS))
    await bench.consume()
    await site.replace_log()
    after = await site.process()
    await after.append(
        *(revised(key, version) for version in range(2, 9) for key in KEYS)
    )  # longer than the old one
    with pytest.raises(LogReplaced, match="replaced"):
        await after.consume()
    assert await after.things() == dict.fromkeys(KEYS, (1, "Kigali Fibre"))


async def test_c30_a_log_that_ends_below_the_stored_position_stops_the_consumer(
    site: Site, bench: Bench
) -> None:
    await bench.append(*(revised(key, 1) for key in KEYS))
    await bench.consume()
    await bench.execute(
        "UPDATE positions SET next_offset = next_offset + 100"
    )  # as if the log had lost its tail
    after = await site.successor()
    with pytest.raises(LogReplaced, match="cut"):
        await after.consume()


async def test_c30_another_event_where_the_last_one_was_read_stops_the_consumer(
    site: Site, bench: Bench
) -> None:
    await bench.append(*(revised(key, 1) for key in KEYS))
    await bench.consume()
    await bench.execute("UPDATE positions SET last_event = 'another' WHERE last_event IS NOT NULL")
    after = await site.successor()
    with pytest.raises(LogReplaced, match="written anew"):
        await after.consume()


async def test_a_topic_of_another_shape_is_refused(bench: Bench) -> None:
    bench.transport._partition_setting = 8  # the embedded log's setting
    bench.transport._settings = getattr(bench.transport, "_settings", None)
    if bench.place.kind == "kafka":
        settings = bench.transport._settings
        bench.transport._settings = settings.model_copy(
            update={"log": settings.log.model_copy(update={"partitions": 8})}
        )
    with pytest.raises(TopicMismatch, match="partitions"):
        await bench.transport.create_topics([TOPIC])


async def test_a_topic_that_is_missing_is_named(bench: Bench) -> None:
    with pytest.raises(TopicMismatch, match=r"standings\.v1"):
        await bench.transport.partitions("standings.v1")


async def test_reading_at_the_end_returns_at_once_with_nothing(bench: Bench) -> None:
    await bench.append(*(revised(key, 1) for key in KEYS))
    for partition, end in (await bench.transport.ends("members.v1")).items():
        batch = await bench.transport.read("members.v1", partition, offset=end, limit=10)
        assert (batch.records, batch.offset, batch.next_offset) == ((), end, end)


_HELD = """
    FROM pg_locks
   WHERE locktype = 'advisory' AND granted
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def cut(bench: Bench) -> None:
    """Have the server end the session that holds the log, as a restart of it does, and wait until its lock is gone."""
    assert bench.log_database is not None
    async with bench.log_database.autocommit() as connection:
        await connection.execute(text(f"SELECT pg_terminate_backend(pid, 10000) {_HELD}"))


@pytest.mark.parametrize("place", [POSTGRESQL], indirect=True)
async def test_the_embedded_log_is_held_again_after_the_server_cut_the_session(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder, "_LOOK_SECONDS", 0.05)
    bench = await site.process()
    await cut(bench)

    async def held() -> bool:
        assert bench.log_database is not None
        async with bench.log_database.read() as connection:
            return await connection.scalar(text(f"SELECT count(*) {_HELD}")) == 1

    await until(held)
    second = Bench(bench.place)
    with pytest.raises(LogBusy):
        await second.start()
    await second.stop()
    await bench.append(revised(KEYS[0], 1))
    await bench.consume()


@pytest.mark.parametrize("place", [POSTGRESQL], indirect=True)
async def test_a_process_that_lost_the_embedded_log_to_another_ends(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder, "_LOOK_SECONDS", 0.05)
    bench = await site.process()
    assert bench.log_database is not None
    async with bench.consuming() as running, bench.log_database.autocommit() as other:
        await bench.caught_up(running)
        waiting = asyncio.create_task(other.execute(text("SELECT pg_advisory_lock(:key)"), holder._KEY))
        await asyncio.wait({waiting}, timeout=0.3)
        await cut(bench)
        await waiting
        with pytest.raises(LogBusy):
            await asyncio.wait_for(running.task, 20)
        await other.execute(text("SELECT pg_advisory_unlock(:key)"), holder._KEY)
