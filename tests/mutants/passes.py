"""Mutants of a pass: what is followed, what is ranked and how often, on which view, and what is said of it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson

from schemas.topics import LIST_REMOVED, LIST_VERSIONED
from services import matches
from services.chassis.bus import outbox, positions
from services.chassis.runtime import Signals
from services.matches import events
from services.matches.consumers import GROUP, KINDS
from services.matches.queries import progress
from services.matches.worker import index, ranker, versions
from tests.mutants.mutant import Mutant, Patch

WORKER = "tests/services/matches/test_worker.py"
PASSES = "tests/services/matches/test_passes.py"
TAKING_OVER = "tests/services/matches/test_taking_over.py"
METRICS = "tests/services/matches/test_metrics.py"
WORK = "tests/services/matches/test_work.py"
FEEDS = "tests/services/matches/test_feeds.py"


def _number_by_itself(patch: Patch) -> None:
    crossed, lost = events.standing_crossed, events.standing_lost

    def crossed_first(project: str, row: Any, _number: int, **more: Any) -> Any:
        return crossed(project, row, 1, **more)

    def lost_first(project: str, organisation: str, _number: int, **more: Any) -> Any:
        return lost(project, organisation, 1, **more)

    patch.setattr(events, "standing_crossed", crossed_first)
    patch.setattr(events, "standing_lost", lost_first)


def _crossing(**changes: Any) -> Any:
    """Write standings as if the list had crossed otherwise; `changes` are of the crossings, by what they hold."""
    original = versions._write_standings

    async def write(connection: Any, runtime: Any, outcome: Any, *of: Any, **more: Any) -> Any:
        other = {name: of_crossed(outcome.crossed) for name, of_crossed in changes.items()}
        changed = replace(outcome, crossed=replace(outcome.crossed, **other))
        return await original(connection, runtime, changed, *of, **more)

    return lambda patch: patch.setattr(versions, "_write_standings", write)


def _without(kind: str) -> Any:
    """Post what a pass says without the events of one type."""

    async def post_all(connection: Any, said: Any, **more: Any) -> None:
        await outbox.post_all(connection, [one for one in said if one.type != kind], **more)

    return lambda patch: patch.setattr(versions, "outbox", SimpleNamespace(post_all=post_all))


def _forget_the_erased(patch: Patch) -> None:
    original = versions.load_kept

    async def load_kept(*of: Any) -> Any:
        kept = await original(*of)
        return {project: replace(known, erased=False) for project, known in kept.items()}

    patch.setattr(versions, "load_kept", load_kept)


def _wait_for_ourselves(patch: Patch) -> None:
    original = Signals.wait

    async def wait(self: Signals, name: str, timeout: float, **more: Any) -> bool:  # noqa: ASYNC109 - the seam's
        return await original(self, name, 3_600.0 if name == index.CONSUMED else timeout, **more)

    patch.setattr(Signals, "wait", wait)


def _read_the_log(patch: Patch) -> None:
    original = index.Index._read

    async def read(self: index.Index, connection: Any) -> Any:
        batch = await original(self, connection)
        rows = list(batch.rows)
        for at, end in batch.frame.committed.items():
            found = await self.runtime.transport.read(at.topic, at.partition, offset=end, limit=100)
            rows += [_row(self, record) for record in found.records if record.value is not None]
        return replace(batch, rows=rows)

    patch.setattr(index.Index, "_read", read)


def _row(of: index.Index, record: Any) -> Any:
    """Return a record of the log in the form of an archived one."""
    kind = KINDS[dict(record.headers)["ce_type"].decode()]
    return SimpleNamespace(
        kind=kind,
        id=orjson.loads(record.value)["id"],
        partition=record.partition,
        incarnation=1,
        record=record.value,
        traceparent=None,
        content_hash="",
        analysed=of.runtime.state["analysis"].of(kind, record.value),
    )


def _overlook_who_comes(patch: Patch) -> None:
    original = ranker.touched

    def touched(kept: Any, before: Any, after: Any) -> set[str]:
        here = set(after.members)
        return {project for project in original(kept, before, after) if here & kept[project].passed}

    patch.setattr(ranker, "touched", touched)


def _touch_everything(patch: Patch) -> None:
    patch.setattr(ranker, "touched", lambda kept, *_: set(kept))


def _one_member_at_a_time(patch: Patch) -> None:
    original = index.Index.take_changes

    async def take_changes(self: index.Index) -> Any:
        taken, pinned = await original(self)
        rest = set(sorted(taken.members)[1:])
        if rest:
            later = self._watchers[0]
            later.before = taken.before
            later.members |= rest
            taken.members -= rest
        return taken, pinned

    patch.setattr(index.Index, "take_changes", take_changes)


def _take_over_in_name(patch: Patch) -> None:
    original = ranker.Ranker._take_over

    async def take_over(self: ranker.Ranker, partition: int) -> set[str]:
        await original(self, partition)
        return set()

    patch.setattr(ranker.Ranker, "_take_over", take_over)


def _advance_apart(patch: Patch) -> None:
    original = ranker.Ranker._write

    async def write(self: ranker.Ranker, outcomes: Any, pinned: Any, *, erased: Any) -> None:
        await original(self, outcomes, pinned, erased=None)
        if erased is not None:
            await original(self, (), pinned, erased=erased)

    patch.setattr(ranker.Ranker, "_write", write)


def _believe_the_index(patch: Patch) -> None:
    original = progress._line
    patch.setattr(progress, "_line", lambda *of: original(*of) | {"behind": 0, "framed": True})


def _age_of_the_archive(patch: Patch) -> None:
    async def uncovered_seconds(runtime: Any) -> float:
        async with runtime.database.read() as connection:
            stored = {str(one.at): one.next_offset for one in await positions.all_of(connection, GROUP)}
        return await original(runtime) if await progress._unread(runtime, stored) else 0.0

    original = matches.uncovered_seconds
    patch.setattr(matches, "uncovered_seconds", uncovered_seconds)


def _rank_what_is_there(patch: Patch) -> None:
    original = ranker.Ranker._outcomes

    def outcomes(self: ranker.Ranker, work: Any, pinned: Any, *more: Any) -> Any:
        return original(self, work, replace(pinned, view=self._index._engines.pin(pinned.epoch)), *more)

    patch.setattr(ranker.Ranker, "_outcomes", outcomes)


def _name_where_it_is(patch: Patch) -> None:
    original = ranker.Ranker._write

    async def write(self: ranker.Ranker, outcomes: Any, pinned: Any, **more: Any) -> None:
        reached = {str(at): offset for at, offset in sorted(self._index._positions.items())}
        await original(self, outcomes, replace(pinned, positions=reached), **more)

    patch.setattr(ranker.Ranker, "_write", write)


MUTANTS = (
    Mutant(
        name="standing-numbered-by-itself",
        rule="T7",
        how="every record of a pair says that it is the first",
        patch=_number_by_itself,
        tests=(f"{WORKER}::test_falling_below_the_floor_takes_the_standing_away",),
    ),
    Mutant(
        name="standings-said-with-every-version",
        rule="T8",
        how="a version says every pair above the floor again, whether it crossed anything or not",
        patch=_crossing(changed=lambda crossed: dict(crossed.standing)),
        tests=(f"{WORKER}::test_what_is_material_is_a_version_with_its_reason_and_delta",),
    ),
    Mutant(
        name="standing-kept-below-the-floor",
        rule="T8",
        how="a pair that fell below the floor keeps its last record",
        patch=_crossing(lost=lambda _: ()),
        tests=(f"{WORKER}::test_falling_below_the_floor_takes_the_standing_away",),
    ),
    Mutant(
        name="version-not-told",
        rule="T10",
        how="a list version is written, and the log hears nothing of it",
        patch=_without(LIST_VERSIONED),
        tests=(f"{WORKER}::test_what_is_material_is_a_version_with_its_reason_and_delta",),
    ),
    Mutant(
        name="removal-not-told",
        rule="T10",
        how="the list of an erased project is shown no more, and the log hears nothing of it",
        patch=_without(LIST_REMOVED),
        tests=(
            f"{FEEDS}::test_a_list_whose_project_is_erased_is_no_more_for_whoever_follows_and_in_current",
        ),
    ),
    Mutant(
        name="erased-while-unowned",
        rule="W10",
        how="a new owner leaves the lists of projects that were erased while nobody owned them",
        patch=_forget_the_erased,
        tests=(f"{WORKER}::test_what_was_erased_while_nobody_ranked_is_caught_up_with",),
    ),
    Mutant(
        name="follows-itself-only",
        rule="W1",
        how="an index looks at the archive when its own process has written there, and does not poll",
        patch=_wait_for_ourselves,
        tests=(f"{PASSES}::test_a_process_that_archives_nothing_follows_what_others_archive",),
    ),
    Mutant(
        name="ranked-from-the-log",
        rule="W2",
        how="an index reads on from the log where the archive ends",
        patch=_read_the_log,
        tests=(f"{PASSES}::test_nothing_is_ranked_that_is_not_archived",),
    ),
    Mutant(
        name="arrival-overlooked",
        rule="W3",
        how="a changed member moves only lists in whose first rows it stood already",
        patch=_overlook_who_comes,
        tests=(f"{WORKER}::test_what_is_material_is_a_version_with_its_reason_and_delta",),
    ),
    Mutant(
        name="every-list-for-each-member",
        rule="W3",
        how="a changed member re-ranks every list",
        patch=_touch_everything,
        tests=(f"{PASSES}::test_a_member_that_moves_nothing_ranks_no_list",),
    ),
    Mutant(
        name="a-pass-for-each-member",
        rule="W4",
        how="the changed members of a batch are taken one after the other",
        patch=_one_member_at_a_time,
        tests=(f"{PASSES}::test_a_batch_of_changed_members_ranks_a_list_once",),
    ),
    Mutant(
        name="taken-over-and-not-ranked",
        rule="W10",
        how="a new owner ranks what changes from now on, and not what changed while nobody owned",
        patch=_take_over_in_name,
        tests=(f"{TAKING_OVER}::test_a_new_owner_ranks_what_changed_while_nobody_ranked",),
    ),
    Mutant(
        name="ranked-to-in-a-transaction-of-its-own",
        rule="W13",
        how="versions are committed first, and `ranked_to` after them",
        patch=_advance_apart,
        tests=(f"{WORK}::test_a_pass_over_a_few_lists_is_one_writing_transaction_whatever_crossed",),
    ),
    Mutant(
        name="complete-whatever-is-ranked",
        rule="W16",
        how="lists count as complete once everything is archived",
        patch=_believe_the_index,
        tests=(f"{TAKING_OVER}::test_ranked_to_stands_before_a_project_that_failed",),
    ),
    Mutant(
        name="lag-of-the-archive",
        rule="W16",
        how="lists are behind by what is not archived, and not by what is not ranked",
        patch=_age_of_the_archive,
        tests=(f"{METRICS}::test_lists_are_behind_by_the_age_of_the_oldest_write_that_they_lack",),
    ),
    Mutant(
        name="pass-not-pinned",
        rule="W19",
        how="each list of a pass is ranked on the index as it is by then",
        patch=_rank_what_is_there,
        tests=(f"{PASSES}::test_every_list_of_a_pass_is_ranked_at_the_positions_that_it_names",),
    ),
    Mutant(
        name="pass-names-where-the-index-is",
        rule="W19",
        how="versions and `ranked_to` name the positions that the index has by then, and not the view's",
        patch=_name_where_it_is,
        tests=(f"{PASSES}::test_every_list_of_a_pass_is_ranked_at_the_positions_that_it_names",),
    ),
)
