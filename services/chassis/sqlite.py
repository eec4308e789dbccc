"""SQLite connections whose statements run where they are asked for, and only what may take long crosses to a thread.

The driver underneath (aiosqlite) runs each connection in a thread and hops there and back to make a cursor, to execute,
to fetch and to close: for statements of some microseconds on a file in memory, the hops are nearly all of the cost, the
more so on a busy machine. Here a statement runs at once on the event loop, which it may not hold up: one that meets
a lock, and a reading one that is not through after `_AT_ONCE_SECONDS`, is broken off and run again in the thread, and
a commit, which waits for the disk, goes there anyway. While the thread works nobody else touches the connection; who is
cancelled waits for it first. A transaction begins with its first statement.
This module must not know any table, nor decide anything about transactions: `database` does.
"""

import asyncio
import math
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

import aiosqlite

_AT_ONCE = 1000  # rows that come with the statement itself
_MANY = 400  # sets of parameters that are too many for the event loop: with a few microseconds each, below the time after this
_AT_ONCE_SECONDS = 0.002  # what a reading statement may take of the event loop
_STEPS = 1000  # of SQLite's virtual machine between two looks at the time: some tens of microseconds
_LATER = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT}  # locked, or broken off: again, with patience

Row = tuple[Any, ...]


class Cursor:
    """A cursor as SQLAlchemy's asyncio adapter uses one."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._open: sqlite3.Cursor | None = None
        self._rows: deque[Row] = deque()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *unused: object) -> None:
        await self.close()

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Execute one statement and take the first rows of its answer along."""
        await self._connection.at_once(partial(self._run, sql, parameters))
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        """Execute one statement for each set of parameters."""
        sets = list(parameters)
        run = partial(self._run_many, sql, sets)
        if len(sets) > _MANY:
            await self._connection.in_thread(run)
        else:
            await self._connection.at_once(run)
        return self

    async def fetchone(self) -> Row | None:
        """Return the next row, None after the last."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> list[Row]:
        """Return up to `size` further rows."""
        wanted = size or self.arraysize
        if len(self._rows) < wanted and self._open is not None:
            await self._connection.in_thread(partial(self._take, max(wanted, _AT_ONCE)))
        return [self._rows.popleft() for _ in range(min(wanted, len(self._rows)))]

    async def fetchall(self) -> list[Row]:
        """Return all further rows."""
        if self._open is not None:
            await self._connection.in_thread(partial(self._take, None))
        rows = list(self._rows)
        self._rows.clear()
        return rows

    async def close(self) -> None:
        """Let go of the statement, which it has done by itself unless rows were left behind."""
        self._rows.clear()
        self._finish()

    def _run(self, sql: str, parameters: Sequence[Any]) -> None:
        cursor = self._connection.begun().execute(sql, parameters)
        self._seen(cursor)
        self._open = cursor
        if cursor.description is None:
            self._finish()
        else:
            self._take(_AT_ONCE)

    def _run_many(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        cursor = self._connection.begun().executemany(sql, parameters)
        self._seen(cursor)
        cursor.close()

    def _seen(self, cursor: sqlite3.Cursor) -> None:
        self._rows.clear()
        self.description = cursor.description
        self.rowcount = cursor.rowcount
        self.lastrowid = cursor.lastrowid

    def _take(self, size: int | None) -> None:
        if self._open is None:
            return
        rows = self._open.fetchall() if size is None else self._open.fetchmany(size)
        self._rows.extend(rows)
        if size is None or len(rows) < size:
            self._finish()

    def _finish(self) -> None:
        if self._open is not None:
            # A statement that returns rows (RETURNING) has counted its changes only now.
            self.rowcount = self._open.rowcount
            self._open.close()
            self._open = None


class Connection(aiosqlite.Connection):
    """A connection with a thread of its own for what may take long, and cursors that use it for nothing else."""

    def __init__(
        self, connector: Callable[[], sqlite3.Connection], *, reading: bool, busy_seconds: float
    ) -> None:
        super().__init__(connector, iter_chunk_size=_AT_ONCE)
        self._thread.daemon = True  # as SQLAlchemy itself does: it must not keep the process alive
        self._reading = reading
        self._busy_milliseconds = int(busy_seconds * 1000)
        self._until = math.inf
        self._due = ""

    def begin(self, statement: str) -> None:
        """Begin a transaction by this statement just before the next one; where none follows, there was none."""
        self._due = statement

    def begun(self) -> sqlite3.Connection:
        """Begin what is due, and return the standard library's connection.

        A BEGIN that is broken off may have begun all the same, so no look at the time breaks it off.
        """
        if self._due:
            until, self._until = self._until, math.inf
            self._conn.execute(self._due)
            self._due, self._until = "", until
        return self._conn

    def overdue(self) -> bool:
        """Whether the statement that runs has held the event loop up for long enough; SQLite asks now and then."""
        return time.perf_counter() > self._until

    async def at_once(self, function: Callable[[], None]) -> None:
        """Call a function that executes a statement: here, or if that would hold the event loop up, in the thread."""
        try:
            # Breaking a writing statement off would end its transaction (SQLite's manual, sqlite3_interrupt).
            self._until = time.perf_counter() + _AT_ONCE_SECONDS if self._reading else math.inf
            function()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _LATER:
                raise
        else:
            return
        await self.in_thread(partial(self._patiently, function))

    async def in_thread(self, function: Callable[[], None]) -> None:
        """Call a function in the connection's thread; whoever is cancelled meanwhile waits until it has returned."""
        self._until = math.inf
        await undisturbed(self._execute(function))  # type: ignore[no-untyped-call]

    def _patiently(self, function: Callable[[], None]) -> None:
        self._conn.execute(f"PRAGMA busy_timeout={self._busy_milliseconds}")
        try:
            function()
        finally:
            self._conn.execute("PRAGMA busy_timeout=0")

    async def commit(self) -> None:
        """Commit; of a transaction that only read, there is nothing to wait for. Nothing breaks it off."""
        self._until = math.inf
        if self._due:
            self._due = ""
        elif self._reading:
            self._conn.commit()
        else:
            await self.in_thread(self._conn.commit)

    async def rollback(self) -> None:
        """Roll back. Nothing breaks it off."""
        self._until = math.inf
        self._due = ""
        self._conn.rollback()

    def cursor(self) -> Cursor:  # type: ignore[override]
        """Return a cursor; nothing is done yet."""
        return Cursor(self)


async def undisturbed(work: Coroutine[Any, Any, Any]) -> None:
    """Wait for work in a thread; whoever is cancelled meanwhile waits until it has returned."""
    done = asyncio.ensure_future(work)
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        while not done.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([done])
        done.exception()  # told to nobody: the one who asked has gone
        raise


async def connect(
    path: str, *, pragmas: Sequence[str], busy_seconds: float, reading: bool = False
) -> Connection:
    """Open a connection that begins no transactions of its own, with these pragmas set; `reading`: it never writes."""

    def connector() -> sqlite3.Connection:
        made = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        try:
            for pragma in pragmas:
                made.execute(f"PRAGMA {pragma}")
            made.execute("PRAGMA busy_timeout=0")  # on the event loop; the thread has the patience
        except sqlite3.Error:
            made.close()
            raise
        made.set_progress_handler(connection.overdue, _STEPS)
        return made

    connection = Connection(connector, reading=reading, busy_seconds=busy_seconds)
    try:
        return await connection  # type: ignore[return-value]
    except asyncio.CancelledError:
        await connection.close()
        raise


def checkpoint(path: str) -> None:
    """Carry what the WAL holds into the file, as far as no reader is in the way; nobody waits for it.

    Whatever is wrong with the file, the next commit finds it and says so.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as alone:
        alone.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def back_up(path: str, target: str) -> None:
    """Copy a database as it is at one moment, whoever writes to it meanwhile, into a file of its own without a WAL."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")


def put_back(path: str, backup: str) -> None:
    """Replace what a database holds by a backup, in one transaction of the file's own; nobody else may have it open."""
    with (
        closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(path)) as copy,
    ):
        source.backup(copy)


def in_use(path: str) -> bool:
    """Whether another connection has the database open: leaving WAL mode needs it for oneself alone."""
    if not Path(path).exists():
        return False
    with closing(sqlite3.connect(path, timeout=0)) as alone:
        try:
            alone.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _LATER:
                raise
            return True
    return False


def revision_in(backup: str) -> str:
    """Return the revision of the tables in a backup, which begins with their owner's name; "" if it is none of ours."""
    with closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as source:
        try:
            row = source.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.DatabaseError:
            return ""
    return str(row[0]) if row else ""
