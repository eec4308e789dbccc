"""Mutants of what is said or read again: republishing, restoring, rebuilding."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from sqlalchemy import delete

from schemas.envelope import Sequence
from services.chassis import external_ids, lifecycle
from services.chassis.bus import outbox, rebuilding, restoring, transport
from services.matches import consumers
from services.matches.commands import restoring as owner
from services.matches.tables import DOCUMENTS
from services.projects import consumers as projects
from services.projects.tables import LIST_SUMMARIES
from tests.mutants.mutant import Mutant, Patch

REPUBLISHING = "tests/services/matches/test_republishing.py"
RESTORING = "tests/services/matches/test_restoring.py"
WITH_THE_LOG = "tests/services/projects/test_with_the_log.py"
READING = "tests/conformance/test_reading_again.py"


def _say_as_news(patch: Patch) -> None:
    async def say(connection: Any, runtime: Any, how: Any, keys: Any) -> int:
        events = [
            replace(event, sequence=Sequence(event.sequence.incarnation, event.sequence.version + 1))
            for event in await how(connection, runtime, keys)
        ]
        await outbox.post_all(connection, events, max_record_bytes=runtime.settings.log.max_record_bytes)
        return len(events)

    patch.setattr(restoring, "_say", say)


def _say_all_but_the_last(patch: Patch) -> None:
    original = restoring._say

    async def say(connection: Any, runtime: Any, how: Any, keys: Any) -> int:
        return await original(connection, runtime, how, keys[:-1])

    patch.setattr(restoring, "_say", say)


def _say_nothing(patch: Patch) -> None:
    async def say(*_: Any) -> int:
        return 0

    patch.setattr(restoring, "_say", say)


def _say_of_the_present_only_what_stands(patch: Patch) -> None:
    patch.setattr(owner, "_lists", _no_keys)
    patch.setattr(owner, "_frame", _no_keys)


async def _no_keys(*_: Any) -> list[str]:
    return []


def _leave_ids_where_they_came(patch: Patch) -> None:
    async def write_anew(_connection: Any, _ids: Any, *, records: Any, holder: str) -> None:
        del records, holder

    patch.setattr(external_ids, "write_anew", write_anew)


def _forget_figures(patch: Patch) -> None:
    patch.setattr(projects, "_BELOW", delete(LIST_SUMMARIES))


def _all_but_the_last_of(module: Any) -> Any:
    """Read a partition up to its last record, and not that."""
    original = module.everything

    async def everything(*of: Any, **more: Any) -> AsyncIterator[Any]:
        records = [record async for record in original(*of, **more)]
        for record in records[:-1]:
            yield record

    return lambda patch: patch.setattr(module, "everything", everything)


def _lack_nothing(patch: Patch) -> None:
    def lacks(_batch: Any, _begun: int) -> bool:
        return False

    patch.setattr(transport.Batch, "lacks", lacks)


def _compact_meanwhile(patch: Patch) -> None:
    original = lifecycle.open_transport

    def opened(settings: Any, *, reading: bool = False, compacting: bool = True) -> Any:
        del compacting
        return original(settings, reading=reading)

    patch.setattr(lifecycle, "open_transport", opened)


def _forget_what_is_older(patch: Patch) -> None:
    patch.setattr(consumers, "_FORGET", delete(DOCUMENTS))


def _forget_when_it_came(patch: Patch) -> None:
    patch.setattr(consumers, "_FORGET", consumers._FORGET.values(came=None, late=None))


MUTANTS = (
    Mutant(
        name="republished-as-news",
        rule="T16",
        how="what is republished has a sequence above the one that it had",
        patch=_say_as_news,
        tests=(f"{REPUBLISHING}::test_what_is_republished_keeps_its_sequences_and_adds_nothing_to_the_log",),
    ),
    Mutant(
        name="republished-in-part",
        rule="T16",
        how="of every chunk of aggregates the last one is left out",
        patch=_say_all_but_the_last,
        tests=(f"{REPUBLISHING}::test_what_is_republished_keeps_its_sequences_and_adds_nothing_to_the_log",),
    ),
    Mutant(
        name="republished-without-its-lists",
        rule="T16",
        how="of what the ranking has said the standings alone are said again, and no list version, epoch or day",
        patch=_say_of_the_present_only_what_stands,
        tests=(f"{REPUBLISHING}::test_a_log_that_is_lost_and_filled_again_says_what_is_now",),
    ),
    Mutant(
        name="restored-before-the-end-is-read",
        rule="T23",
        how="a restore leaves the last record of each partition unread, and what it says stands nowhere then",
        patch=_all_but_the_last_of(restoring),
        tests=(f"{RESTORING}::test_a_number_that_the_log_was_told_of_is_not_given_out_again",),
    ),
    Mutant(
        name="restored-and-silent",
        rule="T23",
        how="a restore does not say what is now, so readers keep what the backup does not know",
        patch=_say_nothing,
        tests=(f"{RESTORING}::test_what_stands_after_a_restore_is_said_in_a_new_life",),
    ),
    Mutant(
        name="restored-without-its-ids",
        rule="T23",
        how="a restore leaves external ids with whom an older record in a partition read later gave them to, or with nobody",
        patch=_leave_ids_where_they_came,
        tests=(
            "tests/services/members/test_restoring.py::test_an_external_id_that_moved_since_the_backup_is_with_whoever_has_it_now",
        ),
    ),
    Mutant(
        name="rebuilt-in-part",
        rule="T24",
        how="a rebuild leaves the last record of each partition unread",
        patch=_all_but_the_last_of(rebuilding),
        tests=(f"{READING}::test_c27_what_is_rebuilt_equals_what_is_live[sqlite]",),
    ),
    Mutant(
        name="rebuild-overtaken",
        rule="T21",
        how="a rebuild does not look whether tombstones went while it read",
        patch=_lack_nothing,
        tests=(
            "tests/services/chassis/bus/test_overtaken.py::test_a_rebuild_that_compaction_overtakes_changes_nothing",
        ),
    ),
    Mutant(
        name="rebuilt-from-a-log-that-is-compacted",
        rule="T21",
        how="a verb that reads the log has it compacted meanwhile",
        patch=_compact_meanwhile,
        tests=("tests/services/console/test_standing_by.py::test_no_verb_compacts_the_log_that_it_reads",),
    ),
    Mutant(
        name="rebuild-loses-figures",
        rule="T24",
        how="a rebuild forgets the figures of every list that the log does not hold",
        patch=_forget_figures,
        tests=(
            f"{WITH_THE_LOG}::test_figures_that_the_log_lacks_are_named_by_a_rebuild_and_come_back_with_it",
        ),
    ),
    Mutant(
        name="rebuild-takes-older-revisions",
        rule="T25",
        how="a rebuild empties the archive, and what compaction took from the log does not come back",
        patch=_forget_what_is_older,
        tests=(f"{RESTORING}::test_a_rebuild_leaves_what_the_log_holds_no_more_where_it_is",),
    ),
    Mutant(
        name="rebuild-forgets-when-it-came",
        rule="T25",
        how="the archive takes the places of the log that it was rebuilt from for those of the lists before",
        patch=_forget_when_it_came,
        tests=(
            f"{RESTORING}::test_after_a_rebuild_over_a_compacted_log_every_version_is_recomputed_to_the_bit[sqlite]",
        ),
    ),
)
