"""Appending to the embedded log: one transaction that is fenced, idempotent and gapless.

In it, in this order: the appender's epoch is read under a row lock, so a successor cannot come in between; what
the log has already (same event id, or a key's sequence that is not higher) is left out; the touched partitions
are locked in order and give out dense offsets; records, keys and partitions are written. All or nothing.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from schemas.envelope import Sequence as Version
from services.chassis.bus.errors import Fenced, TopicMismatch
from services.chassis.bus.failpoints import reach
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import TopicPartition
from services.chassis.bus.transports.sql.records import encode_headers
from services.chassis.bus.transports.sql.tables import APPENDERS, KEYS, PARTITIONS, RECORDS
from services.chassis.database import Database, insert_for

Appended = Callable[[dict[TopicPartition, int]], None]

_EPOCH = select(APPENDERS.c.epoch).where(APPENDERS.c.outbox == bindparam("outbox")).with_for_update()
_KNOWN_IDS = select(RECORDS.c.topic, RECORDS.c.event_id).where(
    (RECORDS.c.topic.in_(bindparam("topics", expanding=True)))
    & (RECORDS.c.event_id.in_(bindparam("ids", expanding=True)))
)
_KNOWN_KEYS = select(KEYS.c.topic, KEYS.c.key, KEYS.c.incarnation, KEYS.c.version).where(
    (KEYS.c.topic.in_(bindparam("topics", expanding=True)))
    & (KEYS.c.key.in_(bindparam("keys", expanding=True)))
)
_LOCKED_PARTITIONS = (
    select(PARTITIONS.c.topic, PARTITIONS.c.partition, PARTITIONS.c.next_offset)
    .where(PARTITIONS.c.topic.in_(bindparam("topics", expanding=True)))
    .order_by(PARTITIONS.c.topic, PARTITIONS.c.partition)
    .with_for_update()
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
        partitions: Callable[[str], Awaitable[int]],
        appended: Appended,
        failed: Callable[[], None],
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._partitions = partitions
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

    async def append(self, events: Sequence[Event]) -> None:
        """Append what the log does not have yet. Raises Fenced."""
        ends: dict[TopicPartition, int] = {}
        try:
            async with self._database.write() as connection:
                await self._hold_right(connection)
                fresh = await _unknown(connection, events)
                if fresh:
                    ends = await self._write(connection, fresh)
                await reach("log.before_commit")
        except BaseException:
            self._failed()  # a commit that broke may still have happened: ask the log for its ends anew
            raise
        self._appended(ends)

    async def _hold_right(self, connection: AsyncConnection) -> None:
        if await connection.scalar(_EPOCH, {"outbox": self._outbox}) != self._epoch:
            raise Fenced(f"Another relay has taken over the outbox of {self._outbox}.")

    async def _write(self, connection: AsyncConnection, events: Sequence[Event]) -> dict[TopicPartition, int]:
        topics = sorted({event.topic for event in events})
        counts = {topic: await self._partitions(topic) for topic in topics}
        rows = await connection.execute(_LOCKED_PARTITIONS, {"topics": topics})
        ends = {TopicPartition(topic, partition): end for topic, partition, end in rows}
        touched: set[TopicPartition] = set()
        keys: dict[tuple[str, str], dict[str, Any]] = {}
        records: list[dict[str, Any]] = []
        now = time.time_ns() // 1000
        for event in events:
            at = TopicPartition(event.topic, partition_for(event.partitionkey, counts[event.topic]))
            if at not in ends:
                raise TopicMismatch(f"The log has no partition {at}; run `comity topics`.")
            records.append(_row(event, at, ends[at], now))
            keys[event.topic, event.key] = {
                "topic": event.topic,
                "key": event.key,
                "incarnation": event.sequence.incarnation,
                "version": event.sequence.version,
                "last_offset": ends[at],
            }
            ends[at] += 1
            touched.add(at)
        await connection.execute(_RECORD, records)
        await _remember(connection, keys.values())
        await connection.execute(
            _ADVANCE,
            [
                {"this_topic": at.topic, "this_partition": at.partition, "to_offset": ends[at]}
                for at in sorted(touched)
            ],
        )
        return {at: ends[at] for at in touched}


def _row(event: Event, at: TopicPartition, offset: int, now: int) -> dict[str, Any]:
    return {
        "topic": at.topic,
        "partition": at.partition,
        "offset": offset,
        "event_id": event.id,
        "key": event.key,
        "headers": encode_headers(event.headers()),
        "value": event.data,
        "appended_at": now,
    }


async def _unknown(connection: AsyncConnection, events: Sequence[Event]) -> list[Event]:
    """Leave out what the log has: by event id, and by sequence of the key (which compaction cannot forget)."""
    topics = sorted({event.topic for event in events})
    ids = await connection.execute(
        _KNOWN_IDS, {"topics": topics, "ids": sorted({event.id for event in events})}
    )
    seen = {(topic, event_id) for topic, event_id in ids}
    keys = await connection.execute(
        _KNOWN_KEYS, {"topics": topics, "keys": sorted({event.key for event in events})}
    )
    last = {(topic, key): Version(incarnation, version) for topic, key, incarnation, version in keys}
    fresh: list[Event] = []
    for event in events:
        before = last.get((event.topic, event.key))
        if (event.topic, event.id) in seen or (before is not None and event.sequence <= before):
            continue
        seen.add((event.topic, event.id))
        last[event.topic, event.key] = event.sequence
        fresh.append(event)
    return fresh


async def _remember(connection: AsyncConnection, keys: Iterable[dict[str, Any]]) -> None:
    statement = insert_for(connection, KEYS)
    changed = {name: statement.excluded[name] for name in ("incarnation", "version", "last_offset")}
    upsert = statement.on_conflict_do_update(index_elements=["topic", "key"], set_=changed)
    await connection.execute(upsert, list(keys))
