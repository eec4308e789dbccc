"""Transactions on a service's own database: an SQLite file, or its schema in PostgreSQL.

What: `read()` and `write()` give a connection inside a transaction; leaving `write()` commits, an error rolls back,
and callbacks run only after the commit. SQLite has one writer (BEGIN IMMEDIATE, serialised in the process by a lock,
between processes by SQLite's own) beside a pool of readers in WAL mode; `synchronous=FULL` because an accepted write
must survive a power cut; the WAL is carried into the file between commits, so that none of them has to wait for it. Why
two forms behind one: the services run unchanged on both. This module must not know any table, and no other module opens a
connection.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Dialect, Table, event, exc, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql import dml

from services.chassis import sqlite as sqlite_driver
from services.chassis.settings import Settings, SettingsError

# SQLite's primary result codes that say "not now" rather than "your statement is wrong".
_SQLITE_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
# SQLSTATEs likewise: connection, transaction rollback (deadlock), resources, operator intervention, system; a transaction
# that was silent for too long, and a lock that was not had in time.
_POSTGRES_AWAY = ("08", "40", "53", "57P", "58", "25P03", "55P03")

_POSTGRES_CONTENDED = "40"

_IDLE_SECONDS = 30.0
"""How long a transaction may be silent. Who is frozen within one (a paused machine, a lost host) holds its row locks, and
with them whoever takes over, until the server ends it; so the server is told to."""

_CHECKPOINT_SECONDS = 0.5
"""How long after a commit what it left in SQLite's WAL is carried into the file, so that no later commit has to do it."""

_WAL_PAGES = 10_000
"""Pages in the WAL at which a commit does it all the same, for nobody else came to it: 40 MB."""

_POSTED = "posted"
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name "
    "AND pid <> pg_backend_pid()"
)

Insert = sqlite.Insert | postgresql.Insert


class DatabaseAway(Exception):  # noqa: N818 - it is a state, not a mistake of the caller
    """The database does not answer now. Nothing was committed that was reported as such; try again."""


class Contended(DatabaseAway):
    """Two transactions were in each other's way, and this one was given up whole: the same again may well succeed."""


class Database:
    """One service's database. `url` is of SQLAlchemy's async form; `service` names the PostgreSQL schema."""

    def __init__(
        self,
        url: str,
        *,
        service: str,
        pool_size: int = 10,
        busy_seconds: float = 10.0,
        idle_seconds: float = _IDLE_SECONDS,
    ) -> None:
        self.url: URL = make_url(url)
        self.service = service
        self.dialect = self.url.get_backend_name()
        self.after_post: list[Callable[[], None]] = []  # called after each commit of what `note_post` marked
        self._busy_seconds = busy_seconds
        self._turn: AbstractAsyncContextManager[Any] = nullcontext()
        self._checkpoint: asyncio.Task[None] | None = None
        if self.dialect == "sqlite":
            self._turn = asyncio.Lock()
            self._writer = self._sqlite_engine(size=1, begin="BEGIN IMMEDIATE")
            self._reader = self._sqlite_engine(size=4, begin="BEGIN")
            self._snapshot_writer = self._writer  # nobody else writes meanwhile
        else:
            self._writer = create_async_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=0,
                pool_timeout=busy_seconds,
                pool_recycle=1800,
                hide_parameters=True,
                connect_args={
                    "timeout": busy_seconds,
                    "server_settings": {
                        "search_path": f'"{service}"',
                        "application_name": f"comity {service}",
                        "lock_timeout": f"{busy_seconds:.3f}s",
                        "idle_in_transaction_session_timeout": f"{idle_seconds:.3f}s",
                    },
                },
            )
            # A reader sees one snapshot, as it does on SQLite. Same pool: the options are set per checkout.
            self._reader = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._snapshot_writer = self._writer.execution_options(isolation_level="REPEATABLE READ")

    @classmethod
    def for_service(cls, settings: Settings, service: str) -> "Database":
        """Open the database that the settings give to this service; makes the data folder if it is needed."""
        return cls(
            url_for(settings, service),
            service=service,
            pool_size=settings.database.pool_size,
            busy_seconds=settings.database.busy_seconds,
        )

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a read transaction: one snapshot, nothing may be written. Raises DatabaseAway."""
        async with self._begin(self._reader) as connection:
            yield connection

    @asynccontextmanager
    async def write(self, *, snapshot: bool = False) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a write transaction; commits at exit, rolls back on any error, cancellation too.

        With `snapshot` all its statements see what stood at the first of them, for who marks as done what an earlier one
        read. Do not call `commit` on it. Raises DatabaseAway if the server is away or the lock is not had in time, Contended
        where others were in the way, as with a snapshot whoever has changed since what it changes.
        """
        engine = self._snapshot_writer if snapshot else self._writer
        async with self._turn, self._begin(engine) as connection:
            connection.info[_POSTED] = False
            yield connection
            posted = connection.info[_POSTED]
        if self.dialect == "sqlite" and (self._checkpoint is None or self._checkpoint.done()):
            self._checkpoint = asyncio.create_task(self._check_point())
        for callback in self.after_post if posted else ():
            callback()

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection outside any transaction, for what cannot run inside one (advisory locks, VACUUM)."""
        with _translated():
            async with self._writer.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                yield connection

    async def in_use(self) -> bool:
        """Whether another process has this service's database open. To be asked before any other use of this object."""
        if self.dialect == "sqlite":
            path = self.url.database or ""
            return await asyncio.to_thread(sqlite_driver.in_use, path)
        async with self.read() as connection:
            return bool(await connection.scalar(_OTHERS, {"name": f"comity {self.service}"}))

    async def back_up(self, target: Path) -> None:
        """Copy an SQLite database to a new file while it is in use."""
        await asyncio.to_thread(sqlite_driver.back_up, self.url.database or "", str(target))

    async def put_back(self, backup: Path) -> None:
        """Replace what an SQLite database holds by a backup; see `in_use`."""
        await asyncio.to_thread(sqlite_driver.put_back, self.url.database or "", str(backup))

    async def close(self) -> None:
        """Close every connection."""
        if self._checkpoint is not None:
            self._checkpoint.cancel()
            await asyncio.wait([self._checkpoint])
        await self._writer.dispose()
        if self.dialect == "sqlite":
            await self._reader.dispose()

    @asynccontextmanager
    async def _begin(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        connection = engine.connect()
        try:
            await connection.start()
        except (exc.DBAPIError, exc.TimeoutError, OSError, TimeoutError, sqlite3.Error) as error:
            raise DatabaseAway(f"The database of {self.service} does not answer.") from error
        except Exception as error:
            # asyncpg's own errors at connecting (too many clients, starting up) come unwrapped.
            if type(error).__module__.partition(".")[0] == "asyncpg":
                raise DatabaseAway(f"The database of {self.service} does not answer.") from error
            raise
        at_once = False
        try:
            with _translated():
                async with connection.begin():
                    yield connection
            # Then there is nothing to wait for, and so no moment at which to be cancelled.
            at_once = self.dialect == "sqlite"
        except BaseException:
            if self.dialect == "sqlite":
                await asyncio.shield(_end_transaction(connection))
            raise
        finally:
            closing = connection.close()
            await (closing if at_once else asyncio.shield(closing))

    async def _check_point(self) -> None:
        await asyncio.sleep(_CHECKPOINT_SECONDS)
        await sqlite_driver.undisturbed(asyncio.to_thread(sqlite_driver.checkpoint, self.url.database or ""))

    def _sqlite_engine(self, *, size: int, begin: str) -> AsyncEngine:
        pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"]
        pragmas.append(f"wal_autocheckpoint={_WAL_PAGES}")
        reading = begin == "BEGIN"
        if reading:
            pragmas.append("query_only=ON")
        engine = create_async_engine(
            self.url,
            hide_parameters=True,  # an error ends in the log, and what people wrote does not belong there
            pool_size=size,
            max_overflow=0,
            pool_timeout=self._busy_seconds,
            pool_reset_on_return=None,  # every transaction has ended when `_begin` gives the connection back
            async_creator=lambda: sqlite_driver.connect(
                self.url.database or "", pragmas=pragmas, busy_seconds=self._busy_seconds, reading=reading
            ),
        )

        def on_begin(connection: Connection) -> None:
            if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
                driver = cast("sqlite_driver.Connection", connection.connection.driver_connection)
                driver.begin(begin)

        event.listen(engine.sync_engine, "begin", on_begin)
        return engine


def note_post(connection: AsyncConnection) -> None:
    """Note that this transaction leaves events in the outbox, so that the relay is woken by its commit and by no other."""
    connection.info[_POSTED] = True


def url_for(settings: Settings, service: str) -> str:
    """Return the URL of a service's database; for SQLite makes the folder of its file."""
    if settings.database.url is not None:
        return settings.database.url.get_secret_value().replace("{service}", service)
    return _file_url(settings, service)


def for_log(settings: Settings) -> Database:
    """Open the embedded log's database: the one in the settings, else a file of its own in the data folder."""
    named = settings.log.url.get_secret_value().replace("{service}", "log") if settings.log.url else None
    url = named or _file_url(settings, "log")
    return Database(url, service="log", busy_seconds=settings.database.busy_seconds)


def insert_for(connection: AsyncConnection, table: Table) -> Insert:
    """Return the dialect's INSERT, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return insert_in(connection.dialect.name, table)


def insert_in(dialect: str, table: Table) -> Insert:
    """Return the INSERT of a dialect by its name, for statements that are built once."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@cache
def _insert_new(dialect: str, table: Table) -> Insert:
    return insert_in(dialect, table).on_conflict_do_nothing()


def insert_new(connection: AsyncConnection, table: Table) -> Insert:
    """Return the dialect's INSERT that leaves alone what is there already; one and the same at every call."""
    return _insert_new(connection.dialect.name, table)


_DIALECTS: Mapping[str, Callable[[], Dialect]] = {"sqlite": sqlite.dialect, "postgresql": asyncpg.dialect}


@cache
def _prepared(
    statement: dml.Insert, dialect: str, names: tuple[str, ...]
) -> tuple[str, Callable[[Any], tuple[Any, ...]]]:
    made = statement.compile(dialect=_DIALECTS[dialect](), column_keys=list(names))
    return str(made), itemgetter(*(made.positiontup or ()))


async def put_rows(
    connection: AsyncConnection, statement: dml.Insert, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Execute an INSERT that is built once for rows that have the same names: its text is made once, too.

    `execute` would look at each value of each row, which takes longer than writing it. So values must be such as the
    drivers take as they are: texts, numbers, bytes, None.
    """
    text_of_it, values_of = _prepared(statement, connection.dialect.name, tuple(rows[0]))
    await connection.exec_driver_sql(text_of_it, [values_of(row) for row in rows])


async def hold(connection: AsyncConnection, name: str) -> None:
    """Wait until no other transaction holds this name, and hold it until the end of this one.

    For what is counted before it is added: two who count at once would both find room. SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(_HOLD, {"name": name})


def is_unique_violation(error: exc.IntegrityError) -> bool:
    """Return whether a unique constraint or primary key refused the statement: somebody else was first."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code in {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
    return getattr(error.orig, "sqlstate", None) == "23505"


def _file_url(settings: Settings, name: str) -> str:
    folder = Path(settings.data_folder)
    try:
        # Contacts and hashes of secrets lie in it: a new one is its owner's alone.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The setting data_folder names {folder}, where no folder can be made ({error.strerror}). "
            "Name another in COMITY_DATA_FOLDER."
        ) from error
    return f"sqlite+aiosqlite:///{folder / name}.db"


async def _end_transaction(connection: AsyncConnection) -> None:
    """Roll back what a failed COMMIT left open: SQLite keeps the transaction, and the next BEGIN would fail on it."""
    if connection.closed or connection.invalidated:
        return
    driver = (await connection.get_raw_connection()).driver_connection
    if driver is not None and driver.in_transaction:
        await driver.rollback()


@contextmanager
def _translated() -> Iterator[None]:
    """Turn errors that mean "the server is away" into DatabaseAway, and leave every other error as it is."""
    try:
        yield
    except exc.DBAPIError as error:
        if str(getattr(error.orig, "sqlstate", "")).startswith(_POSTGRES_CONTENDED):
            raise Contended("Other writes were in the way of this one.") from error
        if _is_away(error):
            raise DatabaseAway("The database does not answer now.") from error
        raise


def _is_away(error: exc.DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return cast("int", code) & 0xFF in _SQLITE_AWAY
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_POSTGRES_AWAY)
    return isinstance(error, exc.InterfaceError)
