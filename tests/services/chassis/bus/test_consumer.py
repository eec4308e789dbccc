"""Effects happen exactly once, in order, whatever is killed or run twice; what fails is classified once."""

import asyncio
import uuid

import pytest
from sqlalchemy import insert, text, update

from services.chassis.bus import deadletters, limits, positions
from services.chassis.bus.errors import LogReplaced, Transient
from services.chassis.bus.failpoints import armed
from services.chassis.bus.lane import LaneRules
from services.chassis.bus.limits import Limits
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.relay import Relay
from services.chassis.bus.transport import TopicPartition
from services.chassis.bus.transports.sql.tables import RECORDS
from tests.services.chassis.bus.bench import EFFECTS, Crash, apply, erased, eventually, organisation


def key(number):
    return str(uuid.UUID(int=number))


def crash_once(name):
    crashed = []

    async def hook(reached):
        if reached == name and not crashed:
            crashed.append(name)
            raise Crash(name)

    return hook


async def crashed(bench, name):
    """Consume until the process ends at a line; the lane's task ends with it."""
    with armed(crash_once(name)):
        async with bench.consuming() as running:
            await asyncio.wait([running.task], timeout=10)
            with pytest.raises(Crash):
                running.task.result()


async def test_every_event_is_applied_once_and_the_position_follows(bench):
    events = [organisation(key(number), version=1, name=f"name {number}") for number in range(30)]
    await bench.append(*events)
    await bench.consume()
    assert await bench.things() == {key(n): (1, f"name {n}") for n in range(30)}
    assert sorted(await bench.effects()) == sorted(event.id for event in events)
    async with bench.database.read() as connection:
        stored = await positions.all_of(connection, "things")
    assert sum(position.next_offset for position in stored) == 30


async def test_a_restart_goes_on_where_the_last_commit_stands(bench):
    await bench.append(organisation(key(1), version=1))
    await bench.consume()
    await bench.append(organisation(key(1), version=2), organisation(key(2), version=1))
    await bench.consume()
    assert await bench.things() == {key(1): (2, "Kigali Fibre"), key(2): (1, "Kigali Fibre")}
    assert len(await bench.effects()) == 3


@pytest.mark.parametrize("line", ["consumer.moved", "consumer.before_commit", "consumer.committed"])
async def test_a_crash_at_any_line_leaves_effects_exactly_once(bench, line):
    await bench.append(*(organisation(key(1), version=version) for version in range(1, 6)))
    await crashed(bench, line)
    committed = line == "consumer.committed"
    assert len(await bench.effects()) == (5 if committed else 0)
    await bench.consume()
    assert len(await bench.effects()) == 5
    assert await bench.things() == {key(1): (5, "Kigali Fibre")}


async def test_an_owner_whose_position_was_moved_changes_nothing_and_goes_on_from_there(bench):
    await bench.append(*(organisation(key(1), version=version) for version in range(1, 4)))
    at = TopicPartition("members.v1", partition_for(key(1), 8))
    async with bench.consuming() as running:
        await bench.caught_up(running)
        # Another owner applies the next event, and moves the position with it.
        other = organisation(key(1), version=4)
        async with bench.database.write() as connection:
            await connection.execute(insert(EFFECTS), {"event": other.id})
            await connection.execute(
                text(
                    "UPDATE positions SET next_offset = 4, last_offset = 3, last_event = :id WHERE partition = :at"
                ),
                {"id": other.id, "at": at.partition},
            )
        last = organisation(key(1), version=5)
        await bench.append(other, last)

        async def applied():
            return last.id in await bench.effects()

        await eventually(applied)
    effects = await bench.effects()
    assert effects.count(other.id) == 1
    assert len(effects) == 5


async def test_next_outbox_rows_are_part_of_the_transaction(bench):
    async def forward(delivery):
        await apply(delivery)
        if delivery.event.sequence.version == 1:
            await delivery.post(organisation(delivery.event.key, version=2, name="answered"))

    await bench.append(organisation(key(1), version=1))
    stop = asyncio.Event()
    relay = asyncio.create_task(Relay(bench.process).run(stop))
    async with bench.consuming(forward):

        async def answered():
            return (await bench.things()).get(key(1)) == (2, "answered")

        await eventually(answered)
    stop.set()
    await relay


async def test_a_transient_failure_is_tried_again_in_place_and_keeps_the_order(bench):
    failures = {2: 3}
    seen = []

    async def flaky(delivery):
        version = delivery.event.sequence.version
        seen.append(version)
        if failures.get(version, 0) > 0:
            failures[version] -= 1
            raise Transient("the other system is away")
        await apply(delivery)

    await bench.append(*(organisation(key(1), version=version) for version in (1, 2, 3)))
    await bench.consume(flaky)
    assert len(await bench.effects()) == 3
    assert await bench.letters() == []
    assert seen[-2:] == [2, 3]


async def test_a_failing_partition_holds_up_no_other(bench):
    stuck, free = (
        key(1),
        next(key(n) for n in range(2, 50) if partition_for(key(n), 8) != partition_for(key(1), 8)),
    )

    async def handle(delivery):
        if delivery.event.key == stuck:
            raise Transient("away for good")
        await apply(delivery)

    await bench.append(
        *(organisation(stuck, version=v) for v in range(1, 1001)), organisation(free, version=1)
    )
    async with bench.consuming(handle) as running:

        async def applied():
            return free in await bench.things()

        await eventually(applied)
        await bench.append(organisation(free, version=2))

        async def only_that_one_lags():
            return (await running.consumer.progress())["lag"] == 1000

        await eventually(only_that_one_lags)
        figures = await running.consumer.progress()
    assert (await bench.things())[free][0] == 2
    trouble = figures["partitions"][f"members.v1/{partition_for(stuck, 8)}"]["trouble"]
    assert "away for good" in trouble


async def spoil(bench, event_id, **values):
    """Break a record on the log itself, as a foreign writer might."""
    async with bench.log_database.write() as connection:
        await connection.execute(update(RECORDS).where(RECORDS.c.event_id == event_id).values(**values))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"value": b"{"}, "ContractError"),
        ({"value": b'{"id": 7}'}, "ContractError"),
        ({"headers": b'[["ce_id","x"]]'}, "EnvelopeError"),
    ],
)
async def test_an_invalid_record_is_buried_at_once_with_its_coordinates(bench, damage, reason):
    bad, other = organisation(key(1), version=1), organisation(key(2), version=1)
    await bench.append(bad, other)
    await spoil(bench, bad.id, **damage)
    await bench.consume()
    assert await bench.things() == {key(2): (1, "Kigali Fibre")}
    (letter,) = await bench.letters()
    assert (letter.state, letter.kind, letter.attempts, letter.key) == ("dead", "invalid", 1, key(1))
    assert letter.reason.startswith(reason)
    assert (letter.record.topic, letter.record.partition, letter.record.offset) == (
        "members.v1",
        partition_for(key(1), 8),
        0,
    )


async def test_a_bug_is_tried_a_few_times_then_buried_and_its_key_parked(bench):
    tries = []

    async def buggy(delivery):
        if delivery.event.key == key(1) and delivery.event.sequence.version == 2:
            tries.append(delivery.at.offset)
            raise ZeroDivisionError("a bug")
        await apply(delivery)

    await bench.append(*(organisation(key(1), version=version) for version in (1, 2, 3, 4)))
    await bench.append(organisation(key(2), version=1))
    await bench.consume(buggy)
    assert await bench.things() == {key(1): (1, "Kigali Fibre"), key(2): (1, "Kigali Fibre")}
    letters = await bench.letters()
    assert [(letter.state, letter.record.offset) for letter in letters] == [
        ("dead", 1),
        ("parked", 2),
        ("parked", 3),
    ]
    assert letters[0].attempts == 3
    assert letters[0].kind == "unexpected"
    assert len(tries) == 4  # once together with its neighbours, then three times alone


async def test_a_parked_key_stays_parked_over_a_restart_and_replays_in_order(bench):
    async def buggy(delivery):
        if delivery.event.sequence.version == 1:
            raise ZeroDivisionError("a bug")
        await apply(delivery)

    await bench.append(organisation(key(1), version=1))
    await bench.consume(buggy)
    events = [organisation(key(1), version=2), organisation(key(1), version=3)]
    await bench.append(*events)
    await bench.consume()
    assert await bench.things() == {}
    assert await bench.consumer().replay("members.v1", key(1)) == 3
    assert await bench.letters() == []
    assert (await bench.effects())[1:] == [event.id for event in events]
    await bench.append(organisation(key(1), version=4))
    await bench.consume()
    assert await bench.things() == {key(1): (4, "Kigali Fibre")}


async def test_a_replay_that_fails_leaves_every_letter_where_it_was(bench):
    async def buggy(delivery):
        raise ZeroDivisionError("a bug")

    await bench.append(organisation(key(1), version=1), organisation(key(1), version=2))
    await bench.consume(buggy)
    before = await bench.letters()
    with pytest.raises(ZeroDivisionError):
        await bench.consumer(buggy).replay("members.v1", key(1))
    assert await bench.letters() == before


async def test_a_tombstone_is_never_parked_and_clears_what_was_set_aside_for_its_key(bench):
    async def buggy(delivery):
        if delivery.event.sequence.version == 1:
            raise ZeroDivisionError("a bug")
        await apply(delivery)

    await bench.append(
        organisation(key(1), version=1),
        organisation(key(1), version=2),
        erased(key(1), version=3),
        organisation(key(1), version=4),
    )
    await bench.consume(buggy)
    assert await bench.letters() == []
    assert await bench.things() == {key(1): (4, "Kigali Fibre")}
    assert len(await bench.effects()) == 2


def same_partition(count):
    """Keys that stand in one partition."""
    home = partition_for(key(1), 8)
    keys = [key(number) for number in range(1, 8 * count + 60)]
    return home, [one for one in keys if partition_for(one, 8) == home][:count]


async def buggy(delivery):
    raise ZeroDivisionError("a bad deploy")


THREE = LaneRules(limits=Limits(in_a_row=3), tries=1)


async def test_many_dead_letters_in_a_row_halt_their_partition_and_no_other(bench):
    home, keys = same_partition(10)
    elsewhere = next(key(n) for n in range(1, 50) if partition_for(key(n), 8) != home)

    async def handle(delivery):
        if delivery.event.key in keys:
            raise ZeroDivisionError("a bad deploy")
        await apply(delivery)

    await bench.append(*(organisation(one, version=1) for one in keys))
    async with bench.consuming(handle, rules=THREE) as running:
        await eventually(bench.halted)
        await bench.append(organisation(elsewhere, version=1))

        async def applied():
            return elsewhere in await bench.things()

        await eventually(applied)
        trouble = (await running.consumer.progress())["partitions"][f"members.v1/{home}"]["trouble"]
    assert trouble.startswith("halted: 3 records in a row could not be applied; the last fault: ZeroDivision")
    assert len(await bench.letters()) == 3
    (row,) = await bench.halted()
    assert (row.group, row.at, row.halted_offset) == ("things", TopicPartition("members.v1", home), 3)


async def test_who_has_lost_a_partition_does_not_halt_it(bench, monkeypatch):
    """Else it stood there as halted, while its new owner goes on."""
    reached, lost = limits.reached, []

    async def moved(connection, *of, **more):
        if not lost:
            lost.append(of)
            await connection.execute(text("UPDATE positions SET next_offset = next_offset + 1"))
        return await reached(connection, *of, **more)

    monkeypatch.setattr(limits, "reached", moved)
    await bench.append(organisation(key(1), version=1))
    async with bench.consuming(buggy, rules=LaneRules(limits=Limits(in_a_row=0), tries=1)):
        await eventually(bench.halted)
    assert bench.process.metrics.conflicts.labels("things")._value.get() == 1


async def test_a_halt_outlives_restarts_and_ends_when_the_handler_is_mended(bench):
    _, keys = same_partition(6)
    await bench.append(*(organisation(one, version=1) for one in keys))
    for _ in range(3):
        async with bench.consuming(buggy, rules=THREE) as running:

            async def in_trouble(running=running):
                figures = await running.consumer.progress()
                troubles = [each["trouble"] or "" for each in figures["partitions"].values()]
                return any(trouble.startswith("halted") for trouble in troubles)

            await eventually(in_trouble)
        assert len(await bench.letters()) == 3  # not three more with each restart
    await bench.consume(rules=THREE)
    assert await bench.halted() == []
    assert set(await bench.things()) == set(keys[3:])


async def test_a_resumed_partition_buries_on_and_halts_at_the_next_limit(bench):
    home, keys = same_partition(8)
    await bench.append(*(organisation(one, version=1) for one in keys))
    async with bench.consuming(buggy, rules=THREE):

        async def halts_at(offset):
            return [row.halted_offset for row in await bench.halted()] == [offset]

        await eventually(lambda: halts_at(3))
        at = TopicPartition("members.v1", home)
        async with bench.database.write() as connection:
            assert await limits.resume(connection, "things", at)
            assert not await limits.resume(connection, "things", at)  # it is not halted any more
        await eventually(lambda: halts_at(6))
    assert len(await bench.letters()) == 6


async def test_a_large_share_of_failures_halts_though_others_succeed_between_them(bench):
    _, keys = same_partition(40)

    async def every_other(delivery):
        if delivery.at.offset % 2:
            raise ZeroDivisionError("a bug")
        await apply(delivery)

    await bench.append(*(organisation(one, version=1) for one in keys))
    rules = LaneRules(limits=Limits(in_a_row=3, share=0.25, window=20), tries=1)
    async with bench.consuming(every_other, rules=rules):
        await eventually(bench.halted)
    (row,) = await bench.halted()
    assert row.reason.startswith("5 of the last 20 records could not be applied")
    assert (row.halted_offset, len(await bench.letters())) == (11, 5)


async def test_a_log_that_was_replaced_stops_the_consumer_loudly(bench):
    await bench.append(organisation(key(1), version=1))
    await bench.consume()
    async with bench.database.write() as connection:
        await connection.execute(text("UPDATE positions SET log = 'another'"))
    async with bench.consuming() as running:
        await asyncio.wait([running.task], timeout=10)
        with pytest.raises(LogReplaced, match="rebuild"):
            running.task.result()


async def test_a_transaction_that_takes_long_commits_what_it_has(bench):
    transactions = []

    async def slow(delivery):
        await asyncio.sleep(0.02)
        await apply(delivery)

    async def count(name):
        if name == "consumer.committed":
            transactions.append(name)

    await bench.append(*(organisation(key(1), version=version) for version in range(1, 11)))
    with armed(count):
        await bench.consume(slow, rules=LaneRules(transaction_seconds=0.05))
    assert len(transactions) > 1  # one, if it waited for all; how many more is a question of the machine
    assert len(await bench.effects()) == 10


async def test_stopping_finishes_the_transaction_in_flight_and_starts_no_other(bench):
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(delivery):
        entered.set()
        await go_on.wait()
        await apply(delivery)

    await bench.append(organisation(key(1), version=1), organisation(key(1), version=2))
    revoked = []

    async def on_revoked(partitions):
        revoked.append((partitions, await bench.effects()))

    async with bench.consuming(slow, batch=1, on_revoked=on_revoked) as running:
        await entered.wait()
        running.stop.set()
        await asyncio.sleep(0.05)
        go_on.set()
    assert len(await bench.effects()) == 1
    ((partitions, effects),) = revoked
    assert (len(partitions), len(effects)) == (8, 1)
    await bench.consume()
    assert len(await bench.effects()) == 2


async def test_a_handler_that_does_not_end_is_rolled_back_after_the_deadline(bench):
    entered = asyncio.Event()

    async def endless(delivery):
        await apply(delivery)
        entered.set()
        await asyncio.Event().wait()

    await bench.append(organisation(key(1), version=1))
    async with bench.consuming(endless, drain_seconds=0.1):
        await entered.wait()
    assert await bench.effects() == []
    await bench.consume()
    assert len(await bench.effects()) == 1


async def test_the_service_is_told_before_the_first_delivery(bench):
    order = []

    async def on_assigned(partitions):
        order.append(("assigned", len(partitions)))

    async def handle(delivery):
        order.append(("delivered", delivery.event.key))
        await apply(delivery)

    await bench.append(organisation(key(1), version=1))
    async with bench.consuming(handle, on_assigned=on_assigned) as running:
        await bench.caught_up(running)
        assert len(running.consumer.assigned) == 8
    assert running.consumer.assigned == frozenset()
    assert order == [("assigned", 8), ("delivered", key(1))]


async def test_every_group_sees_everything(bench):
    await bench.append(*(organisation(key(number), version=1) for number in range(5)))
    await bench.consume()
    async with bench.database.write() as connection:
        other = await positions.take(
            connection,
            "another group",
            TopicPartition("members.v1", 0),
            log=await bench.transport.identity("members.v1"),
            now=0,
        )
        assert other.next_offset == 0
        assert await deadletters.counts(connection, "another group") == {"dead": 0, "parked": 0}


async def test_a_thousand_events_pass_through_small_batches_in_order(bench):
    await bench.append(*(organisation(key(n % 3), version=n) for n in range(1, 1001)))
    seen = {}

    async def ordered(delivery):
        version = delivery.event.sequence.version
        assert seen.get(delivery.event.key, 0) < version
        seen[delivery.event.key] = version

    await bench.consume(ordered, batch=50)
    assert sorted(seen.values()) == [998, 999, 1000]
    assert await bench.letters() == []
