"""Mutants of the consumer: positions, effects, and what is set aside."""

from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import bindparam, update

from services.chassis.bus import deadletters, delivery, lane, limits, positions, said, transport
from services.chassis.bus.delivery import microseconds
from services.chassis.bus.failpoints import reach
from tests.mutants.mutant import Mutant, Patch

MACHINE = "tests/services/chassis/bus/test_state_machine.py"
TESTS = "tests/services/chassis/bus/test_consumer.py"
LANE = "tests/services/chassis/bus/test_lane.py"
OVERTAKEN = "tests/services/chassis/bus/test_overtaken.py"
POSITIONS = "tests/services/chassis/bus/test_positions.py"


def _skip_effects(patch: Patch) -> None:
    original, seen = lane.deliver, [0]

    async def deliver(connection: Any, record: Any, **more: Any) -> Any:
        seen[0] += 1
        return True if seen[0] % 5 == 0 else await original(connection, record, **more)

    patch.setattr(lane, "deliver", deliver)


def _never_move(patch: Patch) -> None:
    async def move(connection: Any, before: Any, after: Any) -> None:
        pass

    patch.setattr(positions, "move", move)


def _move_apart(patch: Patch) -> None:
    async def commit(self: lane.Lane, records: Any) -> int:
        after = self.position.past(records[-1], positions.event_id(records[-1]))
        async with self._runtime.database.write() as connection:
            await positions.move(connection, self.position, after)
        await reach("consumer.moved")
        async with self._runtime.database.write() as connection:
            for record in records:
                await lane.deliver(
                    connection,
                    record,
                    runtime=self._runtime,
                    group=self.position.group,
                    handle=self._handle,
                    parked=set(),
                )
            await reach("consumer.before_commit")
        self.position = after
        await self._committed()
        return len(records)

    patch.setattr(lane.Lane, "_commit", commit)


def _set_without_comparing(patch: Patch) -> None:
    rows = positions._ROWS
    blind = (
        update(rows)
        .where(positions._THIS & (rows.c.log == bindparam("this_log")))
        .where(bindparam("from_offset") >= 0)
        .values(
            next_offset=bindparam("to_offset"),
            last_offset=bindparam("new_last_offset"),
            last_event=bindparam("new_last_event"),
            at_end_on=bindparam("new_at_end_on"),
            begun=bindparam("new_begun"),
        )
    )
    patch.setattr(positions, "_MOVE", blind)


def _any_log(patch: Patch) -> None:
    read, speak = positions.verify, said.verify

    async def verify(transport: Any, position: Any, **more: Any) -> None:
        await read(transport, replace(position, log=await transport.identity(position.at.topic)), **more)

    patch.setattr(positions, "verify", verify)
    patch.setattr(said, "verify", partial(speak, filling=True))  # else the owners stop it


def _any_end(patch: Patch) -> None:
    original = positions.verify

    class Endless:
        def __init__(self, transport: Any) -> None:
            self._transport = transport

        def __getattr__(self, name: str) -> Any:
            return getattr(self._transport, name)

        async def ends(self, topic: str) -> Any:
            return dict.fromkeys(await self._transport.ends(topic), 1 << 60)

    async def verify(transport: Any, position: Any, **more: Any) -> None:
        await original(Endless(transport), position, **more)

    patch.setattr(positions, "verify", verify)


async def _nothing(*_: Any, **__: Any) -> None:
    pass


def _any_last(patch: Patch) -> None:
    patch.setattr(positions, "_verify_last", _nothing)


def _any_absence(patch: Patch) -> None:
    patch.setattr(positions, "verify_tombstones", _nothing)


def _any_gap(patch: Patch) -> None:
    def prove(_lane: Any, _batch: Any) -> None:
        return

    patch.setattr(lane.Lane, "_prove", prove)


def _every_gap(patch: Patch) -> None:
    def lacks(batch: Any, _begun: int) -> bool:
        return bool(batch.offset > 0 and (batch.horizon or 0) > batch.offset)

    patch.setattr(transport.Batch, "lacks", lacks)


def _forget_beginnings(patch: Patch) -> None:
    original = positions._position
    patch.setattr(positions, "_position", lambda row: replace(original(row), begun=0))


def _any_halt(patch: Patch) -> None:
    patch.setattr(lane.Lane, "_prove_absence", _nothing)


def _note_nothing(patch: Patch) -> None:
    patch.setattr(lane.Lane, "note_end", _nothing)


def _note_from_wherever(patch: Patch) -> None:
    async def note_end(self: Any) -> None:
        seen = self.position.seen_at_end(microseconds(self._runtime))
        if seen is not self.position and self.idle:
            async with self._runtime.database.write() as connection:
                await positions.move(connection, self.position, seen)
            self.position = seen

    patch.setattr(lane.Lane, "note_end", note_end)


def _let_through(patch: Patch) -> None:
    async def parked_keys(*_: Any) -> set[str]:
        return set()

    patch.setattr(deadletters, "parked_keys", parked_keys)


def _park_tombstones(patch: Patch) -> None:
    original = delivery.deliver

    async def deliver(connection: Any, record: Any, **more: Any) -> Any:
        if deadletters.key_of(record) in more["parked"] and record.value is None:
            now = microseconds(more["runtime"])
            await deadletters.park(connection, more["group"], record, now=now)
            return None
        return await original(connection, record, **more)

    patch.setattr(lane, "deliver", deliver)


def _keep_letters(patch: Patch) -> None:
    async def clear(*_: Any) -> int:
        return 0

    patch.setattr(deadletters, "clear", clear)


def _bury_for_ever(patch: Patch) -> None:
    patch.setattr(limits, "reached", _nothing)


def _bury_the_transient(patch: Patch) -> None:
    patch.setattr(lane, "classify", lambda _error: "invalid")


MUTANTS = (
    Mutant(
        name="position-moved-without-effect",
        rule="R5",
        how="every fifth record is passed over, its position is moved",
        patch=_skip_effects,
        tests=(f"{TESTS}::test_a_thousand_events_pass_through_small_batches_in_order", MACHINE),
        drills=("kill",),
    ),
    Mutant(
        name="effect-without-position",
        rule="R5",
        how="effects are committed, the stored position stays where it was",
        patch=_never_move,
        tests=(f"{POSITIONS}::test_a_move_is_stored_with_the_id_of_the_last_event", MACHINE),
        drills=("kill",),
    ),
    Mutant(
        name="position-in-a-transaction-of-its-own",
        rule="R5",
        how="the position is committed first, the effects after it",
        patch=_move_apart,
        tests=(f"{TESTS}::test_a_crash_at_any_line_leaves_effects_exactly_once", MACHINE),
        drills=("kill",),
        lines=("consumer.moved", "consumer.before_commit"),
    ),
    Mutant(
        name="position-set-without-comparing",
        rule="R5",
        how="a position is written whatever stood there, so a former owner moves it too",
        patch=_set_without_comparing,
        tests=(
            f"{POSITIONS}::test_whoever_does_not_find_the_position_where_it_was_changes_nothing",
            MACHINE,
        ),
    ),
    Mutant(
        name="log-identity-not-compared",
        rule="R8",
        how="a position is believed on any log",
        patch=_any_log,
        tests=(f"{POSITIONS}::test_another_log_is_a_loud_stop",),
        drills=("faults",),
    ),
    Mutant(
        name="end-of-log-not-compared",
        rule="R8",
        how="a position beyond the end of the log waits in silence",
        patch=_any_end,
        tests=(f"{POSITIONS}::test_a_log_that_ends_before_the_position_is_a_loud_stop",),
        drills=("faults",),
    ),
    Mutant(
        name="last-event-not-compared",
        rule="T15",
        how="a log that was cut and grew again is read on",
        patch=_any_last,
        tests=(f"{POSITIONS}::test_another_event_at_the_very_offset_is_a_loud_stop",),
        drills=("faults",),
    ),
    Mutant(
        name="tombstones-may-be-gone",
        rule="T21",
        how="a group that was away longer than tombstones are kept reads on",
        patch=_any_absence,
        tests=(
            f"{POSITIONS}::test_a_position_below_the_horizon_asks_for_a_rebuild",
            f"{POSITIONS}::test_where_the_log_cannot_tell_the_time_since_its_end_decides",
        ),
    ),
    Mutant(
        name="gap-passed-unasked",
        rule="T21",
        how="a lane that stood, or reads from the beginning, reads on over what compaction took meanwhile",
        patch=_any_gap,
        tests=(
            f"{OVERTAKEN}::test_a_lane_that_stood_while_tombstones_went_stops_before_the_gap",
            f"{OVERTAKEN}::test_a_group_that_reads_from_the_beginning_while_the_log_is_compacted_stops",
        ),
    ),
    Mutant(
        name="stopped-before-any-horizon",
        rule="T21",
        how="who reads a log from the beginning that was compacted long ago is stopped before its horizon",
        patch=_every_gap,
        tests=(f"{OVERTAKEN}::test_who_reads_a_log_that_was_compacted_before_is_not_stopped",),
    ),
    Mutant(
        name="first-reading-forgotten",
        rule="T21",
        how="a restart forgets where a first reading began, which is then stopped below the horizon though it has missed nothing",
        patch=_forget_beginnings,
        tests=(
            f"{OVERTAKEN}::test_a_first_reading_that_a_restart_interrupts_goes_on_below_the_horizon",
            "tests/services/chassis/bus/test_sql_log.py::test_who_has_read_past_where_tombstones_stood_starts_again",
        ),
    ),
    Mutant(
        name="halt-passed-unasked",
        rule="T21",
        how="a partition that is resumed goes on, however long it was halted",
        patch=_any_halt,
        tests=(
            f"{OVERTAKEN}::test_a_partition_that_was_halted_while_tombstones_went_stops_as_it_is_resumed",
            "tests/conformance/test_on_kafka.py::test_a_partition_that_was_halted_for_longer_than_tombstones_are_kept_stops_as_it_is_resumed[kafka]",
        ),
    ),
    Mutant(
        name="end-not-noted",
        rule="T21",
        how="a group at rest never stores that it has seen the end",
        patch=_note_nothing,
        tests=(f"{LANE}::test_a_group_at_rest_stores_every_day_that_it_has_seen_the_end",),
    ),
    Mutant(
        name="moved-back-to-the-end-seen",
        rule="R5",
        how="noting that the end was seen moves a position back where its lane has committed meanwhile",
        patch=_note_from_wherever,
        tests=(f"{LANE}::test_a_lane_that_commits_while_the_end_is_noted_stays_where_it_is",),
    ),
    Mutant(
        name="parked-key-let-through",
        rule="F1",
        how="records behind a dead letter of their key are applied",
        patch=_let_through,
        tests=(f"{TESTS}::test_a_parked_key_stays_parked_over_a_restart_and_replays_in_order",),
    ),
    Mutant(
        name="tombstone-parked",
        rule="T19",
        how="a tombstone of a parked key is set aside as any record",
        patch=_park_tombstones,
        tests=(f"{TESTS}::test_a_tombstone_is_never_parked_and_clears_what_was_set_aside_for_its_key",),
    ),
    Mutant(
        name="tombstone-leaves-letters",
        rule="T19",
        how="what was set aside for an erased key is kept",
        patch=_keep_letters,
        tests=(f"{TESTS}::test_a_tombstone_is_never_parked_and_clears_what_was_set_aside_for_its_key",),
    ),
    Mutant(
        name="burying-without-end",
        rule="F2",
        how="dead letters are never too many",
        patch=_bury_for_ever,
        tests=(f"{TESTS}::test_many_dead_letters_in_a_row_halt_their_partition_and_no_other",),
    ),
    Mutant(
        name="transient-failure-buried",
        rule="F3",
        how="a record is buried because the database was away",
        patch=_bury_the_transient,
        tests=(f"{TESTS}::test_a_transient_failure_is_tried_again_in_place_and_keeps_the_order",),
    ),
)
