"""Who ranks what, with the real consumer and its group: on the embedded log, and on Apache Kafka with PostgreSQL."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from migrations.running import migrate
from schemas.topics import TOPICS
from services.chassis.bus.consumer import Consumer
from services.chassis.bus.transport import TopicPartition
from services.chassis.database import Database
from services.chassis.lifecycle import open_transport
from services.chassis.runtime import Runtime
from services.chassis.settings import Settings, load_settings
from services.matches import SERVICE, startup
from services.matches.commands import add_day
from services.matches.consumers import GROUP, archive
from services.matches.worker import versions
from services.matches.worker.index import Index
from services.matches.worker.ownership import Ownership
from services.matches.worker.ranker import Ranker
from tests.services.matches.town import NOON, PARTITIONS, analysis

BOTH = set(range(PARTITIONS))
MARKS = [pytest.mark.kafka, pytest.mark.postgresql, pytest.mark.xdist_group("conformance-kafka")]
LOGS = [pytest.param("sqlite", id="sqlite"), pytest.param("kafka", id="kafka", marks=MARKS)]


@pytest.fixture
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Each log, with the database that it is used with."""
    log: dict[str, Any] = {"partitions": PARTITIONS}
    found = load_settings(data_folder=tmp_path, log=log)
    if request.param == "kafka":
        found = load_settings(
            data_folder=tmp_path,
            log=log | {"transport": "kafka"},
            database={"url": request.getfixturevalue("postgresql_url")()},
            kafka={
                "bootstrap_servers": request.getfixturevalue("kafka_broker"),
                "replication_factor": 1,
                "min_insync_replicas": 1,
                "prefix": f"t{uuid.uuid4().hex[:8]}.",
                "session_timeout_ms": 3_000,
            },
        )
    await asyncio.to_thread(migrate, found, ["log", "matches"] if request.param == "sqlite" else ["matches"])
    return found


@dataclass(kw_only=True)
class Process:
    """A matching worker whose consumer runs, and whose ranker steps when a test says so."""

    runtime: Runtime
    consumer: Consumer
    owned: Ownership
    ranker: Ranker
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def index(self) -> Index:
        index: Index = self.runtime.state["index"]
        return index

    async def rank(self) -> None:
        """Follow and rank until there is nothing to do."""
        while await self.index.follow() or await self.ranker.step():
            pass

    async def next_day(self) -> None:
        """Open the next day: every owner has a pass to write."""
        day = (await self.index.pin()).day
        async with self.runtime.database.write() as connection:
            opened = NOON.date().fromisoformat(day) + timedelta(days=1)
            assert await add_day(connection, self.runtime, opened)

    async def given(self, partitions: set[int]) -> None:
        """Wait until the group gives exactly these partitions of the projects topic, and the worker knows."""

        async def so() -> bool:
            here = {at.partition for at in self.consumer.assigned if at.topic == "projects.v1"}
            known = self.owned.arriving | self.owned.generations.keys()
            return here == known == partitions

        await until(so)


@asynccontextmanager
async def process(settings: Settings, name: str, *, told: bool = True) -> AsyncIterator[Process]:
    """Run a worker's consumer within the block; without `told`, it does not hear that partitions leave."""
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(open_transport(settings))
        await transport.create_topics(tuple(TOPICS.values()))
        database = Database.for_service(settings, "matches")
        stack.push_async_callback(database.close)
        state = {"analysis": await asyncio.to_thread(analysis)}
        runtime = Runtime(
            settings=settings, service=SERVICE, database=database, transport=transport, state=state
        )
        await startup(runtime)
        owned = Ownership(runtime, name, group=lambda: consumer.assigned)
        consumer = Consumer(
            runtime,
            group=GROUP,
            topics=("projects.v1", "members.v1"),
            handle=archive,
            on_assigned=owned.assigned,
            on_revoked=owned.revoked if told else None,
        )
        ranker = Ranker(runtime, runtime.state["index"], owned)
        await runtime.state["index"].watch()
        found = Process(runtime=runtime, consumer=consumer, owned=owned, ranker=ranker)
        running = asyncio.create_task(consumer.run(found.stop))
        try:
            yield found
        finally:
            found.stop.set()
            await running


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that the group does in its own time."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)


async def somebody_else(one: Process, partition: int) -> int:
    """Another process takes a partition over, as it may after this one was frozen; its generation."""
    return await Ownership(one.runtime, "somebody else", group=set).take_over(partition)


@pytest.mark.parametrize("settings", LOGS, indirect=True)
async def test_a_refused_owner_that_is_still_assigned_takes_over_anew(settings: Settings) -> None:
    async with process(settings, "first") as first:
        await first.given(BOTH)
        await first.rank()
        assert first.owned.generations == {0: 1, 1: 1}
        assert await somebody_else(first, 0) == 2
        await first.next_day()
        await first.index.follow()
        assert await first.ranker.step()
        assert (first.owned.generations, first.owned.arriving) == ({1: 1}, {0})
        await first.rank()
        assert (first.owned.generations, first.owned.arriving) == ({0: 3, 1: 1}, set())


@pytest.mark.parametrize("settings", LOGS, indirect=True)
async def test_a_refused_owner_that_is_not_assigned_any_more_drops_the_partition(settings: Settings) -> None:
    """The group has taken the partitions away, and the word of it is still on its way to the ranker."""
    async with process(settings, "first", told=False) as first:
        await first.given(BOTH)
        await first.rank()
        first.stop.set()

        async def left() -> bool:
            return not first.consumer.assigned

        await until(left)
        assert first.owned.generations == {0: 1, 1: 1}
        await somebody_else(first, 0)
        await somebody_else(first, 1)
        await first.next_day()
        await first.rank()
        assert (first.owned.generations, first.owned.arriving) == ({}, set())
        assert not await first.ranker.step()


@pytest.mark.parametrize("settings", LOGS, indirect=True)
async def test_a_partition_that_leaves_while_it_is_taken_over_is_not_owned(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, reached, go_on = versions.load_kept, asyncio.Event(), asyncio.Event()

    async def held(connection: Any, partition: int) -> Any:
        reached.set()
        await go_on.wait()
        return await load(connection, partition)

    async with process(settings, "first") as first:
        await first.given(BOTH)
        monkeypatch.setattr(versions, "load_kept", held)
        step = asyncio.create_task(first.ranker.step())
        await reached.wait()
        first.stop.set()
        await first.given(set())
        go_on.set()
        await step
        assert (first.owned.generations, first.owned.arriving) == ({}, set())


@pytest.mark.parametrize("settings", LOGS[1:], indirect=True)
async def test_workers_that_come_and_go_do_not_take_partitions_from_each_other(settings: Settings) -> None:
    async with process(settings, "first") as first:
        await first.given(BOTH)
        await first.rank()
        async with process(settings, "second") as second:

            async def shared() -> bool:
                mine, theirs = (
                    {at.partition for at in one.consumer.assigned if at.topic == "projects.v1"}
                    for one in (first, second)
                )
                return len(mine) == len(theirs) == 1 and mine | theirs == BOTH

            await until(shared)
            for _ in range(3):
                await first.next_day()
                await first.rank()
                await second.rank()
            owners = [dict(one.owned.generations) for one in (first, second)]
            assert sorted(partition for each in owners for partition in each) == [0, 1]
            for one, each in zip((first, second), owners, strict=True):
                here = {at.partition for at in one.consumer.assigned if at.topic == "projects.v1"}
                assert each.keys() == here
        await first.given(BOTH)
        await first.rank()
        assert first.owned.generations.keys() == BOTH
        assert TopicPartition("projects.v1", 0) in first.consumer.assigned
