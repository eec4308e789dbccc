"""The ranker: one pass after another, from changes to list versions, for the partitions that this process owns.

What: a pass takes what changed since the last one, works out which owned lists it can touch, ranks them on one pinned
view in a thread, writes what is material, and moves `ranked_to`, with or without a version and never past a project that
failed. Why: "lists complete" is read from `ranked_to`, so it must say exactly what was ranked. It must not read a clock to
rank, and must not run the engine on the event loop.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.lists import RankedList
from matching.records import Project
from matching.standings import Standings
from matching.weights import Weights
from services.chassis import tracing
from services.chassis.bus.failpoints import reach
from services.chassis.database import DatabaseAway
from services.chassis.runtime import Runtime, timestamp
from services.matches.queries.computed import Computed, offer
from services.matches.queries.reasons import FIRST_ROWS, Awaited
from services.matches.rules.material import Kept, gone, touched
from services.matches.worker import ownership, versions
from services.matches.worker.exposure import Record
from services.matches.worker.index import FOLLOWED, OPEN, Changes, Index, Pinned
from services.matches.worker.ownership import Ownership

CHUNK = 32
"""Projects ranked and written in one transaction: few commits in a full re-rank, short locks in daily work."""

RETRY_SECONDS = 5.0
"""The longest pause before a project that could not be ranked is tried again."""

MANY = 64
"""So many changed organisations in one pass are a backlog or an import, and nobody's single write."""

DEAR = 400
"""One changed organisation's standings on all lists, before and after, cost as much as ranking so many candidates (measured)."""

REST = 3
"""After a pass over many, so many times its duration go by before the next: the archiving beside it has the processor."""

LONGEST_REST_SECONDS = 5.0

OFFERED = 8
"""A pass over so few projects is somebody's write: whoever waits for it reads the list that the pass computed."""

logger = structlog.get_logger(__name__)


class Ranker:
    """Ranks the projects of the owned partitions; `kept` is what their last versions said."""

    def __init__(self, runtime: Runtime, index: Index, owned: Ownership) -> None:
        self._runtime = runtime
        self._index = index
        self._owned = owned
        self._kept: dict[int, dict[str, Kept]] = {}
        self._taken: dict[str, int] = {}  # numbers that were given out before a restore, by project
        self._unfinished: dict[int, set[str]] = {}  # projects whose last pass failed, by partition
        self._frame = ("", "")  # epoch and day of the last pass
        self._record = Record()
        self._awaited: Awaited = runtime.state["awaited"]
        self.rest = 0.0
        """Seconds that the next pass is to wait. In a long backlog each pass would rank everybody who came so far."""

    async def run(self, stop: asyncio.Event) -> None:
        """Pass until `stop` is set; between passes wait for the index to follow, or poll."""
        await self._index.watch()
        poll = self._runtime.settings.matches.poll_seconds
        pause = poll
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
            if self.rest:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self.rest)
            # What failed is tried again with every pass, and by itself ever more seldom: it would fill a core and the log.
            failed = any(self._unfinished.values())
            pause = min(pause * 2, RETRY_SECONDS) if failed else poll
            if failed or not busy:
                await self._runtime.signals.wait(FOLLOWED, pause, since=seen)

    async def step(self) -> bool:
        """One pass; True if there was anything to do. Sets `rest`."""
        began, self.rest = self._runtime.clock.monotonic(), 0.0
        arriving = sorted(self._owned.arriving)
        if arriving:
            # A new owner ranks nothing older than what the group has consumed: `ranked_to` never goes back.
            while await self._index.follow():
                pass
        changes, pinned = await self._index.take_changes()
        frame = (pinned.epoch, pinned.day)
        moved = pinned.positions != changes.before.positions
        if not (arriving or changes or any(self._unfinished.values()) or frame != self._frame or moved):
            return False
        targets = await self._chosen(changes, pinned)
        self._frame = frame
        for partition in arriving:
            if partition in self._owned.arriving:  # it may have left while another was taken over
                targets[partition] = await self._take_over(partition)
        erased = {
            partition: self._erased(partition, changes, taken_over=partition in arriving)
            for partition in self._owned.generations
        }
        work = [
            (partition, project)
            for partition, projects in sorted(targets.items())
            for project in sorted(projects)
            if not self._kept[partition].get(project, Kept()).final
        ]
        self._unfinished = {}
        for begin in range(0, len(work) or 1, CHUNK):
            chunk = [one for one in work[begin : begin + CHUNK] if one[0] in self._owned.generations]
            lists: dict[str, Computed] | None = {} if len(work) <= OFFERED else None
            outcomes = await self._ranked(chunk, pinned, changes, lists) if chunk else []
            if lists:
                offer(self._runtime, lists, pinned)
            if outcomes:
                await reach("ranker.ranked")
            last = begin + CHUNK >= len(work)
            await self._write(outcomes, pinned, erased=erased if last else None)
        if len(changes.members) >= MANY:
            self.rest = min(REST * (self._runtime.clock.monotonic() - began), LONGEST_REST_SECONDS)
        return True

    async def _chosen(self, changes: Changes, pinned: Pinned) -> dict[int, set[str]]:
        """Return the projects of each owned partition that have to be ranked.

        Where projects alone have changed nothing is computed for it: what somebody has just written goes to no thread before
        it is ranked.
        """
        if changes.members or (pinned.epoch, pinned.day) != self._frame:
            return await asyncio.to_thread(self._targets, changes, pinned, self._frame)
        here = self._index.projects
        owned: dict[int, set[str]] = {partition: set() for partition in self._owned.generations}
        for project in changes.projects.union(*self._unfinished.values()):
            partition = here.get(project)
            if partition in owned:
                owned[partition].add(project)
        return owned

    def _targets(self, changes: Changes, pinned: Pinned, frame: tuple[str, str]) -> dict[int, set[str]]:
        """Return the projects of each owned partition that have to be ranked. Runs in a thread."""
        owned: dict[int, set[str]] = {partition: set() for partition in tuple(self._owned.generations)}
        for project, partition in tuple(self._index.projects.items()):
            if partition in owned:
                owned[partition].add(project)
        epoch, day = frame
        if epoch != pinned.epoch or changes.rules or _cheaper_to_rank_all(changes, owned, pinned):
            return owned
        wanted = set(changes.projects)
        if day != pinned.day:
            wanted |= set(pinned.view.dated(day, pinned.day))
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
        """Raise the generation, load what the last versions said; everything of the partition is to be ranked.

        Nothing, if the group took the partition away meanwhile.
        """
        generation = await self._owned.take_over(partition)
        async with self._runtime.database.read() as connection:
            kept = await versions.load_kept(connection, partition)
            self._taken = await versions.load_taken(connection)
        if not self._owned.hold(partition, generation):
            logger.info("a partition left while it was taken over", partition=partition)
            return set()
        self._kept[partition] = kept
        logger.info("took a partition over", partition=partition, generation=generation)
        return {project for project, at in self._index.projects.items() if at == partition}

    def _erased(self, partition: int, changes: Changes, *, taken_over: bool) -> list[str]:
        """Return the projects whose list and standings have to go, those too that were erased while nobody owned this."""
        kept = self._kept[partition]
        erased = {project for project in changes.erased if project in kept}
        if taken_over:
            here = self._index.projects
            erased |= {project for project, known in kept.items() if known.erased and project not in here}
        return sorted(erased)

    async def _ranked(
        self,
        work: Sequence[tuple[int, str]],
        pinned: Pinned,
        changes: Changes,
        lists: dict[str, Computed] | None,
    ) -> list[versions.Outcome]:
        """Rank a chunk in a thread, and meanwhile read what the lists that stand give and owe."""
        loop = asyncio.get_running_loop()
        ranking = loop.run_in_executor(None, self._outcomes, work, pinned, changes, lists)  # before we read
        try:
            async with self._runtime.database.read() as connection:
                await self._record.refresh(connection)
        finally:
            await asyncio.wait([ranking])
        return ranking.result()

    def _outcomes(
        self,
        work: Sequence[tuple[int, str]],
        pinned: Pinned,
        changes: Changes,
        lists: dict[str, Computed] | None,
    ) -> list[versions.Outcome]:
        """Rank a chunk on the pinned view; the lists are left in `lists` too. Runs in a thread; the kernel releases the GIL."""
        outcomes = []
        for partition, identifier in work:
            try:
                project = pinned.view.project(identifier)
            except KeyError:
                continue  # erased or final since the targets were chosen
            step = tracing.span(
                "rank",
                tracing.SpanKind.INTERNAL,
                traceparent=changes.trace_of(identifier),
                attributes=tracing.ranking(identifier),
            )
            try:
                with step as inside:
                    ranked = pinned.view.rank(identifier, pinned.day)
                    if lists is not None:
                        lists[identifier] = Computed.of(ranked)
                    digest = lists[identifier].digest if lists else ranked.digest()
                    outcome = self._outcome(
                        partition,
                        project,
                        ranked,
                        digest=digest,
                        weights=pinned.view.weights,
                        traceparent=inside,
                    )
            except Exception:  # the edge of a project: whatever is wrong with one, the others are ranked
                logger.exception("a project could not be ranked", project=identifier)
                self._unfinished.setdefault(partition, set()).add(identifier)
            else:
                outcomes.append(outcome)
        return outcomes

    def _outcome(
        self,
        partition: int,
        project: Project,
        ranked: RankedList,
        *,
        digest: str,
        weights: Weights,
        traceparent: str | None,
    ) -> versions.Outcome:
        return versions.outcome_of(
            self._kept[partition].get(project.id, Kept()),
            ranked,
            digest=digest,
            partition=partition,
            needs=project.needs,
            weights=weights,
            closing=project.state not in OPEN,
            traceparent=traceparent,
        )

    async def _write(
        self,
        outcomes: Sequence[versions.Outcome],
        pinned: Pinned,
        *,
        erased: Mapping[int, Sequence[str]] | None,
    ) -> None:
        """Write what is material in one transaction that checks the generations first.

        What somebody waits for is told meanwhile, from when nothing but the disk is waited for here.
        The last one of a pass, which is given what was `erased`, moves `ranked_to` too, with or without a version; so a
        pass over a few projects is one transaction. Partitions that somebody else has taken over are dropped.
        """
        owned, runtime = self._owned.generations, self._runtime
        outcomes = [versions.with_lane(outcome, self._record, pinned=pinned) for outcome in outcomes]
        concerned = {outcome.partition for outcome in outcomes if outcome.reasons} | (erased or {}).keys()
        ours = {partition: owned[partition] for partition in concerned & owned.keys()}
        numbers: dict[str, int] = {}
        if ours:
            async with runtime.database.write() as connection:
                refused = await ownership.refused(connection, ours)
                for partition in refused:
                    del ours[partition]
                made = [one for one in outcomes if one.reasons and one.partition in ours]
                for outcome in made:
                    before = self._kept[outcome.partition].get(outcome.project, Kept())
                    numbers[outcome.project] = await versions.write(
                        connection,
                        runtime,
                        outcome,
                        before,
                        pinned=pinned,
                        taken=self._taken.get(outcome.project, 0),
                    )
                if erased is not None:
                    await self._finish(connection, ours.keys(), erased, pinned)
                self._awaited.say_ahead(runtime, _first_rows(made), pinned)
            for partition in refused:
                logger.warning("another process ranks this partition now", partition=partition)
                self._drop(partition)
        self._record.confirm(numbers)
        self._keep(outcomes, numbers)
        if erased is not None:
            for partition in ours:
                for project in erased[partition]:
                    self._kept[partition].pop(project)
            runtime.signals.notify("ranked:matches")

    def _keep(self, outcomes: Iterable[versions.Outcome], numbers: Mapping[str, int]) -> None:
        for outcome in outcomes:
            kept = self._kept.get(outcome.partition)
            if kept is not None:
                before = kept.get(outcome.project, Kept())
                number = numbers.get(outcome.project, before.number)
                kept[outcome.project] = versions.passed(replace(before), outcome, number)

    async def _finish(
        self,
        connection: AsyncConnection,
        partitions: Iterable[int],
        erased: Mapping[int, Sequence[str]],
        pinned: Pinned,
    ) -> None:
        """End a pass in its last transaction: lists of erased projects go, `ranked_to` moves where nothing failed."""
        for partition in partitions:
            for project in erased[partition]:
                await versions.erase(connection, self._runtime, project)
        await ownership.advance(
            connection,
            [partition for partition in partitions if not self._unfinished.get(partition)],
            positions=pinned.positions,
            epoch=pinned.epoch,
            day=pinned.day,
            now=timestamp(self._runtime.clock.now()),
        )

    def _drop(self, partition: int) -> None:
        self._kept.pop(partition, None)
        self._unfinished.pop(partition, None)
        self._owned.lost(partition)


def _first_rows(made: Iterable[versions.Outcome]) -> dict[str, tuple[str, ...]]:
    """Return whom the first page of each list shows: its first rows, and its lane."""
    return {
        one.project: (*one.ranked.members[:FIRST_ROWS], *(chosen.member for chosen in one.lane or ()))
        for one in made
    }


def _cheaper_to_rank_all(changes: Changes, owned: Mapping[int, set[str]], pinned: Pinned) -> bool:
    """Whether so many changed that ranking every list costs less than finding those that they touch."""
    many = len(changes.members)
    return many >= MANY and many * DEAR >= sum(map(len, owned.values())) * len(pinned.view)


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
