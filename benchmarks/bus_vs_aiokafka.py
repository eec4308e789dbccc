"""What the event rules cost on Apache Kafka: relay and consumer as a share of the bare client on the same broker.

    python benchmarks/bus_vs_aiokafka.py [--records 20000] [--json]

What each side does. The **relay** reads events from a PostgreSQL outbox, up to 2,000 at once, packs each partition's into
record batches, appends them in one fenced transaction, waits until readers can have them and deletes the rows; its peer is
an idempotent producer with acks=all that is given the same bytes (keys, headers, values, partitions), ready made, one
record at a time as the client's documentation has it, and waits for all of them. The **consumer** joins a group, proves
its stored positions, reads committed records, reads each envelope, validates each event's data against its schema and
hands it to a handler that does nothing, and moves its position in PostgreSQL in the same transaction; its peer joins a group
and reads committed records, and looks at none of them. So that it can be seen what validation alone costs, a third reader
is the peer that also validates each value (`fetched_and_validated`): no consumer that obeys the rules can be faster.
Same broker, same topic settings, same process, whose garbage collector is set as a service's; each side has a topic of its
own; joining a group is counted and leaving it is not.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiokafka

from benchmarks.bus import TABLES, TOPIC, Process, consume, fill, make_events, timed
from benchmarks.report import Claim, machine, report
from schemas.contracts import MODELS
from schemas.envelope import Event
from schemas.topics import TOPICS
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.relay import Relay
from services.chassis.bus.transports.kafka import KafkaTransport
from services.chassis.database import Database
from services.chassis.lifecycle import collected_seldom, spared
from services.chassis.settings import Settings, load_settings
from services.console.parts import kafka, postgresql

SHARE = 0.5


async def ours(settings: Settings, events: list[Event]) -> dict[str, float]:
    """Relay and consume the events by the rules."""
    figures: dict[str, float] = {}
    database = Database.for_service(settings, "members")
    async with database.autocommit() as connection:
        await connection.exec_driver_sql('CREATE SCHEMA IF NOT EXISTS "members"')
    async with database.write() as connection:
        await connection.run_sync(TABLES.create_all)
    transport = KafkaTransport(settings)
    await transport.open()
    await transport.create_topics([TOPICS[TOPIC]])
    process = Process(database=database, transport=transport, settings=settings)
    await fill(database, events)
    relay = Relay(process)
    async with transport.appender("members") as appender:
        with timed(figures, "relayed", len(events)):
            while await relay.step(appender):
                pass
    figures["consumed"] = round(len(events) / await consume(process, len(events)))
    await transport.close()
    await database.close()
    return figures


async def bare(settings: Settings, events: list[Event]) -> dict[str, float]:
    """Produce and consume the same bytes with the client alone."""
    figures: dict[str, float] = {}
    servers = settings.kafka.bootstrap_servers
    transport = KafkaTransport(
        settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"prefix": "bare."})})
    )
    await transport.open()
    await transport.create_topics([TOPICS[TOPIC]])
    count = await transport.partitions(TOPIC)
    await transport.close()
    topic = f"bare.{TOPIC}"
    ready: list[dict[str, Any]] = [
        {
            "value": event.data,
            "key": event.key.encode(),
            "partition": partition_for(event.partitionkey, count),
            "headers": list(event.headers()),
        }
        for event in events
    ]
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    await producer.start()
    with timed(figures, "produced", len(events)):
        await asyncio.gather(*[await producer.send(topic, **one) for one in ready])
    await producer.stop()
    await fetch(figures, "fetched", servers, topic, len(events), None)
    model = MODELS[events[0].type]
    await fetch(
        figures,
        "fetched_and_validated",
        servers,
        topic,
        len(events),
        lambda record: model.model_validate_json(record.value, strict=True, extra="ignore"),
    )
    return figures


async def fetch(
    figures: dict[str, float],
    name: str,
    servers: str,
    topic: str,
    count: int,
    look: Callable[[Any], object] | None,
) -> None:
    """Read `count` committed records as a group of this name, looking at each if there is a way to."""
    reader = aiokafka.AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=name,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    with timed(figures, name, count):
        await reader.start()
        seen = 0
        while seen < count:
            batches = await reader.getmany(timeout_ms=1000, max_records=500)
            seen += sum(len(batch) for batch in batches.values())
            if look is not None:
                for batch in batches.values():
                    for record in batch:
                        look(record)
    await reader.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    before, events = machine(), make_events(arguments.records)
    with (
        tempfile.TemporaryDirectory() as name,
        postgresql.start(Path(name) / "postgresql") as cluster,
        kafka.start(Path(name) / "kafka") as broker,
    ):
        settings = load_settings(
            data_folder=Path(name),
            database={"url": cluster.database("comity")},
            log={"transport": "kafka"},
            kafka={
                "bootstrap_servers": broker.bootstrap_servers,
                "replication_factor": 1,
                "min_insync_replicas": 1,
            },
        )
        asyncio.run(
            bare(settings, events[:1000])
        )  # the broker's own warm-up; its topic is read from the start
        with collected_seldom(), spared():
            figures = asyncio.run(ours(settings, events)) | asyncio.run(bare(settings, events))
    produced = round(figures["relayed"] / figures["produced"], 3)
    consumed = round(figures["consumed"] / figures["fetched"], 3)
    validated = round(figures["consumed"] / figures["fetched_and_validated"], 3)
    report(
        ratios={
            "relay / bare producer": produced,
            "consumer / bare consumer": consumed,
            "consumer / bare consumer that validates": validated,
        },
        claims=[
            Claim(name="relay as a share of a bare producer", value=produced, unit="share", goal=SHARE),
            Claim(name="consumer as a share of a bare consumer", value=consumed, unit="share", goal=SHARE),
        ],
        figures=figures | {"records": len(events)},
        machine=before,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
