"""Failure: a record that cannot be applied is set aside with its place and reason, and costs nobody else anything."""

import asyncio
from dataclasses import replace

import pytest

from services.chassis.bus import deadletters
from services.chassis.bus.consumer import Delivery
from services.chassis.bus.errors import Transient
from services.chassis.bus.failpoints import armed
from services.chassis.bus.lane import LaneRules
from services.chassis.bus.limits import Limits
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import Record, TopicPartition
from tests.conformance.kit import (
    PARTITIONS,
    POSTGRESQL,
    SQLITE,
    Bench,
    Site,
    apply,
    erased,
    ids,
    revised,
    until,
)

KEYS = ids(12)
BAD, GOOD = KEYS[0], KEYS[1:]


async def test_c21_a_transient_error_keeps_the_order_and_is_overcome(bench: Bench) -> None:
    await bench.append(*(revised(key, version) for version in (1, 2) for key in KEYS))
    failures = iter([True, True, False, True])
    order: list[tuple[str, int]] = []

    async def flaky(delivery: Delivery) -> None:
        if next(failures, False):
            raise Transient("The map service is away.")
        await apply(delivery)
        order.append((delivery.event.key, delivery.event.sequence.version))

    await bench.consume(flaky)
    effects = await bench.effects()
    assert sorted(effects) == sorted((key, version) for key in KEYS for version in (1, 2))
    assert [version for key, version in effects if key == BAD] == [1, 2]
    assert await bench.letters() == []


async def test_c22_an_invalid_record_is_buried_with_its_coordinates_and_the_next_is_applied(
    bench: Bench,
) -> None:
    invalid = [
        replace(revised(BAD, 1), data=b'{"id": 1}'),
        replace(revised(KEYS[1], 1), data=b"not JSON"),
        replace(revised(KEYS[2], 1), type="org.comity.unheard.of.v1"),
    ]
    await bench.append(*invalid, *(revised(key, 1) for key in KEYS[3:]))
    await bench.consume()
    assert sorted(await bench.effects()) == [(key, 1) for key in KEYS[3:]]

    letters = {letter.key: letter for letter in await bench.letters()}
    stand = {record.key.decode(): record for record in await bench.log()}
    assert set(letters) == {BAD, KEYS[1], KEYS[2]}
    for key, letter in letters.items():
        assert (letter.state, letter.kind, letter.group) == ("dead", "invalid", "things")
        assert letter.record == stand[key]  # topic, partition, offset, key, headers and value
    assert "/id" in letters[BAD].reason or "legal_name" in letters[BAD].reason
    assert "org.comity.unheard.of.v1" in letters[KEYS[2]].reason


@pytest.mark.parametrize("place", [SQLITE, POSTGRESQL], indirect=True)
async def test_a_record_is_buried_whatever_its_key_and_its_error_say_and_is_given_back_as_it_was(
    bench: Bench,
) -> None:
    """No database takes NUL or a lone surrogate in a text, and what a foreign writer's key holds is not ours to choose."""
    keys = [None, b"", b"a\0b", rb"a\x00b", b"\xff", rb"\xff", rb"\x", "clé".encode()]
    records = [
        Record(
            topic="members.v1", partition=0, offset=offset, key=key, headers=(), value=b"junk", appended_at=1
        )
        for offset, key in enumerate(keys)
    ]
    async with bench.database.write() as connection:
        for record in records:
            await deadletters.bury(
                connection, "things", record, error=ValueError("NUL \0, half \ud800"), attempts=1, now=1
            )
        parked = await deadletters.parked_keys(connection, "things", TopicPartition("members.v1", 0))
    letters = await bench.letters()
    assert [letter.record for letter in letters] == records
    assert parked == {deadletters.key_of(record) for record in records}
    assert len(parked) == len(keys)
    assert letters[-1].key == "clé"
    assert {letter.reason for letter in letters} == {r"ValueError: NUL \x00, half \ud800"}


async def test_c23_a_parked_key_keeps_its_order_and_replays_in_order(bench: Bench) -> None:
    broken = True

    async def handle(delivery: Delivery) -> None:
        if broken and delivery.event.key == BAD and delivery.event.sequence.version == 2:
            raise ZeroDivisionError("a bug of ours")
        await apply(delivery)

    await bench.append(*(revised(key, version) for version in (1, 2, 3, 4) for key in KEYS))
    await bench.consume(handle)
    assert await bench.things() == {BAD: (1, "Kigali Fibre")} | dict.fromkeys(GOOD, (4, "Kigali Fibre"))
    assert [(letter.state, letter.record.value is not None) for letter in await bench.letters()] == [
        ("dead", True),
        ("parked", True),
        ("parked", True),
    ]

    broken = False
    async with bench.consuming(handle) as running:
        await bench.caught_up(running)
        assert await running.consumer.replay("members.v1", BAD) == 3
    assert [version for key, version in await bench.effects() if key == BAD] == [1, 2, 3, 4]
    assert await bench.letters() == []


async def test_a_discard_counts_what_is_parked_while_it_is_made(bench: Bench) -> None:
    """Who is told that nothing waits any more takes the key for open."""
    parking, commit = asyncio.Event(), asyncio.Event()

    async def bad(delivery: Delivery) -> None:
        raise ZeroDivisionError("a bug of ours")

    async def hook(line: str) -> None:
        if line == "consumer.before_commit":
            parking.set()
            await commit.wait()

    async def discard(letter: deadletters.Letter) -> int | None:
        async with bench.database.write() as connection:
            return await deadletters.discard(connection, letter)

    await bench.append(revised(BAD, 1))
    await bench.consume(bad, rules=LaneRules(tries=1))
    (letter,) = await bench.letters()
    await bench.append(revised(BAD, 2))
    with armed(hook):
        async with bench.consuming() as running:
            await asyncio.wait_for(parking.wait(), 20)
            discarding = asyncio.create_task(discard(letter))
            await asyncio.wait({discarding}, timeout=0.3)
            commit.set()
            assert await discarding == 1
            await bench.caught_up(running)
    assert [one.state for one in await bench.letters()] == ["parked"]


async def test_c24_at_the_limit_a_partition_halts_over_restarts_and_the_others_go_on(
    site: Site, bench: Bench
) -> None:
    keys = [key for key in ids(60) if partition_for(key, PARTITIONS) == 0][:9]
    elsewhere = next(key for key in ids(60) if partition_for(key, PARTITIONS) == 1)
    few = LaneRules(tries=1, limits=Limits(in_a_row=3))

    async def bad_release(delivery: Delivery) -> None:
        if delivery.event.key in keys:
            raise ZeroDivisionError("a bad release")
        await apply(delivery)

    await bench.append(*(revised(key, 1) for key in keys), revised(elsewhere, 1))
    for process in (bench, None):
        now = process or await site.successor()
        async with now.consuming(bad_release, rules=few):

            async def stands(now: Bench = now) -> bool:
                halted = [one.at.partition for one in await now.halted()]
                return halted == [0] and elsewhere in await now.things()

            await until(stands)
        assert [letter.key for letter in await now.letters()] == keys[:3]  # not three more at each start

    mended = await site.successor()
    await mended.consume(rules=few)
    assert await mended.halted() == []
    assert sorted(await mended.effects()) == sorted((key, 1) for key in (*keys[3:], elsewhere))


async def test_c25_a_mended_handler_and_a_replay_give_the_state_of_a_run_without_the_bug(
    bench: Bench,
) -> None:
    broken = {KEYS[1], KEYS[4]}

    async def handle(delivery: Delivery) -> None:
        if delivery.event.key in broken and delivery.event.sequence.version in (2, 4):
            raise ZeroDivisionError("a bug of ours")
        await apply(delivery)

    await bench.append(*(revised(key, version) for version in (1, 2, 3, 4, 5) for key in KEYS))
    await bench.append(erased(KEYS[4], 6))
    await bench.consume(handle)
    assert {letter.key for letter in await bench.letters()} == {KEYS[1]}  # a tombstone has cleared the other
    broken.clear()
    async with bench.consuming(handle) as running:
        assert await running.consumer.replay("members.v1", KEYS[1]) == 4
        await bench.append(revised(KEYS[1], 6))
        await bench.caught_up(running)
    assert await bench.letters() == []
    rest = [key for key in KEYS if key not in (KEYS[1], KEYS[4])]
    assert await bench.things() == dict.fromkeys(rest, (5, "Kigali Fibre")) | {
        KEYS[1]: (6, "Kigali Fibre"),
        KEYS[4]: (6, None),
    }
    effects = await bench.effects()
    assert [version for key, version in effects if key == KEYS[1]] == [1, 2, 3, 4, 5, 6]
    assert len(effects) == len(set(effects))


async def test_c23_a_tombstone_clears_what_was_set_aside_for_its_key(bench: Bench) -> None:
    await bench.append(replace(revised(BAD, 1), data=b"{}"), revised(BAD, 2), erased(BAD, 3))
    await bench.consume()
    assert await bench.letters() == []
    assert await bench.things() == {BAD: (3, None)}
