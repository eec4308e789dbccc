"""An owner whose database has forgotten what its log holds is found before it sends anything; nobody else is stopped."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import MetaData, insert

from schemas.envelope import Event
from services.chassis.bus import incarnation, positions, said
from services.chassis.bus.errors import DatabaseBehind, LogReplaced
from services.chassis.bus.failpoints import armed
from services.chassis.bus.owner import Owner, TakenBack
from services.chassis.bus.relay import Relay
from services.chassis.bus.restoring import republish, restore
from tests.conformance.kit import FILLERS, THINGS, Bench, Crash, erased, ids, make_tables, revised, until

ONE, TWO = ids(2)
LIVES = MetaData()
incarnation.attach(LIVES)


def holding(*known: str) -> Owner:
    """An owner that holds these keys, whatever their version, and would take everything else back."""

    async def none(*_: Any) -> Any:
        raise AssertionError("nothing is said here")

    async def take_back(connection: Any, runtime: Any, event: Event, *_: Any) -> TakenBack:
        if event.key in known:
            return "known"
        await connection.execute(insert(THINGS), {"id": event.key})
        return "taken"

    return Owner(keys=none, say=none, take_back=take_back)


def saying(version: int) -> Owner:
    """An owner that holds one key, and says it in this version."""

    async def keys(_: Any, after: str, limit: int) -> Sequence[str]:
        return [ONE] if after < ONE else []

    async def say(*_: Any) -> Sequence[Event]:
        return [revised(ONE, version)]

    return replace(holding(ONE), keys=keys, say=say)


async def send(bench: Bench, owner: Owner | None = None) -> None:
    """Start a relay, and stop it once it has looked and the outbox is empty; raises what ended it."""
    relay, stop = Relay(bench.process, owner=owner), asyncio.Event()
    running = asyncio.create_task(relay.run(stop))

    async def through() -> bool:
        return running.done() or (relay._said is not None and not await bench.waiting())

    await until(through)
    stop.set()
    await running


async def noted(bench: Bench) -> tuple[positions.Position, ...]:
    async with bench.database.read() as connection:
        return await positions.all_of(connection, said.GROUP)


async def put_back(bench: Bench, backup: tuple[positions.Position, ...]) -> None:
    """Make the database of the backup's moment of this one, whose outbox is empty, as far as a relay can see."""
    async with bench.database.write() as connection:
        for position in backup:
            await positions.put(connection, position)


async def test_a_database_that_forgot_what_the_log_holds_sends_nothing(bench: Bench) -> None:
    await bench.post(*(revised(key, 1) for key in (ONE, *FILLERS)))
    await send(bench)
    backup = await noted(bench)
    await bench.post(revised(ONE, 2), revised(ONE, 3))
    await send(bench)
    before = await bench.versions()

    await put_back(bench, backup)
    await bench.post(again := revised(ONE, 2, "accepted since"))
    for _ in range(2):
        with pytest.raises(DatabaseBehind, match="`comity restore members`"):
            await send(bench)
        with pytest.raises(DatabaseBehind):
            await said.verify(bench.process, None)
    assert await bench.waiting() == [again]
    assert await bench.versions() == before


async def test_a_tombstone_that_was_forgotten_is_found_too(bench: Bench) -> None:
    await bench.post(revised(ONE, 1))
    await send(bench)
    backup = await noted(bench)
    await bench.post(erased(ONE, 2))
    await send(bench)
    await put_back(bench, backup)
    with pytest.raises(DatabaseBehind):
        await said.verify(bench.process, None)


async def test_what_was_appended_and_not_noted_stands_in_the_outbox_and_stops_nobody(bench: Bench) -> None:
    async def crash(name: str) -> None:
        if name == "relay.appended":
            raise Crash(name)

    await send(bench)
    for version in (1, 2, 3):
        await bench.post(*(revised(key, version) for key in (ONE, TWO, *FILLERS)))
        with armed(crash), pytest.raises(Crash):
            await send(bench)
        await said.verify(bench.process, None)
    await send(bench)
    await bench.post(revised(ONE, 4))
    await send(bench)
    await send(bench)
    ends = await said.verify(bench.process, None)
    assert {one.at: one.next_offset for one in await noted(bench)} == {
        at: one.next_offset for at, one in ends.items()
    }
    assert {key: versions[-1] for key, versions in (await bench.versions()).items()} == dict.fromkeys(
        (TWO, *FILLERS), 3
    ) | {ONE: 4}


async def test_a_relay_that_wakes_behind_its_successor_notes_nothing_backwards(bench: Bench) -> None:
    stands, go_on = asyncio.Event(), asyncio.Event()

    async def freeze(name: str) -> None:
        if name == "relay.appended" and not go_on.is_set():
            stands.set()
            await go_on.wait()

    await send(bench)
    await bench.post(revised(ONE, 1))
    stop = asyncio.Event()
    with armed(freeze):
        zombie = asyncio.create_task(Relay(bench.process).run(stop))
        await stands.wait()
    await bench.post(revised(ONE, 2), *(revised(key, 1) for key in FILLERS))
    await send(bench)
    reached = await noted(bench)
    stop.set()
    go_on.set()
    await zombie
    assert await noted(bench) == reached
    await send(bench)


async def test_where_no_position_counts_in_this_log_the_owner_is_asked_what_it_holds(bench: Bench) -> None:
    await make_tables(bench.database, LIVES)
    await send(bench, holding())  # a new database on a new log
    assert all(one.next_offset == 0 for one in await noted(bench))
    await bench.append(revised(ONE, 1), revised(TWO, 1))
    await bench.execute("DELETE FROM positions")
    with pytest.raises(DatabaseBehind):  # a new database on a log that holds something
        await send(bench, holding(ONE))
    assert (await noted(bench), await bench.things()) == ((), {})
    await send(bench, holding(ONE, TWO))  # one of an older release


async def test_an_owner_speaks_on_no_other_log_than_before_until_all_is_said_again_there(
    bench: Bench,
) -> None:
    """Else what is accepted meanwhile is on no log that anybody reads, once the right one is back."""
    await make_tables(bench.database, LIVES)
    await bench.post(revised(ONE, 1))
    await send(bench, holding(ONE))
    await bench.execute("UPDATE positions SET log = 'another'")
    other = await noted(bench)
    await bench.post(again := revised(ONE, 2))
    for ask in (send(bench, holding(ONE)), republish(bench.process, holding(ONE), [ONE])):
        with pytest.raises(LogReplaced, match=r"Put the right log back.*`comity republish members --all`"):
            await ask
    with pytest.raises(LogReplaced, match="Put the right log back"):  # and what it holds is another's
        await said.verify(bench.process, holding(), filling=True)
    assert (await noted(bench), await bench.waiting()) == (other, [again])

    assert await republish(bench.process, saying(2)) == 1
    await send(bench, holding(ONE))
    assert {one.log for one in await noted(bench)} == {await bench.transport.identity("members.v1")}
    assert (await bench.versions())[ONE][-1] == 2


async def test_a_restore_goes_over_to_no_other_log_unless_told_to(bench: Bench) -> None:
    """It raises the incarnation, and what the right log holds would look old to it, once that is back."""

    async def life() -> int:
        async with bench.database.read() as connection:
            return await incarnation.current(connection)

    owner = saying(2)
    await make_tables(bench.database, LIVES)
    await bench.post(revised(ONE, 1))
    await send(bench, owner)
    await bench.execute("UPDATE positions SET log = 'another'")
    other = await noted(bench)
    this = await bench.transport.identity("members.v1")
    with pytest.raises(
        LogReplaced, match=rf"on log another, but this is log {this}.*say --another-log where"
    ):
        await restore(bench.process, owner)
    assert (await noted(bench), await life(), await bench.waiting()) == (other, 1, [])
    await bench.execute("UPDATE positions SET log = :this, next_offset = next_offset + 1000", this=this)
    with pytest.raises(LogReplaced, match=rf"on log {this}, but here that ends at .*say --another-log where"):
        await restore(bench.process, owner)
    assert (await life(), await bench.waiting()) == (1, [])

    assert (await restore(bench.process, owner, another_log=True)).incarnation == 2
    assert {one.log for one in await noted(bench)} == {this}
    assert (await restore(bench.process, owner)).incarnation == 3
    await bench.execute("DELETE FROM positions")  # of an older release, which kept none
    assert (await restore(bench.process, owner)).incarnation == 4


async def test_a_restore_takes_nothing_for_old_that_was_said_before_a_life_begun_elsewhere(
    bench: Bench,
) -> None:
    """An older copy of the log was in place: the life that a restore began there is above what the right one holds."""

    async def none(*_: Any) -> Sequence[Any]:
        return []

    owner = replace(holding(ONE), keys=none, say=none)
    await make_tables(bench.database, LIVES)
    await bench.post(revised(ONE, 1))
    await send(bench, owner)
    before = await noted(bench)
    await bench.post(revised(ONE, 2))
    await send(bench, owner)
    async with bench.database.write() as connection:
        await incarnation.rise(connection, above=1)
    await put_back(bench, before)  # as the restore on the older copy left it
    with pytest.raises(
        LogReplaced, match=r"in its incarnation 1, .* in incarnation 2.*Put a backup of before"
    ):
        await restore(bench.process, owner)
    async with bench.database.read() as connection:
        assert await incarnation.current(connection) == 2
    assert (await noted(bench), await bench.waiting()) == (before, [])

    assert (await restore(bench.process, owner, another_log=True)).incarnation == 3
    await bench.post(
        left := revised(ONE, 3)
    )  # what waited when the life began, and was appended and not deleted
    await bench.append(left)
    assert (await restore(bench.process, owner)).incarnation == 4


async def test_nothing_behind_is_republished(bench: Bench) -> None:
    await bench.post(revised(ONE, 1))
    await send(bench)
    backup = await noted(bench)
    await bench.post(revised(ONE, 2))
    await send(bench)
    await put_back(bench, backup)
    for keys in (None, [ONE]):
        with pytest.raises(DatabaseBehind, match="`comity restore members`"):
            await republish(bench.process, holding(ONE), keys)


async def test_of_a_log_that_was_cut_nothing_is_noted_before_something_is_appended(bench: Bench) -> None:
    """The readers stop; with the right log back everything goes on, and on this one too once it was filled again."""
    await bench.post(revised(ONE, 1))
    await send(bench)
    right = await noted(bench)
    await bench.execute("UPDATE positions SET next_offset = next_offset + 1000")
    longer = await noted(bench)
    await send(bench)
    assert await noted(bench) == longer
    await bench.post(revised(ONE, 2))
    await send(bench)
    moved = [one for one in await noted(bench) if one.next_offset < 1000]
    assert [one.at for one in moved] == [one.at for one in right if one.next_offset]
    await send(bench)


async def test_a_log_that_was_cut_is_the_owners_again_once_all_was_said_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded log leaves out what it has, so nothing is appended; and what a relay notes beside that is no cut."""

    owner = saying(1)
    await make_tables(bench.database, LIVES)
    await bench.post(revised(ONE, 1))
    await send(bench, owner)
    await bench.execute("UPDATE positions SET next_offset = next_offset + 1000")
    with pytest.raises(LogReplaced, match="it was cut"):
        await restore(bench.process, owner)
    await republish(bench.process, owner)
    await send(bench, owner)
    assert (await restore(bench.process, owner)).incarnation == 2
    await send(bench, owner)

    original, asked = said.verify, list[Any]()

    async def verify(*given: Any, **how: Any) -> Any:
        ends = await original(*given, **how)
        if not asked:
            asked.append(ends)
            await bench.post(*(revised(key, 2) for key in FILLERS))
            await send(bench, owner)
            asked.append(await noted(bench))
        return ends

    monkeypatch.setattr(said, "verify", verify)
    await republish(bench.process, owner)
    assert any(one.next_offset > asked[0][one.at].next_offset for one in asked[1])
    assert await noted(bench) == asked[1]
    await send(bench, owner)
