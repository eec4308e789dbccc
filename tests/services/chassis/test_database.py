"""Transactions on SQLite files: one writer, many readers, nothing after a rollback, away means away."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import exc, text

from services.chassis.database import Database, DatabaseAway, is_unique_violation, note_post


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/x.db", service="x", busy_seconds=0.2)
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"))
    yield database
    await database.close()


async def count(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM things"))).scalar_one())


async def add(connection: Any, name: str) -> None:
    await connection.execute(text("INSERT INTO things (name) VALUES (:name)"), {"name": name})


async def test_a_write_commits_at_its_end_and_an_error_rolls_back(database: Database) -> None:
    async with database.write() as connection:
        await add(connection, "a")
    with pytest.raises(RuntimeError):  # noqa: PT012 - the commit is what fails, or the transaction around
        async with database.write() as connection:
            await add(connection, "b")
            raise RuntimeError
    assert await count(database) == 1


async def test_a_commit_that_fails_leaves_nothing_and_the_next_goes_on(database: Database) -> None:
    async with database.write() as connection:  # a deferred constraint is looked at by the commit alone
        await connection.execute(
            text("CREATE TABLE later (id INTEGER REFERENCES things (id) DEFERRABLE INITIALLY DEFERRED)")
        )
    with pytest.raises(exc.IntegrityError):  # noqa: PT012 - it is the end of the transaction that fails
        async with database.write() as connection:
            await add(connection, "doomed")
            await connection.execute(text("INSERT INTO later VALUES (99)"))
    async with database.write() as connection:
        await add(connection, "next")
    assert await count(database) == 1


async def test_a_cancelled_write_leaves_nothing_and_the_next_goes_on(database: Database) -> None:
    entered = asyncio.Event()

    async def slow() -> None:
        async with database.write() as connection:
            await add(connection, "slow")
            entered.set()
            await asyncio.sleep(10)

    task = asyncio.create_task(slow())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.write() as connection:
        await add(connection, "next")
    assert await count(database) == 1


async def test_who_waits_for_posts_hears_of_those_that_were_committed_only(database: Database) -> None:
    seen: list[str] = []
    database.after_post.append(lambda: seen.append("posted"))
    async with database.write() as connection:
        await add(connection, "a")
    assert seen == [], "it posted nothing"
    with pytest.raises(RuntimeError):  # noqa: PT012 - the commit is what fails, or the transaction around
        async with database.write() as connection:
            note_post(connection)
            raise RuntimeError
    async with database.write() as connection:
        await add(connection, "b")
    assert seen == [], "what was rolled back is forgotten"
    async with database.write() as connection:
        await add(connection, "c")
        note_post(connection)
        assert seen == []
    assert seen == ["posted"]


async def test_a_reader_sees_one_snapshot_while_others_write(database: Database) -> None:
    async with database.read() as reader:
        before = (await reader.execute(text("SELECT count(*) FROM things"))).scalar_one()
        async with database.write() as writer:
            await add(writer, "a")
        assert (await reader.execute(text("SELECT count(*) FROM things"))).scalar_one() == before == 0
    assert await count(database) == 1


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(exc.DBAPIError):
        async with database.read() as connection:
            await add(connection, "a")
    assert await count(database) == 0


async def test_a_hundred_concurrent_writers_lose_nothing(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.write() as connection:
            found = (await connection.execute(text("SELECT count(*) FROM things"))).scalar_one()
            await asyncio.sleep(0)
            await connection.execute(text("INSERT INTO things (id) VALUES (:id)"), {"id": found})
            del number

    await asyncio.gather(*(write(number) for number in range(100)))
    assert await count(database) == 100


async def test_a_database_locked_by_another_process_is_away(database: Database) -> None:
    other = Database(str(database.url), service="x", busy_seconds=0.2)
    async with other.write() as connection:
        await add(connection, "a")
        with pytest.raises(DatabaseAway):
            async with database.write() as second:
                await add(second, "b")
    await other.close()
    async with database.write() as connection:
        await add(connection, "b")


LONG = (
    "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 500000) "
    "SELECT n FROM counted ORDER BY n % 1000, n LIMIT 2500"
)


async def test_a_long_statement_leaves_the_event_loop_to_others_and_answers_in_full(
    database: Database,
) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with database.read() as connection:
        await connection.execute(text("SELECT 1"))
        task = asyncio.create_task(others())
        await asyncio.sleep(0)
        before = turns
        rows = (await connection.execute(text(LONG))).all()
        task.cancel()
        assert turns - before > 10, "the others had their turns while it ran"
    assert len(rows) == 2500
    assert [row.n for row in rows[:3]] == [1000, 2000, 3000]
    assert rows[500].n == 1


async def test_a_lock_that_another_process_holds_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    mine = Database(f"sqlite+aiosqlite:///{tmp_path}/x.db", service="x", busy_seconds=10)
    other = Database(str(mine.url), service="x", busy_seconds=10)
    async with mine.write() as connection:
        await connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"))
    locked = asyncio.Event()

    async def hold() -> None:
        async with other.write() as connection:
            await add(connection, "a")
            locked.set()
            await asyncio.sleep(0.05)  # it ends only if the event loop goes on meanwhile

    task = asyncio.create_task(hold())
    await locked.wait()
    async with mine.write() as connection:
        await add(connection, "b")
    await task
    assert await count(mine) == 2
    await mine.close()
    await other.close()


async def test_who_is_cancelled_while_waiting_for_a_lock_leaves_no_transaction_open(tmp_path: Path) -> None:
    mine = Database(f"sqlite+aiosqlite:///{tmp_path}/x.db", service="x", busy_seconds=10)
    other = Database(str(mine.url), service="x", busy_seconds=10)
    async with mine.write() as connection:
        await connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"))

    async def write() -> None:
        async with mine.write() as connection:
            await add(connection, "never")

    async with other.write() as connection:
        await add(connection, "a")
        task = asyncio.create_task(write())
        await asyncio.sleep(0.05)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with (
        other.write() as connection
    ):  # would wait in vain if the cancelled one had got the lock and kept it
        await add(connection, "b")
    async with mine.write() as connection:
        await add(connection, "c")
    assert await count(mine) == 3
    await mine.close()
    await other.close()


async def test_a_server_that_is_not_there_is_away() -> None:
    database = Database("postgresql+asyncpg://me@127.0.0.1:1/nothing", service="x", busy_seconds=1)
    with pytest.raises(DatabaseAway):
        async with database.read():
            pass
    await database.close()


async def test_a_short_reading_transaction_lets_nobody_go_before_who_waits_for_it(database: Database) -> None:
    await count(database)  # the connection is open
    others: list[str] = []
    asyncio.get_running_loop().call_soon(others.append, "came between")
    assert (await count(database), others) == (0, [])
    await asyncio.sleep(0)
    assert others == ["came between"]


async def test_the_rows_of_a_few_hundred_events_go_to_no_thread(database: Database) -> None:
    """What crosses on a list that somebody waits for; thousands would hold everybody else up."""
    for many, there in ((300, 0), (3_000, 1)):
        others: list[str] = []
        async with database.write() as connection:
            await add(connection, f"the transaction has begun {many}")
            asyncio.get_running_loop().call_soon(others.append, "came between")
            rows = [{"name": f"{many} {number}"} for number in range(many)]
            await connection.execute(text("INSERT INTO things (name) VALUES (:name)"), rows)
            assert len(others) == there


async def test_errors_of_the_caller_stay_what_they_are(database: Database) -> None:
    with pytest.raises(exc.OperationalError, match="no such table"):
        async with database.read() as connection:
            await connection.execute(text("SELECT * FROM no_things"))
    with pytest.raises(exc.IntegrityError) as caught:  # noqa: PT012 - the commit is what fails, or the transaction around
        async with database.write() as connection:
            await add(connection, "a")
            await add(connection, "a")
    assert is_unique_violation(caught.value)
    with pytest.raises(ConnectionResetError):
        async with database.write():
            raise ConnectionResetError


async def test_an_error_of_a_statement_names_no_value_for_it_ends_in_the_log(database: Database) -> None:
    with pytest.raises(exc.IntegrityError) as failed:  # noqa: PT012 - the second is the one that fails
        async with database.write() as connection:
            await add(connection, "a secret")
            await add(connection, "a secret")
    assert "a secret" not in str(failed.value)


async def test_sqlite_is_set_up_to_survive_a_power_cut(database: Database) -> None:
    async with database.write() as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one() == value


async def test_no_commit_carries_what_changed_into_the_file_but_soon_it_is_there(database: Database) -> None:
    def pages() -> int:
        return Path(database.url.database or "").stat().st_size // 4096

    async with database.write() as connection:
        await add(connection, "small")
    before = pages()
    async with database.write() as connection:  # twice what SQLite by itself would leave in the WAL
        await add(connection, "x" * 4096 * 2_000)
    assert pages() == before
    async with asyncio.timeout(20):
        while pages() <= 2_000:  # noqa: ASYNC110 - the file tells nobody that it grew
            await asyncio.sleep(0.05)
    await database.close()
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM things")) == 2


async def test_a_small_write_costs_few_round_trips(database: Database) -> None:
    """The bound is loose for a busy machine; what it guards is that nobody adds a sleep or a reconnect."""
    times = []
    for number in range(50):
        started = time.perf_counter()
        async with database.write() as connection:
            await add(connection, str(number))
        times.append(time.perf_counter() - started)
    assert statistics.median(times) < 0.05


async def test_answers_of_any_length_come_whole_and_in_order(database: Database) -> None:
    """The first thousand rows come with the statement, the rest when they are asked for."""
    for size in (0, 1, 999, 1000, 1001, 2500):
        async with database.write() as connection:
            await connection.execute(text("DELETE FROM things"))
            for number in range(size):
                await connection.execute(text("INSERT INTO things (id) VALUES (:id)"), {"id": number})
        query = text("SELECT id FROM things ORDER BY id")
        async with database.read() as connection:
            assert [row.id for row in await connection.execute(query)] == list(range(size))
            assert [row.id async for row in await connection.stream(query)] == list(range(size))
            assert (await connection.execute(query)).first() == (None if size == 0 else (0,))
            partly = await connection.stream(query)
            await partly.close()


async def test_changes_are_counted(database: Database) -> None:
    async with database.write() as connection:
        many = [{"name": str(number)} for number in range(5)]
        await connection.execute(text("INSERT INTO things (name) VALUES (:name)"), many)
        changed = await connection.execute(text("UPDATE things SET name = name || 'x' WHERE id > 2"))
        assert changed.rowcount == 3
        returned = await connection.execute(text("DELETE FROM things WHERE id > 3 RETURNING id"))
        assert sorted(returned.scalars()) == [4, 5]


async def test_a_transaction_begins_with_its_first_statement_and_holds_nothing_before(
    database: Database,
) -> None:
    other = Database(str(database.url), service="x", busy_seconds=0.2)
    async with other.write() as first:
        async with database.write() as second:
            await add(second, "a")  # the other has not asked for anything yet
        await add(first, "b")
    async with other.write():
        pass
    await other.close()
    assert await count(database) == 2


async def test_statements_after_a_failed_begin_run_in_no_transaction_of_their_own(database: Database) -> None:
    other = Database(str(database.url), service="x", busy_seconds=0.2)
    async with database.write() as connection:
        await add(connection, "a")
        with pytest.raises(DatabaseAway):  # noqa: PT012 - what a block goes on doing is the point
            async with other.write() as refused:
                with pytest.raises(exc.OperationalError):
                    await add(refused, "b")
                await add(refused, "c")
    await other.close()
    assert await count(database) == 1


async def test_a_reader_sees_one_snapshot_and_the_next_one_the_newest(database: Database) -> None:
    async with database.read() as reader:
        before = (await reader.execute(text("SELECT count(*) FROM things"))).scalar_one()
        async with database.write() as connection:
            await add(connection, "a")
        assert (await reader.execute(text("SELECT count(*) FROM things"))).scalar_one() == before
    assert await count(database) == before + 1


async def test_no_look_at_the_time_breaks_off_the_beginning_or_the_end_of_a_transaction(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every statement is overdue at once; SQLite asks after so many steps, whichever statement they fall into.
    monkeypatch.setattr("services.chassis.sqlite._AT_ONCE_SECONDS", -1.0)
    for _ in range(2_000):
        assert await count(database) == 0
