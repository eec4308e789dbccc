"""Appending to the embedded log: one transaction that is fenced, idempotent and gapless.

In it, in this order: the appender's epoch and the partitions are read under row locks, in order, so that no
successor comes in between; what the log has already is left out; dense offsets are given out; records, keys and
partitions are written. All or nothing.

"Has already" is decided by the sequence alone: an event is on the log exactly if its key's last sequence is as
high, whatever compaction has removed since. The unique event id behind it would only ever stop a bug.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Self

import structlog
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from schemas.envelope import Sequence as Version
from services.chassis.bus.errors import Fenced, TopicMismatch
from services.chassis.bus.failpoints import reach
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import Record, TopicPartition
from services.chassis.bus.transports.sql.records import encode_headers
from services.chassis.bus.transports.sql.tables import APPENDERS, KEYS, PARTITIONS, RECORDS
from services.chassis.database import Database, Insert, insert_for, insert_in, put_rows

_log = structlog.get_logger(__name__)

Appended = Callable[[dict[TopicPartition, int], list[Record]], None]
"""Told after the commit: the ends of the partitions that were appended to, and the records."""

_EPOCH = select(APPENDERS.c.epoch).where(APPENDERS.c.outbox == bindparam("outbox"))
_KNOWN_KEYS = select(KEYS.c.topic, KEYS.c.key, KEYS.c.incarnation, KEYS.c.version).where(
    (KEYS.c.topic.in_(bindparam("topics", expanding=True)))
    & (KEYS.c.key.in_(bindparam("keys", expanding=True)))
)
_LOCKED_PARTITIONS = (
    select(PARTITIONS.c.topic, PARTITIONS.c.partition, PARTITIONS.c.next_offset, APPENDERS.c.epoch)
    .join(APPENDERS, APPENDERS.c.outbox == bindparam("outbox"))
    .where(PARTITIONS.c.topic.in_(bindparam("topics", expanding=True)))
    .order_by(PARTITIONS.c.topic, PARTITIONS.c.partition)
    .with_for_update()
)
_IDS_THERE = select(RECORDS.c.event_id).where(
    RECORDS.c.topic.in_(bindparam("topics", expanding=True))
    & RECORDS.c.event_id.in_(bindparam("ids", expanding=True))
)
_RECORD = insert(RECORDS)
_ADVANCE = (
    update(PARTITIONS)
    .where(
        (PARTITIONS.c.topic == bindparam("this_topic"))
        & (PARTITIONS.c.partition == bindparam("this_partition"))
    )
    .values(next_offset=bindparam("to_offset"))
)


class SqlAppender:
    """The right to append for one outbox, as an epoch; see `transport.Appender`."""

    def __init__(
        self,
        database: Database,
        outbox: str,
        *,
        appended: Appended,
        failed: Callable[[], None],
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._appended = appended
        self._failed = failed
        self._epoch = 0

    async def __aenter__(self) -> Self:
        async with self._database.write() as connection:
            raise_epoch = (
                insert_for(connection, APPENDERS)
                .values(outbox=self._outbox, epoch=1)
                .on_conflict_do_update(index_elements=["outbox"], set_={"epoch": APPENDERS.c.epoch + 1})
                .returning(APPENDERS.c.epoch)
            )
            self._epoch = (await connection.execute(raise_epoch)).scalar_one()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held: the epoch stays until a successor raises it."""

    async def append(self, events: Sequence[Event]) -> Mapping[TopicPartition, int]:
        """Append what the log does not have yet; the new ends of the partitions that this moved. Raises Fenced."""
        ends: dict[TopicPartition, int] = {}
        records: list[Record] = []
        try:
            async with self._database.write() as connection:
                before = await self._locked_ends(connection, events)
                fresh = await _unknown(connection, events)
                if fresh:
                    ends, records = await self._write(connection, fresh, before)
                await reach("log.before_commit")
        except BaseException:
            self._failed()  # a commit that broke may still have happened: ask the log for its ends anew
            raise
        self._appended(ends, records)
        return ends

    async def _locked_ends(
        self, connection: AsyncConnection, events: Sequence[Event]
    ) -> dict[TopicPartition, int]:
        """Lock the right to append and the partitions of the topics; the ends before this append."""
        topics = sorted({event.topic for event in events})
        rows = (
            await connection.execute(_LOCKED_PARTITIONS, {"outbox": self._outbox, "topics": topics})
        ).all()
        epochs = {row.epoch for row in rows} or {await connection.scalar(_EPOCH, {"outbox": self._outbox})}
        if epochs != {self._epoch}:
            raise Fenced(f"Another relay has taken over the outbox of {self._outbox}.")
        return {TopicPartition(row.topic, row.partition): row.next_offset for row in rows}

    async def _write(
        self, connection: AsyncConnection, events: Sequence[Event], ends: dict[TopicPartition, int]
    ) -> tuple[dict[TopicPartition, int], list[Record]]:
        counts = Counter(at.topic for at in ends)
        places: dict[tuple[str, str], TopicPartition] = {}
        touched: set[TopicPartition] = set()
        keys: dict[tuple[str, str], dict[str, Any]] = {}
        rows: list[dict[str, Any]] = []
        records: list[Record] = []
        now = time.time_ns() // 1000
        for event in events:
            if event.topic not in counts:
                raise TopicMismatch(f"The log has no topic {event.topic}; run `comity topics`.")
            at = places.get((event.topic, event.partitionkey))
            if at is None:
                number = partition_for(event.partitionkey, counts[event.topic])
                at = places[event.topic, event.partitionkey] = TopicPartition(event.topic, number)
            record = _record(event, at, ends[at], now)
            records.append(record)
            rows.append(_row(event, record))
            keys[event.topic, event.key] = {
                "topic": event.topic,
                "key": event.key,
                "incarnation": event.sequence.incarnation,
                "version": event.sequence.version,
                "last_offset": ends[at],
            }
            ends[at] += 1
            touched.add(at)
        await put_rows(connection, _RECORD, rows)
        await put_rows(connection, _remember(connection.dialect.name), list(keys.values()))
        await connection.execute(
            _ADVANCE,
            [
                {"this_topic": at.topic, "this_partition": at.partition, "to_offset": ends[at]}
                for at in sorted(touched)
            ],
        )
        return {at: ends[at] for at in touched}, records


def _record(event: Event, at: TopicPartition, offset: int, now: int) -> Record:
    return Record(
        topic=at.topic,
        partition=at.partition,
        offset=offset,
        key=event.key.encode(),
        headers=event.headers(),
        value=event.data,
        appended_at=now,
    )


def _row(event: Event, record: Record) -> dict[str, Any]:
    row = {"event_id": event.id, "key": event.key, "headers": encode_headers(record.headers)}
    return record._asdict() | row


async def _unknown(connection: AsyncConnection, events: Sequence[Event]) -> list[Event]:
    """Leave out what the log has: every event whose key has said something as high already.

    One that is lower and never stood here is outranked: right after a restore, and otherwise a write that nobody will see.
    """
    topics = sorted({event.topic for event in events})
    keys = await connection.execute(
        _KNOWN_KEYS, {"topics": topics, "keys": sorted({event.key for event in events})}
    )
    last = {(topic, key): Version(incarnation, version) for topic, key, incarnation, version in keys}
    fresh: list[Event] = []
    lower: list[Event] = []
    for event in events:
        before = last.get((event.topic, event.key))
        if before is not None and event.sequence <= before:
            if event.sequence < before:
                lower.append(event)
            continue
        last[event.topic, event.key] = event.sequence
        fresh.append(event)
    if lower:
        await _tell_outranked(connection, lower)
    return fresh


async def _tell_outranked(connection: AsyncConnection, lower: Sequence[Event]) -> None:
    """Say which events are dropped without ever having stood on the log; what is appended again stands there."""
    here = {"topics": sorted({event.topic for event in lower}), "ids": [event.id for event in lower]}
    there = set((await connection.execute(_IDS_THERE, here)).scalars())
    for event in lower:
        if event.id not in there:
            _log.warning("log.outranked", topic=event.topic, key=event.key, sequence=str(event.sequence))


@cache
def _remember(dialect: str) -> Insert:
    """Return the statement that keeps what each key said last, built once."""
    statement = insert_in(dialect, KEYS)
    changed = {name: statement.excluded[name] for name in ("incarnation", "version", "last_offset")}
    return statement.on_conflict_do_update(index_elements=["topic", "key"], set_=changed)
