"""Every owner's chain of revisions makes exactly the tables that the owner declares, on SQLite and PostgreSQL."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, exc, inspect, text

from migrations.owners import every_owner, metadata_of, owners_of
from migrations.running import configuration, migrate, migrate_owners, upgrade
from services.chassis.database import Database
from services.chassis.settings import load_settings


def drift(connection: Connection, owner: str) -> list[Any]:
    """Return what differs between the migrated schema and the declared tables."""
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return [
        change
        for change in compare_metadata(context, metadata_of(owner))
        if "alembic_version" not in str(change)
    ]


async def check(database: Database, owner: str) -> None:
    revision = await upgrade(database, owner)
    assert revision == ScriptDirectory.from_config(configuration(owner)).get_current_head()
    assert await upgrade(database, owner) == revision  # a second time changes nothing
    async with database.write() as connection:
        assert await connection.run_sync(drift, owner) == []
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        indexes = await connection.run_sync(lambda sync: {t: inspect(sync).get_indexes(t) for t in tables})
    declared = metadata_of(owner)
    assert set(tables) - {"alembic_version", "sqlite_sequence"} == set(declared.tables)
    for name, table in declared.tables.items():
        own = {index.name for index in table.indexes}
        assert own <= {index["name"] for index in indexes[name]}, name
    if "audit" in declared.tables:
        await check_audit(database)


async def check_audit(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(
            text(
                "INSERT INTO audit (at, principal, roles, action, subject, request_id) "
                "VALUES ('2026-11-24T00:00:00.000000Z', 'p', 'r', 'a', 's', 'q')"
            )
        )
    for statement in ("UPDATE audit SET principal = 'x'", "DELETE FROM audit"):
        with pytest.raises(exc.DBAPIError, match="append-only"):
            async with database.write() as connection:
                await connection.execute(text(statement))


@pytest.mark.parametrize("owner", every_owner())
async def test_the_chain_makes_the_declared_tables_on_sqlite(tmp_path: Path, owner: str) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/x.db", service=owner)
    try:
        await check(database, owner)
    finally:
        await database.close()


@pytest.mark.postgresql
async def test_the_chains_make_the_declared_tables_on_postgresql_in_schemas_of_their_own(
    postgresql_url: Callable[[], str],
) -> None:
    url = postgresql_url()
    for owner in every_owner():
        database = Database(url, service=owner)
        try:
            await check(database, owner)
        finally:
            await database.close()


@pytest.mark.postgresql
async def test_two_that_migrate_at_once_do_it_once(postgresql_url: Callable[[], str]) -> None:
    url = postgresql_url()
    databases = [Database(url, service="projects") for _ in range(3)]
    try:
        reached = await asyncio.gather(*(upgrade(database, "projects") for database in databases))
        assert set(reached) == {reached[0]}
    finally:
        for database in databases:
            await database.close()


def test_all_owners_are_migrated_and_reported(tmp_path: Path) -> None:
    settings = load_settings(data_folder=tmp_path)
    reached = migrate(settings)
    assert tuple(reached) == owners_of(settings) == every_owner()
    assert all(revision.startswith(f"{owner}_") for owner, revision in reached.items())
    kafka = load_settings(data_folder=tmp_path, log={"transport": "kafka"})
    assert "log" not in owners_of(kafka)


async def test_a_failing_revision_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    """The chain is one transaction: what a revision did before it failed is undone."""
    from alembic import command

    def broken(config: Any, revision: str) -> None:
        config.attributes["connection"].execute(text("CREATE TABLE half (id INTEGER)"))
        raise RuntimeError(revision)

    database = Database(f"sqlite+aiosqlite:///{tmp_path}/x.db", service="projects")
    monkeypatch.setattr(command, "upgrade", broken)
    with pytest.raises(RuntimeError):
        await upgrade(database, "projects")
    async with database.read() as connection:
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []
    await database.close()


async def test_a_revision_cannot_be_taken_back(tmp_path: Path) -> None:
    from alembic import command

    settings = load_settings(data_folder=tmp_path)
    await migrate_owners(settings, ("identity",))
    database = Database.for_service(settings, "identity")
    with pytest.raises(NotImplementedError, match="backup"):
        async with database.write() as connection:
            await connection.run_sync(lambda sync: command.downgrade(configuration("identity", sync), "base"))
    await database.close()
