"""What a ranking pass writes: list versions, standings, and their events, in one transaction a chunk.

What: turns ranked lists into rows and outbox events, checking the owner's generation and setting (project, number) by
compare-and-set. Why: a version either stands with its standings and its events, or not at all. It must not rank and must
not decide what is material (`rules`).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Delete, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.exposure import Chosen, Rows, attention_of
from matching.lists import LABELS, RankedList
from matching.records import Need
from matching.weights import Weights
from schemas.envelope import Event
from services.chassis.bus import incarnation, outbox
from services.chassis.database import Insert, insert_in, put_rows
from services.chassis.runtime import Runtime, timestamp
from services.matches import events
from services.matches.queries.archive import among
from services.matches.rules.material import (
    HEAD_ROWS,
    Crossings,
    Kept,
    crossings,
    delta_of,
    head_of,
    material,
)
from services.matches.tables import DOCUMENTS, LIST_NUMBERS, LIST_VERSIONS, STANDINGS
from services.matches.worker.documents import PROJECT
from services.matches.worker.exposure import Record, packed
from services.matches.worker.index import Pinned
from services.matches.worker.rows import rows_json

_LOCAL = 1 << LABELS.index("local")
_ADD = LIST_VERSIONS.insert()
_END = (
    update(LIST_VERSIONS)
    .where(LIST_VERSIONS.c.project == bindparam("this_project"), LIST_VERSIONS.c.shown_until.is_(None))
    .values(shown_until=bindparam("moment"))
)
_ERASED = (
    select(LIST_VERSIONS.c.project)
    .join(DOCUMENTS, DOCUMENTS.c.id == LIST_VERSIONS.c.project)
    .where(LIST_VERSIONS.c.partition == bindparam("this_partition"), LIST_VERSIONS.c.shown_until.is_(None))
    .where(DOCUMENTS.c.kind == PROJECT, DOCUMENTS.c.latest, DOCUMENTS.c.record.is_(None))
)
"""Projects that are erased and whose lists are shown still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One ranked project: the list, what it crossed against the version before, and why it is a version (or not)."""

    project: str
    partition: int
    ranked: RankedList
    digest: str
    needs: tuple[Need, ...]
    crossed: Crossings
    reasons: tuple[str, ...]
    attention: (
        Rows | None
    )  # what the version gives and owes; None where none is made, or nobody is sought any more
    closing: bool
    lane: tuple[Chosen, ...] | None = None  # who stands beside it, once that is chosen
    traceparent: str | None = None  # of its ranking, for the events that it is told by


def outcome_of(
    kept: Kept,
    ranked: RankedList,
    *,
    digest: str,
    partition: int,
    needs: tuple[Need, ...],
    weights: Weights,
    closing: bool,
    traceparent: str | None = None,
) -> Outcome:
    """Compare a ranked list with what its last version said."""
    crossed = crossings(kept, ranked)
    reasons = material(kept, ranked, crossed, closing=closing)
    return Outcome(
        project=ranked.project,
        partition=partition,
        ranked=ranked,
        digest=digest,
        needs=needs,
        crossed=crossed,
        reasons=reasons,
        attention=attention_of(ranked, weights) if reasons and not closing else None,
        closing=closing,
        traceparent=traceparent,
    )


def with_lane(outcome: Outcome, record: Record, *, pinned: Pinned) -> Outcome:
    """Choose the lane of a list that is going to be a version; any other is left as it is."""
    if outcome.attention is None:
        return outcome
    lane, attention = record.choose(outcome.ranked, outcome.attention, pinned.view)
    return replace(outcome, lane=lane, attention=attention)


def counts_of(ranked: RankedList) -> dict[str, int]:
    """Return how many organisations the list covers."""
    above = ranked.above_floor
    return {
        "candidates": len(ranked),
        "above_floor": int(above.sum()),
        "excluded": len(ranked.excluded_members),
        "local_above_floor": int((above & ((ranked.labels & _LOCAL) > 0)).sum()),
    }


def coverage_of(ranked: RankedList, needs: Sequence[Need]) -> list[dict[str, Any]]:
    """Return per need how many candidates above the floor offer it, and how many of them are local.

    A need that an import filled with a constant is left out: the project did not ask for it, and nobody has points on it.
    """
    coverage = []
    for need in needs:
        if need.id not in ranked.need_weights:
            continue
        meets = ranked.above_floor & (ranked.need_points(need.id) > 0)
        coverage.append(
            {
                "need": need.id,
                "kind": need.kind,
                "above_floor": int(meets.sum()),
                "local": int((meets & ((ranked.labels & _LOCAL) > 0)).sum()),
            }
        )
    return coverage


async def write(
    connection: AsyncConnection,
    runtime: Runtime,
    outcome: Outcome,
    kept: Kept,
    *,
    pinned: Pinned,
    taken: int = 0,
) -> int:
    """Write one version with its lane, standings and events; returns its number, which is above `taken`.

    The caller checked the generation. The primary key (project, number) is the compare-and-set: a second writer of the
    same number fails, and with it its whole transaction.
    """
    ranked = outcome.ranked
    number = max(kept.number, taken) + 1
    delta = delta_of(kept.head, head_of(ranked))
    moment = timestamp(runtime.clock.now())
    lane, attention = outcome.lane, outcome.attention
    if kept.number:
        await connection.execute(_END, {"this_project": outcome.project, "moment": moment})
    row = {
        "project": outcome.project,
        "number": number,
        "partition": outcome.partition,
        "project_revision": ranked.project_revision,
        "epoch": ranked.epoch,
        "reference_date": ranked.reference_date,
        "positions": orjson.dumps(pinned.positions).decode(),
        "late": pinned.late,
        "log": pinned.log,
        "counts": orjson.dumps(counts_of(ranked)).decode(),
        "coverage": orjson.dumps(coverage_of(ranked, outcome.needs)).decode(),
        "reasons": orjson.dumps(outcome.reasons).decode(),
        "digest": outcome.digest,
        "head": orjson.dumps(rows_json(ranked.rows(0, HEAD_ROWS))),
        "delta": orjson.dumps(delta.to_json()),
        "final": outcome.closing,
        "rows": zlib.compress(ranked.packed(), 6) if outcome.closing else None,
        "excluded": _excluded(ranked) if outcome.closing else None,
        "attention": None if attention is None else packed(attention),
        "lane": None if lane is None else orjson.dumps([one.to_json() for one in lane]).decode(),
        "created_at": moment,
    }
    await connection.execute(_ADD, row)
    life = await incarnation.current(connection)
    crossed = await _write_standings(connection, runtime, outcome, kept, number, life=life)
    versioned = events.list_versioned(
        events.version_data(row),
        incarnation=life,
        clock=runtime.clock,
        traceparent=outcome.traceparent,
    )
    await outbox.post_all(
        connection, [*crossed, versioned], max_record_bytes=runtime.settings.log.max_record_bytes
    )
    return number


async def erase(connection: AsyncConnection, runtime: Runtime, project: str) -> None:
    """Take the standings of an erased project away, with a tombstone for each, and say that its list is shown no more.

    Its versions stay as digests. A second time says nothing.
    """
    rows = (
        await connection.execute(
            select(STANDINGS.c.organisation, STANDINGS.c.number).where(STANDINGS.c.project == project)
        )
    ).all()
    await connection.execute(delete(STANDINGS).where(STANDINGS.c.project == project))
    moment = timestamp(runtime.clock.now())
    ended = await connection.execute(_END, {"this_project": project, "moment": moment})
    life = await incarnation.current(connection)
    said = [
        events.standing_lost(project, row.organisation, row.number + 1, incarnation=life, clock=runtime.clock)
        for row in rows
    ]
    if ended.rowcount:
        newest = select(func.max(LIST_VERSIONS.c.number)).where(LIST_VERSIONS.c.project == project)
        number = (await connection.scalar(newest) or 0) + 1
        said.append(events.list_removed(project, number, incarnation=life, clock=runtime.clock))
    await outbox.post_all(connection, said, max_record_bytes=runtime.settings.log.max_record_bytes)


async def load_taken(connection: AsyncConnection) -> dict[str, int]:
    """Read up to which number versions were given out that a restored database has not, by project."""
    rows = await connection.execute(select(LIST_NUMBERS.c.project, LIST_NUMBERS.c.number))
    return {row.project: row.number for row in rows}


async def load_kept(connection: AsyncConnection, partition: int) -> dict[str, Kept]:
    """Read what the last versions of a partition's lists said; called when the partition is taken over."""
    kept: dict[str, Kept] = {}
    newest = (
        select(LIST_VERSIONS.c.project, func.max(LIST_VERSIONS.c.number).label("number"))
        .where(LIST_VERSIONS.c.partition == partition)
        .group_by(LIST_VERSIONS.c.project)
        .subquery()
    )
    rows = await connection.execute(
        select(
            LIST_VERSIONS.c.project,
            LIST_VERSIONS.c.number,
            LIST_VERSIONS.c.project_revision,
            LIST_VERSIONS.c.epoch,
            LIST_VERSIONS.c.head,
            LIST_VERSIONS.c.final,
        ).join(
            newest,
            (LIST_VERSIONS.c.project == newest.c.project) & (LIST_VERSIONS.c.number == newest.c.number),
        )
    )
    for row in rows:
        head = tuple(item["organisation"] for item in orjson.loads(row.head))
        kept[row.project] = Kept(
            number=row.number,
            project_revision=row.project_revision,
            epoch=row.epoch,
            head=head,
            final=row.final,
        )
    if kept:
        standing = await connection.execute(
            select(STANDINGS.c.project, STANDINGS.c.organisation, STANDINGS.c.band).where(
                STANDINGS.c.project.in_(
                    select(LIST_VERSIONS.c.project).where(LIST_VERSIONS.c.partition == partition)
                )
            )
        )
        for pair in standing:
            kept[pair.project].standing[pair.organisation] = pair.band
        for project in await connection.scalars(_ERASED, {"this_partition": partition}):
            kept[project].erased = True
    return kept


def passed(kept: Kept, outcome: Outcome, number: int) -> Kept:
    """Return what is kept after a pass: the version's state if one was made, and in any case the pass's own head."""
    ranked = outcome.ranked
    head = head_of(ranked)
    cut = int(ranked.points[: len(head)].min()) if len(ranked) > HEAD_ROWS else 0
    if number == kept.number:
        kept.passed, kept.cut = frozenset(head), cut
        return kept
    return Kept(
        number=number,
        project_revision=ranked.project_revision,
        epoch=ranked.epoch,
        head=head,
        standing={} if outcome.closing else dict(outcome.crossed.standing),
        passed=frozenset(head),
        cut=cut,
        final=outcome.closing,
    )


async def _write_standings(
    connection: AsyncConnection, runtime: Runtime, outcome: Outcome, kept: Kept, number: int, *, life: int
) -> list[Event]:
    """Write the pairs that crossed, and return their events; a closed project stands for nobody any more."""
    project, ranked, crossed = outcome.project, outcome.ranked, outcome.crossed
    way: events.Way = {"incarnation": life, "clock": runtime.clock, "traceparent": outcome.traceparent}
    lost = tuple(sorted(kept.standing)) if outcome.closing else crossed.lost
    changed = {} if outcome.closing else crossed.changed
    posted = []
    if lost:
        gone = {"this_project": project, "organisations": orjson.dumps(lost).decode()}
        await connection.execute(_fall(connection.dialect.name), gone)
    posted += [events.standing_lost(project, member, number, **way) for member in lost]
    rows = []
    places = {member: place for place, member in enumerate(ranked.members)} if changed else {}
    for member, band in changed.items():
        place = places[member]
        rows.append(
            {
                "project": project,
                "organisation": member,
                "number": number,
                "points": int(ranked.points[place]),
                "fit": int(ranked.fit[place]),
                "band": band,
            }
        )
    if rows:
        await put_rows(connection, _stand(connection.dialect.name), rows)
        posted += [events.standing_crossed(project, row, number, **way) for row in rows]
    return posted


@cache
def _fall(dialect: str) -> Delete:
    return delete(STANDINGS).where(
        STANDINGS.c.project == bindparam("this_project"),
        STANDINGS.c.organisation.in_(among(dialect, "organisations")),
    )


@cache
def _stand(dialect: str) -> Insert:
    """Return the statement that writes pairs as they stand now, built once."""
    statement = insert_in(dialect, STANDINGS)
    return statement.on_conflict_do_update(
        index_elements=[STANDINGS.c.project, STANDINGS.c.organisation],
        set_={name: statement.excluded[name] for name in ("number", "points", "fit", "band")},
    )


def _excluded(ranked: RankedList) -> bytes:
    return zlib.compress(
        orjson.dumps([{"organisation": e.member, "code": e.code, "codes": e.codes} for e in ranked.excluded]),
        6,
    )
