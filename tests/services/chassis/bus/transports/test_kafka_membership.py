"""What the client library does on its own and no broker can be told to do on demand: a fetch that hangs, a refused report."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.chassis.bus.errors import Transient
from services.chassis.bus.transport import Record, TopicPartition
from services.chassis.bus.transports.kafka import KafkaTransport
from services.chassis.bus.transports.kafka_membership import KafkaMembership
from services.chassis.settings import Settings
from tests.services.chassis.bus.bench import Bench

AT = TopicPartition("members.v1", 0)
SERVICES = Path(__file__).resolve().parents[5] / "services"


class Client:
    """The client's side of a membership, as it behaves during a rebalance."""

    def __init__(self) -> None:
        self.settled = asyncio.Event()
        self.cancelled = False
        self.fetches = 0
        self.alive = asyncio.Event()
        self.paused: list[frozenset[TopicPartition]] = []
        self.refused = asyncio.Event()

    async def join(self, member: KafkaMembership) -> None:
        await member.assigned(frozenset({AT}))

    async def leave(self) -> None:
        pass

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({AT})

    async def fetch(
        self, of: frozenset[TopicPartition] | None = None, **_: float
    ) -> Mapping[TopicPartition, tuple[Record, ...]]:
        self.fetches += 1
        if of == frozenset():
            self.alive.set()
        try:
            await self.settled.wait()  # the library does not honour its timeout meanwhile
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if of is not None and AT not in of:
            return {}
        return {
            AT: (
                Record(
                    topic=AT.topic, partition=0, offset=0, key=b"k", headers=(), value=b"{}", appended_at=0
                ),
            )
        }

    async def position(self, _: TopicPartition) -> int | None:
        return 0

    def seek(self, at: TopicPartition, offset: int) -> None:
        pass

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        self.paused.append(partitions)

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        pass

    async def commit(self, _: Mapping[TopicPartition, int]) -> None:
        self.refused.set()
        raise Transient("The group is rebalancing.")


class Listener:
    def __init__(self) -> None:
        self.refused = 0
        self.told: list[frozenset[TopicPartition]] = []

    async def assigned(self, partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.told.append(partitions)
        return dict.fromkeys(partitions, 0)

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        pass

    def report_refused(self) -> None:
        self.refused += 1


async def test_h4_h11_a_fetch_that_hangs_is_answered_in_time_and_never_cancelled() -> None:
    client = Client()
    async with KafkaMembership(client, group="things", listener=Listener()) as member:
        for _ in range(3):
            async with asyncio.timeout(2):
                assert await member.fetch(timeout=0.05, limit=10) == ()
        assert (client.fetches, client.cancelled) == (1, False)  # one and the same, still under way
        client.settled.set()
        batches = await member.fetch(timeout=1, limit=10)
        if not batches:  # what was fetched before the listener had said where to start is thrown away
            batches = await member.fetch(timeout=1, limit=10)
        assert [record.offset for batch in batches for record in batch.records] == [0]


async def test_a_member_that_is_given_nothing_is_told_so() -> None:
    """Else nobody could tell a spare member from one that is lost on its way into the group."""
    listener = Listener()
    async with KafkaMembership(Client(), group="things", listener=listener) as member:
        await member.revoked(frozenset({AT}))
        await member.assigned(frozenset())
    assert listener.told == [frozenset({AT}), frozenset()]


async def test_a_paused_partition_is_not_asked_for_and_the_client_keeps_what_it_holds_ready_of_it() -> None:
    client = Client()
    client.settled.set()
    async with KafkaMembership(client, group="things", listener=Listener()) as member, asyncio.timeout(20):
        while not await member.fetch(timeout=1, limit=10):
            pass
        member.pause(frozenset({AT}))
        fetching = asyncio.create_task(member.fetch(timeout=60, limit=10))
        await client.alive.wait()
        member.resume(frozenset({AT}))
        assert not await fetching  # at once: it does not sit its sixty seconds out
        assert await member.fetch(timeout=1, limit=10)
        assert client.paused == [frozenset({AT})]  # on its arrival, until it was known where to start


async def test_h7_a_report_that_a_rebalance_refuses_is_swallowed_and_fetching_goes_on() -> None:
    client, listener = Client(), Listener()
    client.settled.set()
    async with KafkaMembership(client, group="things", listener=listener) as member:
        await member.report({AT: 1})
        await client.refused.wait()
        assert await member.fetch(timeout=1, limit=10)
    assert listener.refused == 1


async def test_h7_a_report_that_is_refused_is_counted(bench: Bench) -> None:
    before = bench.process.metrics.exposition()
    bench.consumer()._assignment.report_refused()
    assert b"comity_consumer_reports_refused_total{" not in before
    assert b'comity_consumer_reports_refused_total{group="things"} 1.0' in bench.process.metrics.exposition()


async def test_h1_the_sticky_assignor_is_never_used_and_no_setting_can_choose_it() -> None:
    membership = KafkaTransport(Settings()).membership("things", ["members.v1"], Listener())
    consumer = membership._client._consumer
    assert [one.name for one in consumer._partition_assignment_strategy] == ["range"]
    await membership._client.leave()
    assert "assignor" not in " ".join(Settings.model_fields["kafka"].default.model_dump())
    for path in SERVICES.rglob("*.py"):
        assert "StickyPartitionAssignor" not in path.read_text("utf-8"), path


@pytest.mark.parametrize("name", ["auto.create.topics.enable=false"])
def test_h12_no_topic_is_created_by_a_first_write(name: str) -> None:
    assert name in (SERVICES.parent / "deploy" / "kafka" / "server.properties").read_text("utf-8")
    assert "enable_auto_create" not in (SERVICES / "chassis" / "bus" / "transports" / "kafka.py").read_text(
        "utf-8"
    )
