"""A small service on real SQLite files: it owns `members.v1`, and keeps what it consumes in two tables.

`things` is a projection that is gated on the sequence; `effects` has a row per applied event, so that an effect that
happens twice is seen.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, delete, insert, select

from schemas.envelope import Event, Sequence, new_event
from schemas.topics import ORGANISATION_ERASED, ORGANISATION_REVISED, TOPICS
from services.chassis.bus import deadletters, limits, outbox, positions
from services.chassis.bus.consumer import Consumer, Delivery
from services.chassis.bus.relay import Relay
from services.chassis.bus.transports.sql.log import SqlTransport
from services.chassis.bus.transports.sql.tables import METADATA as LOG_METADATA
from services.chassis.database import Database
from services.chassis.runtime import Clock, Signals
from services.chassis.settings import Settings
from services.chassis.telemetry import Metrics

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
EFFECTS = Table("effects", METADATA, Column("number", Integer, primary_key=True), Column("event", Text))
LIMIT = 900_000


class Crash(BaseException):
    """The process ends here: nobody may catch it and go on."""


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


def organisation(key: str, *, version: int, name: str = "Kigali Fibre", **more: Any) -> Event:
    data = {
        "id": key,
        "revision": version,
        "state": "active",
        "legal_name": name,
        "category": "prospect",
        "hq_country": "RWA",
        "descriptions": [{"language": "en", "text": "Lays fibre."}],
        "offers": [{"kind": "connectivity"}],
    }
    return new_event(
        "members.v1",
        ORGANISATION_REVISED,
        key=key,
        sequence=Sequence(1, version),
        data=data | more,
        source="/home/members",
        clock=Clock(),
    )


def erased(key: str, *, version: int) -> Event:
    return new_event(
        "members.v1",
        ORGANISATION_ERASED,
        key=key,
        sequence=Sequence(1, version),
        data=None,
        source="/home/members",
        clock=Clock(),
    )


async def eventually(condition: Callable[[], Awaitable[object]], *, seconds: float = 20) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the condition is in a database
            await asyncio.sleep(0.005)


async def apply(delivery: Delivery) -> None:
    """The handler of the tests: gated on the sequence, and counting what it applied."""
    event = delivery.event
    row = (await delivery.connection.execute(select(THINGS).where(THINGS.c.id == event.key))).one_or_none()
    if row is not None and Sequence(row.incarnation, row.version) >= event.sequence:
        return
    await delivery.connection.execute(delete(THINGS).where(THINGS.c.id == event.key))
    name = None if event.tombstone else event.json()["legal_name"]
    await delivery.connection.execute(
        insert(THINGS),
        {
            "id": event.key,
            "incarnation": event.sequence.incarnation,
            "version": event.sequence.version,
            "name": name,
        },
    )
    await delivery.connection.execute(insert(EFFECTS), {"event": event.id})


class Bench:
    """The service, its log, and the verbs that tests are written in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log_database = self._open("log")
        self.database = self._open("members")
        self.transport = SqlTransport(self.log_database)
        self.process = Process(database=self.database, transport=self.transport)

    def _open(self, name: str) -> Database:
        return Database(f"sqlite+aiosqlite:///{self.folder / name}.db", service=name)

    async def start(self) -> None:
        async with self.log_database.write() as connection:
            await connection.run_sync(LOG_METADATA.create_all)
        async with self.database.write() as connection:
            await connection.run_sync(METADATA.create_all)
        await self.transport.open()
        await self.transport.create_topics([TOPICS["members.v1"]])

    async def stop(self) -> None:
        await self.transport.close()
        await self.database.close()
        await self.log_database.close()

    async def post(self, *events: Event) -> None:
        async with self.database.write() as connection:
            for event in events:
                await outbox.post(connection, event, max_record_bytes=LIMIT)

    async def relay(self) -> int:
        """Relay until the outbox is empty, as a relay that starts now."""
        relay, sent = Relay(self.process), 0
        async with self.transport.appender("members") as appender:
            while step := await relay.step(appender):
                sent += step
        return sent

    async def append(self, *events: Event) -> None:
        async with self.transport.appender("members") as appender:
            await appender.append(events)

    async def waiting(self) -> int:
        async with self.database.read() as connection:
            return len(await outbox.oldest(connection, limit=1_000_000))

    async def log(self, topic: str = "members.v1") -> list[Any]:
        records = []
        for partition, end in (await self.transport.ends(topic)).items():
            offset = 0
            while offset < end:
                batch = await self.transport.read(topic, partition, offset=offset, limit=1_000_000)
                records += batch.records
                offset = batch.next_offset
        return records

    async def things(self) -> dict[str, tuple[int, str | None]]:
        async with self.database.read() as connection:
            return {row.id: (row.version, row.name) for row in await connection.execute(select(THINGS))}

    async def effects(self) -> list[str]:
        async with self.database.read() as connection:
            return list(
                (await connection.execute(select(EFFECTS.c.event).order_by(EFFECTS.c.number))).scalars()
            )

    async def letters(self) -> list[deadletters.Letter]:
        async with self.database.read() as connection:
            return list(await deadletters.listed(connection, limit=1_000))

    async def halted(self) -> list[limits.Burials]:
        """The partitions that stand still."""
        async with self.database.read() as connection:
            return list(await limits.halted(connection))

    def consumer(self, handle: Callable[[Delivery], Awaitable[None]] = apply, **more: Any) -> Consumer:
        return Consumer(self.process, group="things", topics=["members.v1"], handle=handle, **more)

    @asynccontextmanager
    async def consuming(
        self, handle: Callable[[Delivery], Awaitable[None]] = apply, **more: Any
    ) -> AsyncIterator[Any]:
        """Run a consumer within the block, and let it stop gracefully after it."""
        consumer, stop = self.consumer(handle, **more), asyncio.Event()
        task = asyncio.create_task(consumer.run(stop))
        try:
            yield SimpleNamespace(consumer=consumer, task=task, stop=stop)
        finally:
            stop.set()
            if not task.done() or task.exception() is None:
                await task

    async def caught_up(self, running: Any) -> None:
        """Wait until everything on the log is committed; a consumer that ended fails the wait."""

        async def done() -> bool:
            if running.task.done():
                running.task.result()
                raise AssertionError("the consumer ended")
            figures = await running.consumer.progress()
            return len(figures["partitions"]) == 8 and figures["lag"] == 0

        await eventually(done)

    async def consume(self, handle: Callable[[Delivery], Awaitable[None]] = apply, **more: Any) -> None:
        """Run a consumer until it has caught up."""
        async with self.consuming(handle, **more) as running:
            await self.caught_up(running)
