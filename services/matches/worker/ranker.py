"""The ranker: one pass after another, from changes to list versions, for the partitions that this process owns.

What: a pass takes what changed since the last one, works out which owned lists it can touch, ranks them on one pinned
view in a thread, writes what is material, and moves `ranked_to`, with or without a version and never past a project that
failed. Why: "lists complete" is read from `ranked_to`, so it must say exactly what was ranked. It must not read a clock to
rank, and must not run the engine on the event loop.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog

from matching.lists import RankedList
from matching.records import Project
from matching.standings import Standings
from services.chassis.database import DatabaseAway
from services.chassis.runtime import Runtime, timestamp
from services.matches.rules.material import Kept, gone, touched
from services.matches.worker import ownership, versions
from services.matches.worker.index import FOLLOWED, OPEN, Changes, Index, Pinned
from services.matches.worker.ownership import Ownership, Refused

CHUNK = 32
"""Projects ranked and written in one transaction: few commits in a full re-rank, short locks in daily work."""

logger = structlog.get_logger(__name__)


class Ranker:
    """Ranks the projects of the owned partitions; `kept` is what their last versions said."""

    def __init__(self, runtime: Runtime, index: Index, owned: Ownership) -> None:
        self._runtime = runtime
        self._index = index
        self._owned = owned
        self._kept: dict[int, dict[str, Kept]] = {}
        self._unfinished: dict[int, set[str]] = {}  # projects whose last pass failed, by partition
        self._frame = ("", "")  # epoch and day of the last pass

    async def run(self, stop: asyncio.Event) -> None:
        """Pass until `stop` is set; between passes wait for the index to follow, or poll."""
        await self._index.watch()
        poll = self._runtime.settings.matches.poll_seconds
        while not stop.is_set():
            seen = self._runtime.signals.mark(FOLLOWED)
            try:
                busy = await self.step()
            except DatabaseAway:
                # Nothing was committed; what changed meanwhile is found again by ranking everything we own.
                logger.warning("the database is away; ranking waits")
                self._owned.arriving |= self._owned.generations.keys()
                busy = False
                await asyncio.sleep(poll)
            if not busy:
                await self._runtime.signals.wait(FOLLOWED, poll, since=seen)

    async def step(self) -> bool:
        """One pass; True if there was anything to do."""
        arriving = sorted(self._owned.arriving)
        if arriving:
            # A new owner ranks nothing older than what the group has consumed: `ranked_to` never goes back.
            while await self._index.follow():
                pass
        changes, pinned = await self._index.take_changes()
        frame = (pinned.epoch, pinned.day)
        if not (arriving or changes or any(self._unfinished.values()) or frame != self._frame):
            if pinned.positions != changes.before.positions:
                await self._advance(self._owned.generations, pinned)
                return True
            return False
        targets = await asyncio.to_thread(self._targets, changes, pinned, self._frame)
        self._frame = frame
        for partition in arriving:
            targets[partition] = await self._take_over(partition)
        done: dict[int, int] = {}
        for partition, generation in list(self._owned.generations.items()):
            try:
                erased = self._erased(partition, changes, taken_over=partition in arriving)
                await self._erase(partition, generation, erased)
                failed = await self._rank(partition, generation, targets.get(partition, set()), pinned)
            except Refused as refusal:
                logger.warning(
                    "another process ranks this partition now", partition=partition, why=str(refusal)
                )
                self._drop(partition)
                continue
            self._unfinished[partition] = failed
            if not failed:
                done[partition] = generation
        await self._advance(done, pinned)
        return True

    def _targets(self, changes: Changes, pinned: Pinned, frame: tuple[str, str]) -> dict[int, set[str]]:
        """Return the projects of each owned partition that have to be ranked. Runs in a thread."""
        partition_of = dict(self._index.projects)
        owned = {
            p: {project for project, at in partition_of.items() if at == p} for p in self._owned.generations
        }
        if frame != (pinned.epoch, pinned.day) or changes.rules:
            return owned
        wanted = set(changes.projects)
        for failed in self._unfinished.values():
            wanted |= failed
        if changes.members:
            kept = {project: known for lists in self._kept.values() for project, known in lists.items()}
            before = _standings(changes.before, changes.members)
            after = _standings(pinned, changes.members)
            wanted |= touched(kept, before, after)
            wanted |= gone(kept, changes.members - set(after.members))
        return {partition: projects & wanted for partition, projects in owned.items()}

    async def _take_over(self, partition: int) -> set[str]:
        """Raise the generation, load what the last versions said; everything of the partition is to be ranked."""
        generation = await self._owned.take_over(partition)
        async with self._runtime.database.read() as connection:
            self._kept[partition] = await versions.load_kept(connection, partition)
        self._owned.arriving.discard(partition)
        self._owned.generations[partition] = generation
        logger.info("took a partition over", partition=partition, generation=generation)
        return {project for project, at in self._index.projects.items() if at == partition}

    def _erased(self, partition: int, changes: Changes, *, taken_over: bool) -> list[str]:
        """Return the projects whose standings have to go, those too that were erased while nobody owned this."""
        kept = self._kept[partition]
        erased = {project for project in changes.erased if project in kept}
        if taken_over:
            here = self._index.projects
            erased |= {project for project, known in kept.items() if known.standing and project not in here}
        return sorted(erased)

    async def _rank(
        self, partition: int, generation: int, targets: Iterable[str], pinned: Pinned
    ) -> set[str]:
        """Rank these projects of one partition and write what is material; returns those that failed."""
        kept = self._kept[partition]
        wanted = sorted(project for project in targets if not kept.get(project, Kept()).final)
        failed: set[str] = set()
        for begin in range(0, len(wanted), CHUNK):
            chunk = wanted[begin : begin + CHUNK]
            outcomes, bad = await asyncio.to_thread(self._outcomes, partition, chunk, pinned)
            failed |= bad
            await self._write(partition, generation, outcomes, pinned)
        return failed

    async def _erase(self, partition: int, generation: int, erased: Sequence[str]) -> None:
        """Take the standings of erased projects away."""
        if not erased:
            return
        async with self._runtime.database.write() as connection:
            await ownership.check(connection, partition, generation)
            for project in erased:
                await versions.erase(connection, self._runtime, project)
        for project in erased:
            self._kept[partition].pop(project)

    def _outcomes(
        self, partition: int, projects: Sequence[str], pinned: Pinned
    ) -> tuple[list[versions.Outcome], set[str]]:
        """Rank a chunk on the pinned view. Runs in a thread; the kernel releases the GIL."""
        outcomes = []
        failed = set()
        kept = self._kept[partition]
        for identifier in projects:
            try:
                project = pinned.view.project(identifier)
                ranked = pinned.view.rank(identifier, pinned.day)
            except KeyError:
                continue  # erased or final since the targets were chosen
            except (ArithmeticError, ValueError, IndexError):
                logger.exception("a project could not be ranked", project=identifier)
                failed.add(identifier)
                continue
            outcomes.append(self._outcome(kept, partition, project, ranked))
        return outcomes, failed

    def _outcome(
        self, kept: dict[str, Kept], partition: int, project: Project, ranked: RankedList
    ) -> versions.Outcome:
        return versions.outcome_of(
            kept.get(project.id, Kept()),
            ranked,
            partition=partition,
            needs=project.needs,
            closing=project.state not in OPEN,
        )

    async def _write(
        self, partition: int, generation: int, outcomes: Sequence[versions.Outcome], pinned: Pinned
    ) -> None:
        """Write the material ones of a chunk in one transaction that checks the generation first."""
        kept = self._kept[partition]
        numbers = {outcome.project: kept.get(outcome.project, Kept()).number for outcome in outcomes}
        if any(outcome.reasons for outcome in outcomes):
            async with self._runtime.database.write() as connection:
                await ownership.check(connection, partition, generation)
                for outcome in outcomes:
                    if outcome.reasons:
                        before = kept.get(outcome.project, Kept())
                        number = await versions.write(connection, self._runtime, outcome, before, pinned)
                        numbers[outcome.project] = number
        for outcome in outcomes:
            before = kept.get(outcome.project, Kept())
            kept[outcome.project] = versions.passed(replace(before), outcome, numbers[outcome.project])

    async def _advance(self, partitions: dict[int, int], pinned: Pinned) -> None:
        """Move `ranked_to` of the partitions whose every target was ranked."""
        if not partitions:
            return
        now = timestamp(self._runtime.clock.now())
        refused = []
        async with self._runtime.database.write() as connection:
            for partition, generation in sorted(partitions.items()):
                try:
                    await ownership.check(connection, partition, generation)
                except Refused:
                    refused.append(partition)
                    continue
                await ownership.advance(
                    connection,
                    partition,
                    positions=pinned.positions,
                    epoch=pinned.epoch,
                    day=pinned.day,
                    now=now,
                )
        for partition in refused:
            self._drop(partition)
        self._runtime.signals.notify("ranked:matches")

    def _drop(self, partition: int) -> None:
        self._kept.pop(partition, None)
        self._unfinished.pop(partition, None)
        self._owned.lost(partition)


def _standings(pinned: Pinned, members: Iterable[str]) -> Standings:
    """Return the points of those members that the view knows, on every project."""
    known = []
    for member in sorted(members):
        try:
            pinned.view.member(member)
        except KeyError:
            continue
        known.append(member)
    return pinned.view.points_of(known, pinned.day)
