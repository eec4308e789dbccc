"""The log read once more: a range beside the live group, a projection from the beginning."""

from dataclasses import replace

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.bus import deadletters, positions
from services.chassis.bus.consumer import Delivery
from services.chassis.bus.errors import LogReplaced
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.reader import Reader
from services.chassis.bus.rebuilding import AbsentFromLog, NotApplied, Replayed, rebuild, replay_range
from services.chassis.bus.transport import TopicPartition
from tests.conformance.kit import EFFECTS, PARTITIONS, THINGS, Bench, Site, apply, erased, ids, revised

KEYS = ids(12)


async def forget(connection: AsyncConnection) -> None:
    await connection.execute(delete(THINGS))
    await connection.execute(delete(EFFECTS))


READER = Reader(group="things", topics=("members.v1",), handle=apply, forget=forget)


async def stored(bench: Bench) -> list[positions.Position]:
    async with bench.database.read() as connection:
        return list(await positions.all_of(connection, "things"))


async def replay_all(bench: Bench, reader: Reader = READER) -> int:
    done = [
        await replay_range(bench.process, reader, TopicPartition("members.v1", number))
        for number in range(PARTITIONS)
    ]
    return sum(each.records for each in done)


async def test_c26_a_replay_gives_back_what_was_lost_and_leaves_the_live_group_where_it_is(
    bench: Bench,
) -> None:
    await bench.append(*(revised(key, version) for version in (1, 2) for key in KEYS))
    async with bench.consuming() as running:
        await bench.caught_up(running)
        before, effects = await stored(bench), await bench.effects()
        assert await replay_all(bench) == 24
        assert await bench.effects() == effects  # nothing was news
        await bench.execute("DELETE FROM things WHERE id = :id", id=KEYS[3])
        assert await replay_all(bench) == 24
        assert await bench.things() == dict.fromkeys(KEYS, (2, "Kigali Fibre"))
        assert await stored(bench) == before
        await bench.append(revised(KEYS[3], 3))
        await bench.caught_up(running)
    assert [version for key, version in await bench.effects() if key == KEYS[3]] == [1, 2, 1, 2, 3]


async def test_c26_a_replay_keeps_to_its_range_and_below_the_stored_position(bench: Bench) -> None:
    at = TopicPartition("members.v1", partition_for(KEYS[0], PARTITIONS))
    await bench.append(*(revised(KEYS[0], version) for version in range(1, 6)))
    await bench.consume()
    await bench.append(*(revised(KEYS[0], version) for version in range(6, 9)))  # not consumed yet
    await bench.execute("DELETE FROM things")
    offsets = [record.offset for record in (await bench.partitions())[at.partition]]
    assert await replay_range(bench.process, READER, at, begin=offsets[1], end=offsets[3]) == Replayed(
        records=2
    )
    assert await bench.things() == {KEYS[0]: (3, "Kigali Fibre")}
    assert await replay_range(bench.process, READER, at) == Replayed(records=5)
    assert await bench.things() == {KEYS[0]: (5, "Kigali Fibre")}
    await bench.consume()
    assert await bench.things() == {KEYS[0]: (8, "Kigali Fibre")}


async def test_c26_a_replay_gives_back_a_record_that_was_discarded(bench: Bench) -> None:
    """Where the log takes no sequence twice, saying the same again would not."""
    await bench.append(revised(KEYS[0], 1))

    async def buggy(delivery: Delivery) -> None:
        raise ZeroDivisionError("a bug of ours")

    await bench.consume(buggy)
    (letter,) = await bench.letters()
    async with bench.database.write() as connection:
        assert await deadletters.discard(connection, letter) == 0
    assert await bench.things() == {}
    at = TopicPartition(letter.record.topic, letter.record.partition)
    offset = letter.record.offset
    assert await replay_range(bench.process, READER, at, begin=offset, end=offset + 1) == Replayed(records=1)
    assert await bench.things() == {KEYS[0]: (1, "Kigali Fibre")}


async def test_c26_a_replay_leaves_parked_keys_alone_and_stops_at_what_it_cannot_apply(bench: Bench) -> None:
    async def buggy(delivery: Delivery) -> None:
        if delivery.event.key == KEYS[0]:
            raise ZeroDivisionError("a bug of ours")
        await apply(delivery)

    await bench.append(*(revised(key, version) for version in (1, 2) for key in KEYS))
    await bench.consume(buggy)
    letters = await bench.letters()
    assert await replay_all(bench) == 22
    assert await bench.letters() == letters
    async with bench.database.write() as connection:
        await forget(connection)
    failing = replace(READER, handle=buggy)
    await bench.execute("DELETE FROM dead_letters")
    with pytest.raises(NotApplied, match="ZeroDivisionError"):
        await replay_all(bench, failing)


async def test_c27_what_is_rebuilt_equals_what_is_live(site: Site, bench: Bench) -> None:
    await bench.append(*(revised(key, version) for version in (1, 2, 3) for key in KEYS))
    await bench.append(erased(KEYS[0], 4), revised(KEYS[1], 4, "Nairobi Mesh"))
    await bench.consume()
    live, at = await bench.things(), await stored(bench)
    assert live == dict.fromkeys(KEYS[2:], (3, "Kigali Fibre")) | {
        KEYS[0]: (4, None),
        KEYS[1]: (4, "Nairobi Mesh"),
    }
    await bench.execute("UPDATE things SET name = 'spoilt', version = 99")
    after = await site.successor()
    done = await rebuild(after.process, READER)
    assert done.records == 38
    assert await after.things() == live
    assert [(one.at, one.next_offset, one.last_event) for one in await stored(after)] == [
        (one.at, one.next_offset, one.last_event) for one in at
    ]
    await after.append(revised(KEYS[2], 4))
    await after.consume()
    assert await after.things() == live | {KEYS[2]: (4, "Kigali Fibre")}
    assert len(await after.effects()) == 39  # nothing was applied twice


async def test_c27_a_rebuild_is_strict_and_changes_nothing_where_it_fails(bench: Bench) -> None:
    await bench.append(*(revised(key, 1) for key in KEYS), replace(revised(KEYS[0], 2), data=b"{}"))
    await bench.consume()
    before = (await bench.things(), await bench.effects(), await bench.letters(), await stored(bench))
    with pytest.raises(NotApplied, match=r"members\.v1"):
        await rebuild(bench.process, READER)
    assert (await bench.things(), await bench.effects(), await bench.letters(), await stored(bench)) == before


async def test_c27_a_rebuild_goes_over_to_another_log(site: Site, bench: Bench) -> None:
    await bench.append(*(revised(key, 1) for key in KEYS))
    await bench.consume()
    await site.replace_log()
    after = await site.process()
    await after.append(*(revised(key, 1) for key in KEYS[:5]))
    with pytest.raises(LogReplaced):
        await after.consume()
    assert (await rebuild(after.process, READER)).records == 5
    await after.append(revised(KEYS[0], 2))
    await after.consume()
    assert await after.things() == dict.fromkeys(KEYS[1:5], (1, "Kigali Fibre")) | {
        KEYS[0]: (2, "Kigali Fibre")
    }


async def test_c27_a_rebuild_that_misses_keys_names_what_says_them_again(bench: Bench) -> None:
    async def absent(_connection: AsyncConnection) -> list[str]:
        return [KEYS[0]]

    with pytest.raises(AbsentFromLog, match="`comity republish members --all`"):
        await rebuild(bench.process, replace(READER, absent=absent))
