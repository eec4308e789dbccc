"""The log cannot be reached for a while: writes are accepted all the same, and leave in their order afterwards."""

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.chassis.bus.relay import Relay
from services.chassis.bus.transports import kafka_appender
from services.console.parts import kafka
from tests.conformance.kit import KAFKA, KINDS, Bench, Place, ids, revised, until

pytestmark = pytest.mark.timeout(400)  # a client needs its time to notice that a broker is gone
KEYS = ids(6)
BROKERS: dict[str, kafka.Broker] = {}


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A log of this test's own, apart from the service's database, that can be taken away."""
    if request.param == "sqlite":
        file = f"sqlite+aiosqlite:///{tmp_path}"
        yield Place(
            kind="sqlite", database_url=f"{file}/members.db", log_url=f"{file}/log.db", busy_seconds=0.2
        )
        return
    database = request.getfixturevalue("postgresql_url")
    if request.param == "postgresql":
        yield Place(kind="postgresql", database_url=database(), log_url=database())
        return
    broker = BROKERS["own"] = kafka.start(tmp_path / "kafka")
    yield Place(
        kind="kafka",
        database_url=database(),
        log_url=broker.bootstrap_servers,
        prefix=f"t{uuid.uuid4().hex[:8]}.",
    )
    BROKERS.pop("own").stop()


@asynccontextmanager
async def away(place: Place) -> AsyncIterator[None]:
    """Take the log away: a file that somebody else has locked, a database without connections, a broker that is dead."""
    if place.kind == "sqlite":
        with closing(sqlite3.connect(place.log_url.partition("///")[2], isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.execute("ROLLBACK")
    elif place.kind == "postgresql":
        server, _, name = place.log_url.rpartition("/")
        admin = create_async_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        async with admin.connect() as connection:
            await connection.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false'))
            ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            await connection.execute(text(ending), {"name": name})
            yield
            await connection.execute(text(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true'))
        await admin.dispose()
    else:
        folder = BROKERS["own"].folder
        await asyncio.to_thread(BROKERS["own"].kill)
        yield
        BROKERS["own"] = await asyncio.to_thread(kafka.start, folder)


@pytest.mark.parametrize("place", KINDS, indirect=True)
async def test_c07_writes_succeed_while_the_log_is_away_and_drain_in_order(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        kafka_appender, "BATCH_SECONDS", 5.0
    )  # a batch that nobody answers is waited for so long
    stop = asyncio.Event()
    relay = Relay(bench.process)
    relaying = asyncio.create_task(relay.run(stop))

    async def drained() -> bool:
        return not await bench.waiting()

    await bench.post(*(revised(key, 1) for key in KEYS))
    await until(drained, seconds=120)
    async with away(bench.place):
        for version in (2, 3, 4):
            await bench.post(*(revised(key, version) for key in KEYS))

        async def noticed() -> bool:
            return relay.figures.failures > 0

        await until(noticed, seconds=120)
        await bench.post(*(revised(key, 5) for key in KEYS))
        assert len(await bench.waiting()) == 24
    await until(drained, seconds=120)
    stop.set()
    await relaying
    found = await bench.versions()
    for key in KEYS:
        firsts = list(dict.fromkeys(found[key]))  # a batch may stand twice on Kafka, with the same ids
        assert firsts == [1, 2, 3, 4, 5]
    await bench.consume()
    assert await bench.things() == dict.fromkeys(KEYS, (5, "Kigali Fibre"))
    assert len(await bench.effects()) == 30


@pytest.mark.parametrize("place", [KAFKA], indirect=True)
async def test_c07_a_broker_killed_between_a_commit_and_its_markers_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take the transaction for done when it comes back, although no marker was ever written."""
    ends, kills = bench.transport._stable_ends, [0, 0]  # rounds asked for, and done

    async def ends_of_a_dead_broker(places: Sequence[Any]) -> Mapping[Any, int]:
        if kills[1] < kills[0]:
            kills[1] += 1
            BROKERS["own"].kill()
        found: Mapping[Any, int] = await ends(places)
        return found

    async def drained() -> bool:
        return not await bench.waiting()

    monkeypatch.setattr(bench.transport, "_stable_ends", ends_of_a_dead_broker)
    folder, stop = BROKERS["own"].folder, asyncio.Event()
    relaying = asyncio.create_task(Relay(bench.process).run(stop))
    for version in (1, 2):
        kills[0] += 1
        await bench.post(*(revised(key, version) for key in KEYS))

        async def killed(wanted: int = version) -> bool:
            return kills[1] == wanted

        await until(killed, seconds=120)
        BROKERS["own"] = await asyncio.to_thread(kafka.start, folder)
        await until(drained, seconds=120)
    stop.set()
    await relaying
    found = await bench.versions()
    for key in KEYS:
        assert list(dict.fromkeys(found[key])) == [1, 2]
