"""A partition is taken anew without holding anything else up, the sign of life above all."""

import asyncio
import uuid
from typing import Any

import pytest

from services.chassis.bus import positions
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import TopicPartition
from services.chassis.database import DatabaseAway
from tests.services.chassis.bus.bench import Bench, eventually, organisation

KEY = str(uuid.UUID(int=1))
AT = TopicPartition("members.v1", partition_for(KEY, 8))


async def test_fetching_goes_on_while_a_partition_is_taken_anew_from_a_database_that_is_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.append(organisation(KEY, version=1))
    away, tried, fetched = asyncio.Event(), 0, 0
    take, join = positions.take, bench.transport.membership

    async def taken(*of: Any, **more: Any) -> positions.Position:
        nonlocal tried
        if away.is_set():
            tried += 1
            raise DatabaseAway("The database does not answer.")
        return await take(*of, **more)

    def membership(*of: Any) -> Any:
        member = join(*of)
        fetch = member.fetch

        async def counted(**more: Any) -> Any:
            nonlocal fetched
            fetched += 1
            return await fetch(**more)

        monkeypatch.setattr(member, "fetch", counted)
        return member

    monkeypatch.setattr(positions, "take", taken)
    monkeypatch.setattr(bench.transport, "membership", membership)
    async with bench.consuming() as running:
        await bench.caught_up(running)
        away.set()
        assignment = running.consumer._assignment
        assignment.moved.update(assignment.lanes)

        async def tries() -> bool:
            return tried > 0

        await eventually(tries)
        before = fetched

        async def more_fetches() -> bool:
            return fetched >= before + 3

        await eventually(more_fetches)
        away.clear()
        await bench.append(organisation(KEY, version=2))
        await bench.caught_up(running)
    assert await bench.things() == {KEY: (2, "Kigali Fibre")}


async def test_a_partition_that_comes_back_while_it_is_taken_anew_has_one_lane(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other was never told to end, and had the counts of what was buried."""
    verify, slow, proved = positions.verify, asyncio.Event(), asyncio.Event()
    retaking: list[asyncio.Task[int | None]] = []

    async def verified(*of: Any, **more: Any) -> None:
        if slow.is_set():
            slow.clear()
            await proved.wait()
        await verify(*of, **more)

    async def back(_: Any) -> None:
        proved.set()
        await asyncio.gather(*retaking)

    async def slowed() -> bool:
        return not slow.is_set()

    monkeypatch.setattr(positions, "verify", verified)
    assignment = bench.consumer(on_assigned=back)._assignment
    await assignment.assigned(frozenset({AT}))
    proved.clear()
    slow.set()
    retaking.append(asyncio.create_task(assignment.retake(AT)))
    await eventually(slowed)
    await assignment.revoked(frozenset({AT}))
    await assignment.assigned(frozenset({AT}))
    assert [task.get_name() for task in asyncio.all_tasks() if str(AT) in task.get_name()] == [f"things {AT}"]
    await assignment.revoked(frozenset({AT}))
