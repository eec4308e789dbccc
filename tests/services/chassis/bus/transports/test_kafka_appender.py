"""The right to append on Apache Kafka: how it is asked for, what goes over to the client, and what is waited for."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from schemas.envelope import Event
from services.chassis.bus.transport import TopicPartition
from services.chassis.bus.transports.kafka import KafkaTransport
from services.chassis.bus.transports.kafka_appender import BATCH_SECONDS, KafkaAppender
from services.chassis.settings import Settings
from tests.services.chassis.bus.bench import organisation

_ROOM = 3
TOPIC = "members.v1"


class Batch:
    """The client's batch of one partition, with room for three records."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    def append(self, *, key: bytes, **_: Any) -> object | None:
        if len(self.keys) == _ROOM:
            return None
        self.keys.append(key)
        return self

    def record_count(self) -> int:
        return len(self.keys)


class Producer:
    """The client's transactional producer, on partitions that hold a hundred records already."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, list[bytes]]] = []
        self.ends: dict[tuple[str, int], int] = {(TOPIC, 0): 100, (TOPIC, 1): 100}
        self._message_accumulator = SimpleNamespace(_batches={})
        self._txn_manager = SimpleNamespace(wait_for_transaction_end=asyncio.get_running_loop().create_future)

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def begin_transaction(self) -> None: ...
    async def commit_transaction(self) -> None: ...

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        self.sent.append((partition, batch.keys))
        future = asyncio.get_running_loop().create_future()
        place = (topic, partition)
        future.set_result(SimpleNamespace(topic_partition=place, offset=self.ends[place]))
        self.ends[place] += len(batch.keys)
        return future


async def _target(event: Event) -> tuple[str, int]:
    return event.topic, int(event.key) % 2


def _appender(producer: Producer, ends: Any) -> KafkaAppender:
    return KafkaAppender(producer, _target, ends=ends, translated=lambda _doing: nullcontext())


async def test_an_append_is_as_many_batches_as_the_records_of_each_partition_fill_in_their_order() -> None:
    producer = Producer()

    async def ends(_places: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        return producer.ends

    async with _appender(producer, ends) as appender:
        reached = await appender.append([organisation(str(number), version=1) for number in range(9)])
    assert reached == {TopicPartition(TOPIC, 0): 105, TopicPartition(TOPIC, 1): 104}
    assert producer.sent == [
        (0, [b"0", b"2", b"4"]),
        (1, [b"1", b"3", b"5"]),  # the first of every partition before the second of any
        (0, [b"6", b"8"]),
        (1, [b"7"]),
    ]


async def test_an_append_is_done_when_the_last_record_of_each_partition_can_be_read() -> None:
    producer, asked = Producer(), []
    first, second = (TOPIC, 0), (TOPIC, 1)
    stable = iter(({first: 104, second: 104}, {first: 105}))  # of 100 to 104, and of 100 to 103

    async def ends(places: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        asked.append(list(places))
        return next(stable)

    async with _appender(producer, ends) as appender:
        await appender.append([organisation(str(number), version=1) for number in range(9)])
    assert asked == [[first, second], [first]]


async def test_the_broker_ends_no_transaction_within_the_time_that_a_batch_may_take() -> None:
    """A relay whose transaction was ended by time is told that it is fenced, and its process would end for nothing."""
    appender = KafkaTransport(Settings()).appender("members")
    try:
        assert appender._producer._txn_manager.transaction_timeout_ms > BATCH_SECONDS * 1_000
    finally:
        await appender._producer.stop()
