"""A partition is taken anew without holding anything else up, the sign of life above all."""

import asyncio
import uuid
from typing import Any

import pytest

from services.chassis.bus import positions
from services.chassis.database import DatabaseAway
from tests.services.chassis.bus.bench import Bench, eventually, organisation

KEY = str(uuid.UUID(int=1))


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
