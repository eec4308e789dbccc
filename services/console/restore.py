"""`comity restore`: a stopped service goes on from an older backup of its database.

What: puts an SQLite backup in place (`--from`; on PostgreSQL `pg_restore` has done that), takes back from the service's
own topics what they say more, raises its incarnation above everything that the log has seen, and posts its present state.
Why: readers hold what the backup has forgotten, and would take what is said next for old. What can be refused is refused
before anything is put in place, and whoever ends it after that leaves a database that does not start (`bus.said`), and
is finished by the same verb. It must not run beside the service, and appends nothing itself: the relay does, when the
service is started.
"""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from services.console.exits import Exit, stop
from services.console.standing_by import AsJson, ServiceName, refuse_beside, standing_by


def restore(
    service: ServiceName,
    backup: Annotated[
        Path | None,
        typer.Option(
            "--from", help="An SQLite backup to put in place first; without it, one is there already."
        ),
    ] = None,
    discard_outbox: Annotated[
        bool,
        typer.Option(
            "--discard-outbox",
            help="Replace the database also where accepted writes wait in its outbox, and give them up.",
        ),
    ] = False,
    another_log: Annotated[
        bool,
        typer.Option(
            "--another-log",
            help="Restore also where the log is not the one that the database has spoken to, which is lost for good.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let a stopped service go on from a backup of its database; exit code 1 if it runs, and nothing is changed then.

    Nor is anything changed where accepted writes wait in the outbox of the database that would be replaced, for they stand
    nowhere else, or where the log is not the one that the restored database has spoken to, or holds more of an earlier life.
    Ended on its way it leaves the old state, or a service that refuses to start: then run it again, as before or without
    --from.
    """
    from services.catalogue import SERVICES
    from services.chassis.settings import load_settings

    if service not in SERVICES:
        stop(Exit.USAGE, f"There is no service {service!r}; there are {', '.join(SERVICES)}.")
    if backup is not None and not backup.is_file():
        stop(Exit.USAGE, f"--from names {backup}, which is not a file.")
    settings = load_settings()
    done = asyncio.run(
        _restore(settings, SERVICES[service], backup, discard_outbox=discard_outbox, another_log=another_log)
    )
    if as_json:
        typer.echo(json.dumps(done))
        return
    for sentence in _sentences(service, done):
        typer.echo(sentence)


async def _restore(
    settings: Any, service: Any, backup: Path | None, *, discard_outbox: bool, another_log: bool
) -> dict[str, Any]:
    from services.chassis.bus import said
    from services.chassis.bus.restoring import restore as resume

    if backup is not None:
        _refuse_another(settings, service.name, backup)
    if service.owner is None:  # it says nothing, so nothing can be refused by the log
        if backup is not None:
            await refuse_beside(settings, service.name)
            async with _copied(settings, service.name, backup) as copy:
                await _put_back(settings, service.name, copy)
        return {}

    async def put_back(transport: Any, backup: Path) -> None:
        for topic in service.topics:
            await transport.ends(topic)
        async with _copied(settings, service.name, backup) as copy:
            async with _opened(service.name, copy) as database:
                if not another_log:
                    await said.on_this_log(transport, database, service.name)
                    async with database.read() as connection:
                        await said.on_this_branch(transport, connection, service.name)
                if not discard_outbox:
                    await _refuse_waiting(settings, service.name, transport, database)
            async with transport.appender(service.name):  # whatever the log refuses, it refuses now
                await _put_back(settings, service.name, copy)

    replaced = partial(put_back, backup=backup) if backup is not None else None
    async with standing_by(settings, service, alone=True, replaced=replaced) as runtime:
        return asdict(await resume(runtime, service.owner, another_log=another_log))


def _refuse_another(settings: Any, service: str, backup: Path) -> None:
    """End the command unless this is a backup of the service, and the service on SQLite."""
    from services.chassis import sqlite
    from services.chassis.database import Database

    if Database.for_service(settings, service).dialect != "sqlite":
        stop(
            Exit.USAGE,
            f"{service} is on PostgreSQL: put its schema back with pg_restore, then run this without --from.",
        )
    if not sqlite.revision_in(str(backup)).startswith(f"{service}_"):
        stop(Exit.USAGE, f"{backup} is no backup of {service}.")


async def _refuse_waiting(settings: Any, service: str, transport: Any, backup: Any) -> None:
    """End the command if writes stand in the outbox of the database that is there and nowhere else, as far as it can be read.

    Its tables may be those of an older release.
    """
    from services.chassis.bus import outbox, positions, said
    from services.chassis.database import Database

    database = Database.for_service(settings, service)
    waiting, stored = dict[str, datetime](), tuple[positions.Position, ...]()
    with suppress(Exception):  # a database that cannot be read is what a backup is for
        if await asyncio.to_thread(Path(database.url.database or "").is_file):
            async with database.read() as connection:
                waiting = await outbox.times(connection)
                stored = await positions.all_of(connection, said.GROUP)
    await database.close()
    await said.leave_out_what_stands_elsewhere(transport, waiting, stored, backup)
    if waiting:
        stop(
            Exit.FAILED,
            f"{len(waiting)} accepted writes of {service} wait in the outbox of the database that would be replaced, the oldest since "
            f"{min(waiting.values())}, and stand nowhere else. Run `comity run {service} --role relay` until it is empty, or say --discard-outbox.",
        )


@asynccontextmanager
async def _copied(settings: Any, service: str, backup: Path) -> AsyncIterator[Path]:
    """Give a copy of a backup, with tables of this release: it may be of an older one."""
    from migrations.running import upgrade
    from services.chassis import sqlite

    prefix = f".{service}.restore-"  # a name that nobody gives a backup
    for left in settings.data_folder.glob(f"{prefix}*"):  # by a restore that was killed while it copied
        if left.is_dir():
            shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=settings.data_folder, prefix=prefix) as folder:
        copy = Path(folder) / f"{service}.db"
        await asyncio.to_thread(sqlite.back_up, str(backup), str(copy))
        async with _opened(service, copy) as database:
            await upgrade(database, service)
        yield copy


@asynccontextmanager
async def _opened(service: str, file: Path) -> AsyncIterator[Any]:
    from services.chassis.database import Database

    database = Database(f"sqlite+aiosqlite:///{file}", service=service)
    try:
        yield database
    finally:
        await database.close()


async def _put_back(settings: Any, service: str, copy: Path) -> None:
    """Put it in place in one go."""
    from services.chassis.database import Database

    database = Database.for_service(settings, service)
    try:
        await database.put_back(copy)
    finally:
        await database.close()


def _sentences(service: str, done: dict[str, Any]) -> list[str]:
    if not done:
        return [f"{service}: in place; it says nothing on the log, so nothing was said again."]
    said = [
        f"{service}: read {done['records']} records of its own topics; took {done['taken_back']} back that the backup had not.",
        f"{service}: incarnation {done['incarnation']}; {done['posted']} records wait for the relay.",
    ]
    if done["unread"]:
        said.append(f"{service}: {done['unread']} records there are no events of ours and were left alone.")
    if done["gone"]:
        named = "\n  ".join(done["gone"][:20])
        said.append(
            f"{service}: {len(done['gone'])} things are newer than the backup and not on the log whole:\n  {named}"
        )
    return said
