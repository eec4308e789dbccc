"""Mutants of the outbox: what a transaction decides on and the relay finds."""

from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, select

from services.chassis.bus import incarnation, outbox
from services.members.commands import storing
from tests.mutants.mutant import Mutant, Patch

MACHINE = "tests/services/chassis/bus/test_state_machine.py"
TESTS = "tests/services/chassis/bus/test_outbox.py"
INCARNATION = "tests/services/chassis/bus/test_incarnation.py"
RULES = "tests/services/chassis/bus/test_order_and_gaps.py"


def _drop_a_row(patch: Patch) -> None:
    original, seen = outbox.post_all, [0]

    async def post_all(connection: Any, events: Any, **more: Any) -> None:
        kept = []
        for event in events:
            seen[0] += 1
            if seen[0] % 3:
                kept.append(event)
        await original(connection, kept, **more)

    patch.setattr(outbox, "post_all", post_all)


def _commit_at_once(patch: Patch) -> None:
    original = outbox.post_all

    async def post_all(connection: Any, events: Any, **more: Any) -> None:
        await original(connection, events, **more)
        await connection.exec_driver_sql("COMMIT")
        await connection.exec_driver_sql("BEGIN")

    patch.setattr(outbox, "post_all", post_all)


def _event_before_the_row(patch: Patch) -> None:
    write_row, post = storing._write_row, storing.Unit.post
    said: set[tuple[str, int]] = set()

    async def write_after(unit: Any, change: Any) -> Any:
        number = await storing.incarnation.current(unit.connection)
        event = storing.events.revised(change.record, incarnation=number, clock=unit.runtime.clock)
        await post(unit, event)
        said.add((event.key, event.sequence.version))
        return await write_row(unit, change)

    async def post_once(unit: Any, event: Any) -> None:
        if (event.key, event.sequence.version) not in said:
            await post(unit, event)

    patch.setattr(storing, "_write_row", write_after)
    patch.setattr(storing.Unit, "post", post_once)


def _by(column: str) -> Any:
    def ordered(patch: Patch) -> None:
        rows = outbox._ROWS
        patch.setattr(outbox, "_OLDEST", select(rows).order_by(rows.c[column]).limit(bindparam("limit")))

    return ordered


def _key_for_partition(patch: Patch) -> None:
    original = outbox._event
    patch.setattr(outbox, "_event", lambda row: replace(original(row), partitionkey=row.aggregateid))


def _same_life(patch: Patch) -> None:
    async def rise(connection: Any, *, above: int) -> int:
        del above
        return await incarnation.current(connection)

    patch.setattr(incarnation, "rise", rise)


def _check_nothing(patch: Patch) -> None:
    patch.setattr(outbox, "_check", lambda _event, _limit: None)


MUTANTS = (
    Mutant(
        name="outbox-row-dropped",
        rule="R1",
        how="every third event is not written to the outbox, although its transaction commits",
        patch=_drop_a_row,
        tests=(f"{TESTS}::test_positions_rise_and_are_never_given_out_again", MACHINE),
        drills=("kill",),
    ),
    Mutant(
        name="outbox-row-outlives-a-rollback",
        rule="R1",
        how="posting an event commits the caller's transaction half-way",
        patch=_commit_at_once,
        tests=(f"{TESTS}::test_a_rolled_back_transaction_posts_nothing",),
    ),
    Mutant(
        name="event-before-the-aggregates-row",
        rule="R2",
        how="a command posts its event before it has written, and so locked, the aggregate's row",
        patch=_event_before_the_row,
        tests=("tests/services/test_outbox_comes_last.py::test_an_event_is_posted_after_its_aggregates_row",),
    ),
    Mutant(
        name="outbox-read-by-id",
        rule="T13",
        how="the relay takes outbox rows in the order of event ids",
        patch=_by("id"),
        tests=(f"{RULES}::test_the_relay_goes_by_position_whatever_ids_and_times_say",),
    ),
    Mutant(
        name="outbox-read-by-time",
        rule="T13",
        how="the relay takes outbox rows in the order of their events' times",
        patch=_by("time"),
        tests=(f"{RULES}::test_the_relay_goes_by_position_whatever_ids_and_times_say",),
    ),
    Mutant(
        name="partition-key-forgotten",
        rule="T6",
        how="the outbox gives an event back with its own key as partition key",
        patch=_key_for_partition,
        tests=(f"{RULES}::test_the_outbox_keeps_the_partition_key_apart_from_the_key",),
    ),
    Mutant(
        name="restored-owner-keeps-its-incarnation",
        rule="T23",
        how="an owner that was restored says old versions again under the old incarnation",
        patch=_same_life,
        tests=(f"{INCARNATION}::test_a_new_life_is_above_the_present_one_and_above_what_the_log_has_seen",),
    ),
    Mutant(
        name="outbox-takes-anything",
        rule="R2",
        how="the outbox accepts what the log, or a reader, would refuse",
        patch=_check_nothing,
        tests=(f"{TESTS}::test_a_record_above_the_limit_is_refused_at_insert_with_its_size",),
    ),
)
