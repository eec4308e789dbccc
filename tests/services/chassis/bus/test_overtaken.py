"""Compaction passes over who has not read what it takes: a lane that stands, or whoever reads from the beginning.

A tombstone that was not read before it went is never learnt: what was erased would stay. Who has kept up is not stopped.
"""

import asyncio
import time
import uuid
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import MetaData, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from services.chassis.bus import consumer, incarnation, limits, positions, rebuilding, said
from services.chassis.bus.delivery import Delivery
from services.chassis.bus.errors import DatabaseBehind, Overtaken, RebuildNeeded, Transient
from services.chassis.bus.lane import LaneRules
from services.chassis.bus.limits import Limits
from services.chassis.bus.owner import Owner, TakenBack
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.reader import Reader
from services.chassis.bus.rebuilding import rebuild
from services.chassis.bus.relay import Relay
from services.chassis.bus.restoring import restore
from services.chassis.bus.transport import TopicPartition
from services.chassis.bus.transports.sql.compaction import compact
from services.chassis.database import DatabaseAway
from tests.services.chassis.bus.bench import THINGS, Bench, apply, erased, eventually, organisation

DAY = 86_400
HERE = partition_for(str(uuid.UUID(int=1)), 8)
AT = TopicPartition("members.v1", HERE)
ONE, BAD, *MORE = (
    key for key in (str(uuid.UUID(int=number)) for number in range(1, 200)) if partition_for(key, 8) == HERE
)
STOPPED = r"tombstones (that it has not read )?may be gone.*run `comity rebuild` for it"


LIVES = MetaData()
incarnation.attach(LIVES)


async def forget(connection: AsyncConnection) -> None:
    await connection.execute(delete(THINGS))


READER = Reader(group="things", topics=("members.v1",), handle=apply, forget=forget)


async def expire(bench: Bench) -> int:
    """Let 31 days pass over what the log holds, and compact it; how many records went."""
    async with bench.log_database.write() as connection:
        by = {"by": 31 * DAY * 1_000_000}
        await connection.execute(text("UPDATE log_record SET appended_at = appended_at - :by"), by)
    now = time.time_ns() // 1_000
    return await compact(bench.log_database, now=now, lag_seconds=7 * DAY, tombstone_seconds=30 * DAY)


async def horizon(bench: Bench) -> int:
    return (await bench.transport.horizons("members.v1"))[HERE]


async def ended(running: Any) -> None:
    """Wait for the end of a consumer; raises what ended it."""
    await asyncio.wait([running.task], timeout=5)
    running.task.result()


async def until_full(running: Any) -> None:
    """Wait until the lane stands, and nothing more is fetched for it."""

    async def full() -> bool:
        return bool(running.consumer._assignment.lanes[AT].full)

    await eventually(full)


async def reported(running: Any) -> bool:
    return bool(running.consumer._reported.get(AT) == 5)


async def resume(bench: Bench) -> None:
    async with bench.database.write() as connection:
        assert await limits.resume(connection, "things", AT)


async def position(bench: Bench) -> int:
    async with bench.database.read() as connection:
        stored = {one.at: one.next_offset for one in await positions.all_of(connection, "things")}
    return stored[AT]


async def test_a_lane_that_stood_while_tombstones_went_stops_before_the_gap(bench: Bench) -> None:
    """It had what was erased since, and would have kept it: a position is proved when a partition arrives, and this one was here."""
    away = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        if delivery.event.key == BAD and not away.is_set():
            raise Transient("Something does not answer.")
        await apply(delivery)

    await bench.append(organisation(ONE, version=1))
    async with bench.consuming(handle, batch=1) as running:
        await bench.caught_up(running)
        await bench.append(
            *(organisation(BAD, version=version) for version in range(1, 6)),
            erased(ONE, version=2),
            organisation(MORE[0], version=1),
        )

        await until_full(running)
        assert await expire(bench) == 6
        away.set()
        with pytest.raises(RebuildNeeded, match=STOPPED):
            await ended(running)
    with pytest.raises(RebuildNeeded):  # and so does the next start
        await bench.consume()
    await rebuild(bench.process, READER)
    await bench.consume()
    assert await bench.things() == {BAD: (5, "Kigali Fibre"), MORE[0]: (1, "Kigali Fibre")}


async def test_a_partition_that_was_halted_while_tombstones_went_stops_as_it_is_resumed(bench: Bench) -> None:
    async def handle(delivery: Delivery) -> None:
        if delivery.event.key == BAD:
            raise ZeroDivisionError("a bug of ours")
        await apply(delivery)

    await bench.append(organisation(ONE, version=1), organisation(BAD, version=1), erased(ONE, version=2))
    async with bench.consuming(handle, rules=LaneRules(limits=Limits(in_a_row=0)), batch=1) as running:
        await eventually(bench.halted)
        await resume(bench)  # nothing went meanwhile, so it halts again at the same record
        await eventually(bench.halted)
        assert (await expire(bench), await horizon(bench), await position(bench)) == (2, 3, 1)
        await resume(bench)
        with pytest.raises(RebuildNeeded, match=STOPPED):
            await ended(running)
    assert await bench.things() == {ONE: (1, "Kigali Fibre")}


async def test_a_group_that_reads_from_the_beginning_while_the_log_is_compacted_stops(bench: Bench) -> None:
    went: list[int] = []

    async def handle(delivery: Delivery) -> None:
        await apply(delivery)
        if delivery.event.key == BAD and not went:
            went.append(await expire(bench))

    await bench.append(
        organisation(ONE, version=1),
        *(organisation(BAD, version=version) for version in range(1, 9)),
        erased(ONE, version=2),
        organisation(MORE[0], version=1),
    )
    async with bench.consuming(handle, batch=1) as running:
        with pytest.raises(RebuildNeeded, match=STOPPED):
            await ended(running)
    assert (await bench.things())[ONE] == (1, "Kigali Fibre")
    await rebuild(bench.process, READER)
    assert ONE not in await bench.things()


async def test_the_log_keeps_tombstones_until_the_groups_that_are_here_have_committed_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that stood still is compacted a minute after its start, and then every hour: whoever reads it anew is on the way."""
    away = asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        if delivery.event.key == BAD:
            stands.set()
            if not away.is_set():
                raise Transient("Something does not answer.")
        await apply(delivery)

    async def passed() -> int:
        return await bench.transport.compact(now=time.time_ns() // 1_000 + 31 * DAY * 1_000_000)

    stands = asyncio.Event()
    await bench.append(organisation(ONE, version=1), organisation(BAD, version=1))
    await bench.append(organisation(MORE[0], version=1), erased(MORE[0], version=2), erased(ONE, version=2))
    monkeypatch.setattr(consumer, "_REPORT_SECONDS", 0.0)
    async with bench.consuming(handle, batch=1) as running:
        await stands.wait()
        assert (await passed(), await horizon(bench)) == (2, 0)  # what is superseded goes all the same
        away.set()
        await bench.caught_up(running)
        await eventually(lambda: reported(running))
        assert (await passed(), await horizon(bench)) == (2, 5)
        assert not running.task.done()
    assert await bench.things() == {BAD: (1, "Kigali Fibre"), MORE[0]: (2, None), ONE: (2, None)}
    await bench.append(erased(BAD, version=2))
    assert (await passed(), await horizon(bench)) == (2, 6)  # nobody is here that it would wait for


async def test_who_reads_a_log_that_was_compacted_before_is_not_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small its batches are, and also where it halts on its way: what the tombstones erased was gone as well."""

    async def handle(delivery: Delivery) -> None:
        if delivery.event.key == BAD and not mended.is_set():
            raise ZeroDivisionError("a bug of ours")
        await apply(delivery)

    mended, kept, gone = asyncio.Event(), MORE[:4], MORE[4:8]
    await bench.append(organisation(kept[0], version=1), organisation(BAD, version=1))
    for stays, goes in zip(kept, gone, strict=True):
        await bench.append(
            organisation(goes, version=1), erased(goes, version=2), organisation(stays, version=2)
        )
    await expire(bench)
    assert await horizon(bench) == 13
    async with bench.consuming(handle, rules=LaneRules(limits=Limits(in_a_row=0)), batch=1) as running:
        await eventually(bench.halted)
        mended.set()
        await resume(bench)
        await bench.caught_up(running)
        assert not running.task.done()
    assert await bench.things() == dict.fromkeys(kept, (2, "Kigali Fibre")) | {BAD: (1, "Kigali Fibre")}
    monkeypatch.setattr(rebuilding, "_BATCH", 1)
    assert (await rebuild(bench.process, READER)).records == 5


async def test_who_reads_a_log_that_was_compacted_before_goes_on_where_the_log_was_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It joins anew below the horizon, and has missed nothing; what goes after that it has."""
    known_ends, stands, mended, went = (
        bench.transport.known_ends,
        asyncio.Event(),
        asyncio.Event(),
        list[str](),
    )

    async def handle(delivery: Delivery) -> None:
        if delivery.event.key == BAD and not mended.is_set():
            stands.set()
            raise Transient("Something does not answer.")
        await apply(delivery)

    async def away() -> Any:
        monkeypatch.setattr(bench.transport, "known_ends", known_ends)
        went.append("away")
        raise DatabaseAway("The log does not answer.")

    async def joined(running: Any, times: int) -> None:
        """Let the log be away, and wait until the lane is worked on again."""
        stands.clear()
        monkeypatch.setattr(bench.transport, "known_ends", away)

        async def again() -> bool:
            return running.task.done() or (len(went) == times and stands.is_set())

        await eventually(again)

    await bench.append(organisation(ONE, version=1), organisation(BAD, version=1))
    await bench.append(organisation(MORE[0], version=1), erased(MORE[0], version=2))
    await bench.append(organisation(MORE[1], version=1))
    await expire(bench)
    assert await horizon(bench) == 4
    async with bench.consuming(handle, batch=1) as running:
        await stands.wait()
        assert await position(bench) == 1
        for times in (1, 2):
            await joined(running, times)
            assert not running.task.done()
        await bench.append(erased(ONE, version=2), organisation(MORE[1], version=2))
        assert await expire(bench) > 0
        monkeypatch.setattr(bench.transport, "known_ends", away)
        with pytest.raises(RebuildNeeded, match=STOPPED):
            await ended(running)
    assert await bench.things() == {ONE: (1, "Kigali Fibre")}


async def test_a_first_reading_that_a_restart_interrupts_goes_on_below_the_horizon(bench: Bench) -> None:
    """What the tombstones before it erased it has never had; one that goes while it is away stops it."""

    async def handle(delivery: Delivery) -> None:
        if delivery.event.key == BAD:
            stands.set()
            raise Transient("Something does not answer.")
        await apply(delivery)

    async def stopped_or_stands() -> bool:
        return bool(running.task.done() or stands.is_set())

    stands = asyncio.Event()
    await bench.append(organisation(ONE, version=1), organisation(BAD, version=1))
    await bench.append(organisation(MORE[0], version=1), erased(MORE[0], version=2))
    await bench.append(organisation(MORE[1], version=1))
    await expire(bench)
    assert await horizon(bench) == 4
    for _ in ("it begins", "it goes on"):
        stands.clear()
        async with bench.consuming(handle, batch=1) as running:
            await eventually(stopped_or_stands)
            assert not running.task.done()
        assert await position(bench) == 1
    await bench.append(erased(ONE, version=2), organisation(MORE[1], version=2))
    await expire(bench)
    with pytest.raises(RebuildNeeded, match=STOPPED):
        await bench.consume()
    assert await bench.things() == {ONE: (1, "Kigali Fibre")}


async def test_an_owner_put_back_to_before_a_tombstone_that_went_meanwhile_says_nothing(bench: Bench) -> None:
    """Nothing on the log speaks of it any more; what is written to what it erased would be dropped as old."""

    async def say(*events: Event) -> tuple[positions.Position, ...]:
        await bench.post(*events)
        relay = Relay(bench.process)
        async with bench.transport.appender("members") as appender:
            await relay.prove()
            await relay.step(appender)
        async with bench.database.read() as connection:
            return await positions.all_of(connection, said.GROUP)

    backup = await say(organisation(ONE, version=1), organisation(BAD, version=1))
    await say(erased(ONE, version=2))
    assert (await expire(bench), await horizon(bench)) == (2, 3)
    await said.verify(bench.process, None)
    async with bench.database.write() as connection:
        for one in backup:
            await positions.put(connection, one)
    with pytest.raises(DatabaseBehind, match=rf"up to 3 of {AT}.*run `comity restore members`"):
        await say(organisation(ONE, version=2))

    async def nothing(*_: Any) -> Any:
        return ()

    async def known(*_: Any) -> TakenBack:
        return "known"

    async with bench.database.write() as connection:
        await connection.run_sync(LIVES.create_all)
    restored = await restore(bench.process, Owner(keys=nothing, say=nothing, take_back=known))
    assert restored.gone == [f"what tombstones up to 3 of {AT} erased, and is said again"]
    await said.verify(bench.process, None)


async def test_who_has_kept_up_is_not_stopped_by_what_goes(bench: Bench) -> None:
    """The tombstone of what it holds as erased goes, and its position is the horizon; then superseded records go ahead of it."""
    async with bench.consuming(batch=1) as running:
        await bench.append(organisation(ONE, version=1), erased(ONE, version=2))
        await bench.caught_up(running)
        assert await expire(bench) == 2
        assert await horizon(bench) == await position(bench) == 2
        async with bench.database.write():  # it stands, with its batches fetched, while what is ahead goes
            await bench.append(*(organisation(BAD, version=version) for version in range(1, 9)))
            await until_full(running)
            assert await expire(bench) == 7
        await bench.append(organisation(MORE[0], version=1))
        await bench.caught_up(running)
        assert not running.task.done()
    assert (await bench.things())[BAD] == (8, "Kigali Fibre")
    await bench.consume()


async def test_a_gap_is_passed_where_the_log_is_away_for_a_moment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is to know of it came with the batch: nothing more has to be asked, and nothing can fail."""

    async def away(_: str) -> None:
        raise DatabaseAway("The database does not answer.")

    await bench.append(organisation(BAD, version=1), organisation(ONE, version=1), erased(ONE, version=2))
    assert await expire(bench) == 2
    monkeypatch.setattr(bench.transport, "horizons", away)
    await bench.consume()
    assert await bench.things() == {BAD: (1, "Kigali Fibre")}


async def test_a_rebuild_that_compaction_overtakes_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.append(
        organisation(ONE, version=1),
        *(organisation(key, version=1) for key in MORE[:6]),
        erased(ONE, version=2),
    )
    await bench.append(organisation(BAD, version=1))
    await bench.consume()
    live = await bench.things()
    went = []

    async def handle(delivery: Delivery) -> None:
        await apply(delivery)
        if not went:
            went.append(await expire(bench))

    monkeypatch.setattr(rebuilding, "_BATCH", 2)
    with pytest.raises(Overtaken, match=rf"while {AT} was read .* Nothing was changed; run it again"):
        await rebuild(bench.process, replace(READER, handle=handle))
    assert (went, await bench.things()) == ([2], live)
    await rebuild(bench.process, READER)
    assert await bench.things() == {key: thing for key, thing in live.items() if key != ONE}
