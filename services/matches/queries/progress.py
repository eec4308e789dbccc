"""How far the ranking is: whether every list covers everything that was written, and if not, what it waits for.

*What.* Complete means: every token that the caller holds is archived, every consumed position is at the end of the log,
and `ranked_to` of every partition covers those positions in the epoch and day in force. *Why tokens.* A record may still
stand in the outbox of another service, where nobody here can see it. *Never:* ask another service.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Sequence as EventSequence
from services.chassis.bus import positions
from services.chassis.bus.delivery import microseconds
from services.chassis.bus.transport import TopicPartition
from services.chassis.runtime import Runtime
from services.matches.consumers import GROUP
from services.matches.queries.archive import AT_ONCE
from services.matches.queries.waiting import Token
from services.matches.tables import DAYS, DOCUMENTS, EPOCHS, LIST_VERSIONS, RANKING
from services.matches.worker.index import Index
from services.matches.worker.ownership import PROJECTS_TOPIC

TOPICS = (PROJECTS_TOPIC, "members.v1")


async def progress(runtime: Runtime, tokens: Sequence[Token] = ()) -> dict[str, Any]:
    """Return whether the lists are complete, and each partition's place."""
    async with runtime.database.read() as connection:
        missing = await _missing(connection, tokens)
        stored = {str(one.at): one.next_offset for one in await positions.all_of(connection, GROUP)}
        rows = {row.partition: row for row in (await connection.execute(select(RANKING))).all()}
        frame = await _frame(connection)
        listed = set(await connection.scalars(select(LIST_VERSIONS.c.project).distinct()))
    waiting = [f"{missing} tokens are not archived yet"] if missing else []
    partitions = []
    for partition in range(await runtime.transport.partitions(PROJECTS_TOPIC)):
        line = _line(partition, rows.get(partition), stored, frame)
        partitions.append(line)
        if line["behind"] or not line["framed"]:
            waiting.append(f"partition {partition} is not ranked to the end")
    if not waiting:  # the log is asked last, because it is the dearest to ask
        waiting += await _unread(runtime, stored)
    index: Index = runtime.state["index"]
    projects = set(index.projects)
    return {
        "complete": not waiting and projects <= listed,
        "projects": len(projects),
        "lists": len(projects & listed),
        "partitions": partitions,
        "epoch": frame["epoch"],
        "day": frame["day"],
        "waiting_for": waiting[:20],
    }


async def uncovered_seconds(runtime: Runtime) -> float:
    """Return how long ago the oldest write was appended, or the frame in force set, that some list does not cover; 0 if none."""
    async with runtime.database.read() as connection:
        rows = {row.partition: row for row in (await connection.execute(select(RANKING))).all()}
        newest = select(EPOCHS.c.hash, EPOCHS.c.published_at).order_by(EPOCHS.c.number.desc()).limit(1)
        epoch, published_at = (await connection.execute(newest)).one()
        last = select(DAYS.c.day, DAYS.c.opened_at).order_by(DAYS.c.day.desc()).limit(1)
        day, opened_at = (await connection.execute(last)).one()
    reached = [
        orjson.loads(rows[partition].ranked_to) if partition in rows else {}
        for partition in range(await runtime.transport.partitions(PROJECTS_TOPIC))
    ]
    now = microseconds(runtime)
    since = [now]
    for topic in TOPICS:
        for partition, end in (await runtime.transport.ends(topic)).items():
            at = TopicPartition(topic, partition)
            covered = min(one.get("positions", {}).get(str(at), 0) for one in reached)
            if covered < end:
                appended = await _first_appended(runtime, at, covered, end)
                since += [] if appended is None else [appended]
    since += [_moment(published_at) for one in reached if one.get("epoch") != epoch]
    since += [_moment(opened_at) for one in reached if one.get("day") != day]
    return (now - min(since)) / 1_000_000


def _moment(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000)


async def _frame(connection: AsyncConnection) -> dict[str, str]:
    epoch = await connection.scalar(select(EPOCHS.c.hash).order_by(EPOCHS.c.number.desc()).limit(1))
    day = await connection.scalar(select(func.max(DAYS.c.day)))
    return {"epoch": epoch or "", "day": day or ""}


async def _unread(runtime: Runtime, stored: Mapping[str, int]) -> list[str]:
    """Name the partitions of the log that hold records above the stored position.

    The end alone does not tell: on Kafka it counts transaction markers, which no position ever passes.
    """
    found = []
    for topic in TOPICS:
        for partition, end in sorted((await runtime.transport.ends(topic)).items()):
            at = TopicPartition(topic, partition)
            offset = stored.get(str(at), 0)
            if offset < end and await _first_appended(runtime, at, offset, end) is not None:
                found.append(f"{at} holds records that are not archived yet")
    return found


async def _first_appended(runtime: Runtime, at: TopicPartition, offset: int, end: int) -> int | None:
    """Return when the first record from `offset` on was appended, None where only markers stand up to `end`.

    The answer is kept, because on Kafka each read costs some hundredths of a second, and every partition at rest has markers
    behind the position: a first record stays the first, and no record comes in before an end that has been reached.
    """
    kept: dict[TopicPartition, tuple[int, int, int | None]] = runtime.state.setdefault("first_appended", {})
    known = kept.get(at)
    if known is None or known[0] != offset or (known[2] is None and known[1] != end):
        batch = await runtime.transport.read(at.topic, at.partition, offset=offset, limit=1)
        appended = batch.records[0].appended_at if batch.records else None
        kept[at] = known = (offset, batch.next_offset, appended)
    return known[2]


def _line(partition: int, row: Any, stored: Mapping[str, int], frame: Mapping[str, str]) -> dict[str, Any]:
    ranked_to: dict[str, Any] = {} if row is None else orjson.loads(row.ranked_to)
    reached = ranked_to.get("positions", {})
    return {
        "partition": partition,
        "owner": None if row is None else row.owner,
        "generation": 0 if row is None else row.generation,
        "behind": sum(max(end - reached.get(at, 0), 0) for at, end in stored.items()),
        "framed": (ranked_to.get("epoch"), ranked_to.get("day")) == (frame["epoch"], frame["day"]),
    }


async def _missing(connection: AsyncConnection, tokens: Sequence[Token]) -> int:
    """Return how many tokens name a revision that is not archived yet."""
    wanted: dict[str, dict[str, EventSequence]] = defaultdict(dict)
    for token in tokens:
        held = wanted[token.kind].get(token.id)
        wanted[token.kind][token.id] = token.sequence if held is None else max(held, token.sequence)
    missing = 0
    for kind, sequences in wanted.items():
        ids = sorted(sequences)
        for begin in range(0, len(ids), AT_ONCE):
            some = ids[begin : begin + AT_ONCE]
            rows = await connection.execute(
                select(DOCUMENTS.c.id, DOCUMENTS.c.incarnation, DOCUMENTS.c.version).where(
                    DOCUMENTS.c.kind == kind, DOCUMENTS.c.id.in_(some), DOCUMENTS.c.latest
                )
            )
            known = {row.id: EventSequence(row.incarnation, row.version) for row in rows}
            missing += sum(name not in known or known[name] < sequences[name] for name in some)
    return missing
