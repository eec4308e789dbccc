"""What the outbox and its relay owe to a transaction that commits late, and to events whose ids or times run backwards."""

from dataclasses import replace

from sqlalchemy import text

from services.chassis.bus import outbox
from services.chassis.bus.failpoints import armed
from services.chassis.bus.relay import Relay
from tests.services.chassis.bus.bench import organisation


async def test_the_relay_goes_by_position_whatever_ids_and_times_say(bench, key):
    """The clock of whoever wrote the first version was ahead; the ids hold that clock too."""
    first, second = organisation(key, version=1), organisation(key, version=2)
    first = replace(first, id=second.id, time="2026-11-24T10:00:05.000000Z")
    second = replace(second, id=f"00{second.id[2:]}", time="2026-11-24T10:00:00.000000Z")
    assert second.id < first.id
    await bench.post(first, second)
    await bench.relay()
    assert [record.headers for record in await bench.log()] == [first.headers(), second.headers()]


async def test_the_outbox_keeps_the_partition_key_apart_from_the_key(bench, key):
    await bench.post(replace(organisation(key, version=1), partitionkey="elsewhere"))
    async with bench.database.read() as connection:
        (row,) = await outbox.oldest(connection, limit=2)
    assert (row[1].key, row[1].partitionkey) == (key, "elsewhere")


async def test_a_transaction_that_commits_late_is_not_skipped(bench, key):
    """It took its position before others that were relayed meanwhile, as it may on a server."""
    await bench.post(organisation(key, version=1))
    async with bench.database.write() as connection:
        await connection.execute(text("UPDATE outbox SET position = 50"))
    relay = Relay(bench.process)
    async with bench.transport.appender("members") as appender:
        assert await relay.step(appender) == 1
        await bench.post(organisation(key, version=2))
        async with bench.database.write() as connection:
            await connection.execute(text("UPDATE outbox SET position = 49"))
        assert await relay.step(appender) == 1
    assert len(await bench.log()) == 2


async def test_what_comes_while_a_batch_is_appended_stays_in_the_outbox(bench, key):
    async def write(name):
        if name == "relay.appended":
            await bench.post(organisation(key, version=2))

    await bench.post(organisation(key, version=1))
    async with bench.transport.appender("members") as appender:
        with armed(write):
            assert await Relay(bench.process).step(appender) == 1
        assert await bench.waiting() == 1
        assert await Relay(bench.process).step(appender) == 1
    assert len(await bench.log()) == 2
