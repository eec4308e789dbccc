"""`comity backup`: a copy of every SQLite database, taken while the system runs.

What: SQLite's online backup of each service's file, and of the embedded log's last, so that the log is never behind what
a service has read of it. Why: a copied file of a running database is no backup. On PostgreSQL `pg_dump` is the tool; this
verb says so. It must not overwrite a backup.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer


def backup(
    to: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new or empty folder for the copies.")],
    service: Annotated[
        list[str] | None, typer.Option("--service", help="Only this one (or `log`); may be repeated.")
    ] = None,
) -> None:
    """Copy every SQLite database into a folder, one file per owner; the system may run meanwhile."""
    from migrations.owners import owners_of
    from services.chassis.database import Database, for_log
    from services.chassis.settings import load_settings
    from services.console.exits import Exit, stop
    from services.console.preparing import require_tables

    settings = load_settings()
    owners = owners_of(settings)
    unknown = [name for name in service or () if name not in owners]
    if unknown:
        stop(Exit.USAGE, f"There is no owner {unknown[0]!r}; there are {', '.join(owners)}.")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        stop(Exit.USAGE, f"{to} is not an empty folder; a backup is never written over another.")

    async def run() -> None:
        # The log comes last: what it has got since a service was copied, that service reads again.
        for name in sorted(service or owners, key=lambda owner: owner == "log"):
            database = for_log(settings) if name == "log" else Database.for_service(settings, name)
            try:
                if database.dialect != "sqlite":
                    stop(
                        Exit.USAGE,
                        f"{name} is on PostgreSQL: take its schema with `pg_dump --schema {name}`, or the whole server.",
                    )
                await require_tables(settings, [name] if name != "log" else [])
                to.mkdir(parents=True, exist_ok=True)
                await database.back_up(to / f"{name}.db")
            finally:
                await database.close()
            typer.echo(f"{name}: {to / f'{name}.db'}")

    asyncio.run(run())
