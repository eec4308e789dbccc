"""Exactly one process holds an embedded log; a second one is refused, and told what to use instead.

A file lock for SQLite, a session's advisory lock for PostgreSQL: both vanish with the process, however it ends,
so nothing has to be cleaned up after a crash. This module must not be relied on for correctness of appends: the
epochs of the appenders are.
"""

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy import exc, text

from services.chassis.bus.errors import LogBusy
from services.chassis.database import Database

_ADVISORY_KEY = 0x436F6D697479  # "Comity" in ASCII
_ADVICE = (
    "The SQL log serves exactly one process. Stop the other one, or set log.transport to "
    '"kafka" to run several processes on Apache Kafka.'
)


@asynccontextmanager
async def held(database: Database) -> AsyncIterator[None]:
    """Hold the log while the block runs. Raises LogBusy if another process has it."""
    if database.dialect == "sqlite":
        async with _held_file(database):
            yield
    else:
        async with _held_server(database):
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
async def _held_server(database: Database) -> AsyncIterator[None]:
    async with database.autocommit() as connection:
        got = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_KEY})
        if not got:
            raise LogBusy(f"Another process holds the log in the database {database.url.database}. {_ADVICE}")
        try:
            yield
        finally:
            with suppress(exc.DBAPIError):  # a connection that was cut has let go of the lock already
                await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_KEY})
