"""Exactly one process holds an embedded log; a second one is refused, and told what to use instead.

A file lock for SQLite, a session's advisory lock for PostgreSQL: both vanish with the process, however it ends,
so nothing has to be cleaned up after a crash. The server's lock vanishes with its connection too, which may be cut under a
process that lives on: so the session is asked now and then, and the lock is taken again, or is another's by then. This
module must not be relied on for correctness of appends: the epochs of the appenders are.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.bus.errors import LogBusy
from services.chassis.database import Database

_KEY = {"key": 0x436F6D697479}  # "Comity" in ASCII
_LOOK_SECONDS = 5.0
_ADVICE = (
    "The SQL log serves exactly one process. Stop the other one, or set log.transport to "
    '"kafka" to run several processes on Apache Kafka.'
)

Lost = Callable[[LogBusy], None]

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def held(database: Database, lost: Lost) -> AsyncIterator[None]:
    """Hold the log while the block runs; `lost` is called if another process has got it. Raises LogBusy."""
    if database.dialect == "sqlite":
        async with _held_file(database):
            yield
    else:
        async with _held_server(database, lost):
            yield


@asynccontextmanager
async def _held_file(database: Database) -> AsyncIterator[None]:
    path = Path(f"{database.url.database}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise LogBusy(f"Process {holder} holds the log {database.url.database}. {_ADVICE}") from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


@asynccontextmanager
async def _held_server(database: Database, lost: Lost) -> AsyncIterator[None]:
    first, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
    holding = asyncio.create_task(_hold(database, first, stop, lost), name="log holder")
    try:
        await first
        yield
    finally:
        stop.set()
        await holding


async def _hold(database: Database, first: asyncio.Future[None], stop: asyncio.Event, lost: Lost) -> None:
    """Hold the server's lock until `stop`, and take it again if its session ends; `first` is told of the first time."""
    while not stop.is_set():
        try:
            async with database.autocommit() as connection:
                await _take(connection, database)
                if not first.done():
                    first.set_result(None)
                while not await _stopped(stop):
                    await connection.scalar(text("SELECT 1"))
                await connection.execute(text("SELECT pg_advisory_unlock(:key)"), _KEY)
        except Exception as error:  # noqa: BLE001 - whatever it is, either the lock is had again or it is another's
            if not first.done():
                first.set_exception(error)
                return
            if isinstance(error, LogBusy):
                lost(error)
                return
            _log.warning("log.held_no_more", error=f"{type(error).__name__}: {error}")
            await _stopped(stop)


async def _take(connection: AsyncConnection, database: Database) -> None:
    if not await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), _KEY):
        raise LogBusy(f"Another process holds the log in the database {database.url.database}. {_ADVICE}")


async def _stopped(stop: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
    return stop.is_set()
