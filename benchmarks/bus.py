"""A service that does nothing but move events, for the benchmarks of the bus: its tables, its events, its handler.

What is measured is the relay, the log and the consumer themselves, with every check that they make; what a service does
with an event comes on top. It must not take a shorter way than the services do.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from sqlalchemy import MetaData

from schemas.envelope import Event, Sequence, new_event
from schemas.topics import ORGANISATION_REVISED
from services.chassis.bus import deadletters, outbox, positions
from services.chassis.bus.consumer import Consumer
from services.chassis.bus.delivery import Delivery
from services.chassis.bus.transport import Transport
from services.chassis.database import Database
from services.chassis.runtime import Clock, Signals
from services.chassis.settings import Settings
from services.chassis.telemetry import Metrics
from services.console.loading import DEMO_FOLDER, records

TOPIC = "members.v1"
TABLES = MetaData()
for attach in (outbox.attach, positions.attach, deadletters.attach):
    attach(TABLES)

_LARGEST = 900_000
_GROUP = "benchmark"
_COMMITTED = "comity_consumer_effect_seconds_count"  # events whose effects are committed


@dataclass(kw_only=True)
class Process:
    """What the bus needs of the process that it runs in."""

    database: Database
    transport: Transport
    settings: Settings
    service: Any = field(default_factory=lambda: SimpleNamespace(name="members"))
    signals: Signals = field(default_factory=Signals)
    clock: Clock = field(default_factory=Clock)
    metrics: Metrics = field(default_factory=Metrics)
    state: dict[str, Any] = field(default_factory=dict)


def make_events(count: int, *, seed: int = 71) -> list[Event]:
    """Make events of as many different organisations, with the texts of the demo's: real sizes, seeded."""
    chance = random.Random(seed)
    profiles = list(records(DEMO_FOLDER, "organisations-en"))
    kept = ("legal_name", "category", "hq_country", "descriptions", "offers", "languages", "fictional")
    events = []
    for number in range(count):
        profile = chance.choice(profiles)
        key = str(uuid.uuid5(uuid.NAMESPACE_OID, f"event {seed} {number}"))
        data = {"id": key, "revision": 1, "state": "active"} | {
            name: profile[name] for name in kept if name in profile
        }
        events.append(
            new_event(
                TOPIC,
                ORGANISATION_REVISED,
                key=key,
                sequence=Sequence(1, 1),
                data=data,
                source="/comity/members",
                clock=Clock(),
            )
        )
    return events


async def fill(database: Database, events: list[Event], *, at_once: int = 500) -> None:
    """Put events into the outbox, as commands do."""
    for begin in range(0, len(events), at_once):
        async with database.write() as connection:
            await outbox.post_all(connection, events[begin : begin + at_once], max_record_bytes=_LARGEST)


async def consume(process: Process, count: int) -> float:
    """Consume `count` events with a handler that does nothing, and stop; the seconds until all of them were committed."""
    seen, stop = 0, asyncio.Event()

    async def handle(_delivery: Delivery) -> None:
        nonlocal seen
        seen += 1

    def committed() -> float:
        return process.metrics.registry.get_sample_value(_COMMITTED, {"group": _GROUP}) or 0

    began = time.perf_counter()
    consumer = Consumer(process, group=_GROUP, topics=[TOPIC], handle=handle)
    task = asyncio.create_task(consumer.run(stop))
    while not task.done() and (seen < count or committed() < count):
        await process.signals.wait(f"consumed:{_GROUP}", 1.0)
    seconds = time.perf_counter() - began
    stop.set()
    await task
    return seconds


@contextmanager
def timed(figures: dict[str, float], name: str, count: int) -> Iterator[None]:
    """Note how many a second `count` of them were."""
    began = time.perf_counter()
    yield
    figures[name] = round(count / (time.perf_counter() - began))
