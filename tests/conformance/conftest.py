"""Every scenario runs on each log: SQLite, PostgreSQL, and Apache Kafka itself."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.kit import KINDS, Bench, Place, Site


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each log, with the database that it is used with: Kafka with PostgreSQL."""
    if request.param == "sqlite":
        file = f"sqlite+aiosqlite:///{tmp_path}"
        return Place(kind="sqlite", database_url=f"{file}/members.db", log_url=f"{file}/log.db")
    url = request.getfixturevalue("postgresql_url")()
    if request.param == "postgresql":
        return Place(kind="postgresql", database_url=url, log_url=url)
    servers = request.getfixturevalue("kafka_broker")
    return Place(kind="kafka", database_url=url, log_url=servers, prefix=f"t{uuid.uuid4().hex[:8]}.")


@pytest.fixture
async def site(place: Place) -> AsyncIterator[Site]:
    site = Site(place)
    yield site
    await site.end()


@pytest.fixture
async def bench(site: Site) -> Bench:
    return await site.process()
