"""Promise 4 where the log is read in parts: whoever stands above the floor is told in the same cycle, however long the rest takes."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from schemas.topics import TOPICS
from services.chassis.bus import deadletters, positions
from services.chassis.bus.delivery import deliver
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import Record, TopicPartition
from services.notifications.consumers import GROUP, READER, keep
from services.notifications.worker import cycles
from services.notifications.worker.cycles import LONGEST, PATIENCE
from tests.services.matches.town import PARTITIONS, uuid_of
from tests.services.notifications.village import Receiver, Village

NAMES = ("Ada", "Ben", "Cleo")
Apply = Callable[[Record], Awaitable[None]]


async def told(village: Village) -> set[str]:
    """Let cycles run; the names of those who were told."""
    while await cycles.step(village.runtime):
        pass
    rows = await village.rows("SELECT organisation FROM notices")
    return {name for name in NAMES if uuid_of(name) in {row["organisation"] for row in rows}}


async def ranked(village: Village, receiver: Receiver) -> TopicPartition:
    """Everybody listens and a list is ranked; all but its pairs is read. Where those stand."""
    for name in NAMES:
        await village.town.organisation(name)
        await village.hooked(name, receiver)
    project = await village.town.published("schools")
    await village.town.settle()
    await read_all_but_pairs(village)
    partitions = await village.runtime.transport.partitions("standings.v1")
    return TopicPartition("standings.v1", partition_for(project, partitions))


async def read_all_but_pairs(village: Village) -> None:
    for topic in READER.topics:
        if topic != "standings.v1":
            for partition in range(min(PARTITIONS, TOPICS[topic].partitions)):
                await village._consume(TopicPartition(topic, partition), 500)


async def read_on(village: Village, at: TopicPartition, count: int, *, apply: Apply | None = None) -> None:
    """Read so many more records; `apply` does something else with them than the service does."""
    log = await village.runtime.transport.identity(at.topic)
    async with village.runtime.database.write() as connection:
        position = await positions.take(connection, GROUP, at, log=log, now=0)
        batch = await village.runtime.transport.read(
            at.topic, at.partition, offset=position.next_offset, limit=count
        )
        last = batch.records[-1]
        await positions.move(connection, position, position.past(last, positions.event_id(last)))
        for record in batch.records:
            if apply is None:
                await deliver(
                    connection, record, runtime=village.runtime, group=GROUP, handle=keep, parked=set()
                )
    for record in batch.records:
        if apply is not None:
            await apply(record)


async def test_what_is_unread_is_waited_for_however_long_it_takes(
    village: Village, receiver: Receiver
) -> None:
    pairs = await ranked(village, receiver)
    await read_on(village, pairs, 2)
    assert await told(village) == set()
    village.town.clock.moment += 10 * LONGEST
    assert await told(village) == set()
    await read_on(village, pairs, 1)
    assert await told(village) == set(NAMES)
    rows = await village.rows("SELECT DISTINCT made_at FROM notices")
    assert len(rows) == 1


async def test_a_pair_that_is_set_aside_does_not_keep_the_others_waiting(
    village: Village, receiver: Receiver
) -> None:
    pairs = await ranked(village, receiver)

    async def bury(record: Record) -> None:
        async with village.runtime.database.write() as connection:
            await deadletters.bury(connection, GROUP, record, error=ValueError("a bug"), attempts=1, now=0)

    await read_on(village, pairs, 2)
    await read_on(village, pairs, 1, apply=bury)
    assert await told(village) == set()
    village.town.clock.moment += PATIENCE + timedelta(seconds=1)
    assert len(await told(village)) == 2
    [letter] = await village.rows("SELECT key FROM dead_letters")
    [record] = [
        one for one in await village.town.records("standings.v1") if deadletters.key_of(one) == letter["key"]
    ]
    async with village.runtime.database.write() as connection:
        await deliver(connection, record, runtime=village.runtime, group=GROUP, handle=keep, parked=set())
    assert await told(village) == set(NAMES)


async def one_rises_and_one_falls(village: Village, receiver: Receiver) -> None:
    """Dan comes and Cleo leaves: a version that counts as many as before, of whose pairs none is read yet."""
    await village.town.organisation("Dan")
    await village.hooked("Dan", receiver)
    await village.town.withdraw(uuid_of("Cleo"))
    await village.town.settle()
    await read_all_but_pairs(village)


async def is_told(village: Village, name: str) -> bool:
    await told(village)
    rows = await village.rows("SELECT organisation FROM notices")
    return uuid_of(name) in {row["organisation"] for row in rows}


@pytest.mark.parametrize("buried", [True, False])
async def test_a_fall_that_is_set_aside_does_not_keep_others_waiting_and_one_that_is_lost_does_for_an_hour(
    village: Village, receiver: Receiver, buried: bool
) -> None:
    pairs = await ranked(village, receiver)
    await read_on(village, pairs, 3)
    assert await told(village) == set(NAMES)
    await one_rises_and_one_falls(village, receiver)

    async def but_falls(record: Record) -> None:
        async with village.runtime.database.write() as connection:
            if record.value is not None:
                await deliver(
                    connection, record, runtime=village.runtime, group=GROUP, handle=keep, parked=set()
                )
            elif buried:
                await deadletters.bury(
                    connection, GROUP, record, error=ValueError("a bug"), attempts=1, now=0
                )

    await read_on(village, pairs, 10, apply=but_falls)
    [found] = await village.rows(
        "SELECT above_floor, (SELECT count(*) FROM standings WHERE standing) AS standing FROM lists"
    )
    assert (found["above_floor"], found["standing"]) == (3, 4)
    village.town.clock.moment += PATIENCE + timedelta(seconds=1)
    assert await is_told(village, "Dan") is buried
    village.town.clock.moment += LONGEST
    assert await is_told(village, "Dan")


async def test_a_version_that_has_begun_to_come_is_waited_for_whatever_is_set_aside(
    village: Village, receiver: Receiver
) -> None:
    pairs = await ranked(village, receiver)
    await read_on(village, pairs, 2)

    async def bury(record: Record) -> None:
        async with village.runtime.database.write() as connection:
            await deadletters.bury(connection, GROUP, record, error=ValueError("a bug"), attempts=1, now=0)

    await read_on(village, pairs, 1, apply=bury)
    async with village.runtime.database.write() as connection:  # one of its pairs stands on the log already
        await connection.execute(text("UPDATE standings SET version = version + 1"))
    village.town.clock.moment += PATIENCE + timedelta(seconds=1)
    assert await told(village) == set()
    village.town.clock.moment += LONGEST
    assert len(await told(village)) == 2


async def test_a_pair_of_which_nothing_is_known_is_waited_for_an_hour(
    village: Village, receiver: Receiver
) -> None:
    pairs = await ranked(village, receiver)

    async def lose(_record: Record) -> None:
        return

    await read_on(village, pairs, 2)
    await read_on(village, pairs, 1, apply=lose)
    village.town.clock.moment += LONGEST - timedelta(seconds=1)
    assert await told(village) == set()
    village.town.clock.moment += timedelta(seconds=1)
    assert len(await told(village)) == 2
