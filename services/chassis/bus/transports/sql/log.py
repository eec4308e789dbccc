"""The embedded log as a transport: opened by one process, on an SQLite file or in a PostgreSQL schema.

It keeps the ends of all partitions in memory (this process alone appends), and wakes its members at every
append, so a consumer on it never polls. The records of the last small append to each partition are kept too, for those who wait for them.
What is kept in memory is only ever behind the tables, never ahead.
"""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress

import structlog
from sqlalchemy import insert, select

from schemas.topics import Topic
from services.chassis.bus.errors import GroupBusy, LogBusy, TopicMismatch
from services.chassis.bus.failures import TRANSIENT
from services.chassis.bus.transport import Batch, Drift, Listener, Record, TopicPartition
from services.chassis.bus.transports.sql.appending import SqlAppender
from services.chassis.bus.transports.sql.compaction import compact
from services.chassis.bus.transports.sql.holder import held
from services.chassis.bus.transports.sql.membership import SqlMembership
from services.chassis.bus.transports.sql.records import end_of, read_batch
from services.chassis.bus.transports.sql.tables import IDENTITY, PARTITIONS
from services.chassis.bus.transports.sql.tables import TOPICS as TOPIC_ROWS
from services.chassis.database import Database, insert_for

_FIRST_PASS_SECONDS = 60.0  # a process that never runs for an hour compacts too
_PASS_SECONDS = 3_600.0

_KEPT_RECORDS = 100
_KEPT_BYTES = 1_000_000
"""What an append has at most for its records to be handed to the groups that wait, instead of being read by each of them."""

_log = structlog.get_logger(__name__)


class SqlTransport:
    """The embedded log; see `transport.Transport`. Its tables must have been migrated before it is opened."""

    def __init__(
        self,
        database: Database,
        *,
        partitions: int | None = None,
        compaction_lag_seconds: int = 604_800,
        tombstone_seconds: int = 2_592_000,
        compacting: bool = True,
    ) -> None:
        """`compacting`: whether it is compacted while it is open."""
        self.database = database
        self._partition_setting = partitions
        self._lag = compaction_lag_seconds
        self._tombstones = tombstone_seconds
        self._compacting = compacting
        self._open = AsyncExitStack()
        self._identity = ""
        self._counts: dict[str, int] = {}
        self._ends: dict[TopicPartition, int] | None = None
        self._newest: dict[
            TopicPartition, tuple[Record, ...]
        ] = {}  # of the last append to each, if it was small
        self._appends = 0
        self._members: dict[str, SqlMembership] = {}
        self._lost: LogBusy | None = None

    async def open(self) -> None:
        """Hold the log, learn its identity, and start compaction where it is to be compacted. Raises LogBusy."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(held(self.database, self._lose))
            await self._learn_identity()
            if self._compacting:
                compaction = asyncio.create_task(self._compact_for_ever(), name="log compaction")
                stack.push_async_callback(_ended, compaction)
            self._open = stack.pop_all()

    async def close(self) -> None:
        """Let go of the log. Its database belongs to whoever made it, and stays open."""
        await self._open.aclose()

    async def create_topics(self, topics: Sequence[Topic]) -> None:
        """Create missing topics. Raises TopicMismatch where the log has another number of partitions."""
        async with self.database.write() as connection:
            for topic in topics:
                count = topic.partition_count(self._partition_setting)
                row = (
                    await connection.execute(select(TOPIC_ROWS).where(TOPIC_ROWS.c.topic == topic.name))
                ).one_or_none()
                if row is None:
                    await connection.execute(
                        insert(TOPIC_ROWS),
                        {"topic": topic.name, "partitions": count, "compacted": topic.compacted},
                    )
                    await connection.execute(
                        insert(PARTITIONS),
                        [
                            {"topic": topic.name, "partition": number, "next_offset": 0, "horizon": 0}
                            for number in range(count)
                        ],
                    )
                elif row.partitions != count:
                    raise TopicMismatch(
                        f"{topic.name} has {row.partitions} partitions in the log and {count} in the settings; "
                        "the number never changes, because keys would move. Set it back."
                    )
        self._counts.clear()
        self._ends = None

    async def drift(self, topics: Sequence[Topic]) -> Sequence[Drift]:
        """None: this log reads its settings at each start and keeps none of its own."""
        del topics
        return ()

    async def set_topics(self, drifts: Sequence[Drift]) -> None:
        """Nothing is ever to be set."""

    async def partitions(self, topic: str) -> int:
        """Return the number of partitions. Raises TopicMismatch if the topic is missing."""
        if topic not in self._counts:
            async with self.database.read() as connection:
                rows = await connection.execute(select(TOPIC_ROWS.c.topic, TOPIC_ROWS.c.partitions))
                self._counts = {row.topic: row.partitions for row in rows}
        if topic not in self._counts:
            raise TopicMismatch(f"The log has no topic {topic}; run `comity topics`.")
        return self._counts[topic]

    async def identity(self, topic: str) -> str:
        """Return the UUID of the log, the same for every topic; empty to who only reads, of one that was never opened."""
        del topic
        if self._identity:
            return self._identity
        async with self.database.read() as connection:
            return await connection.scalar(select(IDENTITY.c.log)) or ""

    async def ends(self, topic: str) -> Mapping[int, int]:
        """Read the ends from the tables."""
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(PARTITIONS.c.partition, PARTITIONS.c.next_offset).where(PARTITIONS.c.topic == topic)
            )
            return {row.partition: row.next_offset for row in rows}

    async def horizons(self, topic: str) -> Mapping[int, int] | None:
        """Read the compaction horizons from the tables."""
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(PARTITIONS.c.partition, PARTITIONS.c.horizon).where(PARTITIONS.c.topic == topic)
            )
            return {row.partition: row.horizon for row in rows}

    async def read(self, topic: str, partition: int, *, offset: int, limit: int) -> Batch:
        """Read records outside any group."""
        async with self.database.read() as connection:
            at = TopicPartition(topic, partition)
            end = await end_of(connection, at)
            return await read_batch(connection, at, offset=offset, limit=limit, end=end)

    async def compact(self, *, now: int) -> int:
        """Run one pass of compaction; returns how many records went. `now`: Unix microseconds."""
        unread: dict[TopicPartition, int] = {}
        for member in self._members.values():
            for at, offset in member.unread.items():
                unread[at] = min(offset, unread.get(at, offset))
        return await compact(
            self.database,
            now=now,
            lag_seconds=self._lag,
            tombstone_seconds=self._tombstones,
            unread=unread,
        )

    def appender(self, outbox: str) -> SqlAppender:
        """Return the right to append for one outbox."""
        return SqlAppender(self.database, outbox, appended=self._advance, failed=self._forget_ends)

    def membership(self, group: str, topics: Sequence[str], listener: Listener) -> SqlMembership:
        """Return the one membership of a group."""
        return SqlMembership(self, group, topics, listener)

    def join(self, group: str, member: SqlMembership) -> None:
        """Register the group's member, which reads what stands in the tables by now. Raises GroupBusy if there is one."""
        if group in self._members:
            raise GroupBusy(f"The group {group} has its one member already; more members need Kafka.")
        self._members[group] = member
        self._newest.clear()

    def leave(self, group: str, member: SqlMembership) -> None:
        """Forget the group's member."""
        if self._members.get(group) is member:
            del self._members[group]

    async def known_ends(self) -> Mapping[TopicPartition, int]:
        """Return the ends as this process knows them; asks the tables after a failed append.

        Raises LogBusy if another process has got the log meanwhile: nobody may read on in this one.
        """
        if self._lost is not None:
            raise self._lost
        while self._ends is None:
            before = self._appends
            async with self.database.read() as connection:
                rows = await connection.execute(
                    select(PARTITIONS.c.topic, PARTITIONS.c.partition, PARTITIONS.c.next_offset)
                )
                ends = {TopicPartition(topic, partition): end for topic, partition, end in rows}
            if before == self._appends:  # an append meanwhile is not in what was read
                self._ends = ends
        return self._ends

    def _lose(self, error: LogBusy) -> None:
        self._lost = error
        self._wake_members()

    def newest(self, at: TopicPartition, offset: int, *, end: int, limit: int) -> Batch | None:
        """Return what a read from `offset` would give where that is the last append to the partition, else None."""
        records = self._newest.get(at, ())
        if (
            not records
            or len(records) >= limit
            or (records[0].offset, records[-1].offset + 1) != (offset, end)
        ):
            return None
        return Batch(at=at, offset=offset, records=records, next_offset=end, horizon=0)

    def _advance(self, ends: dict[TopicPartition, int], records: Sequence[Record]) -> None:
        if self._ends is not None:
            for at, end in ends.items():
                self._ends[at] = max(end, self._ends.get(at, 0))
        small = len(records) <= _KEPT_RECORDS and sum(len(one.value or b"") for one in records) <= _KEPT_BYTES
        for at in ends:
            here = (one for one in records if (one.topic, one.partition) == (at.topic, at.partition))
            self._newest[at] = tuple(here) if small else ()
        self._wake_members()

    def _forget_ends(self) -> None:
        self._ends = None
        self._newest.clear()
        self._wake_members()

    def _wake_members(self) -> None:
        self._appends += 1
        for member in self._members.values():
            member.wake.set()

    async def _learn_identity(self) -> None:
        async with self.database.write() as connection:
            fresh = {"only": 1, "log": str(uuid.uuid4())}
            await connection.execute(insert_for(connection, IDENTITY).values(fresh).on_conflict_do_nothing())
            self._identity = (await connection.execute(select(IDENTITY.c.log))).scalar_one()

    async def _compact_for_ever(self) -> None:
        seconds = _FIRST_PASS_SECONDS
        while True:
            await asyncio.sleep(seconds)
            seconds = _PASS_SECONDS
            try:
                await self.compact(now=time.time_ns() // 1000)
            except TRANSIENT as error:
                _log.warning("log.compaction", error=str(error))
            except Exception as error:  # noqa: BLE001 - nobody awaits this task: it would end without a word
                _log.error("log.compaction_failed", exc_info=error)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
