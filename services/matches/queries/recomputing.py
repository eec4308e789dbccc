"""A stored list version computed anew from its inputs alone: the archive at its positions, its epoch, its reference date.

*What.* Picks the revisions that the version's index held, ranks them in an engine of their own, and compares the digests.
*Why.* Promise 2: anyone with the inputs gets the same integers, on any machine, whenever. *Never:* write, or answer from an
index that is running.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.analysis import ANALYSER_NUMBER
from matching.engine import Engine
from matching.epoch import Epoch
from services.chassis.database import Database
from services.matches.consumers import GROUP
from services.matches.queries.archive import revisions_of
from services.matches.tables import DOCUMENTS, EPOCHS, LIST_VERSIONS
from services.matches.worker.documents import MEMBER, PROJECT, member_of, project_of, unpack
from services.matches.worker.index import MEMBERS_TOPIC

_OF_A_TOMBSTONE = hashlib.sha256(b"").hexdigest()
_WHERE = select(
    DOCUMENTS.c.id,
    DOCUMENTS.c.version,
    DOCUMENTS.c.topic,
    DOCUMENTS.c.partition,
    DOCUMENTS.c.came,
    DOCUMENTS.c.late,
    DOCUMENTS.c.erased,
    DOCUMENTS.c.content_hash,
).order_by(DOCUMENTS.c.incarnation, DOCUMENTS.c.version)
_LOG = text("SELECT log FROM positions WHERE group_name = :this AND topic = :topic LIMIT 1")

_UNPLACED = (
    "The archive does not know of all its revisions when they came, or holds none of what was erased as absent from the "
    "log: which revisions the list stood on is not known. Its digest and head are what is left."
)


class CannotRecompute(Exception):  # noqa: N818 - what is the matter, in a sentence
    """What the version stood on is not all here, in archive or release; its digest and head are what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """A version's inputs, the digest that it was stored with, and the one that they give now."""

    project: str
    number: int
    epoch: str
    reference_date: str
    candidates: int
    stored: str
    found: str

    @property
    def same(self) -> bool:
        """Whether every row is what it was, to the bit."""
        return self.stored == self.found


async def recompute(database: Database, project: str, number: int) -> Recomputed:
    """Compute a list version anew. Raises LookupError if there is none, CannotRecompute where an input or the analyser is gone."""
    async with database.read() as connection:
        version = (
            await connection.execute(
                select(LIST_VERSIONS).where(
                    LIST_VERSIONS.c.project == project, LIST_VERSIONS.c.number == number
                )
            )
        ).first()
        if version is None:
            raise LookupError(f"The list of {project} has no version {number}.")
        log = await connection.scalar(_LOG, {"this": GROUP, "topic": MEMBERS_TOPIC})
        if version.log is not None and log is not None and version.log != log:
            raise CannotRecompute(
                "The log was replaced since, and the list's positions count in the one that is gone: which revisions it "
                "stood on is not known. Its digest and head are what is left."
            )
        held, unplaced = await _held(connection, orjson.loads(version.positions), version.late)
        if any(held.get(row["organisation"]) != row["revision"] for row in orjson.loads(version.head)):
            raise CannotRecompute(_UNPLACED)
        members = await revisions_of(connection, MEMBER, held.items())
        projects = await revisions_of(connection, PROJECT, [(project, version.project_revision)])
        body: bytes = (
            await connection.execute(select(EPOCHS.c.body).where(EPOCHS.c.hash == version.epoch))
        ).scalar_one()
    epoch = Epoch.loads(zlib.decompress(body))
    if epoch.analyser != ANALYSER_NUMBER:
        raise CannotRecompute(
            f"The list was ranked under an epoch of text analyser {epoch.analyser}, and this release has analyser "
            f"{ANALYSER_NUMBER}: a release that has it recomputes the list. Its digest and head are what is left here."
        )
    if project not in projects:
        raise CannotRecompute("The project was erased since: its digest and head are what is left.")
    if gone := len(held) - len(members):
        raise CannotRecompute(
            f"{gone} of the organisations that it ranked were erased since: its digest and head are what is left."
        )

    def rank() -> tuple[str, int]:
        engine = Engine(epoch)
        for row in members.values():
            engine.put_member(member_of(row.record), unpack(row.analysed))
        engine.put_project(project_of(projects[project].record), unpack(projects[project].analysed))
        ranked = engine.pin().rank(project, version.reference_date)
        return ranked.digest(), len(ranked)

    digest, candidates = await asyncio.to_thread(rank)
    if unplaced and digest != version.digest:
        raise CannotRecompute(_UNPLACED)
    return Recomputed(
        project=project,
        number=number,
        epoch=version.epoch,
        reference_date=version.reference_date,
        candidates=candidates,
        stored=version.digest,
        found=digest,
    )


async def _held(
    connection: AsyncConnection, positions: Mapping[str, int], late: int
) -> tuple[dict[str, int], int]:
    """Return the revision of each organisation that an index at these positions held, and how many are of no known place."""
    held: dict[str, int] = {}
    unplaced = 0
    rows = await connection.execute(_WHERE.where(DOCUMENTS.c.kind == MEMBER))
    for row in rows:
        unplaced += row.came is None
        if not _was_there(row, positions, late):
            continue
        if row.erased and row.content_hash == _OF_A_TOMBSTONE:
            held.pop(row.id, None)
        else:
            held[row.id] = row.version
    return held, unplaced


def _was_there(row: Any, positions: Mapping[str, int], late: int) -> bool:
    if row.came is None:
        return False
    if row.late is not None:
        return bool(row.late <= late)
    return bool(row.came < positions.get(f"{row.topic}/{row.partition}", 0))
