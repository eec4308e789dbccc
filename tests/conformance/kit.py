"""One small service on each log, and the verbs that the scenarios are written in; they do not know which log it is.

The service is `members`: it owns `members.v1`, and keeps what it consumes in two tables. `things` is a projection that is
gated on the sequence; `effects` has a row for each event applied, so that an effect that happens twice is seen.
Expectations in the scenarios are written by hand, never computed by the code under test.
"""

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, delete, insert, select, text

from schemas.envelope import Event, Sequence, new_event
from schemas.topics import ORGANISATION_ERASED, ORGANISATION_REVISED, TOPICS
from services.chassis.bus import deadletters, limits, outbox, positions
from services.chassis.bus.consumer import Consumer, Delivery
from services.chassis.bus.failpoints import armed
from services.chassis.bus.relay import Relay
from services.chassis.bus.transports import kafka_appender
from services.chassis.bus.transports.kafka import KafkaTransport
from services.chassis.bus.transports.sql.compaction import compact
from services.chassis.bus.transports.sql.log import SqlTransport
from services.chassis.bus.transports.sql.tables import METADATA as LOG_METADATA
from services.chassis.database import Database
from services.chassis.runtime import Clock, Signals
from services.chassis.settings import Settings
from services.chassis.telemetry import Metrics


def ids(count: int) -> list[str]:
    """The same ids in every run."""
    return [str(uuid.UUID(int=number)) for number in range(1, count + 1)]


PARTITIONS = 4
LIMIT = 900_000
TOPIC = TOPICS["members.v1"]
# One key for each partition; see test_log.
FILLERS = [str(uuid.UUID(int=number)) for number in (1_001, 1_004, 1_005, 1_008)]

METADATA = MetaData()
for attach in (outbox.attach, positions.attach, deadletters.attach):
    attach(METADATA)
THINGS = Table(
    "things",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("incarnation", BigInteger),
    Column("version", BigInteger),
    Column("name", Text),
)
EFFECTS = Table(
    "effects",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("key", Text),
    Column("version", BigInteger),
)


SQLITE = pytest.param("sqlite", id="sqlite")
POSTGRESQL = pytest.param(
    "postgresql",
    id="postgresql",
    marks=[pytest.mark.postgresql, pytest.mark.xdist_group("conformance-postgresql")],
)
KAFKA = pytest.param(
    "kafka",
    id="kafka",
    marks=[pytest.mark.kafka, pytest.mark.postgresql, pytest.mark.xdist_group("conformance-kafka")],
)
KINDS = (SQLITE, POSTGRESQL, KAFKA)


class Crash(BaseException):
    """The process ends here: nobody may catch it and go on."""


def revised(key: str, version: int, name: str = "Kigali Fibre") -> Event:
    """An organisation's record, as its service posts it."""
    return new_event(
        "members.v1",
        ORGANISATION_REVISED,
        key=key,
        sequence=Sequence(1, version),
        data={
            "id": key,
            "revision": version,
            "state": "active",
            "legal_name": name,
            "category": "prospect",
            "hq_country": "RWA",
            "descriptions": [{"language": "en", "text": "Lays fibre."}],
            "offers": [{"kind": "connectivity"}],
        },
        source="/home/members",
        clock=Clock(),
    )


def erased(key: str, version: int) -> Event:
    """The tombstone of an organisation."""
    return new_event(
        "members.v1",
        ORGANISATION_ERASED,
        key=key,
        sequence=Sequence(1, version),
        data=None,
        source="/home/members",
        clock=Clock(),
    )


async def apply(delivery: Delivery) -> None:
    """The handler: gated on the sequence, counting what it applied."""
    event, connection = delivery.event, delivery.connection
    row = (await connection.execute(select(THINGS).where(THINGS.c.id == event.key))).one_or_none()
    if row is not None and Sequence(row.incarnation, row.version) >= event.sequence:
        return
    await connection.execute(delete(THINGS).where(THINGS.c.id == event.key))
    await connection.execute(
        insert(THINGS),
        {
            "id": event.key,
            "incarnation": event.sequence.incarnation,
            "version": event.sequence.version,
            "name": None if event.tombstone else event.json()["legal_name"],
        },
    )
    await connection.execute(insert(EFFECTS), {"key": event.key, "version": event.sequence.version})


@dataclass(kw_only=True)
class Process:
    """What a runtime is to the bus."""

    database: Database
    transport: Any
    service: Any = field(default_factory=lambda: SimpleNamespace(name="members"))
    settings: Settings = field(default_factory=Settings)
    signals: Signals = field(default_factory=Signals)
    clock: Clock = field(default_factory=Clock)
    metrics: Metrics = field(default_factory=Metrics)
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the log and the service's database stand: what survives a process."""

    kind: str
    database_url: str
    log_url: str  # a database, or bootstrap servers
    prefix: str = ""
    compaction_lag_seconds: int = 604_800
    max_poll_interval_ms: int = 300_000
    busy_seconds: float = 10.0
    replicas: int = 1
    in_sync: int = 1

    def database(self, service: str) -> Database:
        url = self.log_url if service == "log" and self.kind != "kafka" else self.database_url
        return Database(url, service=service, pool_size=20, busy_seconds=self.busy_seconds)


class Bench:
    """One process of the service on one log, and the verbs that scenarios are written in."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.database = place.database("members")
        self.log_database = None if place.kind == "kafka" else place.database("log")
        self.transport: Any = self._transport()
        self.process = Process(database=self.database, transport=self.transport)
        self._filler = itertools.count(1)

    def _transport(self) -> Any:
        place = self.place
        if self.log_database is not None:
            return SqlTransport(
                self.log_database, partitions=PARTITIONS, compaction_lag_seconds=place.compaction_lag_seconds
            )
        return KafkaTransport(
            Settings(
                log={"partitions": PARTITIONS, "compaction_lag_seconds": place.compaction_lag_seconds},
                kafka={
                    "bootstrap_servers": place.log_url,
                    "replication_factor": place.replicas,
                    "min_insync_replicas": place.in_sync,
                    "prefix": place.prefix,
                    "session_timeout_ms": 3_000,
                    "max_poll_interval_ms": place.max_poll_interval_ms,
                },
            )
        )

    async def start(self) -> None:
        await make_tables(self.database, METADATA)
        if self.log_database is not None:
            await make_tables(self.log_database, LOG_METADATA)
        await self.transport.open()
        await self.transport.create_topics([TOPIC])

    async def stop(self) -> None:
        await self.transport.close()
        await self.database.close()
        if self.log_database is not None:
            await self.log_database.close()

    # Writing

    async def post(self, *events: Event) -> None:
        async with self.database.write() as connection:
            for event in events:
                await outbox.post(connection, event, max_record_bytes=LIMIT)

    async def waiting(self) -> list[Event]:
        async with self.database.read() as connection:
            return [event for _, event in await outbox.oldest(connection, limit=1_000_000)]

    async def relay(self) -> int:
        """Relay until the outbox is empty, as a relay that starts now."""
        relay, sent, events = Relay(self.process), 0, await self.waiting()
        async with self.transport.appender("members") as appender:
            while step := await relay.step(appender):
                sent += step
        await self.visible(events)
        return sent

    async def append(self, *events: Event) -> None:
        """Append past the outbox, as nobody but a test does."""
        async with self.transport.appender("members") as appender:
            await appender.append(events)
        await self.visible(events)

    async def visible(self, events: Any) -> None:
        """Wait until readers see the events: on Kafka a commit is answered before its markers are written."""
        last = {event.key: event.id for event in events}  # what came before may be compacted by then
        wanted = set(last.values()) if self.place.kind == "kafka" else set()

        async def seen() -> bool:
            return wanted <= {positions.event_id(record) for record in await self.log()}

        await until(seen)

    # Reading

    async def log(self) -> list[Any]:
        """Every record of the topic, partition after partition."""
        return [record for records in (await self.partitions()).values() for record in records]

    async def partitions(self) -> dict[int, list[Any]]:
        found = {}
        ends = await self.transport.ends("members.v1")
        for partition, end in sorted(ends.items()):
            found[partition], offset = [], 0
            while offset < end:
                batch = await self.transport.read("members.v1", partition, offset=offset, limit=1_000)
                assert batch.next_offset > offset, "a read below the end does not advance"
                found[partition] += batch.records
                offset = batch.next_offset
        return found

    async def versions(self) -> dict[str, list[int]]:
        """Key → versions, in the order of the log."""
        found: dict[str, list[int]] = {}
        for record in await self.log():
            event = Event.from_record(record)
            found.setdefault(event.key, []).append(event.sequence.version)
        return found

    async def things(self) -> dict[str, tuple[int, str | None]]:
        async with self.database.read() as connection:
            return {row.id: (row.version, row.name) for row in await connection.execute(select(THINGS))}

    async def effects(self) -> list[tuple[str, int]]:
        """(key, version) for each time that an event was applied, in order."""
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(EFFECTS.c.key, EFFECTS.c.version).order_by(EFFECTS.c.number)
            )
            return [(row.key, row.version) for row in rows]

    async def letters(self) -> list[deadletters.Letter]:
        async with self.database.read() as connection:
            return list(await deadletters.listed(connection, limit=1_000))

    async def halted(self) -> list[limits.Burials]:
        """The partitions that stand still."""
        async with self.database.read() as connection:
            return list(await limits.halted(connection))

    async def execute(self, statement: str, **values: Any) -> None:
        """Meddle with the service's database."""
        async with self.database.write() as connection:
            await connection.execute(text(statement), values)

    # Consuming

    @asynccontextmanager
    async def consuming(
        self, handle: Callable[[Delivery], Awaitable[None]] = apply, *, group: str = "things", **more: Any
    ) -> AsyncIterator[Any]:
        """Run a consumer within the block, and let it stop gracefully after it."""
        consumer = Consumer(self.process, group=group, topics=["members.v1"], handle=handle, **more)
        stop = asyncio.Event()
        task = asyncio.create_task(consumer.run(stop))
        try:
            yield SimpleNamespace(consumer=consumer, task=task)
        finally:
            stop.set()
            if not task.done() or task.exception() is None:
                await task

    async def caught_up(self, *running: Any) -> None:
        """Wait until these members have committed everything; one that ended fails the wait."""
        async with asyncio.timeout(30):
            while True:
                figures = []
                for one in running:
                    if one.task.done():
                        one.task.result()
                        raise AssertionError("the consumer ended")
                    figures.append(await one.consumer.progress())
                owned = sum(len(each["partitions"]) for each in figures)
                if owned == PARTITIONS and all(each["lag"] == 0 for each in figures):
                    return
                await asyncio.sleep(0.01)

    async def consume(
        self, handle: Callable[[Delivery], Awaitable[None]] = apply, *, group: str = "things", **more: Any
    ) -> None:
        """Run a consumer until it has caught up."""
        async with self.consuming(handle, group=group, **more) as running:
            await self.caught_up(running)

    async def crash_at(self, line: str, doing: Callable[[], Awaitable[Any]]) -> None:
        """Do something until the process "ends" at a named line."""

        async def crash(name: str) -> None:
            if name == line:
                raise Crash(name)

        with armed(crash), pytest.raises(Crash):
            await asyncio.ensure_future(doing())

    # The log

    async def compact(self) -> None:
        """Have the log drop what is superseded, as it does by itself in time."""
        if self.log_database is not None:
            lag, retention = self.place.compaction_lag_seconds, 2_592_000
            now = time.time_ns() // 1000 + 1_000
            await compact(self.log_database, now=now, lag_seconds=lag, tombstone_seconds=retention)
            return
        for _ in range(2):  # a broker closes a segment at an append, and compacts closed ones only
            await asyncio.sleep(0.02)
            await self.append(*(revised(key, next(self._filler)) for key in FILLERS))

        async def once_each() -> bool:
            keys = [record.key for record in await self.log() if record.key.decode() not in FILLERS]
            return len(keys) == len(set(keys))

        await until(once_each)


async def until(condition: Callable[[], Awaitable[object]], *, seconds: float = 20) -> None:
    """Wait for something outside this process; nobody tells us when it has happened."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


async def make_tables(database: Database, metadata: MetaData) -> None:
    async with database.write() as connection:
        if database.dialect == "postgresql":
            await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{database.service}"'))
        await connection.run_sync(metadata.create_all)


class Site:
    """The place of one test: processes start and end on it, and its log can be replaced."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._open = AsyncExitStack()

    async def process(self) -> Bench:
        """A process that starts now; on the embedded log the one before must have ended."""
        bench = Bench(self.place)
        await bench.start()
        self._open.push_async_callback(bench.stop)
        return bench

    async def end(self) -> None:
        """End every process that runs, and let what is still stopping come to its end: a client whose broker was away."""
        await self._open.aclose()
        self._open = AsyncExitStack()
        stopping = [task for task in asyncio.all_tasks() if task.get_name() == kafka_appender.STOPPING]
        if stopping:
            await asyncio.wait(stopping, timeout=30)

    async def successor(self) -> Bench:
        """The process after a crash or a restart: nothing but the place is left of its predecessor."""
        await self.end()
        return await self.process()

    async def replace_log(self) -> None:
        """Put an empty log of the same name in the place of this one, while no process runs."""
        await self.end()
        if self.place.kind == "kafka":
            admin = AIOKafkaAdminClient(bootstrap_servers=self.place.log_url)
            await admin.start()
            await admin.delete_topics([self.place.prefix + "members.v1"])
            await admin.close()
            await asyncio.sleep(0.5)  # the name is free again when the brokers have heard of it
            return
        database = self.place.database("log")
        async with database.write() as connection:
            await connection.run_sync(LOG_METADATA.drop_all)
        await database.close()
