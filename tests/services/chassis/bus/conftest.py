"""The bench of every test here: a small service on real SQLite files."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services.chassis.bus.bench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.start()
    yield bench
    await bench.stop()


@pytest.fixture
def key() -> str:
    return str(uuid.UUID(int=1))
