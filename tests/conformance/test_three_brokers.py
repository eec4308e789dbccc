"""A cluster as in production: three brokers, three replicas, two in sync. One is killed under load, and nothing is lost.

Its own cluster on the loopback, whatever COMITY_KAFKA_BOOTSTRAP_SERVERS names: a broker of somebody else's is not killed.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection

from services.chassis.bus.relay import Relay
from services.console.parts import kafka
from tests.conformance.cluster import start_several
from tests.conformance.kit import KAFKA, PARTITIONS, Bench, Place, Site, ids, revised, until

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("place", [KAFKA], indirect=True),
]
KEYS = ids(12)
VERSIONS = 40


@pytest.fixture(autouse=True)
async def forgotten() -> AsyncIterator[None]:
    """The client forgets a connection whose broker dies while it is being opened: close it here, not in some later test."""
    yield
    for one in gc.get_objects():
        if isinstance(one, AIOKafkaConnection):
            one.close()
    await asyncio.sleep(0.1)


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[tuple[kafka.Broker, ...]]:
    started = start_several(tmp_path / "kafka")
    yield started
    for broker in started:
        broker.stop()


@pytest.fixture
def place(request: pytest.FixtureRequest, brokers: tuple[kafka.Broker, ...]) -> Place:
    return Place(
        kind="kafka",
        database_url=request.getfixturevalue("postgresql_url")(),
        log_url=",".join(broker.bootstrap_servers for broker in brokers),
        replicas=3,
        in_sync=2,
    )


async def leaders(place: Place) -> dict[int, tuple[int, int]]:
    """Partition → (leader, replicas in sync), as the cluster says."""
    admin = AIOKafkaAdminClient(bootstrap_servers=place.log_url)
    await admin.start()
    (topic,) = await admin.describe_topics(["members.v1"])
    await admin.close()
    return {one["partition"]: (one["leader"], len(one["isr"])) for one in topic["partitions"]}


async def test_one_broker_killed_under_load_loses_and_doubles_nothing(
    site: Site, brokers: tuple[kafka.Broker, ...]
) -> None:
    bench: Bench = await site.process()

    async def in_sync() -> bool:
        return [count for _, count in (await leaders(bench.place)).values()] == [3] * PARTITIONS

    await until(in_sync, seconds=60)
    victim = (await leaders(bench.place))[0][0]  # it leads a partition
    stop, written = asyncio.Event(), 0
    relaying = asyncio.create_task(Relay(bench.process).run(stop))

    async def write() -> None:
        nonlocal written
        for version in range(1, VERSIONS + 1):
            await bench.post(*(revised(key, version) for key in KEYS))
            written = version
            await asyncio.sleep(0.02)

    async def drained() -> bool:
        return not await bench.waiting()

    async with bench.consuming():
        writing = asyncio.create_task(write())

        async def under_way() -> bool:
            return written >= VERSIONS // 4 and len(await bench.effects()) > 0

        await until(under_way, seconds=120)
        await asyncio.to_thread(brokers[victim - 1].kill)
        await writing
        await until(drained, seconds=300)
        stop.set()
        await relaying

        async def applied() -> bool:
            return len(await bench.effects()) >= VERSIONS * len(KEYS)

        await until(applied, seconds=300)
    effects = await bench.effects()
    for key in KEYS:
        assert [version for each, version in effects if each == key] == list(range(1, VERSIONS + 1))
    assert await bench.letters() == []

    async def led_by_others() -> bool:
        return victim not in {leader for leader, _ in (await leaders(bench.place)).values()}

    await until(led_by_others, seconds=60)
