"""Several members of a group, which is Kafka's job: the embedded log serves one process and has one member a group."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from services.chassis.bus.consumer import Delivery
from services.chassis.bus.transport import TopicPartition
from tests.conformance.kit import KAFKA, PARTITIONS, Bench, Place, Site, apply, ids, revised, until

pytestmark = pytest.mark.parametrize("place", [KAFKA], indirect=True)
KEYS = ids(20)


@pytest.fixture
def place(place: Place, request: pytest.FixtureRequest) -> Place:
    """Where it is about signs of life, a member that gives none for 1.5 s is put out of the group."""
    alive = request.node.name.startswith(("test_c18", "test_c19"))
    return replace(place, max_poll_interval_ms=1_500) if alive else place


async def test_c17_members_that_come_and_go_under_load_lose_nothing_and_keep_the_order_of_keys(
    site: Site,
) -> None:
    writer, first, second = [await site.process() for _ in range(3)]

    async def write() -> None:
        for version in range(1, 41):
            await writer.append(*(revised(key, version) for key in KEYS))

    async with first.consuming() as one:
        writing = asyncio.create_task(write())
        for _ in range(2):
            await asyncio.sleep(0.5)
            async with second.consuming() as two:
                await asyncio.sleep(1.0)
                assert one.consumer.assigned.isdisjoint(two.consumer.assigned)
        await writing
        await first.caught_up(one)

    effects = await first.effects()
    assert len(effects) == 40 * len(KEYS)
    for key in KEYS:
        assert [version for each, version in effects if each == key] == list(range(1, 41))


async def test_c17_two_members_share_the_partitions(site: Site) -> None:
    first, second = await site.process(), await site.process()
    async with first.consuming() as one, second.consuming() as two:

        async def shared() -> bool:
            return (len(one.consumer.assigned), len(two.consumer.assigned)) == (2, 2)

        await until(shared)
        assert len(one.consumer.assigned | two.consumer.assigned) == PARTITIONS
        await first.append(*(revised(key, 1) for key in KEYS))
        await first.caught_up(one, two)
    assert sorted(await first.effects()) == [(key, 1) for key in KEYS]


async def test_c18_a_surplus_member_takes_over_long_after_its_poll_interval(site: Site) -> None:
    """A member without partitions must go on asking, or it could not rejoin when it is needed."""
    bench = await site.process()
    async with AsyncExitStack() as everybody:
        leaving = [await everybody.enter_async_context(AsyncExitStack()) for _ in range(PARTITIONS + 1)]
        members = [await each.enter_async_context(bench.consuming()) for each in leaving]

        async def one_has_none() -> bool:
            return sorted(len(each.consumer.assigned) for each in members) == [0, 1, 1, 1, 1]

        await until(one_has_none, seconds=30)
        (spare,) = [each for each in members if not each.consumer.assigned]  # the group says who that is
        await asyncio.sleep(2.5)  # longer than the poll interval
        for each, goes in zip(members, leaving, strict=True):
            if each is not spare:
                await goes.aclose()
        await bench.append(*(revised(key, 1) for key in KEYS))
        await bench.caught_up(spare)
    assert sorted(await bench.effects()) == [(key, 1) for key in KEYS]


async def test_c19_a_slow_handler_keeps_its_partitions(site: Site) -> None:
    """One transaction takes longer than the session and than the poll interval; its member goes on fetching beside it."""
    first, second = await site.process(), await site.process()
    await first.append(*(revised(key, 1) for key in KEYS))
    slept: list[str] = []
    left: set[TopicPartition] = set()

    async def slow(delivery: Delivery) -> None:
        if not slept:
            slept.append(delivery.event.key)
            await asyncio.sleep(4)  # the session is 3 s
        await apply(delivery)

    async def gone(partitions: frozenset[TopicPartition]) -> None:
        left.update(partitions)

    async with first.consuming(slow, on_revoked=gone) as one:
        await first.caught_up(one)
        assert not left
    assert len(slept) == 1
    assert sorted(await second.effects()) == [(key, 1) for key in KEYS]


async def test_a_seek_throws_away_what_was_fetched_before_it(site: Site) -> None:
    bench: Bench = await site.process()
    await bench.append(*(revised(KEYS[0], version) for version in range(1, 51)))
    (partition,) = {record.partition for record in await bench.log()}

    class Everything:
        async def assigned(self, partitions):
            return dict.fromkeys(partitions, 0)

        async def revoked(self, partitions):
            pass

        def report_refused(self):
            pass

    seen: list[int] = []
    async with bench.transport.membership("seekers", ["members.v1"], Everything()) as membership:
        async with asyncio.timeout(20):
            while len(seen) < 100:
                for batch in await membership.fetch(timeout=0.2, limit=10):
                    seen += [record.offset for record in batch.records]
                    if len(seen) == 30 and batch.at.partition == partition:
                        membership.seek(batch.at, 5)
                if seen and seen[-1] == 49:
                    break
    assert seen == [*range(30), *range(5, 50)]
