"""Tables and topics: bringing them to what this version needs, and saying plainly when they are not.

What: migrates every owner and creates topics; or only looks, and names the command that is missing. Why: a process that
starts on old tables must say so in one sentence instead of failing somewhere inside. It must not change a record.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import typer

from migrations.owners import owners_of
from migrations.running import migrate_owners, newest_revision, stored_revision
from schemas.topics import TOPICS
from services.chassis.database import Database, for_log
from services.chassis.lifecycle import open_transport
from services.chassis.settings import Settings, load_settings
from services.console.connection import saved_credentials


class NotPreparedError(Exception):
    """Tables are not what this version needs; the sentence says which, and what to run."""


def of_the_system_here(settings: Settings) -> Settings:
    """Return the settings of the system whose data is here: where the data folder has none, the demo's below it."""
    folder, demo = settings.data_folder, settings.data_folder / "demo"
    if settings.database.url is not None or saved_credentials(folder) or not saved_credentials(demo):
        return settings
    typer.echo(f"{folder} holds no system of its own; this is about the demo in {demo}.", err=True)
    return load_settings(data_folder=demo)


@asynccontextmanager
async def database_here(service: str) -> AsyncIterator[Database]:
    """Give the database of a service of the system here, beside which a verb works. Raises NotPreparedError, DatabaseAway."""
    settings = of_the_system_here(load_settings())
    await require_tables(settings, [service])
    database = Database.for_service(settings, service)
    try:
        yield database
    finally:
        await database.close()


async def prepare(settings: Settings) -> None:
    """Bring tables and topics to what this version needs."""
    await migrate_owners(settings)
    async with open_transport(settings) as transport:
        await transport.create_topics(tuple(TOPICS.values()))


async def require_tables(settings: Settings, services: Iterable[str]) -> None:
    """Raise NotPreparedError unless the tables of these services, and the embedded log's, are at the newest revision."""
    owners = [*services, *(name for name in owners_of(settings) if name == "log")]
    behind = []
    for owner in owners:
        stored, newest = await revisions(settings, owner)
        if stored != newest:
            behind.append(f"{owner} at {stored or 'nothing'}, needed {newest}")
    if behind:
        raise NotPreparedError(
            f"The tables are not what this version needs ({'; '.join(behind)}). "
            "Run `comity migrate` first, or `comity run --migrate`."
        )


async def revisions(settings: Settings, owner: str) -> tuple[str, str]:
    """Return an owner's stored revision ("" for none) and the newest. Makes no file where none is.

    Raises DatabaseAway.
    """
    newest = newest_revision(owner)
    database = for_log(settings) if owner == "log" else Database.for_service(settings, owner)
    try:
        if database.dialect == "sqlite" and not _there(database):
            return "", newest
        return await stored_revision(database), newest
    finally:
        await database.close()


def _there(database: Database) -> bool:
    return database.url.database is not None and Path(database.url.database).exists()
