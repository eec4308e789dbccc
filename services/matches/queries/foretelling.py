"""What an epoch would change before it is published: every open list under the one in force, and under the other.

*What.* Ranks the newest archived revisions under both epochs in engines of their own, and compares first rows, floors and bands.
*Why.* An epoch re-ranks everything, by a person's decision: that person sees first which lists change, and how. *Never:*
write, or publish.
"""

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from matching.engine import Engine
from matching.epoch import Epoch
from matching.lists import RankedList
from services.chassis.database import Database
from services.matches.queries.archive import archived
from services.matches.rules.material import Delta, Kept, crossings, delta_of, head_of
from services.matches.tables import DAYS, DOCUMENTS, EPOCHS
from services.matches.worker.documents import MEMBER, member_of, project_of, unpack
from services.matches.worker.index import OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChange:
    """One open list under the epoch in force against the other: its first rows, and who crosses the floor or a band."""

    project: str
    title: str
    candidates: int
    head: Delta
    rose: tuple[str, ...]
    fell: tuple[str, ...]
    bands: tuple[tuple[str, str, str], ...]  # organisation above both floors, band before, band after

    @property
    def size(self) -> int:
        """How many changes it counts, to order lists by."""
        rows = len(self.head.added) + len(self.head.moved)
        return rows + len(self.rose) + len(self.fell) + len(self.bands)

    def to_json(self) -> dict[str, Any]:
        """Write it for an answer."""
        return {
            "project": self.project,
            "title": self.title,
            "candidates": self.candidates,
            "head": self.head.to_json(),
            "above_floor": {"added": list(self.rose), "removed": list(self.fell)},
            "bands": [{"organisation": m, "before": old, "after": new} for m, old, new in self.bands],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """Every open list with what would change in it, the most changed first."""

    in_force: str
    other: str
    day: str
    lists: Sequence[ListChange]


async def foretell(database: Database, other: Epoch) -> Foretold:
    """Rank every open list under the epoch in force and under `other`, at the last day opened.

    Raises LookupError where no epoch is in force, ValueError if this release's analyser is not the epoch's.
    """
    async with database.read() as connection:
        body = await connection.scalar(select(EPOCHS.c.body).order_by(EPOCHS.c.number.desc()).limit(1))
        day = await connection.scalar(select(func.max(DAYS.c.day)))
        if body is None or day is None:
            raise LookupError("No epoch is in force here: this Comity was never started.")
        query = select(DOCUMENTS).where(DOCUMENTS.c.latest, DOCUMENTS.c.record.is_not(None))
        rows = (await connection.execute(query)).all()

    def both() -> Foretold:
        in_force = Epoch.loads(zlib.decompress(body))
        views = [_filled(epoch, rows).pin() for epoch in (in_force, other)]
        changes = []
        for row in rows:
            if row.kind == MEMBER:
                continue
            project = archived(row)
            if project.state not in OPEN or not project.record.get("published_at"):
                continue
            before, after = (view.rank(project.id, day) for view in views)
            title = project.titles[0]["text"] if project.titles else ""
            changes.append(_change(title, before, after))
        changes.sort(key=lambda one: (-one.size, one.project))
        return Foretold(in_force=in_force.hash, other=other.hash, day=day, lists=changes)

    return await asyncio.to_thread(both)


def _filled(epoch: Epoch, rows: Sequence[Any]) -> Engine:
    engine = Engine(epoch)
    for row in rows:
        if row.kind == MEMBER:
            engine.put_member(member_of(row.record), unpack(row.analysed))
        else:
            project = project_of(row.record)
            if project.published_on is not None:
                engine.put_project(project, unpack(row.analysed))
    return engine


def _change(title: str, before: RankedList, after: RankedList) -> ListChange:
    stood = crossings(Kept(), before).standing
    crossed = crossings(Kept(standing=dict(stood)), after)
    changed = sorted(crossed.changed.items())
    return ListChange(
        project=after.project,
        title=title,
        candidates=len(after),
        head=delta_of(head_of(before), head_of(after)),
        rose=tuple(member for member, _ in changed if member not in stood),
        fell=crossed.lost,
        bands=tuple((member, stood[member], band) for member, band in changed if member in stood),
    )
