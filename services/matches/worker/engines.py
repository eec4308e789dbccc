"""The engines of the epochs that this process can rank under: the one in force, and at most one other.

What: builds the engine of an epoch from its stored body, fills that of a new one a page of the archive at a time, and
keeps the one before. Why: a new epoch re-ranks everything; until its engine is full the one in force goes on following and
ranking, and afterwards goes on serving the lists whose versions still name it. The other engine is therefore the next
one while it is filled, or else the one before, for as long as some partition's `ranked_to` names its epoch; a list that
names any other epoch is computed under the one in force. It must not decide which revisions belong into an engine.
"""

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
import structlog
from sqlalchemy import Row, bindparam, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.engine import AnotherAnalyser, Engine
from matching.epoch import Epoch
from matching.snapshots import Basis, Snapshot
from matching.view import View
from services.chassis.runtime import Runtime
from services.matches.tables import DOCUMENTS, EPOCHS, RANKING
from services.matches.worker.documents import MEMBER, Analysis, member_of, project_of, unpack

PAGE = 500
"""Archived revisions that are put into a new epoch's engine at once: readers and the ranker come in between."""

_BODY = select(EPOCHS.c.body).where(EPOCHS.c.hash == bindparam("epoch"))
_NEWEST = (
    select(EPOCHS.c.hash)
    .where(EPOCHS.c.hash.in_(bindparam("epochs", expanding=True)))
    .order_by(EPOCHS.c.number.desc())
    .limit(1)
)
_RANKED_TO = select(RANKING.c.ranked_to)
_NEXT = (
    select(DOCUMENTS)
    .where(
        DOCUMENTS.c.latest,
        DOCUMENTS.c.record.is_not(None),
        tuple_(DOCUMENTS.c.kind, DOCUMENTS.c.id) > tuple_(bindparam("kind"), bindparam("id")),
    )
    .order_by(DOCUMENTS.c.kind, DOCUMENTS.c.id)
    .limit(bindparam("most"))
)

logger = structlog.get_logger(__name__)

Page = Sequence[Row[Any]]


class Engines:
    """Iterating gives every engine that revisions are put into, the one that is being filled too."""

    def __init__(self, runtime: Runtime, analysis: Analysis) -> None:
        self._runtime = runtime
        self._analysis = analysis
        self._held: dict[str, Engine] = {}
        self._after = (
            "",
            "",
        )  # kind and id of the last revision that was put into the engine that is being filled
        self.in_force = ""
        self.filling = ""  # the epoch whose engine is not full yet

    def __iter__(self) -> Iterator[Engine]:
        return iter(tuple(self._held.values()))

    @property
    def serving(self) -> tuple[str, ...]:
        """The epochs that lists can be read under: the one in force first, then the one before, if it is here."""
        return (self.in_force, *(one for one in self._held if one not in {self.in_force, self.filling}))

    def epoch(self, content_hash: str) -> Epoch | None:
        """Return an epoch whose engine is here."""
        engine = self._held.get(content_hash)
        return None if engine is None else engine.epoch

    def unknown_words(self) -> tuple[int, int]:
        """Return how many different words of all texts the epoch in force has never seen, and of how many."""
        return self._held[self.in_force].unknown_words()

    def recall(self, snapshot: Snapshot | None) -> None:
        """Spare the engine in force the weighing of what a snapshot of its epoch holds; None: no longer."""
        self._held[self.in_force].recall(snapshot)

    def snapshot(
        self, basis: Basis, archived: Mapping[str, tuple[tuple[int, int], str]]
    ) -> Iterator[bytes | memoryview]:
        """Yield a snapshot of the engine in force (see `Engine.snapshot`)."""
        return self._held[self.in_force].snapshot(basis, archived)

    def tend(self) -> None:
        """Put the indexes of every engine in order, where that is due; for a thread."""
        for engine in self:
            engine.tend()

    def pin(self, epoch: str) -> View:
        """Return a view under one of the epochs in `serving`."""
        return self._held[epoch].pin()

    async def open(self, connection: AsyncConnection, epoch: str) -> None:
        """Begin with the engine of the epoch in force and of the newest other that a partition is ranked to; both empty."""
        found = {epoch: await self._engine(connection, epoch)}
        others = sorted(await _ranked_under(connection) - {epoch})
        before = await connection.scalar(_NEWEST, {"epochs": others}) if others else None
        if before is not None:
            with suppress(
                AnotherAnalyser
            ):  # a release before this one ranked its lists: the one in force serves them
                found[before] = await self._engine(connection, before)
        self._held, self.in_force, self.filling = found, epoch, ""

    async def follow(self, connection: AsyncConnection, epoch: str) -> Page | None:
        """Begin to fill a new epoch's engine; return the next page to fill it with, None where there is nothing to fill.

        Lets the engine of the epoch before go once no partition is ranked to it any more.
        """
        if epoch not in {self.in_force, self.filling}:
            self._held = {self.in_force: self._held[self.in_force]}  # never three, not even for a while
            self._held[epoch] = await self._engine(connection, epoch)
            self.filling, self._after = epoch, ("", "")
            logger.info("a new epoch is being read", epoch=epoch[:12])
        if self.filling:
            kind, identifier = self._after
            here = {"kind": kind, "id": identifier, "most": PAGE}
            return (await connection.execute(_NEXT, here)).all()
        if len(self._held) > 1:
            named = await _ranked_under(connection)
            self._held = {one: self._held[one] for one in self.serving if one in {self.in_force, *named}}
        return None

    def fill(self, page: Page, *, follows: Callable[[str, str], bool]) -> bool:
        """Put a page into the engine that is being filled, in a thread; whether it was the last one.

        `follows` tells which kinds and ids belong there.
        """
        engine = self._held[self.filling]
        for row in page:
            if not follows(row.kind, row.id):
                continue
            if row.kind == MEMBER:
                engine.put_member(member_of(row.record), unpack(row.analysed), incarnation=row.incarnation)
            else:
                engine.put_project(project_of(row.record), unpack(row.analysed), incarnation=row.incarnation)
        if page:
            self._after = (page[-1].kind, page[-1].id)
        return len(page) < PAGE

    def filled(self) -> None:
        """The new epoch's engine holds everything: it is in force from now on."""
        self.in_force, self.filling = self.filling, ""
        logger.info("an epoch is in force", epoch=self.in_force[:12])

    async def _engine(self, connection: AsyncConnection, epoch: str) -> Engine:
        body = (await connection.execute(_BODY, {"epoch": epoch})).scalar_one()
        analyser, glossary = self._analysis.analyser, self._runtime.state["glossary"]
        return await asyncio.to_thread(
            lambda: Engine(Epoch.loads(zlib.decompress(body)), analyser=analyser, glossary=glossary)
        )


async def _ranked_under(connection: AsyncConnection) -> set[str]:
    """Return the epochs that partitions are ranked to: none is left behind while a list of it names an older one."""
    rows = (await connection.scalars(_RANKED_TO)).all()
    return {epoch for row in rows if (epoch := orjson.loads(row).get("epoch"))}
