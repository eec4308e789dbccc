"""SQLite connections that cross to their thread once a statement, instead of four times.

The driver underneath (aiosqlite) runs each connection in a thread and hops there and back to make a cursor, to execute,
to fetch and to close. Here one hop does all of it for an answer of ordinary size; only what is longer is fetched later.
A transaction begins in the hop of its first statement, and the end of one that only read is not waited for. That is
most of the latency of a small transaction, the more so on a busy machine. This module must not know any table,
nor decide anything about transactions: `database` does.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import aiosqlite

_AT_ONCE = 1000  # rows that come with the statement itself

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
        await self._connection.in_thread(self._run, sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        """Execute one statement for each set of parameters, in one hop."""
        await self._connection.in_thread(self._run_many, sql, parameters)
        return self

    async def fetchone(self) -> Row | None:
        """Return the next row, None after the last."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> list[Row]:
        """Return up to `size` further rows."""
        wanted = size or self.arraysize
        if len(self._rows) < wanted and self._open is not None:
            await self._connection.in_thread(self._take, max(wanted, _AT_ONCE))
        return [self._rows.popleft() for _ in range(min(wanted, len(self._rows)))]

    async def fetchall(self) -> list[Row]:
        """Return all further rows."""
        if self._open is not None:
            await self._connection.in_thread(self._take, None)
        rows = list(self._rows)
        self._rows.clear()
        return rows

    async def close(self) -> None:
        """Let go of the statement, which it has done by itself unless rows were left behind."""
        self._rows.clear()
        if self._open is not None:
            await self._connection.in_thread(self._finish)

    def _run(self, sql: str, parameters: Sequence[Any]) -> None:
        cursor = self._connection.begun().execute(sql, parameters)
        self._seen(cursor)
        self._open = cursor
        if cursor.description is None:
            self._finish()
        else:
            self._take(_AT_ONCE)

    def _run_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
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
    """A connection in a thread of its own, with cursors that hop once."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], *, reading: bool) -> None:
        super().__init__(connector, iter_chunk_size=_AT_ONCE)
        self._thread.daemon = True  # as SQLAlchemy itself does: it must not keep the process alive
        self._reading = reading
        self._due = ""

    def begin(self, statement: str) -> None:
        """Begin a transaction by this statement just before the next one; where none follows, there was none."""
        self._due = statement

    def begun(self) -> sqlite3.Connection:
        """Begin what is due, and return the standard library's connection; in its thread only."""
        if self._due:
            self._conn.execute(self._due)
            self._due = ""
        return self._conn

    async def commit(self) -> None:
        """Commit; of a transaction that only read, the end has nothing to tell and is not waited for."""
        await self._end(self._conn.commit)

    async def rollback(self) -> None:
        """Roll back."""
        await self._end(self._conn.rollback)

    async def _end(self, function: Callable[[], None]) -> None:
        if self._due:
            self._due = ""
        elif self._reading:
            self._tx.put_nowait((None, function))
        else:
            await self.in_thread(function)

    async def in_thread(self, function: Any, *arguments: Any) -> None:
        """Call a function in the connection's thread."""
        await self._execute(function, *arguments)  # type: ignore[no-untyped-call]

    def cursor(self) -> Cursor:  # type: ignore[override]
        """Return a cursor; nothing is done in the thread yet."""
        return Cursor(self)


async def connect(
    path: str, *, pragmas: Sequence[str], busy_seconds: float, reading: bool = False
) -> Connection:
    """Open a connection that begins no transactions of its own, with these pragmas set; `reading`: it never writes."""

    def connector() -> sqlite3.Connection:
        made = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
        try:
            for pragma in pragmas:
                made.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            made.close()
            raise
        return made

    connection = Connection(connector, reading=reading)
    try:
        return await connection  # type: ignore[return-value]
    except asyncio.CancelledError:
        await connection.close()
        raise
