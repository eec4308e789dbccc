"""What may stand in the outbox, in which order, and how it gets out."""

import sys
import uuid
from dataclasses import replace

import pytest
from sqlalchemy import text

from schemas.envelope import Sequence
from services.chassis.bus import outbox, positions, said
from services.chassis.bus.errors import InvalidEvent, RecordTooLarge
from services.chassis.database import Database
from tests.services.chassis.bus.bench import LIMIT, erased, organisation

MANY = 100
MOST_CALLS = 15
"""Calls of Python functions for an event: 12 where nothing but what is to be checked and written is looked at."""


async def held(bench):
    async with bench.database.read() as connection:
        return await outbox.oldest(connection, limit=100)


async def test_an_event_comes_out_as_it_went_in(bench, key):
    events = [
        organisation(key, version=1, name="Ünïcode 大学"),
        replace(organisation(key, version=2), traceparent="00-1-2-01", partitionkey="elsewhere"),
        erased(key, version=3),
    ]
    await bench.post(*events)
    assert [event for _, event in await held(bench)] == events


async def test_a_rolled_back_transaction_posts_nothing(bench, key):
    async def fail():
        async with bench.database.write() as connection:
            await outbox.post(connection, organisation(key, version=1), max_record_bytes=LIMIT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await held(bench) == []


async def test_positions_rise_and_are_never_given_out_again(bench, key):
    await bench.post(organisation(key, version=1), organisation(key, version=2))
    first = [position for position, _ in await held(bench)]
    async with bench.database.write() as connection:
        await outbox.remove(connection, first)
    await bench.post(organisation(key, version=3))
    assert [position for position, _ in await held(bench)] == [first[-1] + 1]


async def test_data_that_does_not_meet_its_schema_is_refused_at_insert(bench, key):
    with pytest.raises(InvalidEvent, match="sponsor"):
        await bench.post(organisation(key, version=1, sponsor="x"))
    assert await held(bench) == []


async def test_a_record_above_the_limit_is_refused_at_insert_with_its_size(bench, key):
    event = organisation(key, version=1, name="x" * 5_000)
    size = outbox.record_bytes(event)
    async with bench.database.write() as connection:
        await outbox.post(connection, event, max_record_bytes=size)
        with pytest.raises(RecordTooLarge, match=f"{size:,} bytes") as refused:
            await outbox.post(
                connection, organisation(key, version=2, name="x" * 5_000), max_record_bytes=size - 1
            )
    assert (refused.value.status, refused.value.code) == (413, "record-too-large")
    assert len(await held(bench)) == 1


async def test_the_columns_are_those_that_debeziums_router_reads(bench, key):
    await bench.post(organisation(key, version=7))
    async with bench.database.read() as connection:
        row = (await connection.execute(text("SELECT * FROM outbox"))).mappings().one()
    assert {"id", "aggregatetype", "aggregateid", "type", "payload"} <= set(row)
    assert (row["aggregatetype"], row["aggregateid"]) == ("members.v1", key)


async def test_many_events_of_one_transaction_cost_few_steps_each(bench, key):
    """Counted, not timed: a list of a hundred pairs waits for as many events."""
    events = [organisation(key, version=number + 1) for number in range(MANY)]
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    async with bench.database.write() as connection:
        await outbox.post_all(connection, events, max_record_bytes=LIMIT)  # statements are built
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            await outbox.post_all(
                connection, [replace(one, id=f"{one.id}-") for one in events], max_record_bytes=LIMIT
            )
        finally:
            sys.setprofile(before)
    assert 0 < calls < MOST_CALLS * MANY
    assert [event.data for _, event in await held(bench)] == [one.data for one in events]


async def test_the_quick_look_at_a_records_size_is_never_below_it(bench, key):
    event = organisation(key, version=1, name="大学" * 50)
    plain = replace(event, dataschema=None, data=None, sequence=Sequence(2**63 - 1, 2**63 - 1))
    events = [
        event,
        plain,
        replace(event, traceparent="00-" + "a" * 32, subject="é" * 40, partitionkey="ж" * 40),
    ]
    assert [outbox._at_most(one) >= outbox.record_bytes(one) for one in events] == [True] * len(events)


async def test_what_the_log_or_a_backup_has_too_does_not_stand_in_the_outbox_alone(bench):
    """A relay that was killed has appended what it did not delete; a backup under load has what was on its way."""
    on_the_log, in_the_backup, here = (
        organisation(str(uuid.UUID(int=number)), version=1) for number in range(1, 4)
    )
    await said.enter(bench.process, None)
    await bench.post(in_the_backup)
    await bench.database.back_up(bench.folder / "backup.db")
    await bench.post(on_the_log, here)
    await bench.append(on_the_log)
    async with bench.database.read() as connection:
        waiting = await outbox.times(connection)
        stored = await positions.all_of(connection, said.GROUP)
    assert set(waiting) == {on_the_log.id, in_the_backup.id, here.id}
    backup = Database(f"sqlite+aiosqlite:///{bench.folder / 'backup.db'}", service="members")
    await said.leave_out_what_stands_elsewhere(bench.transport, waiting, stored, backup)
    await backup.close()
    assert set(waiting) == {here.id}
