"""The log on Apache Kafka, behind the seam. The only file that imports aiokafka.

Why each thing is as it is, because aiokafka has sharp edges:

- **Appending** is one short transaction per batch under a transactional id named after the outbox. The transaction is
  there for the fence: a successor's start makes everything of its predecessor fail, and nothing of it becomes readable.
  Between two transactions lie five milliseconds, because aiokafka waits twenty after "concurrent transactions".
- **Reading** sees committed records only, and every end is the last stable offset.
- **Membership** uses an eager assignor (range, so that partitions of the same number of several topics stay together),
  never the sticky one, which keeps state on its class. Nothing is committed automatically; where to start is what the
  listener says. A fetch always has a finite timeout and is never cancelled: it runs as a task of its own, so that a
  rebalance, which makes aiokafka ignore the timeout, cannot hold the caller.
- **The identity** of a topic is the id that the broker gives it when it is created. It survives restarts and moves of
  the broker, and another topic of the same name, on this cluster or on any other, has another one.

Semantics do not belong here: what is retried, skipped or parked is decided above the seam.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from types import TracebackType
from typing import Any, ClassVar, Self

import aiokafka
import structlog
from aiokafka import errors as kafka_errors
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

from schemas.envelope import Event
from schemas.topics import Topic
from services.chassis.bus.errors import BusError, Fenced, LogReplaced, Transient
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import Batch, Listener, Record, TopicPartition
from services.chassis.bus.transports.kafka_topics import (
    ENVELOPE_BYTES,
    FIXED_SETTINGS,
    partition_count,
    topic_settings,
)
from services.chassis.settings import Settings

_REQUEST_MS = 10_000  # how long one request may take before the broker counts as away
_APPEND_SECONDS = 30.0  # the same for a whole batch, whose commit aiokafka would otherwise retry for ever
_STOP_SECONDS = 10.0
_BETWEEN_TRANSACTIONS = 0.005
_TRANSACTION_MS = 20_000  # readers wait at most so long for a relay that died within a transaction
_REBALANCE_MS = 60_000  # how long a member may finish what is in flight before the group goes on without it
_FETCH_WAIT_MS = 100  # a partition that is resumed waits this long for the fetch under way
_READ_WAIT_MS = 20
_BATCH_BYTES = 262_144
_REPORT_SECONDS = 5.0

_log = structlog.get_logger(__name__)


class KafkaTransport:
    """The log of one process on Apache Kafka."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None
        self._reader: Any = None
        self._reading = asyncio.Lock()
        self._counts: dict[str, int] = {}

    async def open(self) -> None:
        """Connect. Raises Transient if no broker answers."""
        client = AIOKafkaClient(**self._connection(), request_timeout_ms=_REQUEST_MS)
        with _translated("connecting"):
            try:
                await client.bootstrap()
            except BaseException:
                await client.close()
                raise
            self._client = client
            self._reader = aiokafka.AIOKafkaConsumer(
                **self._consuming(),
                group_id=None,
                fetch_max_wait_ms=_READ_WAIT_MS,
                request_timeout_ms=_REQUEST_MS,
            )
            await self._reader.start()

    async def close(self) -> None:
        """Disconnect; safe to call twice."""
        client, self._client = self._client, None
        reader, self._reader = self._reader, None
        if reader is not None:
            await _bounded(reader.stop())
        if client is not None:
            await client.close()

    async def create_topics(self, topics: Sequence[Topic]) -> None:
        """Create what is missing; refuse what exists with another number of partitions or another meaning."""
        missing = []
        for topic in topics:
            known = await self._describe(topic.name)
            if known is None:
                missing.append(topic)
            else:
                await self._refuse_difference(topic, known)
        if not missing:
            return
        async with self._admin() as admin:
            with _translated("creating topics"):
                answer = await admin.create_topics([self._new_topic(topic) for topic in missing])
        for name, code, *reason in answer.topic_errors:
            if code not in (0, kafka_errors.TopicAlreadyExistsError.errno):
                raise BusError(f"Kafka did not create the topic {name}: {reason[0] if reason else code}.")
        for topic in missing:
            await self._wait_for(topic)

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has; asked once, because the number never changes."""
        if topic not in self._counts:
            self._counts[topic] = (await self._known(topic))[1]
        return self._counts[topic]

    async def identity(self, topic: str) -> str:
        """Return the id that the cluster gave this topic when it was created."""
        return f"kafka:{(await self._known(topic))[0]}"

    async def ends(self, topic: str) -> Mapping[int, int]:
        """Partition → last stable offset, asked of the brokers now."""
        places = [aiokafka.TopicPartition(topic, number) for number in range(await self.partitions(topic))]
        with _translated("asking for the ends"):
            ends = await self._opened_reader().end_offsets(places)
        return {place.partition: offset for place, offset in ends.items()}

    async def horizons(self, topic: str) -> Mapping[int, int] | None:
        """None: a broker does not tell what compaction has taken."""
        del topic

    async def read(self, topic: str, partition: int, *, offset: int, limit: int) -> Batch:
        """Up to `limit` stable records from `offset` on; at the end an empty batch, at once.

        Raises LogReplaced if the log begins after `offset`: those records are gone.
        """
        reader, place = self._opened_reader(), aiokafka.TopicPartition(topic, partition)
        async with self._reading:
            with _translated("reading"):
                end = (await reader.end_offsets([place]))[place]
                if offset >= end:
                    return Batch(at=TopicPartition(topic, partition), records=(), next_offset=offset)
                if reader.assignment() != {place}:
                    reader.assign([place])
                    reader.seek(place, offset)
                elif await reader.position(place) != offset:
                    reader.seek(place, offset)
                reader.resume(place)
                try:
                    async with asyncio.timeout(_APPEND_SECONDS):
                        records, position = (), offset
                        while not records and position < end:
                            found = await reader.getmany(
                                place, timeout_ms=_READ_WAIT_MS * 10, max_records=limit
                            )
                            records, position = found.get(place, ()), await reader.position(place)
                finally:
                    reader.pause(place)  # else it goes on fetching what nobody asked for
        return _batch(place, records, position)

    def appender(self, outbox: str) -> "KafkaAppender":
        """Return the right to append for one outbox."""
        return KafkaAppender(self, outbox)

    def membership(self, group: str, topics: Sequence[str], listener: Listener) -> "KafkaMembership":
        """Return a membership of a group over topics."""
        return KafkaMembership(self, group, topics, listener)

    def producer(self, transactional_id: str) -> Any:
        """Build the producer of an appender."""
        return aiokafka.AIOKafkaProducer(
            **self._connection(),
            transactional_id=transactional_id,
            transaction_timeout_ms=_TRANSACTION_MS,
            request_timeout_ms=_REQUEST_MS,
            max_batch_size=_BATCH_BYTES,
            max_request_size=self._settings.log.max_record_bytes + ENVELOPE_BYTES,
            linger_ms=0,
        )

    def consumer(self, group: str) -> Any:
        """Build the consumer of a membership."""
        session = self._settings.kafka.session_timeout_ms
        return aiokafka.AIOKafkaConsumer(
            **self._consuming(),
            group_id=group,
            group_instance_id=self._settings.kafka.group_instance_id,
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=session,
            heartbeat_interval_ms=max(200, session // 5),
            rebalance_timeout_ms=max(_REBALANCE_MS, session),
            max_poll_interval_ms=self._settings.kafka.max_poll_interval_ms,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
        )

    def _connection(self) -> dict[str, Any]:
        return {"bootstrap_servers": self._settings.kafka.bootstrap_servers, "client_id": "comity"}

    def _consuming(self) -> dict[str, Any]:
        return self._connection() | {
            "enable_auto_commit": False,
            "auto_offset_reset": "none",  # a position that the log does not have is ours to decide on
            "isolation_level": "read_committed",
            "max_partition_fetch_bytes": self._settings.log.max_record_bytes + ENVELOPE_BYTES,
        }

    def _opened_reader(self) -> Any:
        if self._reader is None:
            raise BusError("The log was not opened.")
        return self._reader

    @contextlib.asynccontextmanager
    async def _admin(self) -> Any:
        admin = AIOKafkaAdminClient(**self._connection(), request_timeout_ms=_REQUEST_MS)
        try:
            with _translated("connecting"):
                await admin.start()
            yield admin
        finally:
            await admin.close()

    def _new_topic(self, topic: Topic) -> Any:
        return NewTopic(
            topic.name,
            num_partitions=partition_count(topic, self._settings.log.partitions),
            replication_factor=self._settings.kafka.replication_factor,
            topic_configs=dict(
                topic_settings(
                    topic,
                    min_insync_replicas=self._settings.kafka.min_insync_replicas,
                    max_record_bytes=self._settings.log.max_record_bytes,
                    compaction_lag_seconds=self._settings.log.compaction_lag_seconds,
                    tombstone_seconds=self._settings.log.tombstone_seconds,
                )
            ),
        )

    async def _refuse_difference(self, topic: Topic, known: tuple[uuid.UUID, int]) -> None:
        wanted = self._new_topic(topic)
        if known[1] != wanted.num_partitions:
            raise BusError(
                f"The topic {topic.name} has {known[1]} partitions on Kafka, and {wanted.num_partitions} are wanted. "
                "The number never changes, or keys would lose their order; make a new log instead."
            )
        async with self._admin() as admin:
            with _translated("asking for settings"):
                resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, dict.fromkeys(FIXED_SETTINGS))
                answers = await admin.describe_configs([resource])
        found = {entry[0]: entry[1] for answer in answers for each in answer.resources for entry in each[4]}
        for name in FIXED_SETTINGS:
            if found.get(name) != wanted.topic_configs[name]:
                raise BusError(
                    f"The topic {topic.name} has {name}={found.get(name)} on Kafka instead of "
                    f"{wanted.topic_configs[name]}; it is not the topic that the catalogue means."
                )

    async def _wait_for(self, topic: Topic) -> None:
        """Wait until a new topic has a leader for each partition; appending earlier could be refused."""
        with _translated("waiting for a new topic"):
            async with asyncio.timeout(_APPEND_SECONDS):
                while (known := await self._describe(topic.name)) is None or known[1] == 0:
                    await asyncio.sleep(0.02)

    async def _known(self, topic: str) -> tuple[uuid.UUID, int]:
        known = await self._describe(topic)
        if known is None:
            raise BusError(
                f"There is no topic {topic} on Kafka; `comity topics` creates what the catalogue lists."
            )
        return known

    async def _describe(self, topic: str) -> tuple[uuid.UUID, int] | None:
        """Ask for the topic's id and its number of partitions that have a leader; None if there is no such topic."""
        if self._client is None:
            raise BusError("The log was not opened.")
        with _translated(f"asking for the topic {topic}"):
            answer = await self._client.send(self._client.get_random_node(), _TopicRequest(topic))
        code, _, identity, _, partitions, _, _ = answer.topics[0]
        if code == kafka_errors.UnknownTopicOrPartitionError.errno:
            return None
        with _translated(f"asking for the topic {topic}"):
            if code:
                raise kafka_errors.for_code(code)(topic)
        return identity, sum(1 for partition in partitions if partition[0] == 0)


class KafkaAppender:
    """The right to append for one outbox: a transactional producer, whose start fences its predecessor."""

    def __init__(self, transport: KafkaTransport, outbox: str) -> None:
        self._transport = transport
        self._outbox = outbox
        self._producer: Any = None
        self._sound = False
        self._next = 0.0

    async def __aenter__(self) -> Self:
        """Take the right from whoever had it."""
        self._producer = self._transport.producer(f"comity.{self._outbox}")
        with _translated("starting to append"):
            try:
                async with asyncio.timeout(_APPEND_SECONDS):
                    await self._producer.start()
            except BaseException:
                await _bounded(self._producer.stop())
                raise
        self._sound = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go. A transaction that is still open was not promised to anybody; the successor's start ends it."""
        self._sound = False
        await _bounded(self._producer.stop())

    async def append(self, events: Sequence[Event]) -> None:
        """Append all or none, in this order. Raises Fenced, or Transient after which this appender is of no use."""
        if not self._sound:
            raise Transient("This appender broke; enter a new one and read the outbox again.")
        if not events:
            return
        places = [
            partition_for(event.partitionkey, await self._transport.partitions(event.topic))
            for event in events
        ]
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._next - loop.time())
        self._sound = False  # whatever interrupts this leaves a producer of unknown state
        sent: list[asyncio.Future[Any]] = []
        with _translated("appending"):
            async with asyncio.timeout(_APPEND_SECONDS):
                try:
                    await self._producer.begin_transaction()
                    for event, place in zip(events, places, strict=True):
                        sent.append(await self._send(event, place))
                    await asyncio.gather(*sent)
                    await self._producer.commit_transaction()
                finally:
                    for future in sent:
                        future.add_done_callback(_seen)
        self._next = loop.time() + _BETWEEN_TRANSACTIONS
        self._sound = True

    async def _send(self, event: Event, place: int) -> "asyncio.Future[Any]":
        sent: asyncio.Future[Any] = await self._producer.send(
            event.topic,
            value=event.data,
            key=event.key.encode(),
            partition=place,
            headers=list(event.headers()),
        )
        return sent


class KafkaMembership(ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of a Kafka consumer group.

    `_expected` holds, for each partition that the listener has given a start, the offset that the caller gets next;
    what is fetched of any other partition is thrown away. A partition whose start was moved while a fetch was under
    way is thrown away too and sought again, so a fetch can never deliver from before a seek.
    """

    def __init__(
        self, transport: KafkaTransport, group: str, topics: Sequence[str], listener: Listener
    ) -> None:
        self._transport = transport
        self._group = group
        self._topics = tuple(topics)
        self._listener = listener
        self._consumer: Any = None
        self._expected: dict[Any, int] = {}
        self._moved: set[Any] = set()
        self._fetching: asyncio.Task[Any] | None = None
        self._assigning: asyncio.Task[None] | None = None
        self._reporting: asyncio.Task[None] | None = None
        self._to_report: dict[Any, int] = {}
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        """Join the group."""
        for topic in self._topics:
            await self._transport.partitions(topic)
        self._consumer = self._transport.consumer(self._group)
        self._consumer.subscribe(self._topics, listener=self)
        with _translated("joining the group"):
            try:
                await self._consumer.start()
            except BaseException:
                await _bounded(self._consumer.stop())
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give all partitions back, then leave the group."""
        try:
            await self.on_partitions_revoked(self._consumer.assignment())
        finally:
            if self._reporting is not None:
                await asyncio.wait({self._reporting}, timeout=_REPORT_SECONDS)
            await _bounded(self._consumer.stop())
            if self._fetching is not None:
                self._fetching.cancel()  # the consumer has ended, so its idle clock does not matter any more
                await asyncio.gather(self._fetching, return_exceptions=True)

    async def fetch(self, *, timeout: float, limit: int) -> Sequence[Batch]:  # noqa: ASYNC109 - the seam's
        """Fetch at most `limit` records; `timeout` holds during a rebalance as well."""
        self._raise_failure()
        if self._fetching is None:
            self._moved.clear()
            wait = self._consumer.getmany(timeout_ms=int(timeout * 1000), max_records=limit)
            self._fetching = asyncio.create_task(wait)
        await asyncio.wait({self._fetching}, timeout=timeout + 0.05)
        self._raise_failure()
        if not self._fetching.done():
            return ()
        done, self._fetching = self._fetching, None
        try:
            with _translated("fetching"):
                fetched = done.result()
        except LogReplaced:
            if self._expected:
                raise
            return ()  # aiokafka's own idea of where to start, before the listener has said it
        return await self._batches(fetched)

    def seek(self, at: TopicPartition, offset: int) -> None:
        """Set the fetch position of an assigned partition; ignored for one that has just left."""
        place = aiokafka.TopicPartition(at.topic, at.partition)
        if place in self._expected and place in self._consumer.assignment():
            self._expected[place] = offset
            self._moved.add(place)
            self._consumer.seek(place, offset)

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Fetch nothing more of these until they are resumed or assigned anew."""
        self._consumer.pause(*self._held(partitions))

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Fetch these again."""
        self._consumer.resume(*(place for place in self._held(partitions) if place in self._expected))

    async def report(self, positions: Mapping[TopicPartition, int]) -> None:
        """Commit the positions to the group in the background; only the newest of each partition matters."""
        self._to_report |= {
            aiokafka.TopicPartition(at.topic, at.partition): offset for at, offset in positions.items()
        }
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.create_task(self._report())

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Called by aiokafka, which sends no sign of life before this returns: so the listener's part is a task."""
        places = frozenset(assigned)
        self._consumer.pause(*places)
        if places:
            self._assigning = asyncio.create_task(self._start_reading(places))

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Called by aiokafka, with signs of life going on: the listener finishes what is in flight."""
        places = frozenset(revoked)
        if self._assigning is not None:
            await asyncio.wait({self._assigning})
            self._assigning = None
        self._expected.clear()
        self._to_report.clear()
        if places:
            try:
                await self._listener.revoked(_ours(places))
            except Exception as error:  # noqa: BLE001 - aiokafka would swallow it; fetch raises it instead
                self._failure = error

    async def _start_reading(self, places: frozenset[Any]) -> None:
        try:
            starts = await self._listener.assigned(_ours(places))
        except Exception as error:  # noqa: BLE001 - as above
            self._failure = error
            return
        for at, offset in starts.items():
            place = aiokafka.TopicPartition(at.topic, at.partition)
            if place in self._consumer.assignment():
                self._expected[place] = offset
                self._moved.add(place)
                self._consumer.seek(place, offset)
                self._consumer.resume(place)

    async def _batches(self, fetched: Mapping[Any, Sequence[Any]]) -> Sequence[Batch]:
        batches = []
        for place, expected in tuple(self._expected.items()):
            records = fetched.get(place, ())
            if place in self._moved:
                if records:
                    self._consumer.seek(place, expected)
                continue
            with contextlib.suppress(kafka_errors.IllegalStateError):
                position = records[-1].offset + 1 if records else await self._consumer.position(place)
                if records or position > expected:
                    self._expected[place] = position
                    batches.append(_batch(place, records, position))
        return batches

    async def _report(self) -> None:
        while self._to_report:
            positions, self._to_report = self._to_report, {}
            try:
                async with asyncio.timeout(_REPORT_SECONDS):
                    await self._consumer.commit(positions)
            except (kafka_errors.KafkaError, TimeoutError) as error:
                # A rebalance refuses it; the stored position decides anyway.
                _log.debug("kafka.report", group=self._group, error=repr(error))

    def _held(self, partitions: frozenset[TopicPartition]) -> list[Any]:
        places = (aiokafka.TopicPartition(at.topic, at.partition) for at in partitions)
        return [place for place in places if place in self._consumer.assignment()]

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure


class _Identity(AbstractType):  # type: ignore[misc]
    """A UUID on the wire: sixteen bytes."""

    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))


_NUMBERS = CompactArray(Int32)
_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", _NUMBERS),
    ("in_sync", _NUMBERS),
    ("offline", _NUMBERS),
    ("tags", TaggedFields),
)


class _TopicAnswerV12(Response):  # type: ignore[misc]
    """Metadata, version 12 (KIP-516): the first that tells topic ids and that every Kafka since 3.1 speaks.

    aiokafka stops at version 5, which has none.
    """

    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle", Int32),
        (
            "brokers",
            CompactArray(
                ("node", Int32),
                ("host", CompactString()),
                ("port", Int32),
                ("rack", CompactString()),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster", CompactString()),
        ("controller", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString()),
                ("id", _Identity),
                ("internal", Boolean),
                ("partitions", CompactArray(*_PARTITION)),
                ("operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _TopicRequestV12(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _TopicAnswerV12
    SCHEMA = Schema(
        ("topics", CompactArray(("id", _Identity), ("name", CompactString()), ("tags", TaggedFields))),
        ("create", Boolean),
        ("operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicRequest(Request[_TopicRequestV12]):  # type: ignore[misc]
    """What does the cluster know of this topic?"""

    API_KEY: ClassVar[int] = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_TopicRequestV12]) -> _TopicRequestV12:
        return request_struct_class([(uuid.UUID(int=0), self._topic, {})], False, False, {})  # noqa: FBT003


@contextlib.contextmanager
def _translated(doing: str) -> Any:
    """Raise the bus's errors for the client's: nobody above the seam knows aiokafka."""
    try:
        yield
    except (kafka_errors.ProducerFenced, kafka_errors.InvalidProducerEpoch) as error:
        raise Fenced("Another relay has taken this outbox over.") from error
    except (kafka_errors.OffsetOutOfRangeError, kafka_errors.NoOffsetForPartitionError) as error:
        raise LogReplaced(f"The log does not hold the offset that was asked for: {error}.") from error
    except (kafka_errors.KafkaError, TimeoutError, OSError) as error:
        raise Transient(
            f"Kafka did not answer while {doing}: {type(error).__name__} {error}".rstrip()
        ) from error


def _ours(places: Iterable[Any]) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(place.topic, place.partition) for place in places)


def _batch(place: Any, records: Sequence[Any], next_offset: int) -> Batch:
    return Batch(
        at=TopicPartition(place.topic, place.partition),
        records=tuple(
            Record(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                key=record.key,
                headers=tuple(record.headers),
                value=record.value,
                appended_at=record.timestamp * 1000,
            )
            for record in records
        ),
        next_offset=next_offset,
    )


def _seen(future: "asyncio.Future[Any]") -> None:
    """Mark a failure as seen: one reason is enough, the others would be reported as forgotten."""
    if not future.cancelled():
        future.exception()


async def _bounded(stopping: Any) -> None:
    """Let a client stop, but not for ever: with its broker away aiokafka waits for answers that do not come."""
    task = asyncio.ensure_future(stopping)
    await asyncio.wait({task}, timeout=_STOP_SECONDS)
    task.add_done_callback(_seen)
