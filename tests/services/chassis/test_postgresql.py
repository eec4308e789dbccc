"""The same transactions on PostgreSQL: a schema per service, snapshots, deferred failures, advisory locks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import exc, text

from migrations.running import upgrade
from services.chassis.database import Contended, Database, DatabaseAway, is_unique_violation, note_post
from services.chassis.web import idempotency
from services.chassis.web.problems import IdempotencyInFlight, IdempotencyMismatch
from services.console.parts import postgresql

pytestmark = pytest.mark.postgresql


@pytest.fixture
async def database(postgresql_url: Callable[[], str]) -> AsyncIterator[Database]:
    database = Database(postgresql_url(), service="identity", pool_size=3, busy_seconds=2)
    await upgrade(database, "identity")
    yield database
    await database.close()


async def test_each_service_has_its_own_schema(database: Database) -> None:
    async with database.write() as connection:
        schema = await connection.execute(
            text("SELECT schemaname FROM pg_tables WHERE tablename IN ('clients', 'alembic_version')")
        )
        assert set(schema.scalars()) == {"identity"}


async def test_a_reader_sees_one_snapshot_and_cannot_write(database: Database) -> None:
    insert = text(
        "INSERT INTO people (id, revision, state, roles, created_at, changed_at) VALUES (:id, 1, 'a', '', '', '')"
    )
    async with database.read() as reader:
        assert (await reader.execute(text("SELECT count(*) FROM people"))).scalar_one() == 0
        async with database.write() as writer:
            await writer.execute(insert, {"id": "p"})
        assert (await reader.execute(text("SELECT count(*) FROM people"))).scalar_one() == 0
    with pytest.raises(exc.DBAPIError, match="read-only"):
        async with database.read() as reader:
            await reader.execute(insert, {"id": "q"})
    with pytest.raises(exc.IntegrityError) as caught:
        async with database.write() as writer:
            await writer.execute(insert, {"id": "p"})
    assert is_unique_violation(caught.value)


async def test_a_deferred_constraint_fails_the_commit_and_no_callback_runs(database: Database) -> None:
    seen: list[str] = []
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE a (id INTEGER PRIMARY KEY)"))
        await connection.execute(
            text("CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)")
        )
    database.after_post.append(lambda: seen.append("committed"))
    with pytest.raises(exc.IntegrityError):  # noqa: PT012 - the commit is what fails
        async with database.write() as connection:
            note_post(connection)
            await connection.execute(text("INSERT INTO b VALUES (1)"))
    assert seen == []


async def test_an_idempotency_key_is_one_among_all_processes(database: Database) -> None:
    key = idempotency.Key("me", "/v1/clients", "k", "digest")
    now = datetime.now(UTC)
    async with database.write() as first:
        assert await idempotency.stored_answer(first, key, now=now) is None
        with pytest.raises(IdempotencyInFlight):
            async with database.write() as second:
                await idempotency.stored_answer(second, key, now=now)
        from starlette.responses import Response

        await idempotency.store_answer(first, key, Response(b"{}", status_code=201), now=now)
    async with database.write() as third:
        again = await idempotency.stored_answer(third, key, now=now)
        assert again is not None
        assert (again.status_code, again.body) == (201, b"{}")
        with pytest.raises(IdempotencyMismatch):
            await idempotency.stored_answer(third, replace(key, body_digest="other"), now=now)


async def test_a_connection_that_is_cut_is_away_and_the_next_one_works(database: Database) -> None:
    with pytest.raises(DatabaseAway):  # noqa: PT012 - the commit is what fails, or the transaction around
        async with database.read() as connection:
            pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with database.write() as killer:
                await killer.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            await connection.execute(text("SELECT 1"))
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1


async def test_a_full_pool_is_away_not_a_hang(database: Database) -> None:
    holding = asyncio.Event()

    async def hold() -> None:
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))
            await holding.wait()

    held = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0.3)
    with pytest.raises(DatabaseAway):
        async with database.read():
            pass
    holding.set()
    await asyncio.gather(*held)


async def test_of_two_transactions_in_each_others_way_one_is_told_to_try_again(database: Database) -> None:
    both = asyncio.Barrier(2)
    lock = text("SELECT pg_advisory_xact_lock(:key)")

    async def take(first: int, second: int) -> str:
        try:
            async with database.write() as connection:
                await connection.execute(lock, {"key": first})
                await both.wait()
                await connection.execute(lock, {"key": second})
        except Contended:
            return "again"
        return "done"

    assert sorted(await asyncio.gather(take(1, 2), take(2, 1))) == ["again", "done"]


async def test_who_writes_on_a_snapshot_sees_nothing_newer_and_is_told_to_try_again_where_it_would_change_it(
    database: Database,
) -> None:
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE counter (n int)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))
    count = text("SELECT count(*) FROM counter")
    async with database.write(snapshot=True) as slow:
        assert await slow.scalar(count) == 1
        async with database.write() as quick:
            await quick.execute(text("INSERT INTO counter VALUES (0)"))
        assert await slow.scalar(count) == 1
        await slow.execute(text("UPDATE counter SET n = 1"))
    async with database.write() as connection:  # of the same pool, and no snapshot
        assert await connection.scalar(text("SHOW transaction_isolation")) == "read committed"
        assert (await connection.scalars(text("SELECT n FROM counter ORDER BY n"))).all() == [0, 1]
    with pytest.raises(Contended):  # noqa: PT012 - the transaction around is what fails
        async with database.write(snapshot=True) as slow:
            await slow.execute(count)
            async with database.write() as quick:
                await quick.execute(text("UPDATE counter SET n = n + 1"))
            await slow.execute(text("UPDATE counter SET n = n + 1"))


async def test_who_is_frozen_within_a_transaction_holds_up_nobody_for_long(
    postgresql_url: Callable[[], str],
) -> None:
    """As a worker stopped between two statements: its locks would stop its successor, who was given its partitions."""
    url = postgresql_url()
    frozen = Database(url, service="identity", idle_seconds=1)
    successor = Database(url, service="identity", busy_seconds=10)
    await upgrade(frozen, "identity")
    async with frozen.write() as connection:
        await connection.execute(text("CREATE TABLE held (generation int)"))
        await connection.execute(text("INSERT INTO held VALUES (1)"))
    with pytest.raises(DatabaseAway):  # noqa: PT012 - the transaction around is what fails
        async with frozen.write() as old:
            await old.execute(text("SELECT generation FROM held FOR UPDATE"))
            async with asyncio.timeout(8), successor.write() as new:
                await new.execute(text("UPDATE held SET generation = generation + 1"))
            await old.execute(text("UPDATE held SET generation = 10"))
    async with frozen.read() as connection:
        assert await connection.scalar(text("SELECT generation FROM held")) == 2
    await frozen.close()
    await successor.close()


async def test_a_lock_that_is_not_had_in_time_is_away_not_a_hang(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE held (generation int)"))
        await connection.execute(text("INSERT INTO held VALUES (1)"))
    async with database.write() as first:
        await first.execute(text("SELECT generation FROM held FOR UPDATE"))
        with pytest.raises(DatabaseAway) as away:
            async with database.write() as second:
                await second.execute(text("UPDATE held SET generation = 2"))
    assert not isinstance(away.value, Contended)


async def test_a_server_that_is_killed_is_away_and_after_its_restart_everything_goes_on(
    tmp_path: Path,
) -> None:
    cluster = await asyncio.to_thread(postgresql.start, tmp_path / "server")
    database = Database(await asyncio.to_thread(cluster.database, "one"), service="identity", busy_seconds=2)
    try:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE public.kept (n int)"))
            await connection.execute(text("INSERT INTO public.kept VALUES (1)"))
        async with database.read() as connection:
            await connection.execute(text("SELECT 1"))
        await asyncio.to_thread(cluster.kill)
        for _ in range(2):
            with pytest.raises(DatabaseAway):
                async with database.write() as connection:
                    await connection.execute(text("INSERT INTO public.kept VALUES (2)"))
        cluster = await asyncio.to_thread(postgresql.start, tmp_path / "server", port=cluster.port)
        async with database.write() as connection:  # the same object, and what was accepted is there
            await connection.execute(text("INSERT INTO public.kept VALUES (3)"))
        async with database.read() as connection:
            assert list(await connection.scalars(text("SELECT n FROM public.kept"))) == [1, 3]
    finally:
        await database.close()
        await asyncio.to_thread(cluster.stop)
