"""The right to append for one outbox on Apache Kafka: a transactional producer, seen from the seam.

What: one short transaction per batch, each partition's records in it as the client's own record batches, which cost one
future each and not one a record. Why transactions: for the fence alone. A successor's start makes everything of
its predecessor fail, and nothing of it becomes readable. Why a commit is not believed: it is answered before its markers
stand in the partitions, and a broker that is killed in between may come back and take the transaction for done without
ever writing them; the next one then carries its records away. So a batch is on the log when readers can have it, which the
last stable offsets say. Between two transactions lie a few milliseconds, because the client waits twenty after "concurrent
transactions".
After any failure the producer's state is unknown, and it is not used again. It must not try again by itself: only a
relay that reads its outbox anew may.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import zip_longest
from types import TracebackType
from typing import Any, Self

from schemas.envelope import Event
from services.chassis.bus.errors import Transient
from services.chassis.bus.transport import TopicPartition

BATCH_SECONDS = 30.0
"""After how long a batch has failed; the client would go on asking for its commit for ever."""

STOPPING = "a client stops"
_STOP_SECONDS = 10.0
_BETWEEN_TRANSACTIONS = 0.005
_LOOK_SECONDS = 0.002
_LONGEST_LOOK_SECONDS = 0.1

Ends = Callable[[Sequence[Any]], Awaitable[Mapping[Any, int]]]
Target = Callable[[Event], Awaitable[tuple[str, int]]]
Translated = Callable[[str], AbstractContextManager[None]]


class KafkaAppender:
    """The right to append, from entering to leaving.

    `producer` is the client's, with a transactional id; `target` gives an event's topic and partition on the cluster;
    `ends` asks for the last stable offsets of partitions; `translated` raises the bus's errors for the client's.
    """

    def __init__(self, producer: Any, target: Target, *, ends: Ends, translated: Translated) -> None:
        self._producer = producer
        self._target = target
        self._ends = ends
        self._translated = translated
        self._sound = False
        self._next = 0.0

    async def __aenter__(self) -> Self:
        """Take the right from whoever had it."""
        with self._translated("starting to append"):
            try:
                async with asyncio.timeout(BATCH_SECONDS):
                    await self._producer.start()
            except BaseException:
                await bounded(self._producer.stop())
                raise
        self._sound = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go. A transaction that is still open was not promised to anybody; the successor's start ends it."""
        self._sound = False
        await bounded(self._producer.stop())

    async def append(self, events: Sequence[Event]) -> Mapping[TopicPartition, int]:
        """Append all or none, in this order; the offset after the last record in each partition.

        Raises Fenced, or Transient after which this appender is of no use.
        """
        if not self._sound:
            raise Transient("This appender broke; enter a new one and read the outbox again.")
        if not events:
            return {}
        places: dict[tuple[str, int], list[Event]] = {}
        for event in events:
            places.setdefault(await self._target(event), []).append(event)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._next - loop.time())
        self._sound = False  # whatever interrupts what follows leaves a producer of unknown state
        with self._translated("appending"):
            async with asyncio.timeout(BATCH_SECONDS):
                last = await self._transact(places)
        self._next = loop.time() + _BETWEEN_TRANSACTIONS
        self._sound = True
        return {
            TopicPartition(places[place][0].topic, place[1]): offset + 1 for place, offset in last.items()
        }

    async def _transact(self, places: Mapping[tuple[str, int], Sequence[Event]]) -> Mapping[Any, int]:
        """Send and commit; the offset of the last record in each partition, once readers can have it."""
        sent: list[asyncio.Future[Any]] = []
        await self._producer.begin_transaction()
        left = self._left_behind()
        try:
            batches = [[(place, batch) for batch in self._packed(some)] for place, some in places.items()]
            # The first batch of every partition, then the second: a partition's next one waits until the last is sent.
            queued = [one for turn in zip_longest(*batches) for one in turn if one is not None]
            for (topic, partition), batch in queued:
                sent.append(await self._producer.send_batch(batch, topic, partition=partition))
            placed = await asyncio.gather(*sent)
            await self._producer.commit_transaction()
            # Within a partition offsets rise, so what stands here in the end is where each partition's last record is.
            last = {
                one.topic_partition: one.offset + batch.record_count() - 1
                for one, (_, batch) in zip(placed, queued, strict=True)
            }
            await self._until_stable(last)
            return last
        finally:
            # One reason is enough; the same error in the other futures would be reported as forgotten.
            for future in (*sent, *left, *self._left_behind()):
                future.add_done_callback(_seen)

    def _packed(self, events: Sequence[Event]) -> Iterator[Any]:
        """Pack the events of one partition into as few of the client's batches as their size allows."""
        batch = self._producer.create_batch()
        for event in events:
            key, headers = event.key.encode(), list(event.headers())
            # None: the batch is full. A first record is taken whatever its size.
            while batch.append(timestamp=None, key=key, value=event.data, headers=headers) is None:
                yield batch
                batch = self._producer.create_batch()
        yield batch

    async def _until_stable(self, last: Mapping[Any, int]) -> None:
        """Wait until readers can have what was sent; the batch's time bounds it, and then the batch has failed.

        `last` holds the offset of the last record in each partition.
        """
        pause = _LOOK_SECONDS
        while last:
            ends = await self._ends(list(last))
            last = {place: offset for place, offset in last.items() if ends[place] <= offset}
            if last:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_LOOK_SECONDS)

    def _left_behind(self) -> "list[asyncio.Future[Any]]":
        """Return what the client fails besides what it gave us: the transaction, and batches that were never sent."""
        batches = self._producer._message_accumulator._batches.values()  # noqa: SLF001
        waiters = [batch._drain_waiter for waiting in batches for batch in waiting]  # noqa: SLF001
        return [self._producer._txn_manager.wait_for_transaction_end(), *waiters]  # noqa: SLF001


def _seen(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()


async def bounded(stopping: Coroutine[Any, Any, Any]) -> None:
    """Let a client stop, but not for ever: with its broker away it waits for answers that do not come."""
    task = asyncio.create_task(stopping, name=STOPPING)
    await asyncio.wait({task}, timeout=_STOP_SECONDS)
    task.add_done_callback(_seen)
