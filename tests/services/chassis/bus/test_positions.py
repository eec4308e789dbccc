"""A position is moved by whoever finds it where it was left, and belongs to one log."""

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import text

from services.chassis.bus import positions
from services.chassis.bus.errors import LogReplaced, PositionMoved, RebuildNeeded
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import TopicPartition
from tests.services.chassis.bus.bench import organisation

KEY = str(uuid.UUID(int=7))
AT = TopicPartition("members.v1", partition_for(KEY, 8))
DAY = 86_400_000_000
RETENTION = 30 * 86_400
NOW = 1_800_000_000_000_000


async def taken(bench):
    async with bench.database.write() as connection:
        return await positions.take(
            connection, "g", AT, log=await bench.transport.identity("members.v1"), now=NOW
        )


async def moved(bench, before, after):
    async with bench.database.write() as connection:
        await positions.move(connection, before, after)


async def after_all(bench):
    """The position after everything on the partition."""
    position = await taken(bench)
    batch = await bench.transport.read(AT.topic, AT.partition, offset=0, limit=100)
    last = batch.records[-1]
    return position, position.past(last, positions.event_id(last))


async def test_a_new_position_begins_at_the_beginning_of_this_log(bench):
    position = await taken(bench)
    assert (position.next_offset, position.last_event) == (0, None)
    assert await taken(bench) == position
    async with bench.database.read() as connection:
        assert await positions.all_of(connection, "g") == (position,)


async def test_a_move_is_stored_with_the_id_of_the_last_event(bench):
    event = organisation(KEY, version=1)
    await bench.append(event)
    before, after = await after_all(bench)
    await moved(bench, before, after)
    stored = await taken(bench)
    assert (stored.next_offset, stored.last_offset, stored.last_event) == (1, 0, event.id)


async def test_whoever_does_not_find_the_position_where_it_was_changes_nothing(bench):
    await bench.append(organisation(KEY, version=1))
    before, after = await after_all(bench)
    await moved(bench, before, after)
    with pytest.raises(PositionMoved):
        await moved(bench, before, replace(after, next_offset=9))
    assert await taken(bench) == after


async def test_a_position_on_its_log_is_proved(bench):
    await bench.append(organisation(KEY, version=1), organisation(KEY, version=2))
    _, after = await after_all(bench)
    await positions.verify(bench.transport, after, now=NOW, compacted=True, tombstone_seconds=RETENTION)


async def test_another_log_is_a_loud_stop(bench):
    position = replace(await taken(bench), log="another")
    with pytest.raises(
        LogReplaced,
        match=r"in log another, .* The log was replaced\. Put the right log back; or .*`comity republish members --all`",
    ):
        await positions.verify(
            bench.transport, position, now=NOW, compacted=True, tombstone_seconds=RETENTION
        )


async def test_a_log_that_ends_before_the_position_is_a_loud_stop(bench):
    position = replace(await taken(bench), next_offset=5)
    with pytest.raises(
        LogReplaced, match=r"ends at 0\. The log was cut\. .*`comity rebuild` for the service that reads"
    ):
        await positions.verify(
            bench.transport, position, now=NOW, compacted=True, tombstone_seconds=RETENTION
        )


async def test_another_event_at_the_very_offset_is_a_loud_stop(bench):
    await bench.append(organisation(KEY, version=1))
    _, after = await after_all(bench)
    with pytest.raises(LogReplaced, match=r"has seen event other .*`comity republish members --all`"):
        await positions.verify(
            bench.transport,
            replace(after, last_event="other"),
            now=NOW,
            compacted=True,
            tombstone_seconds=RETENTION,
        )


async def test_where_compaction_took_the_record_identity_and_end_decide(bench):
    await bench.append(organisation(KEY, version=1), organisation(KEY, version=2))
    first = await taken(bench)
    batch = await bench.transport.read(AT.topic, AT.partition, offset=0, limit=1)
    position = first.past(batch.records[0], "some other event that is not there to be asked")
    async with bench.log_database.write() as connection:
        await connection.execute(text('DELETE FROM log_record WHERE "offset" = 0'))
    await positions.verify(bench.transport, position, now=NOW, compacted=True, tombstone_seconds=RETENTION)


async def test_a_position_below_the_horizon_asks_for_a_rebuild(bench):
    await bench.append(organisation(KEY, version=1), organisation(KEY, version=2))
    _, after = await after_all(bench)
    half = replace(after, next_offset=1, last_offset=None, last_event=None)
    async with bench.log_database.write() as connection:
        await connection.execute(text("UPDATE log_partition SET horizon = 2"))
    await positions.verify(bench.transport, after, now=NOW, compacted=True, tombstone_seconds=RETENTION)
    with pytest.raises(RebuildNeeded, match="run `comity rebuild` for it"):
        await positions.verify(bench.transport, half, now=NOW, compacted=True, tombstone_seconds=RETENTION)
    await positions.verify(bench.transport, half, now=NOW, compacted=False, tombstone_seconds=RETENTION)
    await positions.verify(
        bench.transport, await taken(bench), now=NOW, compacted=True, tombstone_seconds=RETENTION
    )


async def test_where_the_log_cannot_tell_the_time_since_its_end_decides(bench):
    await bench.append(organisation(KEY, version=1))
    _, after = await after_all(bench)

    async def unknown(topic):
        return None

    bench.transport.horizons = unknown
    await positions.verify(
        bench.transport, after, now=NOW + 29 * DAY, compacted=True, tombstone_seconds=RETENTION
    )
    with pytest.raises(
        RebuildNeeded, match="and the clock of this process says 2027-02-15: if that is wrong"
    ):
        await positions.verify(
            bench.transport, after, now=NOW + 31 * DAY, compacted=True, tombstone_seconds=RETENTION
        )


async def test_the_end_is_noted_once_a_day_at_most(bench):
    position = await taken(bench)
    assert position.seen_at_end(NOW + DAY - 1) is position
    assert position.seen_at_end(NOW + DAY).at_end_on == NOW + DAY


async def test_a_note_of_the_end_from_a_clock_that_was_ahead_is_put_right(bench):
    position = replace(await taken(bench), at_end_on=NOW + 400 * DAY)
    assert position.seen_at_end(NOW).at_end_on == NOW
