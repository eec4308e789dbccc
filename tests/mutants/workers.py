"""Mutants of the matching workers: the archive's gate, ownership, versions, `ranked_to`, the day."""

import asyncio
from types import SimpleNamespace
from typing import Any

from sqlalchemy import update

from schemas.envelope import Sequence
from services.matches import consumers
from services.matches.commands import frame
from services.matches.rules import material
from services.matches.tables import LIST_VERSIONS, RANKING
from services.matches.worker import feeding, ownership, ranker, versions
from tests.mutants.mutant import Mutant, Patch

WORKER = "tests/services/matches/test_worker.py"
MATERIAL = "tests/services/matches/test_material.py"
RESTORING = "tests/services/matches/test_restoring.py"
FEEDS = "tests/services/matches/test_feeds.py"
OWNERSHIP = "tests/services/matches/test_ownership.py"
TAKING_OVER = "tests/services/matches/test_taking_over.py"


def _take_anything(patch: Patch) -> None:
    class Nothing(dict[Any, Any]):
        def get(self, *_: Any) -> None:
            return None

    async def newest(*_: Any) -> Nothing:
        return Nothing()

    patch.setattr(consumers, "newest", newest)


def _one_life(patch: Patch) -> None:
    original = consumers.newest

    class Same(Sequence):
        def __ge__(self, other: tuple[Any, ...]) -> bool:
            return self.version >= other[1]

    class Lives(dict[Any, Any]):
        def get(self, key: Any, *_: Any) -> Any:
            known = super().get(key)
            return None if known is None else Same(*known)

    async def newest(*of: Any) -> Lives:
        return Lives(await original(*of))

    patch.setattr(consumers, "newest", newest)


def _refuse_nobody(patch: Patch) -> None:
    async def refused(*_: Any) -> frozenset[int]:
        return frozenset()

    patch.setattr(ownership, "refused", refused)
    patch.setattr("tests.services.matches.test_worker.refused", refused, raising=False)


def _same_generation(patch: Patch) -> None:
    original = ownership.Ownership.take_over

    async def take_over(self: ownership.Ownership, partition: int) -> int:
        generation = await original(self, partition)
        if generation == 1:
            return generation
        async with self._runtime.database.write() as connection:
            lowered = (
                update(RANKING).where(RANKING.c.partition == partition).values(generation=generation - 1)
            )
            await connection.execute(lowered)
        return generation - 1

    patch.setattr(ownership.Ownership, "take_over", take_over)


def _pass_failures(patch: Patch) -> None:
    original = ranker.Ranker._finish

    async def finish(self: ranker.Ranker, *of: Any) -> None:
        kept, self._unfinished = self._unfinished, {}
        try:
            await original(self, *of)
        finally:
            self._unfinished = kept

    patch.setattr(ranker.Ranker, "_finish", finish)


def _only_with_a_version(patch: Patch) -> None:
    write, advance, written = versions.write, ownership.advance, [False]

    async def noted(*of: Any, **more: Any) -> int:
        written[0] = True
        return await write(*of, **more)

    async def seldom(*of: Any, **more: Any) -> None:
        if written[0]:
            written[0] = False
            await advance(*of, **more)

    patch.setattr(versions, "write", noted)
    patch.setattr(ownership, "advance", seldom)


def _take_over_at_once(patch: Patch) -> None:
    original = ranker.Ranker.step

    class Impatient:
        def __init__(self, index: Any) -> None:
            self._index = index

        def __getattr__(self, name: str) -> Any:
            return getattr(self._index, name)

        async def follow(self) -> bool:
            return False

    async def step(self: ranker.Ranker) -> bool:
        index, self._index = self._index, Impatient(self._index)
        try:
            return await original(self)
        finally:
            self._index = index

    patch.setattr(ranker.Ranker, "step", step)


def _write_over(patch: Patch) -> None:
    patch.setattr(versions, "_ADD", LIST_VERSIONS.insert().prefix_with("OR REPLACE", dialect="sqlite"))


def _always_drop(patch: Patch) -> None:
    def lost(self: ownership.Ownership, partition: int) -> None:
        self.generations.pop(partition, None)
        self.arriving.discard(partition)

    patch.setattr(ownership.Ownership, "lost", lost)


def _never_drop(patch: Patch) -> None:
    def lost(self: ownership.Ownership, partition: int) -> None:
        self.generations.pop(partition, None)
        self.arriving.add(partition)

    patch.setattr(ownership.Ownership, "lost", lost)


def _own_everything(patch: Patch) -> None:
    async def assigned(self: ownership.Ownership, _partitions: Any) -> None:
        self.arriving |= set(range(await self._runtime.transport.partitions(ownership.PROJECTS_TOPIC)))

    patch.setattr(ownership.Ownership, "assigned", assigned)
    patch.setattr(ownership.Ownership, "_given", lambda *_: True)


def _descendants_stay(patch: Patch) -> None:
    original = ranker.Ranker._targets

    def targets(self: ranker.Ranker, changes: Any, *of: Any) -> Any:
        changes.rules.clear()
        return original(self, changes, *of)

    patch.setattr(ranker.Ranker, "_targets", targets)


def _days_go_back(patch: Patch) -> None:
    patch.setattr(
        frame,
        "func",
        SimpleNamespace(max=frame.func.min, count=frame.func.count, coalesce=frame.func.coalesce),
    )


def _rank_on_the_loop(patch: Patch) -> None:
    class Direct:
        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio, name)

        async def to_thread(self, work: Any, *of: Any) -> Any:
            return work(*of)

    patch.setattr(ranker, "asyncio", Direct())


def _nobody_is_placed(patch: Patch) -> None:
    patch.setattr(material, "_SEEN_LABELS", 0)


def _number_anew(patch: Patch) -> None:
    async def none(*_: Any) -> dict[str, int]:
        return {}

    patch.setattr(versions, "load_taken", none)


def _feed_again(patch: Patch) -> None:
    patch.setattr(feeding, "_news", lambda events, _fed: list(events))


MUTANTS = (
    Mutant(
        name="stale-sequence-applied",
        rule="R6",
        how="the archive takes an older revision for the newest",
        patch=_take_anything,
        tests=(f"{WORKER}::test_an_older_revision_that_comes_late_is_ignored_and_logged",),
        drills=("order",),
    ),
    Mutant(
        name="archive-forgets-incarnations",
        rule="T12",
        how="the archive compares versions alone, so what a restored owner says is taken for old",
        patch=_one_life,
        tests=(f"{WORKER}::test_a_word_of_a_new_life_is_above_every_version_before_it",),
    ),
    Mutant(
        name="version-by-a-former-owner",
        rule="W11",
        how="nobody's generation is compared",
        patch=_refuse_nobody,
        tests=(f"{WORKER}::test_a_taken_over_partition_refuses_its_former_owner",),
        drills=("workers",),
    ),
    Mutant(
        name="owned-without-the-group",
        rule="W7",
        how="a process owns every partition, whatever the group gives to it",
        patch=_own_everything,
        tests=(
            f"{TAKING_OVER}::test_a_worker_ranks_what_the_group_gives_to_it_and_nothing_else",
            f"{OWNERSHIP}::test_a_partition_that_leaves_while_it_is_taken_over_is_not_owned[sqlite]",
        ),
    ),
    Mutant(
        name="generation-not-raised",
        rule="W8",
        how="a new owner goes on under the generation of the one before",
        patch=_same_generation,
        tests=(f"{OWNERSHIP}::test_a_refused_owner_that_is_still_assigned_takes_over_anew[sqlite]",),
        drills=("workers",),
    ),
    Mutant(
        name="ranked-to-moved-past-a-failure",
        rule="W15",
        how="a pass in which a project failed counts as complete",
        patch=_pass_failures,
        tests=(f"{TAKING_OVER}::test_ranked_to_stands_before_a_project_that_failed",),
    ),
    Mutant(
        name="ranked-to-moved-with-a-version-only",
        rule="W14",
        how="a pass that makes no version leaves `ranked_to` where it was",
        patch=_only_with_a_version,
        tests=(f"{TAKING_OVER}::test_a_pass_without_a_version_moves_ranked_to",),
    ),
    Mutant(
        name="taken-over-before-the-index-has-followed",
        rule="W9",
        how="a new owner ranks on whatever its index holds",
        patch=_take_over_at_once,
        tests=(f"{TAKING_OVER}::test_a_new_owner_ranks_nothing_older_than_what_is_archived",),
    ),
    Mutant(
        name="version-written-over",
        rule="W12",
        how="a second version of the same number replaces the first",
        patch=_write_over,
        tests=(f"{TAKING_OVER}::test_a_number_is_given_out_once",),
    ),
    Mutant(
        name="refused-owner-gives-up",
        rule="W17",
        how="a refused owner drops the partition without asking the group",
        patch=_always_drop,
        tests=(f"{OWNERSHIP}::test_a_refused_owner_that_is_still_assigned_takes_over_anew[sqlite]",),
    ),
    Mutant(
        name="refused-owner-insists",
        rule="W18",
        how="a refused owner takes over again without asking the group",
        patch=_never_drop,
        tests=(f"{WORKER}::test_a_taken_over_partition_refuses_its_former_owner",),
    ),
    Mutant(
        name="descendants-not-ranked-again",
        rule="W6",
        how="a change of a parent, a registration or another rule input counts as a change of points",
        patch=_descendants_stay,
        tests=(f"{TAKING_OVER}::test_a_change_of_a_parents_parent_reaches_whoever_descends_from_it",),
    ),
    Mutant(
        name="days-go-back",
        rule="D1",
        how="a day is opened although a later one is",
        patch=_days_go_back,
        tests=("tests/services/matches/test_days.py::test_a_day_that_has_passed_is_not_opened_again",),
    ),
    Mutant(
        name="pass-on-the-event-loop",
        rule="W20",
        how="lists are ranked where requests are answered and partitions are fetched",
        patch=_rank_on_the_loop,
        tests=(f"{WORKER}::test_a_pass_runs_in_a_thread_never_on_the_event_loop",),
    ),
    Mutant(
        name="placed-rows-not-moved",
        rule="W5",
        how="whoever has fewer points than the first rows moves no list, local or newcomer or not",
        patch=_nobody_is_placed,
        tests=(f"{MATERIAL}::test_a_local_or_newcomer_below_the_first_rows_moves_a_list",),
    ),
    Mutant(
        name="number-given-out-again",
        rule="T25",
        how="a restored database numbers its lists on from the backup",
        patch=_number_anew,
        tests=(f"{RESTORING}::test_a_number_that_the_log_was_told_of_is_not_given_out_again",),
    ),
    Mutant(
        name="republished-and-fed-again",
        rule="T16",
        how="the feed takes any event of the relay for news",
        patch=_feed_again,
        tests=(f"{FEEDS}::test_what_is_republished_is_fed_once",),
    ),
)
