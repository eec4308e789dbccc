"""The archive: every revision of an organisation or project becomes a row of `documents`.

What: the one handler of this service. It runs in the consumer group, in the transaction that moves the position, so the
analysis of texts is divided among the workers and done once. Why: indexes are built from this table and past lists are
recomputed from it; nothing is ranked that is not archived. It must not rank, and must not look into an index.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any

import orjson
import structlog
from sqlalchemy import Select, bindparam, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Sequence as EventSequence
from schemas.topics import ORGANISATION_ERASED, ORGANISATION_REVISED, PROJECT_ERASED, PROJECT_REVISED
from services.chassis.bus.consumer import Delivery
from services.chassis.bus.reader import Reader
from services.chassis.bus.transport import Record
from services.chassis.database import Insert, insert_in
from services.matches.queries.archive import among
from services.matches.tables import DOCUMENTS
from services.matches.worker.documents import Analysis

GROUP = "matches"
KINDS = {
    ORGANISATION_REVISED: "member",
    ORGANISATION_ERASED: "member",
    PROJECT_REVISED: "project",
    PROJECT_ERASED: "project",
}

_THIS = (
    (DOCUMENTS.c.kind == bindparam("this_kind"))
    & (DOCUMENTS.c.id == bindparam("this_id"))
    & DOCUMENTS.c.latest
)
_SUPERSEDE = update(DOCUMENTS).where(_THIS).values(latest=False)
_LAST_LATE = select(func.max(DOCUMENTS.c.late))
_FORGET = update(DOCUMENTS).values(latest=False, offset=None)
_CAME_BEFORE = (
    update(DOCUMENTS)
    .where(DOCUMENTS.c.came.is_not(None), DOCUMENTS.c.topic.in_(bindparam("topics", expanding=True)))
    .values(came=-1)
)
_ABSENT = (
    select(DOCUMENTS.c.kind, DOCUMENTS.c.id)
    .group_by(DOCUMENTS.c.kind, DOCUMENTS.c.id)
    .having(
        func.max(case((DOCUMENTS.c.latest, 1), else_=0)) == 0,
        func.count(DOCUMENTS.c.record) > 0,
    )
    .order_by(DOCUMENTS.c.kind, DOCUMENTS.c.id)
)

logger = structlog.get_logger(__name__)


async def archive(delivery: Delivery) -> None:
    """Add the revision if it is newer than what is known of its key; an older one changes nothing and is logged."""
    event, at, connection = delivery.event, delivery.at, delivery.connection
    kind = KINDS.get(event.type)
    if kind is None:
        return
    known_of = await _known(delivery)
    known = known_of.get((kind, event.key))
    if known is not None and known >= event.sequence:
        delivery.stale()
        logger.info(
            "an older revision came late", kind=kind, id=event.key, known=str(known), came=str(event.sequence)
        )
        return
    analysed = delivery.made
    if analysed is None and event.data is not None:
        analysis: Analysis = delivery.runtime.state["analysis"]
        analysed = await asyncio.to_thread(analysis.of, kind, event.data)
    if known is not None:
        await delivery.settle()
        await connection.execute(_SUPERSEDE, {"this_kind": kind, "this_id": event.key})
    if event.tombstone:
        # Erasure empties every row of the key: lists that held it are verified by digest and head only.
        await connection.execute(
            update(DOCUMENTS)
            .where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.id == event.key)
            .values(record=None, analysed=None, erased=True)
        )
    # What came late stands below positions that indexes have passed; they find it by this number. Two who give out the
    # same one at once are kept apart by its uniqueness.
    late = 1 + (await connection.scalar(_LAST_LATE) or 0) if delivery.late else None
    await delivery.put(
        _add(connection.dialect.name),
        {
            "kind": kind,
            "id": event.key,
            "incarnation": event.sequence.incarnation,
            "version": event.sequence.version,
            "topic": at.topic,
            "partition": at.partition,
            "offset": at.offset,
            "came": at.offset,
            "late": late,
            "event_id": event.id,
            "traceparent": event.traceparent,
            "latest": True,
            "erased": event.tombstone,
            "content_hash": hashlib.sha256(event.data or b"").hexdigest(),
            "record": event.data,
            "analysed": analysed,
        },
    )
    known_of[kind, event.key] = event.sequence


async def analyse(runtime: Any, records: Sequence[Record]) -> Mapping[int, bytes]:
    """Analyse the texts of records before their transaction: nobody who writes waits for it, and one thread does all."""
    return await asyncio.to_thread(_analysed, runtime.state["analysis"], records)


def _analysed(analysis: Analysis, records: Iterable[Record]) -> Mapping[int, bytes]:
    found = {}
    for record in records:
        kind = KINDS.get(dict(record.headers).get("ce_type", b"").decode(errors="replace"))
        if kind is not None and record.value is not None:
            with suppress(Exception):  # what is wrong with it is found by who handles it
                found[record.offset] = analysis.of(kind, record.value)
    return found


async def replaced(connection: AsyncConnection, topics: Sequence[str]) -> None:
    """Take what is archived for older than anything in the log that is there now: its offsets count in a log that is gone."""
    await connection.execute(_CAME_BEFORE, {"topics": list(topics)})


async def forget(connection: AsyncConnection) -> None:
    """Take every revision for one that the log may not hold; kept are the rows, for older lists stand on them.

    Kept too is where each stood when it came: by that a list of before is recomputed, also where compaction took it since.
    """
    await connection.execute(_FORGET)


async def absent(connection: AsyncConnection) -> Sequence[str]:
    """Return the keys that are archived, and that the log was found not to hold."""
    return [f"{row.kind}:{row.id}" for row in await connection.execute(_ABSENT)]


async def erase(connection: AsyncConnection, keys: Sequence[str]) -> None:
    """Empty every row of these keys, as their tombstones would have; no list from now on holds them."""
    for key in keys:
        kind, _, identifier = key.partition(":")
        await connection.execute(
            update(DOCUMENTS)
            .where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.id == identifier)
            .values(record=None, analysed=None, erased=True, came=None)
        )


def prepare(runtime: Any) -> None:
    """Make sure of the analyser, for who archives without having started this service up."""
    runtime.state.setdefault("analysis", Analysis())


@cache
def _add(dialect: str) -> Insert:
    """Return the statement that adds a revision; a rebuild finds the row there already and puts it right.

    When it came stays as it was.
    """
    statement = insert_in(dialect, DOCUMENTS)
    new = statement.excluded
    rest: dict[str, Any] = {column.name: new[column.name] for column in DOCUMENTS.c if not column.primary_key}
    rest["came"] = func.coalesce(DOCUMENTS.c.came, new.came)
    rest["late"] = case(
        (DOCUMENTS.c.came.is_(None), func.coalesce(new.late, DOCUMENTS.c.late)), else_=DOCUMENTS.c.late
    )
    return statement.on_conflict_do_update(index_elements=list(DOCUMENTS.primary_key), set_=rest)


async def _known(delivery: Delivery) -> dict[tuple[str, str], EventSequence]:
    """Return what is archived of this event's key, and of those of the same transaction's other events."""
    if delivery.together is None:
        return await newest(delivery.connection, [delivery.event.key])
    return await delivery.together.once("newest", partial(_newest_of, delivery.connection))


async def _newest_of(
    connection: AsyncConnection, records: Sequence[Record]
) -> dict[tuple[str, str], EventSequence]:
    keys = [(record.key or b"").decode(errors="replace") for record in records]
    return await newest(
        connection, [key for key in keys if "\0" not in key]
    )  # no event's, and no database takes it


async def newest(connection: AsyncConnection, ids: Sequence[str]) -> dict[tuple[str, str], EventSequence]:
    """Return the newest sequence archived by kind and id, of every id that was ever seen."""
    rows = await connection.execute(_newest(connection.dialect.name), {"ids": orjson.dumps(ids).decode()})
    return {(row.kind, row.id): EventSequence(row.incarnation, row.version) for row in rows}


@cache
def _newest(dialect: str) -> Select[Any]:
    return select(DOCUMENTS.c.kind, DOCUMENTS.c.id, DOCUMENTS.c.incarnation, DOCUMENTS.c.version).where(
        DOCUMENTS.c.latest,
        DOCUMENTS.c.kind.in_(("member", "project")),
        DOCUMENTS.c.id.in_(among(dialect, "ids")),
    )


ARCHIVE = Reader(
    group=GROUP,
    topics=("projects.v1", "members.v1"),
    handle=archive,
    forget=forget,
    absent=absent,
    erase=erase,
    replaced=replaced,
    prepare=prepare,
)
