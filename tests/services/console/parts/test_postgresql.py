import asyncio
import shutil
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.console.parts import postgresql

pytestmark = pytest.mark.postgresql


async def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            for statement in statements:
                result = await connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        await engine.dispose()


def test_a_cluster_keeps_what_it_has_over_a_stop_and_a_power_cut(tmp_path: Path) -> None:
    with postgresql.start(tmp_path) as cluster:
        url = cluster.database("comity")
        assert cluster.database("comity") == url  # there already
        asyncio.run(run(url, "CREATE TABLE kept (word text)", "INSERT INTO kept VALUES ('before')"))
    with postgresql.start(tmp_path) as cluster:
        asyncio.run(run(cluster.url("comity"), "INSERT INTO kept VALUES ('between')"))
        cluster.kill()
    with postgresql.start(tmp_path) as cluster:
        assert asyncio.run(run(cluster.url("comity"), "SELECT word FROM kept")) == [("before",), ("between",)]
    shutil.rmtree(cluster.folder)  # started by root, it stands outside tmp_path


def test_a_folder_that_was_deleted_and_made_anew_begins_with_an_empty_server(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)  # as root's own folders are: the user `postgres` keeps its data elsewhere
    folder = tmp_path / "postgresql"
    with postgresql.start(folder) as first:
        first.database("comity")
    shutil.rmtree(folder, ignore_errors=True)
    with postgresql.start(folder) as second:
        names = asyncio.run(run(second.url(), "SELECT datname FROM pg_database WHERE datname = 'comity'"))
    for cluster in (first, second):
        shutil.rmtree(cluster.folder, ignore_errors=True)
    assert names == []


async def test_the_server_asks_for_its_password(postgresql_url) -> None:
    url = postgresql_url()
    assert await run(url, "SELECT 1") == [(1,)]
    secret = url.partition("comity:")[2].partition("@")[0]
    with pytest.raises(Exception, match="password"):
        await run(url.replace(secret, "guessed"), "SELECT 1")


def test_each_url_names_a_database_of_its_own(postgresql_url) -> None:
    assert postgresql_url() != postgresql_url()
