"""The process's own copy of both indexes, following `documents` up to the committed positions.

What: loads the newest revisions at start, then applies what was archived since, a batch at a time; pins a view together
with the vector of positions it stands for; leaves at a stop what the next start need not weigh again. Why: every process that ranks or reads holds the whole candidate index, and
there is no second reader of the log, so nothing is ranked that is not archived. A batch is everything that one read
transaction sees below the committed positions, so a view never shows half of a transaction. It must not write to the database.
"""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.epoch import Epoch
from matching.records import Member
from matching.view import View
from services.chassis.bus.transport import TopicPartition
from services.chassis.database import DatabaseAway
from services.chassis.runtime import Runtime
from services.matches.consumers import GROUP
from services.matches.tables import DOCUMENTS, LIST_VERSIONS
from services.matches.worker.documents import MEMBER, Analysis, member_of, project_of, unpack
from services.matches.worker.engines import Engines, Page
from services.matches.worker.snapshot import SnapshotFile

FOLLOWED = "followed:matches"
CONSUMED = f"consumed:{GROUP}"
MEMBERS_TOPIC = "members.v1"
BATCH = 2_000
OPEN = frozenset({"published", "dormant"})  # ranked; of a dormant one nobody is told

logger = structlog.get_logger(__name__)

# Day, epoch and positions in force, in one statement: this is asked at every poll.
_FRAME = text(
    "SELECT frame.day, frame.epoch, frame.late, positions.topic, positions.partition, positions.next_offset, "
    "positions.log "
    "FROM (SELECT (SELECT max(day) FROM days) AS day, (SELECT max(late) FROM documents) AS late, "
    "(SELECT hash FROM epochs ORDER BY number DESC LIMIT 1) AS epoch) AS frame "
    "LEFT JOIN positions ON positions.group_name = :this"
)
_SINCE = (
    select(DOCUMENTS)
    .where(
        DOCUMENTS.c.topic == bindparam("this_topic"),
        DOCUMENTS.c.partition == bindparam("this_partition"),
        DOCUMENTS.c.offset >= bindparam("begin"),
        DOCUMENTS.c.offset < bindparam("end"),
    )
    .order_by(DOCUMENTS.c.offset)
    .limit(BATCH)
)
# Replayed dead letters: they stand below the positions, and only the newest of a key matters.
_LATE = select(DOCUMENTS).where(DOCUMENTS.c.late > bindparam("seen"), DOCUMENTS.c.latest)
_LATEST = select(DOCUMENTS).where(DOCUMENTS.c.latest, DOCUMENTS.c.record.is_not(None))
_ARCHIVED = select(
    DOCUMENTS.c.id, DOCUMENTS.c.incarnation, DOCUMENTS.c.version, DOCUMENTS.c.content_hash
).where(DOCUMENTS.c.kind == MEMBER, DOCUMENTS.c.latest, DOCUMENTS.c.record.is_not(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A view with what it stands for: a list is a pure function of these and the project."""

    view: View
    epoch: str
    day: str
    positions: Mapping[str, int]  # "topic/partition" → the next offset
    late: int  # up to which number revisions that came late are in it
    log: str | None  # the log that the positions of organisations count in
    version: int  # rises with every change of this process's index; a key for caches


@dataclass(slots=True, kw_only=True)
class Changes:
    """What changed between two views: members with the view before, projects by what is to be done with them.

    `traces` are those of the projects' writes, `trace` that of the last member's.
    """

    before: Pinned
    members: set[str] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)  # members of whom an input of rules or placement changed
    projects: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    traces: dict[str, str] = field(default_factory=dict)
    trace: str | None = None

    def __bool__(self) -> bool:
        return bool(self.members or self.projects or self.erased)

    def trace_of(self, project: str) -> str | None:
        """Return the trace that a project's ranking is a step of: its own write's, else that of the last member."""
        return self.traces.get(project, self.trace)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The day and the epoch that were published last, the last number of what came late, and the committed positions.

    `log` is the identity of the one that the positions of organisations count in, None before there are any.
    """

    day: str
    epoch: str
    late: int
    log: str | None
    committed: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What one read transaction saw: rows to apply, a page for a new epoch's engine, and what is reached with them."""

    frame: _Frame
    rows: Sequence[Row[Any]]
    page: Page | None
    reached: dict[TopicPartition, int]
    late: int


def rule_inputs(member: Member) -> tuple[Any, ...]:
    """Return what rules and placement read of a member: if it changes, every list it could stand in is ranked anew."""
    return (
        member.state,
        member.category,
        member.organisation_type,
        member.sme,
        member.parent,
        member.hq_country,
        member.operating_countries,
        member.willing_countries,
        member.willing_regions,
        member.membership,
        member.first_involved_on,
    )


class Index:
    """Both indexes, under the epoch in force and, while a new one re-ranks everything, under the one before."""

    def __init__(self, runtime: Runtime, analysis: Analysis) -> None:
        self.runtime = runtime
        self._engines = Engines(runtime, analysis)
        self._snapshot = SnapshotFile(runtime)
        self._day = ""
        self._positions: dict[TopicPartition, int] = {}
        self._late = 0  # up to which number revisions that came late are applied
        self._log: str | None = None
        self._inputs: dict[str, tuple[Any, ...]] = {}
        self._partition_of: dict[str, int] = {}
        self._closing: set[str] = set()
        self._turn = asyncio.Lock()
        self._version = 0
        self._watchers: list[Changes] = []
        self._pinned: dict[str, Pinned] = {}  # by epoch

    @property
    def projects(self) -> Mapping[str, int]:
        """The open projects (and those whose final version is still to be made), with their partitions."""
        return self._partition_of

    def epoch(self, content_hash: str) -> Epoch | None:
        """Return an epoch whose engine is here."""
        return self._engines.epoch(content_hash)

    def unknown_words(self) -> tuple[int, int]:
        """Return how many different words of all texts the epoch in force has never seen, and of how many."""
        return self._engines.unknown_words()

    @property
    def loaded(self) -> bool:
        """Whether `load` has come to its end."""
        return self._version > 0

    async def load(self) -> None:
        """Build the index from the newest archived revisions; called once before the process is ready.

        Those that a snapshot of the last stop holds are not weighed anew.
        """
        async with self.runtime.database.read() as connection:
            frame = await _frame(connection)
            await self._engines.open(connection, frame.epoch)
            basis = self._snapshot.basis(frame.epoch, frame.log, frame.committed)
            self._engines.recall(await asyncio.to_thread(self._snapshot.take, basis))
            rows = await connection.stream(_LATEST)
            async for chunk in rows.partitions(500):
                await asyncio.to_thread(self._apply, list(chunk), None)
            self._day, self._positions, self._late = frame.day, dict(frame.committed), frame.late
            self._log = frame.log
            await self._forget_final(connection)
        self._engines.recall(None)
        self._version += 1

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop` is set; woken at each commit of this process's consumer, polling for other processes.

        At the stop a snapshot is left for the next start.
        """
        signals, poll = self.runtime.signals, self.runtime.settings.matches.poll_seconds
        while not stop.is_set():
            seen = signals.mark(CONSUMED)
            try:
                if not await self.follow():
                    await self._tend()
            except DatabaseAway:
                logger.warning("the database is away; the index waits")
                await asyncio.sleep(poll)
            if not self._engines.filling:
                # A batch that was full is gone on with at the next poll.
                await signals.wait(CONSUMED, poll, since=seen)
        await self._keep()

    async def _keep(self) -> None:
        """Leave a snapshot of the engine in force: of the revisions that the archive, too, has as the newest."""
        basis = self._snapshot.basis(self._engines.in_force, self._log, self._positions)
        try:
            async with self.runtime.database.read() as connection:
                rows = await connection.execute(_ARCHIVED)
                archived = {row.id: ((row.incarnation, row.version), row.content_hash) for row in rows}
        except DatabaseAway:
            logger.warning("the database is away; no snapshot is left")
            return
        given_up = threading.Event()
        try:
            await asyncio.to_thread(self._snapshot.write, self._engines.snapshot(basis, archived), given_up)
        except asyncio.CancelledError:
            given_up.set()
            raise

    async def follow(self) -> bool:
        """Apply one batch; True if there was anything. The watchers' changes grow, and FOLLOWED is signalled."""
        async with self._turn:
            async with self.runtime.database.read() as connection:
                batch = await self._read(connection)
            for epoch in self._pinned.keys() - set(self._engines.serving):
                del self._pinned[epoch]  # a view holds its whole engine
            if not await self._take(batch):
                return batch.page is not None
            self._version += 1
            if self._pinned:  # whoever reads while the next batch is applied gets this state
                for epoch in self._engines.serving:
                    self._pin(epoch)
        self.runtime.signals.notify(FOLLOWED)
        return True

    async def _tend(self) -> None:
        """Put the indexes in order while nothing comes in; whoever reads meanwhile gets the state as it is."""
        async with self._turn:
            for epoch in self._engines.serving:
                self._pin(epoch)
            await asyncio.to_thread(self._engines.tend)

    async def pin(self, epoch: str = "") -> Pinned:
        """Pin the present state: a consistent view with the positions, epoch and day that it stands for.

        Under `epoch` if its engine is here, else under the one in force. While a batch is being applied, the state
        before it: a reader does not wait for an import.
        """
        if self._turn.locked() and (pinned := self._pinned.get(self._served(epoch))) is not None:
            return pinned
        async with self._turn:
            return self._pin(epoch)

    async def pin_all(self) -> tuple[Pinned, ...]:
        """Pin one state under every epoch that lists are served under: the one in force first, then the one before."""
        if self._turn.locked() and self._pinned.keys() >= set(self._engines.serving):
            return tuple(self._pinned[epoch] for epoch in self._engines.serving)
        async with self._turn:
            return tuple(self._pin(epoch) for epoch in self._engines.serving)

    async def watch(self) -> Pinned:
        """Begin to collect changes for the ranker; the answer is the state that they start from."""
        async with self._turn:
            pinned = self._pin()
            self._watchers = [Changes(before=pinned)]
            return pinned

    async def take_changes(self) -> tuple[Changes, Pinned]:
        """Take what changed since the last call, together with the state after it."""
        async with self._turn:
            pinned = self._pin()
            taken = self._watchers[0]
            self._watchers = [Changes(before=pinned)]
            return taken, pinned

    def _pin(self, epoch: str = "") -> Pinned:
        epoch = self._served(epoch)
        pinned = self._pinned.get(epoch)
        if pinned is None or pinned.version != self._version:
            pinned = self._pinned[epoch] = Pinned(
                view=self._engines.pin(epoch),
                epoch=epoch,
                day=self._day,
                positions={str(at): offset for at, offset in sorted(self._positions.items())},
                late=self._late,
                log=self._log,
                version=self._version,
            )
        return pinned

    async def _read(self, connection: AsyncConnection) -> _Batch:
        frame = await _frame(connection)
        page = await self._engines.follow(connection, frame.epoch)
        rows: list[Row[Any]] = []
        reached = dict(self._positions)
        for at, end in frame.committed.items():
            found = await self._since(connection, at, end)
            rows += found
            reached[at] = found[-1].offset + 1 if len(found) == BATCH else end
        late = frame.late if reached == frame.committed else self._late
        if late > self._late:
            rows += await connection.execute(_LATE, {"seen": self._late})
            rows.sort(key=lambda row: (row.incarnation, row.version))
        if self._closing:
            await self._forget_final(connection)
        return _Batch(frame=frame, rows=rows, page=page, reached=reached, late=late)

    async def _take(self, batch: _Batch) -> bool:
        """Apply a batch; whether the state is another one now."""
        frame, reached = batch.frame, batch.reached
        moved = bool(batch.rows) or frame.day != self._day or reached != self._positions
        if batch.rows:
            changes = self._watchers[0] if self._watchers else None
            await asyncio.to_thread(self._apply, batch.rows, changes)
        if batch.page is not None:
            last = await asyncio.to_thread(self._engines.fill, batch.page, follows=self._follows)
            if last and reached == frame.committed:
                self._engines.filled()
                moved = True
        self._day, self._positions, self._late, self._log = frame.day, reached, batch.late, frame.log
        return moved

    def _served(self, epoch: str) -> str:
        return epoch if epoch in self._engines.serving else self._engines.in_force

    async def _since(self, connection: AsyncConnection, at: TopicPartition, end: int) -> Sequence[Row[Any]]:
        begin = self._positions.get(at, 0)
        if begin >= end:
            return ()
        here = {"this_topic": at.topic, "this_partition": at.partition, "begin": begin, "end": end}
        return (await connection.execute(_SINCE, here)).all()

    def _follows(self, kind: str, identifier: str) -> bool:
        return identifier in (self._inputs if kind == MEMBER else self._partition_of)

    def _apply(self, rows: Sequence[Row[Any]], changes: Changes | None) -> None:
        if any(row.kind == MEMBER and row.record is None for row in rows):
            self._snapshot.remove()  # another process of this folder may have left one that holds them
        for row in rows:
            if row.kind == MEMBER:
                self._apply_member(row, changes)
            else:
                self._apply_project(row, changes)

    def _apply_member(self, row: Row[Any], changes: Changes | None) -> None:
        known = self._inputs.get(row.id)
        if row.record is None:
            self._inputs.pop(row.id, None)
            for engine in self._engines:
                engine.remove_member(row.id)
            changed = known is not None
        else:
            member = member_of(row.record)
            analysed = unpack(row.analysed)
            self._inputs[row.id] = rule_inputs(member)
            for engine in self._engines:
                engine.put_member(member, analysed, incarnation=row.incarnation, key=row.content_hash)
            changed = known is not None and known != self._inputs[row.id]
        if changes is not None:
            changes.members.add(row.id)
            changes.trace = row.traceparent or changes.trace
            if changed:
                changes.rules.add(row.id)

    def _apply_project(self, row: Row[Any], changes: Changes | None) -> None:
        if row.record is None:
            self._drop(row.id)
            if changes is not None:
                changes.erased.add(row.id)
            return
        project = project_of(row.record)
        if project.state == "draft" or project.published_on is None:
            return  # never published: it has no list and gets none
        self._partition_of[row.id] = row.partition
        if project.state not in OPEN:
            self._closing.add(row.id)
        else:
            self._closing.discard(row.id)
        for engine in self._engines:
            engine.put_project(project, unpack(row.analysed), incarnation=row.incarnation)
        if changes is not None:
            changes.projects.add(row.id)
            if row.traceparent is not None:
                changes.traces[row.id] = row.traceparent

    def _drop(self, project: str) -> None:
        self._partition_of.pop(project, None)
        self._closing.discard(project)
        for engine in self._engines:
            engine.remove_project(project)

    async def _forget_final(self, connection: AsyncConnection) -> None:
        """Drop projects whose final list version is stored: their pages are read from there."""
        rows = await connection.execute(
            select(LIST_VERSIONS.c.project).where(
                LIST_VERSIONS.c.final, LIST_VERSIONS.c.project.in_(self._closing)
            )
        )
        for row in rows:
            self._drop(row.project)


async def _frame(connection: AsyncConnection) -> _Frame:
    """Read what is published and committed."""
    rows = (await connection.execute(_FRAME, {"this": GROUP})).all()
    committed = {
        TopicPartition(row.topic, row.partition): row.next_offset for row in rows if row.topic is not None
    }
    first, log = rows[0], next((row.log for row in rows if row.topic == MEMBERS_TOPIC), None)
    return _Frame(day=first.day, epoch=first.epoch, late=first.late or 0, log=log, committed=committed)
