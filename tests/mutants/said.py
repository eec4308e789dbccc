"""Mutants of what an owner knows of its own topics: the proof at every start, what it stands on, and a restore's order."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from services.chassis import lifecycle
from services.chassis.bus import positions, said
from services.console import restore
from tests.mutants.mutant import Mutant, Patch

CONFORMANCE = "tests/conformance/test_said.py"
PUT_BACK = "tests/journeys/test_put_back.py"


def _believe_the_log(patch: Patch) -> None:
    async def look(_connection: Any, waiting: dict[str, Any], _refuse: Any) -> None:
        waiting.clear()

    patch.setattr(said, "_look", look)


def _ask_no_owner(patch: Patch) -> None:
    async def holds(*_: Any) -> None:
        return

    patch.setattr(said, "_holds", holds)


def _speak_on_any_log(patch: Patch) -> None:
    patch.setattr(said, "verify", partial(said.verify, filling=True))


def _restore_on_any_log(patch: Patch) -> None:
    async def on_this_log(_transport: Any, _database: Any, _service: str) -> None:
        return

    patch.setattr(said, "on_this_log", on_this_log)


def _stay_on_the_log_before(patch: Patch) -> None:
    async def move_over(*_: Any) -> None:
        return

    patch.setattr(said, "move_over", move_over)


def _any_life(patch: Patch) -> None:
    async def on_this_branch(*_: Any) -> None:
        return

    patch.setattr(said, "on_this_branch", on_this_branch)


def _leave_it_to_the_relay(patch: Patch) -> None:
    async def verify(*_: Any) -> Mapping[Any, Any]:
        return {}

    patch.setattr(lifecycle, "said", SimpleNamespace(verify=verify))


def _note_nothing(patch: Patch) -> None:
    async def move(*_: Any) -> None:
        return

    patch.setattr(said.Said, "move", move)


def _note_backwards(patch: Patch) -> None:
    always = positions.update(positions._ROWS).where(positions._THIS)
    patch.setattr(positions, "_ADVANCE", always.values(next_offset=positions.bindparam("to_offset")))


def _put_in_place_first(patch: Patch) -> None:
    original = restore._restore

    async def restored(settings: Any, service: Any, backup: Path | None, **more: Any) -> Any:
        if backup is not None:
            await restore._put_back(settings, service.name, backup)
        return await original(settings, service, None, **more)

    patch.setattr(restore, "_restore", restored)


def _forget_what_went(patch: Patch) -> None:
    async def forgotten(*_: Any) -> Mapping[Any, int]:
        return {}

    patch.setattr(said, "forgotten", forgotten)


MUTANTS = (
    Mutant(
        name="owner-behind-its-log",
        rule="T26",
        how="what the log holds beyond the owner's position is not looked for in the outbox",
        patch=_believe_the_log,
        tests=(f"{CONFORMANCE}::test_a_database_that_forgot_what_the_log_holds_sends_nothing[sqlite]",),
    ),
    Mutant(
        name="new-database-on-a-log-that-holds-something",
        rule="T26",
        how="where no position counts in this log, the owner is not asked what it holds",
        patch=_ask_no_owner,
        tests=(
            f"{CONFORMANCE}::test_where_no_position_counts_in_this_log_the_owner_is_asked_what_it_holds[sqlite]",
        ),
    ),
    Mutant(
        name="owner-on-any-log",
        rule="R8",
        how="an owner goes on on another log than the one that it has spoken to",
        patch=_speak_on_any_log,
        tests=(
            f"{CONFORMANCE}::test_an_owner_speaks_on_no_other_log_than_before_until_all_is_said_again_there[sqlite]",
        ),
    ),
    Mutant(
        name="owner-never-moved-over",
        rule="R8",
        how="an owner that has said everything again on another log, or on one that was cut, still counts in the one before",
        patch=_stay_on_the_log_before,
        tests=(
            f"{CONFORMANCE}::test_an_owner_speaks_on_no_other_log_than_before_until_all_is_said_again_there[sqlite]",
            f"{CONFORMANCE}::test_a_log_that_was_cut_is_the_owners_again_once_all_was_said_anew[sqlite]",
        ),
    ),
    Mutant(
        name="erased-since-and-forgotten",
        rule="T26",
        how="an owner starts on a backup of before a tombstone that the log has dropped since",
        patch=_forget_what_went,
        tests=(
            "tests/services/chassis/bus/test_overtaken.py::test_an_owner_put_back_to_before_a_tombstone_that_went_meanwhile_says_nothing",
        ),
    ),
    Mutant(
        name="restored-on-any-log",
        rule="R8",
        how="a restore goes over to whatever log it finds, above the sequences of the right one",
        patch=_restore_on_any_log,
        tests=(
            f"{CONFORMANCE}::test_a_restore_goes_over_to_no_other_log_unless_told_to[sqlite]",
            f"{PUT_BACK}::test_a_restore_on_another_log_changes_nothing_unless_told_to",
        ),
    ),
    Mutant(
        name="restored-over-a-fork",
        rule="R8",
        how="a restore takes for old what the log got before a life that was begun on another, or on an older copy",
        patch=_any_life,
        tests=(
            f"{CONFORMANCE}::test_a_restore_takes_nothing_for_old_that_was_said_before_a_life_begun_elsewhere[sqlite]",
            f"{PUT_BACK}::test_a_backup_of_a_life_begun_on_an_older_copy_of_the_log_replaces_nothing",
        ),
    ),
    Mutant(
        name="accepted-before-it-is-proved",
        rule="T26",
        how="the relay alone proves what the database knows, while requests are answered already",
        patch=_leave_it_to_the_relay,
        tests=("tests/services/members/test_behind.py",),
    ),
    Mutant(
        name="said-and-not-noted",
        rule="T26",
        how="what was appended leaves the outbox, and the position stays",
        patch=_note_nothing,
        tests=(
            f"{CONFORMANCE}::test_what_was_appended_and_not_noted_stands_in_the_outbox_and_stops_nobody[sqlite]",
        ),
    ),
    Mutant(
        name="said-noted-backwards",
        rule="T26",
        how="a relay that wakes behind its successor moves the position back",
        patch=_note_backwards,
        tests=(
            f"{CONFORMANCE}::test_a_relay_that_wakes_behind_its_successor_notes_nothing_backwards[sqlite]",
        ),
    ),
    Mutant(
        name="put-in-place-before-the-log-is-had",
        rule="T27",
        how="a restore puts the backup in place, and asks for the log after it",
        patch=_put_in_place_first,
        tests=(f"{PUT_BACK}::test_a_restore_that_ends_on_its_way_leaves_what_was_or_what_does_not_start",),
    ),
)
