"""One schema and one role for each service in PostgreSQL: none can look into another's, and each can do its own work."""

from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import create_async_engine

from migrations.owners import owners_of
from migrations.running import migrate_owners
from services.catalogue import SERVICES
from services.chassis.database import Database
from services.chassis.settings import Settings, load_settings
from services.console import roles

pytestmark = pytest.mark.postgresql


async def run(url: str, statements: list[str]) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)
    await engine.dispose()


async def with_roles(url: str) -> Settings:
    """Make the roles in the database of the URL; settings in which each service logs in as its own."""
    parts = urlsplit(url)
    settings = load_settings(database={"url": url}, log={"transport": "kafka"})
    wanted = list(roles.statements(owners_of(settings), database=parts.path[1:], password="it's secret"))
    await run(url, wanted + wanted)  # again does no harm
    named = parts._replace(netloc=f"comity_{{service}}:it's secret@{parts.hostname}:{parts.port}")
    return load_settings(database={"url": urlunsplit(named)}, log={"transport": "kafka"})


async def test_no_service_can_read_or_write_anothers_tables(postgresql_url: Callable[[], str]) -> None:
    settings = await with_roles(postgresql_url())
    await migrate_owners(settings)  # each owner's tables by its own role, which needs no other right
    tried = 0
    for name in SERVICES:
        database = Database.for_service(settings, name)
        async with database.write() as connection:
            assert await connection.scalar(text("SELECT current_user")) == f"comity_{name}"
            await connection.execute(text("SELECT * FROM audit"))
        for other in SERVICES:
            if other == name:
                continue
            for statement in (
                f"SELECT * FROM {other}.alembic_version",  # noqa: S608 - names of ours
                f"INSERT INTO {other}.alembic_version VALUES ('x')",  # noqa: S608
                f"CREATE TABLE {other}.mine (id int)",
                f"SET ROLE comity_{other}",
                "CREATE TABLE public.mine (id int)",
            ):
                with pytest.raises(exc.ProgrammingError, match="permission denied"):
                    async with database.write() as connection:
                        await connection.execute(text(statement))
                tried += 1
        await database.close()
    assert tried == 5 * len(SERVICES) * (len(SERVICES) - 1)


async def test_what_one_role_made_before_becomes_each_owners(postgresql_url: Callable[[], str]) -> None:
    url = postgresql_url()
    await migrate_owners(load_settings(database={"url": url}, log={"transport": "kafka"}), ["projects"])
    settings = await with_roles(url)
    await migrate_owners(settings, ["projects"])
    database = Database.for_service(settings, "projects")
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM outbox"))
    await database.close()


def test_the_statements_are_printed_for_who_may_run_them(capsys: pytest.CaptureFixture[str]) -> None:
    roles.roles(database='odd"name', password=None)
    told = capsys.readouterr().out
    assert 'REVOKE ALL ON DATABASE "odd""name" FROM PUBLIC;\n' in told
    for name in SERVICES:
        assert f"\\password comity_{name}\n" in told
