"""Brings an owner's tables to the newest revision, whole or not at all.

Each owner has its chain of revisions in a folder of its name, and its own version table in its own database (SQLite
file or PostgreSQL schema), so services are deployed and migrated alone. One transaction a chain, held by a lock, so two
processes that migrate at once do it once. A revision is never changed after its release; a new one is drafted with
`python -m migrations OWNER "what changes"`.
"""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from migrations.owners import owners_of
from services.chassis.database import Database, for_log
from services.chassis.settings import Settings

FOLDER = Path(__file__).parent
_LOCK_SECONDS = 10


def migrate(settings: Settings, owners: Iterable[str] | None = None) -> Mapping[str, str]:
    """Migrate these owners (all that the settings need, if none are named); return their newest revisions."""
    return asyncio.run(migrate_owners(settings, owners))


async def migrate_owners(settings: Settings, owners: Iterable[str] | None = None) -> Mapping[str, str]:
    """Do what `migrate` does, inside a running event loop. Raises DatabaseAway if a database is."""
    reached = {}
    for owner in tuple(owners or owners_of(settings)):
        database = for_log(settings) if owner == "log" else Database.for_service(settings, owner)
        try:
            reached[owner] = await upgrade(database, owner)
        finally:
            await database.close()
    return reached


async def upgrade(database: Database, owner: str, *, to: str = "head") -> str:
    """Upgrade one owner's tables in this database; return the revision that it has then."""
    if database.dialect == "postgresql":
        await _make_schema(database, owner)
    async with database.write() as connection:
        if database.dialect == "postgresql":
            await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
            await connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"migrate {owner}"}
            )
        await connection.run_sync(lambda sync: command.upgrade(configuration(owner, sync), to))
        return await connection.run_sync(current_revision)


def configuration(owner: str, connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for one owner's chain."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / owner))
    config.set_main_option("path_separator", "newline")
    config.attributes["owner"] = owner
    config.attributes["connection"] = connection
    return config


def current_revision(connection: Connection) -> str:
    """Return the revision that the database has, "" for none."""
    return MigrationContext.configure(connection).get_current_revision() or ""


async def _make_schema(database: Database, owner: str) -> None:
    async with database.write() as connection:
        # IF NOT EXISTS does not keep two who make it at once apart.
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"schema {owner}"}
        )
        found = await connection.execute(
            text("SELECT 1 FROM information_schema.schemata WHERE schema_name = :name"), {"name": owner}
        )
        if (
            found.scalar() is None
        ):  # asked first: CREATE SCHEMA needs a right that a migrated deployment may lack
            await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{owner}"'))


async def stored_revision(database: Database) -> str:
    """Return the revision that a database's tables have, "" if there are none."""
    async with database.read() as connection:
        return await connection.run_sync(current_revision)


def newest_revision(owner: str) -> str:
    """Return the newest revision of an owner's chain."""
    return ScriptDirectory.from_config(configuration(owner)).get_current_head() or ""
