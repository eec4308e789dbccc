"""The embedded log: offsets, idempotence, fencing, one process, compaction."""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Engine, delete, event, text

from schemas.envelope import Sequence
from schemas.topics import TOPICS
from services.chassis.bus.errors import Fenced, GroupBusy, LogBusy, TopicMismatch
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.reader import Reader
from services.chassis.bus.rebuilding import rebuild
from services.chassis.bus.transport import TopicPartition
from services.chassis.bus.transports.sql import compaction, log
from services.chassis.bus.transports.sql.compaction import compact
from services.chassis.bus.transports.sql.log import SqlTransport
from tests.services.chassis.bus.bench import THINGS, apply, erased, eventually, organisation

DAY = 86_400


def key(number):
    return str(uuid.UUID(int=number))


class Everything:
    """A listener that reads everything from the beginning."""

    def __init__(self):
        self.seen = []

    async def assigned(self, partitions):
        self.seen.append(("assigned", partitions))
        return dict.fromkeys(partitions, 0)

    async def revoked(self, partitions):
        self.seen.append(("revoked", partitions))

    def report_refused(self):
        self.seen.append(("refused", None))


async def test_offsets_are_dense_and_each_key_has_its_partition(bench):
    await bench.append(*(organisation(key(number), version=1) for number in range(40)))
    ends = await bench.transport.ends("members.v1")
    assert sum(ends.values()) == 40
    for partition, end in ends.items():
        batch = await bench.transport.read("members.v1", partition, offset=0, limit=100)
        assert [record.offset for record in batch.records] == list(range(end))
        assert batch.next_offset == end
        assert {partition_for(record.key.decode(), 8) for record in batch.records} <= {partition}


async def test_who_only_reads_is_told_the_same_identity(bench):
    beside = SqlTransport(bench.transport.database)  # never opened: the log serves one process
    assert await beside.identity("members.v1") == await bench.transport.identity("members.v1") != ""


async def test_the_partition_follows_the_partition_key(bench):
    events = [replace(organisation(key(number), version=1), partitionkey="one place") for number in range(5)]
    await bench.append(*events)
    assert sorted((await bench.transport.ends("members.v1")).values()) == [0] * 7 + [5]


async def test_a_page_reads_on_where_it_stopped(bench):
    await bench.append(*(organisation(key(1), version=version) for version in range(1, 8)))
    partition = partition_for(key(1), 8)
    first = await bench.transport.read("members.v1", partition, offset=0, limit=3)
    second = await bench.transport.read("members.v1", partition, offset=first.next_offset, limit=10)
    assert [record.offset for record in (*first.records, *second.records)] == list(range(7))
    assert (first.offset, second.offset) == (0, 3)
    beyond = await bench.transport.read("members.v1", partition, offset=7, limit=10)
    assert (beyond.records, beyond.next_offset) == ((), 7)


async def test_a_sequence_that_is_not_higher_is_ignored(bench):
    old, new = organisation(key(1), version=1), organisation(key(1), version=2)
    await bench.append(new)
    await bench.append(old, new, replace(new, id="another id"))
    assert [record.value for record in await bench.log()] == [new.data]


async def test_the_same_event_twice_in_one_append_stands_once(bench):
    event = organisation(key(1), version=1)
    await bench.append(event, event)
    assert len(await bench.log()) == 1


async def test_a_higher_incarnation_outranks_any_version(bench):
    late = organisation(key(1), version=900)
    restored = replace(organisation(key(1), version=3), sequence=Sequence(2, 3))
    await bench.append(late)
    await bench.append(restored, organisation(key(1), version=901))
    assert [record.value for record in await bench.log()] == [late.data, restored.data]


async def test_what_is_outranked_and_never_stood_on_the_log_is_named_and_what_comes_again_is_not(
    bench, logged
):
    one, two = organisation(key(1), version=1), organisation(key(1), version=2)
    await bench.append(one, two)
    await bench.append(one, two)  # a relay that could not note it
    assert [entry for entry in logged if entry["event"] == "log.outranked"] == []
    await bench.append(organisation(key(1), version=1, name="Of a forgotten life"))
    outranked = [entry for entry in logged if entry["event"] == "log.outranked"]
    assert [(entry["key"], entry["sequence"]) for entry in outranked] == [(key(1), str(one.sequence))]


async def test_a_fenced_appender_appends_nothing_more(bench):
    async with bench.transport.appender("members") as before:
        await before.append([organisation(key(1), version=1)])
        async with bench.transport.appender("members") as after:
            with pytest.raises(Fenced, match="members"):
                await before.append([organisation(key(1), version=2)])
            await after.append([organisation(key(1), version=3)])
    assert len(await bench.log()) == 2


async def test_outboxes_do_not_fence_one_another(bench):
    async with bench.transport.appender("members") as one, bench.transport.appender("projects") as other:
        await one.append([organisation(key(1), version=1)])
        await other.append([organisation(key(2), version=1)])
    assert len(await bench.log()) == 2


async def test_a_topic_that_was_not_created_is_named(bench):
    with pytest.raises(TopicMismatch, match=r"standings\.v1"):
        await bench.append(replace(organisation(key(1), version=1), topic="standings.v1"))
    with pytest.raises(TopicMismatch, match=r"standings\.v1"):
        await bench.transport.partitions("standings.v1")


async def test_creating_topics_again_keeps_what_is_there_and_refuses_another_count(bench):
    await bench.append(organisation(key(1), version=1))
    await bench.transport.create_topics([TOPICS["members.v1"], TOPICS["epochs.v1"]])
    assert sum((await bench.transport.ends("members.v1")).values()) == 1
    assert await bench.transport.partitions("epochs.v1") == 1
    with pytest.raises(TopicMismatch, match="8 partitions in the log and 4"):
        await bench.transport.create_topics([replace(TOPICS["members.v1"], partitions=4)])


async def test_the_log_keeps_its_identity_and_its_records_over_a_restart(bench):
    await bench.append(organisation(key(1), version=1))
    identity = await bench.transport.identity("members.v1")
    await bench.transport.close()
    again = SqlTransport(bench.log_database)
    await again.open()
    assert await again.identity("members.v1") == identity
    assert sum((await again.ends("members.v1")).values()) == 1
    await again.close()


async def test_a_second_process_is_refused_with_a_sentence_that_names_kafka(bench):
    program = """
import asyncio, sys
from services.chassis.bus.errors import LogBusy
from services.chassis.bus.transports.sql.log import SqlTransport
from services.chassis.database import Database

async def main():
    database = Database(f"sqlite+aiosqlite:///{sys.argv[1]}", service="log")
    try:
        await SqlTransport(database).open()
    except LogBusy as error:
        print(error)
    finally:
        await database.close()

asyncio.run(main())
"""
    command = [sys.executable, "-c", program, str(bench.folder / "log.db")]
    second = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert "exactly one process" in second.stdout
    assert "kafka" in second.stdout
    assert f"Process {os.getpid()} holds" in second.stdout
    await bench.transport.close()
    third = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert third.stdout == ""


async def test_a_second_opener_in_the_same_process_is_refused_too(bench):
    with pytest.raises(LogBusy):
        await SqlTransport(bench.log_database).open()


async def test_a_group_has_one_member(bench):
    async with bench.transport.membership("g", ["members.v1"], Everything()):
        with pytest.raises(GroupBusy, match="Kafka"):
            async with bench.transport.membership("g", ["members.v1"], Everything()):
                pass
    async with bench.transport.membership("g", ["members.v1"], Everything()):
        pass


async def test_a_member_owns_every_partition_and_is_woken_by_an_append(bench):
    listener = Everything()
    async with bench.transport.membership("g", ["members.v1"], listener) as member:
        assert await member.fetch(timeout=0.01, limit=10) == ()
        waiting = asyncio.create_task(member.fetch(timeout=10, limit=10))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await bench.append(organisation(key(1), version=1))
        (batch,) = await waiting
        assert time.monotonic() - began < 5
        assert len(batch.records) == 1
        assert await member.fetch(timeout=0.01, limit=10) == ()
    everything = frozenset(TopicPartition("members.v1", number) for number in range(8))
    assert listener.seen == [("assigned", everything), ("revoked", everything)]


async def test_a_paused_partition_is_left_out_until_it_is_resumed(bench):
    await bench.append(organisation(key(1), version=1))
    at = frozenset({TopicPartition("members.v1", partition_for(key(1), 8))})
    async with bench.transport.membership("g", ["members.v1"], Everything()) as member:
        member.pause(at)
        assert await member.fetch(timeout=0.01, limit=10) == ()
        member.resume(at)
        assert len(await member.fetch(timeout=1, limit=10)) == 1
        member.seek(next(iter(at)), 0)
        assert len(await member.fetch(timeout=1, limit=10)) == 1


async def age(bench, days):
    """Let every record be older by so many days."""
    async with bench.log_database.write() as connection:
        await connection.execute(
            text("UPDATE log_record SET appended_at = appended_at - :by"), {"by": days * DAY * 10**6}
        )


async def compacted(bench, *, lag=7 * DAY, tombstones=30 * DAY):
    return await compact(
        bench.log_database, now=time.time_ns() // 1000, lag_seconds=lag, tombstone_seconds=tombstones
    )


async def test_compaction_keeps_the_last_record_of_each_key(bench):
    await bench.append(*(organisation(key(n), version=v) for v in range(1, 4) for n in range(5)))
    assert await compacted(bench) == 0
    await age(bench, 8)
    assert await compacted(bench) == 10
    assert sorted(record.key.decode() for record in await bench.log()) == [key(n) for n in range(5)]
    assert all(b"000003" in dict(record.headers)["ce_sequence"] for record in await bench.log())


async def test_what_compaction_removed_cannot_come_back(bench):
    old = organisation(key(1), version=1)
    await bench.append(old, erased(key(1), version=2))
    await age(bench, 31)
    assert await compacted(bench) == 2
    await bench.append(old)
    assert await bench.log() == []


async def test_a_tombstone_stays_for_its_retention_and_then_raises_the_horizon(bench):
    partition = partition_for(key(1), 8)
    await bench.append(organisation(key(1), version=1), erased(key(1), version=2))
    await age(bench, 29)
    assert await compacted(bench) == 1
    assert [record.value for record in await bench.log()] == [None]
    assert (await bench.transport.horizons("members.v1"))[partition] == 0
    await age(bench, 2)
    assert await compacted(bench) == 1
    assert (await bench.transport.horizons("members.v1"))[partition] == 2
    assert (await bench.transport.ends("members.v1"))[partition] == 2


async def test_tombstones_go_in_small_transactions(bench, monkeypatch):
    """Whoever appends waits for one of them at most."""
    await bench.append(*(erased(key(number), version=1) for number in range(5)))
    await age(bench, 31)
    monkeypatch.setattr(compaction, "_CHUNK", 2)
    write, sizes = bench.log_database.write, []

    @asynccontextmanager
    async def counted(**more):
        records = text("SELECT count(*) FROM log_record")
        async with write(**more) as connection:
            before = await connection.scalar(records)
            yield connection
            sizes.append(before - await connection.scalar(records))

    monkeypatch.setattr(bench.log_database, "write", counted)
    assert await compacted(bench) == 5
    assert [size for size in sizes if size] == [2, 2, 1]


@pytest.mark.parametrize("first", [0, 1], ids=["nothing before", "a record before"])
async def test_who_has_read_past_where_tombstones_stood_starts_again(bench, first):
    """The horizon lies behind them: who is told to rebuild, and does, was told so for ever."""
    same = [key(n) for n in range(1, 200) if partition_for(key(n), 8) == partition_for(key(1), 8)]
    await bench.append(*(organisation(name, version=1) for name in same[:first]))
    await bench.append(organisation(same[-1], version=1), erased(same[-1], version=2))
    await age(bench, 31)
    assert await compacted(bench) == 2
    await bench.consume()
    await bench.consume()  # positions are proved at each start
    reader = Reader(group="things", topics=("members.v1",), handle=apply, forget=forget)
    assert (await rebuild(bench.process, reader)).records == first
    await bench.consume()
    assert await bench.things() == dict.fromkeys(same[:first], (1, "Kigali Fibre"))


async def forget(connection):
    await connection.execute(delete(THINGS))


async def test_a_reader_passes_over_the_gaps_that_compaction_leaves(bench):
    await bench.append(*(organisation(key(1), version=version) for version in range(1, 6)))
    await age(bench, 8)
    await compacted(bench)
    batch = await bench.transport.read("members.v1", partition_for(key(1), 8), offset=0, limit=10)
    assert [record.offset for record in batch.records] == [4]
    assert batch.next_offset == 5


async def test_a_history_topic_is_never_compacted(bench):
    await bench.transport.create_topics([replace(TOPICS["matches.v1"])])
    await bench.append(*(replace(organisation(key(1), version=v), topic="matches.v1") for v in (1, 2)))
    await age(bench, 1_000)
    assert await compacted(bench) == 0
    assert len(await bench.log("matches.v1")) == 2


async def test_a_failed_append_leaves_the_known_ends_right(bench):
    async with bench.transport.membership("g", ["members.v1"], Everything()) as member:
        assert await member.fetch(timeout=0.01, limit=10) == ()
        async with (
            bench.transport.appender("members") as before,
            bench.transport.appender("members") as after,
        ):
            await after.append([organisation(key(1), version=1)])
            with pytest.raises(Fenced):
                await before.append([organisation(key(2), version=1)])
        assert len(await member.fetch(timeout=1, limit=10)) == 1


async def test_compaction_begins_soon_and_goes_on_after_a_pass_that_failed(bench, monkeypatch, logged):
    passes = []

    async def fail(*_, **__):
        passes.append(1)
        raise RuntimeError("one bad pass")

    monkeypatch.setattr(log, "compact", fail)
    monkeypatch.setattr(log, "_FIRST_PASS_SECONDS", 0.0)
    monkeypatch.setattr(log, "_PASS_SECONDS", 0.0)
    await bench.transport.close()
    await bench.transport.open()

    async def again():
        return len(passes) > 1

    await eventually(again)
    assert "log.compaction_failed" in {entry["event"] for entry in logged}


async def test_who_waits_is_given_what_was_appended_as_it_stands_in_the_tables_without_a_statement(bench):
    asked = []

    def count(_connection, _cursor, statement, *_rest):
        asked.append(statement)

    async def stands_as(batches):
        for batch in batches:
            here = batch.at.topic, batch.at.partition
            assert batch == await bench.transport.read(*here, offset=batch.offset, limit=100)

    async with bench.transport.membership("waiting", ["members.v1"], Everything()) as member:
        await member.fetch(timeout=0.01, limit=100)
        await bench.append(
            replace(organisation(key(1), version=1, name="Ünïcode 大学"), traceparent="00-1-2-01"),
            organisation(key(2), version=1),
            erased(key(3), version=2),
        )
        event.listen(Engine, "before_cursor_execute", count)
        try:
            batches = await member.fetch(timeout=1, limit=100)
        finally:
            event.remove(Engine, "before_cursor_execute", count)
        assert (sum(len(batch.records) for batch in batches), asked) == (3, [])
        await stands_as(batches)
        for version in (2, 3):  # two appends: what came first has to be read
            await bench.append(organisation(key(1), version=version))
        batches = await member.fetch(timeout=1, limit=100)
        assert sum(len(batch.records) for batch in batches) == 2
        await stands_as(batches)


async def test_an_append_of_many_is_read_in_parts_by_who_takes_few(bench):
    async with bench.transport.membership("few", ["members.v1"], Everything()) as member:
        events = [
            replace(organisation(key(number), version=1), partitionkey="one place") for number in range(7)
        ]
        await bench.append(*events)
        found = []
        while batches := await member.fetch(timeout=0.01, limit=3):
            found += [len(batch.records) for batch in batches]
    assert found == [3, 3, 1]
