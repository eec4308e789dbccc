"""A membership in the embedded log: the only member of its group, owner of every partition.

It reads nothing while the log has nothing new: the log knows its ends, because this process alone appends. A small append that it
waited for it is given by the log, and reads no table.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from services.chassis.bus.transport import Batch, Listener, TopicPartition
from services.chassis.bus.transports.sql.records import read_batch

if TYPE_CHECKING:
    from services.chassis.bus.transports.sql.log import SqlTransport


class SqlMembership:
    """One group's member; see `transport.Membership`."""

    def __init__(self, log: "SqlTransport", group: str, topics: Sequence[str], listener: Listener) -> None:
        self._log = log
        self._group = group
        self._topics = tuple(topics)
        self._listener = listener
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._fetched: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self.wake = asyncio.Event()
        self.unread: dict[TopicPartition, int] = {}  # from where on the group may not have committed

    async def __aenter__(self) -> Self:
        self._log.join(self._group, self)
        try:
            everything = frozenset(
                [
                    TopicPartition(topic, partition)
                    for topic in self._topics
                    for partition in range(await self._log.partitions(topic))
                ]
            )
            self._assigned, self.unread = everything, dict.fromkeys(everything, 0)
            self._fetched = dict(await self._listener.assigned(everything))
            self.unread |= self._fetched
        except BaseException:
            self._log.leave(self._group, self)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._listener.revoked(self._assigned)
        finally:
            self._fetched.clear()
            self._log.leave(self._group, self)

    async def fetch(self, *, timeout: float, limit: int) -> Sequence[Batch]:  # noqa: ASYNC109 - waits for the log
        """Read what is there, or wait for an append and read then."""
        # Cleared before looking: an append during the look sets it again.
        self.wake.clear()
        batches = await self._read(limit)
        if batches:
            return batches
        try:
            await asyncio.wait_for(self.wake.wait(), timeout)
        except TimeoutError:
            return ()
        return await self._read(limit)

    def seek(self, at: TopicPartition, offset: int) -> None:
        """Set where the next fetch reads."""
        self._fetched[at] = offset
        self.wake.set()

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Leave these out."""
        self._paused |= partitions

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Take these in again."""
        self._paused -= partitions
        self.wake.set()

    async def report(self, positions: Mapping[TopicPartition, int]) -> None:
        """Remember from where on the log has to keep tombstones for this group."""
        self.unread |= positions

    async def _read(self, limit: int) -> Sequence[Batch]:
        ends = await self._log.known_ends()
        behind = [
            at
            for at, offset in sorted(self._fetched.items())
            if at not in self._paused and offset < ends.get(at, 0)
        ]
        if not behind:
            return ()
        found = {
            at: batch
            for at in behind
            if (batch := self._log.newest(at, self._fetched[at], end=ends[at], limit=limit)) is not None
        }
        if len(found) < len(behind):
            async with self._log.database.read() as connection:
                for at in behind:
                    if at not in found:
                        offset, end = self._fetched[at], ends[at]
                        found[at] = await read_batch(connection, at, offset=offset, limit=limit, end=end)
        batches = [found[at] for at in behind]
        for batch in batches:
            self._fetched[batch.at] = batch.next_offset
        return batches
