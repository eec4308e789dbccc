"""The village and a receiver, for every test of this service."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.services.notifications.hall import Hall, open_hall
from tests.services.notifications.office import Sink, mail_to, sinking
from tests.services.notifications.village import Receiver, Village, open_village, receiving


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    async with AsyncExitStack() as stack:
        yield await open_village(tmp_path / "town", stack)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    async with open_hall(tmp_path) as found:
        yield found


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[tuple[Hall, Sink]]:
    async with sinking() as (sink, port), open_hall(tmp_path, mail=mail_to(port)) as hall:
        yield hall, sink


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))])
async def post(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Hall, Sink, Receiver]]:
    """A hall with a mail server and a second receiver, on each database."""
    database: dict[str, Any] = {}
    if request.param == "postgresql":
        found: Callable[[], str] = request.getfixturevalue("postgresql_url")
        database = {"database": {"url": found()}}
    async with AsyncExitStack() as stack:
        sink, port = await stack.enter_async_context(sinking())
        other = await stack.enter_async_context(receiving())
        yield (
            await stack.enter_async_context(open_hall(tmp_path, mail=mail_to(port), **database)),
            sink,
            other,
        )
