import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from schemas.envelope import Event, Sequence
from schemas.topics import TOPICS
from services.chassis.bus.transport import Batch
from services.chassis.bus.transports.kafka import KafkaTransport
from services.chassis.settings import Settings
from services.console.parts import kafka

pytestmark = pytest.mark.kafka

EVENT = Event(
    id="0193f3c2-a7d1-7000-8000-00000000abcd",
    source="/home/projects",
    type="org.comity.project.revised.v1",
    subject="one",
    time="2026-11-24T10:00:00.000000Z",
    dataschema=None,
    sequence=Sequence(1, 7),
    partitionkey="one",
    topic="projects.v1",
    key="one",
    traceparent=None,
    data='{"title":"Écoles connectées"}'.encode(),
)


def read_plainly(bootstrap_servers: str, topic: str, *, count: int = 1) -> str:
    """Return the first records of a topic as Kafka's own console consumer prints them: headers, key, value.

    It shows that what we write is plain Kafka. Waits a few seconds for records, and returns what there is.
    """
    installed = kafka.install()
    done = subprocess.run(
        installed.command(
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
            *("--bootstrap-server", bootstrap_servers, "--topic", topic, "--from-beginning"),
            *("--max-messages", str(count), "--timeout-ms", "10000"),
            *("--command-property", "isolation.level=read_committed"),
            *("--formatter-property", "print.headers=true", "--formatter-property", "print.key=true"),
            heap="128m",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def settings(broker: kafka.Broker) -> Settings:
    return Settings(
        kafka={
            "bootstrap_servers": broker.bootstrap_servers,
            "replication_factor": 1,
            "min_insync_replicas": 1,
        }
    )


@asynccontextmanager
async def log_on(broker: kafka.Broker) -> AsyncIterator[KafkaTransport]:
    transport = KafkaTransport(settings(broker))
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


async def first_batch(transport: KafkaTransport) -> Batch:
    """What stands on the topic, once it is readable: a commit is answered before its markers are written."""
    async with asyncio.timeout(30):
        while True:
            for partition, end in (await transport.ends("projects.v1")).items():
                if end:
                    return await transport.read("projects.v1", partition, offset=0, limit=10)
            await asyncio.sleep(0.05)


async def test_a_broker_keeps_what_it_has_over_a_power_cut(tmp_path: Path) -> None:
    with kafka.start(tmp_path) as broker:
        async with log_on(broker) as log:
            await log.create_topics([TOPICS["projects.v1"]])
            identity = await log.identity("projects.v1")
            async with log.appender("projects") as appender:
                await appender.append([EVENT])
            await first_batch(log)
        port = broker.port
        broker.kill()

    with kafka.start(tmp_path) as broker:
        assert broker.port == port
        async with log_on(broker) as log:
            assert await log.identity("projects.v1") == identity
            assert [Event.from_record(record) for record in (await first_batch(log)).records] == [EVENT]

        line = read_plainly(broker.bootstrap_servers, "projects.v1")
        assert "ce_id:0193f3c2-a7d1-7000-8000-00000000abcd" in line
        assert line.endswith('one\t{"title":"Écoles connectées"}')


def test_the_broker_listens_on_the_loopback_only(kafka_broker: str) -> None:
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    port = f"{int(kafka_broker.partition(':')[2]):04X}"
    addresses = {
        line[1].partition(":")[0] for line in listening if line[3] == "0A" and line[1].endswith(port)
    }
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert addresses
