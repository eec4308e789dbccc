"""A lane notes the end of its partition, and what goes wrong with that concerns nobody else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from services.chassis.database import DatabaseAway
from tests.services.chassis.bus.bench import Bench


async def test_a_database_that_is_away_when_the_end_is_noted_ends_no_membership(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench.consuming() as running:
        await bench.caught_up(running)
        lane = next(iter(running.consumer._assignment.lanes.values()))
        before = lane.position
        tomorrow = bench.process.clock.now() + timedelta(days=1)

        @asynccontextmanager
        async def away() -> AsyncIterator[None]:
            raise DatabaseAway("The database does not answer.")
            yield

        with monkeypatch.context() as patch:
            patch.setattr(bench.process.clock, "now", lambda: tomorrow)
            patch.setattr(bench.database, "write", away)
            await lane.note_end()
        assert lane.position == before
