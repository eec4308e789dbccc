"""The log on Apache Kafka, behind the seam. The only file that imports aiokafka.

Why each thing is as it is, because aiokafka has sharp edges:

- **Appending** (`kafka_appender`) is one short transaction per batch, under a transactional id named after the outbox.
- **Reading** sees committed records only, and every end is the last stable offset.
- **Membership** (`kafka_membership`) uses an eager assignor: range, so that partitions of one number stay together over
  several topics; never the sticky one, which keeps state on its class. Nothing is committed automatically.
- **The identity** of a topic is the id that the cluster gave it when it was created (`kafka_metadata`). It survives
  restarts and moves; another topic of the same name, on this cluster or on any other, has another one.

Semantics do not belong here: what is retried, skipped or parked is decided above the seam.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar

import aiokafka
from aiokafka import errors as kafka_errors
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.admin import AlterConfigsResponse_v0
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Schema, String

from schemas.envelope import Event
from schemas.topics import Topic
from services.chassis.bus.errors import BusError, Fenced, LogReplaced, TopicMismatch, Transient
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import Batch, Drift, Listener, Record, TopicPartition
from services.chassis.bus.transports import kafka_metadata, kafka_topics
from services.chassis.bus.transports.kafka_appender import BATCH_SECONDS, KafkaAppender, bounded
from services.chassis.bus.transports.kafka_membership import KafkaMembership
from services.chassis.settings import Settings

_REQUEST_MS = 10_000  # after how long without an answer the broker counts as away
_TRANSACTION_MS = int(BATCH_SECONDS * 1_500)
"""Readers wait at most so long for a relay that died within a transaction. Longer than a batch may take: what the broker
ends by time looks to its relay as if another had taken over."""
_REBALANCE_MS = 60_000  # how long a member may finish what is in flight before the group goes on without it
_FETCH_WAIT_MS = 100  # where nothing new stands; who seeks meanwhile waits this long for the fetch under way
_READ_WAIT_MS = 20
_BATCH_BYTES = 524_288
_NOWHERE = aiokafka.TopicPartition("", 0)  # a place that nobody is assigned


@dataclass(frozen=True, slots=True)
class _Names:
    """Topics and partitions as they are called on the cluster, and back."""

    prefix: str

    def place(self, at: TopicPartition) -> Any:
        return aiokafka.TopicPartition(self.prefix + at.topic, at.partition)

    def at(self, place: Any) -> TopicPartition:
        return TopicPartition(place.topic.removeprefix(self.prefix), place.partition)

    def records(self, fetched: Mapping[Any, Sequence[Any]]) -> dict[TopicPartition, tuple[Record, ...]]:
        named = {self.at(place): some for place, some in fetched.items()}
        return {at: tuple(_record(at, one) for one in some) for at, some in named.items()}


class KafkaTransport:
    """The log of one process on Apache Kafka."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = _Names(settings.kafka.prefix)
        self._client: Any = None
        self._reader: Any = None
        self._reading = asyncio.Lock()
        self._read_on: tuple[Any, int] | None = None
        self._counts: dict[str, int] = {}

    async def open(self) -> None:
        """Connect. Raises Transient if no broker answers."""
        self._client = AIOKafkaClient(**self._connection(), request_timeout_ms=_REQUEST_MS)
        self._reader = aiokafka.AIOKafkaConsumer(
            **self._consuming(),
            group_id=None,
            fetch_max_wait_ms=_READ_WAIT_MS,
            request_timeout_ms=_REQUEST_MS,
        )
        try:
            with _translated("connecting"):
                await self._client.bootstrap()
                await self._reader.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect; safe to call twice."""
        client, self._client = self._client, None
        reader, self._reader = self._reader, None
        if reader is not None:
            await bounded(reader.stop())
        if client is not None:
            await client.close()

    async def create_topics(self, topics: Sequence[Topic]) -> None:
        """Create what is missing; refuse what exists with another number of partitions or another meaning."""
        missing = []
        async with self._admin() as admin:
            for topic in topics:
                known = await self._describe(topic.name)
                if known is None:
                    missing.append(self._new_topic(topic))
                else:
                    await self._refuse_difference(admin, topic, known)
            with _translated("creating topics"):
                errors = (await admin.create_topics(missing)).topic_errors if missing else ()
        for name, code, *reason in errors:
            if code not in (0, kafka_errors.TopicAlreadyExistsError.errno):
                raise BusError(f"Kafka did not create the topic {name}: {reason[0] if reason else code}.")
        with _translated("waiting for the leaders of new topics"):
            async with asyncio.timeout(BATCH_SECONDS):
                while not all([await self._is_led(topic) for topic in topics]):  # noqa: ASYNC110 - a broker's, not an event
                    await asyncio.sleep(0.02)

    async def drift(self, topics: Sequence[Topic]) -> Sequence[Drift]:
        """Ask the cluster for the settings of each topic; see `kafka_topics.drift`."""
        told: list[Drift] = []
        async with self._admin() as admin:
            for topic in topics:
                known, wanted = await self._known(topic.name), self._new_topic(topic)
                found = await self._refuse_difference(admin, topic, known)
                replicas = (wanted.replication_factor, known.replicas)
                told += kafka_topics.drift(wanted.name, wanted.topic_configs, found, replicas=replicas)
        return tuple(told)

    async def set_topics(self, drifts: Sequence[Drift]) -> None:
        """Set these and no other: whatever else an operator gave a topic stays."""
        with _translated("setting topics"):
            asked = _Alter(kafka_topics.changes(drifts))
            answer = await self._client.send(self._client.get_random_node(), asked)
        for code, reason, _, name in answer.resources:
            if code:
                raise BusError(f"Kafka did not set the topic {name}: {reason or code}.")

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has; asked once, because the number never changes."""
        if topic not in self._counts:
            self._counts[topic] = (await self._known(topic)).partitions
        return self._counts[topic]

    async def identity(self, topic: str) -> str:
        """Return the id that the cluster gave this topic when it was created."""
        return f"kafka:{(await self._known(topic)).identity}"

    async def ends(self, topic: str) -> Mapping[int, int]:
        """Partition → last stable offset, asked of the brokers now."""
        count = await self.partitions(topic)
        places = [self._names.place(TopicPartition(topic, number)) for number in range(count)]
        with _translated("asking for the ends"):
            ends = await self._reader.end_offsets(places)
        return {place.partition: offset for place, offset in ends.items()}

    async def horizons(self, topic: str) -> Mapping[int, int] | None:
        """None: a broker does not tell what compaction has taken."""
        del topic
        return None

    async def read(self, topic: str, partition: int, *, offset: int, limit: int) -> Batch:
        """Up to `limit` stable records from `offset` on; at the end an empty batch, at once.

        Raises LogReplaced if the log begins after `offset`: those records are gone.
        """
        at = TopicPartition(topic, partition)
        end = (await self.ends(topic)).get(partition, 0)
        if offset >= end:
            return Batch(at=at, offset=offset, records=(), next_offset=offset)
        reader, place = self._reader, self._names.place(at)
        async with self._reading:
            with _translated("reading"):
                if self._read_on != (place, offset):
                    reader.assign([place])
                    reader.seek(place, offset)
                self._read_on = None
                reader.resume(place)
                records: tuple[Record, ...] = ()
                position = offset
                try:
                    async with asyncio.timeout(BATCH_SECONDS):
                        while not records and position < end:
                            found = await reader.getmany(place, timeout_ms=_READ_WAIT_MS, max_records=limit)
                            records = self._names.records(found).get(at, ())
                            position = await reader.position(place)
                    self._read_on = (place, position)  # a rebuild reads on, from what was fetched ahead
                finally:
                    reader.pause(place)  # else it goes on fetching what nobody asked for
        return Batch(at=at, offset=offset, records=records, next_offset=position)

    def appender(self, outbox: str) -> KafkaAppender:
        """Return the right to append for one outbox."""
        producer = aiokafka.AIOKafkaProducer(
            **self._connection(),
            transactional_id=f"{self._names.prefix}comity.{outbox}",
            transaction_timeout_ms=_TRANSACTION_MS,
            request_timeout_ms=_REQUEST_MS,
            max_batch_size=min(_BATCH_BYTES, self._settings.log.max_record_bytes),
            linger_ms=0,
        )
        return KafkaAppender(producer, self._target, ends=self._stable_ends, translated=_translated)

    def membership(self, group: str, topics: Sequence[str], listener: Listener) -> KafkaMembership:
        """Return a membership of a group over topics."""
        session = self._settings.kafka.session_timeout_ms
        consumer = aiokafka.AIOKafkaConsumer(
            **self._consuming(),
            group_id=self._names.prefix + group,
            group_instance_id=self._settings.kafka.group_instance_id,
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=session,
            heartbeat_interval_ms=max(200, session // 5),
            rebalance_timeout_ms=max(_REBALANCE_MS, session),
            max_poll_interval_ms=self._settings.kafka.max_poll_interval_ms,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
        )
        return KafkaMembership(_Group(self, consumer, topics, self._names), group=group, listener=listener)

    async def _stable_ends(self, places: Sequence[Any]) -> Mapping[Any, int]:
        """Return the last stable offsets: what stands before them every reader can have."""
        ends: Mapping[Any, int] = await self._reader.end_offsets(places)
        return ends

    async def _target(self, event: Event) -> tuple[str, int]:
        """Return the topic's name on the cluster and the partition that an event belongs to."""
        number = partition_for(event.partitionkey, await self.partitions(event.topic))
        return self._names.prefix + event.topic, number

    def _connection(self) -> dict[str, Any]:
        return {"bootstrap_servers": self._settings.kafka.bootstrap_servers, "client_id": "comity"}

    def _consuming(self) -> dict[str, Any]:
        return self._connection() | {
            "enable_auto_commit": False,
            "auto_offset_reset": "none",  # a position that the log does not have is ours to decide on
            "isolation_level": "read_committed",
            "max_partition_fetch_bytes": self._settings.log.max_record_bytes + kafka_topics.ENVELOPE_BYTES,
        }

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[Any]:
        admin = AIOKafkaAdminClient(**self._connection(), request_timeout_ms=_REQUEST_MS)
        try:
            with _translated("connecting"):
                await admin.start()
            yield admin
        finally:
            await admin.close()

    def _new_topic(self, topic: Topic) -> Any:
        return NewTopic(
            self._names.prefix + topic.name,
            num_partitions=topic.partition_count(self._settings.log.partitions),
            replication_factor=self._settings.kafka.replication_factor,
            topic_configs=kafka_topics.topic_settings(topic, self._settings),
        )

    async def _refuse_difference(
        self, admin: Any, topic: Topic, known: kafka_metadata.TopicFacts
    ) -> Mapping[str, str | None]:
        """Return the topic's settings on the cluster, unless they make it another topic."""
        wanted = self._new_topic(topic)
        asked = ConfigResource(ConfigResourceType.TOPIC, wanted.name, dict.fromkeys(wanted.topic_configs))
        with _translated("asking for settings"):
            ((answer,),) = [each.resources for each in await admin.describe_configs([asked])]
        code, reason, _, _, entries = answer
        if code:
            raise BusError(f"Kafka does not tell the settings of the topic {wanted.name}: {reason or code}.")
        found = {entry[0]: entry[1] for entry in entries}
        fixed = {name: wanted.topic_configs[name] for name in kafka_topics.FIXED_SETTINGS}
        kafka_topics.refuse_difference(
            wanted.name,
            {"partitions": wanted.num_partitions} | fixed,
            {"partitions": known.partitions} | found,
        )
        return found

    async def _is_led(self, topic: Topic) -> bool:
        known = await self._describe(topic.name)
        return known is not None and 0 < known.partitions == known.led

    async def _known(self, topic: str) -> kafka_metadata.TopicFacts:
        known = await self._describe(topic)
        if known is None:
            raise TopicMismatch(
                f"There is no topic {topic} on Kafka; `comity topics` creates what the catalogue lists."
            )
        return known

    async def _describe(self, topic: str) -> kafka_metadata.TopicFacts | None:
        """Ask a broker for the topic; None if there is none of this name."""
        with _translated(f"asking for the topic {topic}"):
            broker = self._client.get_random_node()
            facts: kafka_metadata.TopicFacts = (
                await self._client.send(broker, _Question(self._names.prefix + topic))
            ).facts
            if facts.error == kafka_errors.UnknownTopicOrPartitionError.errno:
                return None
            if facts.error not in (0, kafka_errors.LeaderNotAvailableError.errno):
                raise kafka_errors.for_code(facts.error)(topic)
        return facts


class _Group:
    """aiokafka's group consumer in the seam's terms: see `kafka_membership.GroupClient`."""

    def __init__(
        self, transport: KafkaTransport, consumer: Any, topics: Sequence[str], names: _Names
    ) -> None:
        self._log = transport
        self._consumer = consumer
        self._topics = tuple(topics)
        self._names = names

    async def join(self, member: KafkaMembership) -> None:
        try:
            # Asked first, because aiokafka would wait for a missing topic without a word.
            places = [
                self._names.place(TopicPartition(topic, await self._log.partitions(topic)))
                for topic in self._topics
            ]
            self._consumer.subscribe([place.topic for place in places], listener=_Rebalances(self, member))
            with _translated("joining the group"):
                await self._consumer.start()
        except BaseException:
            await self.leave()
            raise

    async def leave(self) -> None:
        await bounded(self._consumer.stop())

    def assignment(self) -> frozenset[TopicPartition]:
        return self.seen(self._consumer.assignment())

    def seen(self, places: Iterable[Any]) -> frozenset[TopicPartition]:
        return frozenset(self._names.at(place) for place in places)

    async def fetch(
        self,
        *,
        timeout: float,  # noqa: ASYNC109
        limit: int,
        of: frozenset[TopicPartition] | None = None,
    ) -> Mapping[TopicPartition, tuple[Record, ...]]:
        # To the client no partition means all of them.
        places = () if of is None else [self._names.place(at) for at in of] or [_NOWHERE]
        with _translated("fetching"), self._counted():
            found = await self._consumer.getmany(*places, timeout_ms=int(timeout * 1000), max_records=limit)
        return self._names.records(found)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a fetch that failed as ended, which the client does not: its member would look busy, and so alive, for ever."""
        fetches = self._consumer._subscription  # noqa: SLF001
        under_way = fetches._fetch_count  # noqa: SLF001
        try:
            yield
        except Exception:
            fetches._fetch_count, fetches._last_fetch_ended = under_way, time.monotonic()  # noqa: SLF001
            raise

    async def position(self, at: TopicPartition) -> int | None:
        try:
            offset: int = await self._consumer.position(self._names.place(at))
        except kafka_errors.IllegalStateError:
            return None
        return offset

    def seek(self, at: TopicPartition, offset: int) -> None:
        self._consumer.seek(self._names.place(at), offset)

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        self._consumer.pause(*map(self._names.place, partitions))

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        self._consumer.resume(*map(self._names.place, partitions))

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        with _translated("reporting positions"):
            await self._consumer.commit({self._names.place(at): offset for at, offset in positions.items()})


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Hands aiokafka's calls on to the membership."""

    def __init__(self, group: _Group, member: KafkaMembership) -> None:
        self._group = group
        self._member = member

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        await self._member.assigned(self._group.seen(assigned))

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        await self._member.revoked(self._group.seen(revoked))


class _Wire(AbstractType):  # type: ignore[misc]
    """Hands the bytes of a metadata request to our own codec."""

    encode = staticmethod(kafka_metadata.encode_question)

    @staticmethod
    def decode(data: BytesIO) -> kafka_metadata.TopicFacts:
        return kafka_metadata.decode_answer(data)


class _Answer(Response):  # type: ignore[misc]
    API_KEY = kafka_metadata.API_KEY
    API_VERSION = kafka_metadata.VERSION
    SCHEMA = Schema(("facts", _Wire))


class _Asked(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = kafka_metadata.API_KEY
    API_VERSION = kafka_metadata.VERSION
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(("topic", _Wire))


class _Question(Request[_Asked]):  # type: ignore[misc]
    """Asks what the cluster knows of a topic."""

    API_KEY: ClassVar[int] = kafka_metadata.API_KEY

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_Asked]) -> _Asked:
        return request_struct_class(self._topic)


class _Altered(Response):  # type: ignore[misc]
    API_KEY, API_VERSION, SCHEMA = 44, 0, AlterConfigsResponse_v0.SCHEMA


class _Altering(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION, RESPONSE_TYPE = _Altered.API_KEY, _Altered.API_VERSION, _Altered
    _ENTRIES = Array(("name", String()), ("operation", Int8), ("value", String()))
    _RESOURCES = Array(("kind", Int8), ("name", String()), ("entries", _ENTRIES))
    SCHEMA = Schema(("resources", _RESOURCES), ("validate_only", Boolean))


class _Alter(Request[_Altering]):  # type: ignore[misc]
    """Sets single settings (IncrementalAlterConfigs); the client's own request would reset all that it does not name."""

    API_KEY: ClassVar[int] = _Altered.API_KEY

    def __init__(self, changes: Sequence[kafka_topics.Change]) -> None:
        self._changes = changes

    def build(self, request_struct_class: type[_Altering]) -> _Altering:
        return request_struct_class(self._changes, False)  # noqa: FBT003


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Raise the bus's errors for the client's: nobody above the seam knows aiokafka."""
    try:
        yield
    except (kafka_errors.ProducerFenced, kafka_errors.InvalidProducerEpoch) as error:
        raise Fenced("Another relay has taken this outbox over.") from error
    except (kafka_errors.OffsetOutOfRangeError, kafka_errors.NoOffsetForPartitionError) as error:
        raise LogReplaced(f"The log does not hold the offset that was asked for: {error}.") from error
    except (
        kafka_errors.KafkaError,
        TimeoutError,
        OSError,
        AssertionError,
    ) as error:  # aiokafka asserts its states
        raise Transient(
            f"Kafka did not answer while {doing}: {type(error).__name__} {error}".rstrip()
        ) from error


def _record(at: TopicPartition, record: Any) -> Record:
    return Record(
        topic=at.topic,
        partition=at.partition,
        offset=record.offset,
        key=record.key,
        headers=tuple(record.headers),
        value=record.value,
        appended_at=record.timestamp * 1000,
    )
