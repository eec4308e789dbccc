"""A real SQLite file with this service's tables, and commands run on it as the edge would run them."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from migrations.running import upgrade
from schemas.http.members import OrganisationBody
from services.chassis.bus import outbox
from services.chassis.database import Database
from services.chassis.identity.principal import Principal
from services.chassis.runtime import Clock, Runtime
from services.chassis.settings import Settings, load_settings
from services.chassis.web.conditions import Conditions
from services.chassis.web.operation import Answer, Unit
from services.members import SERVICE, startup
from services.members.commands.leave import erase_organisation, withdraw_organisation
from services.members.commands.put import put_organisation
from services.members.tables import METADATA

ONE = "018f3c2a-7d10-7000-8000-000000000001"
TWO = "018f3c2a-7d10-7000-8000-000000000002"
THREE = "018f3c2a-7d10-7000-8000-000000000003"

ADMIN = Principal("admin", frozenset({"public", "bdt_admin"}))


class SetClock(Clock):
    """A clock that tests turn by hand."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 24, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


def profile(**changes: Any) -> dict[str, Any]:
    """A profile with the six required fields; None takes a field away."""
    whole = {
        "legal_name": "Mwangaza Networks",
        "category": "prospect",
        "hq_country": "KEN",
        "descriptions": [
            {"language": "en", "text": "We build solar-powered community networks for rural schools."}
        ],
        "offers": [
            {"kind": "training", "texts": [{"language": "en", "text": "Courses for village technicians."}]}
        ],
        "contact": {"name": "Front Desk", "email": "office@mwangaza.example"},
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


@dataclass
class Desk:
    """Runs commands on the database, each in its own transaction."""

    runtime: Runtime
    clock: SetClock
    statements: list[str] = field(default_factory=list)

    async def run(
        self,
        command: Callable[..., Any],
        *,
        by: Principal = ADMIN,
        match: int | str | None = None,
        **arguments: Any,
    ) -> Answer:
        tag = f'"{match}"' if isinstance(match, int) else match
        async with self.runtime.database.write() as connection:
            unit = Unit(
                connection=connection,
                principal=by,
                runtime=self.runtime,
                now=self.clock.now(),
                conditions=Conditions(tag, None),
                request_id="test-request",
            )
            answer: Answer = await command(unit, **arguments)
            assert unit.audits == 1
            return answer

    async def put(
        self,
        organisation_id: str = ONE,
        *,
        by: Principal = ADMIN,
        match: int | str | None = None,
        **changes: Any,
    ) -> Answer:
        body = OrganisationBody.model_validate_json(orjson.dumps(profile(**changes)))
        return await self.run(
            put_organisation, by=by, match=match, organisation_id=organisation_id, body=body
        )

    async def withdraw(self, organisation_id: str = ONE, **rest: Any) -> Answer:
        return await self.run(
            withdraw_organisation, organisation_id=organisation_id, reason="Leaving.", **rest
        )

    async def erase(self, organisation_id: str = ONE, **rest: Any) -> Answer:
        return await self.run(erase_organisation, organisation_id=organisation_id, **rest)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        async with self.runtime.database.read() as connection:
            return [
                dict(row) for row in (await connection.execute(select(METADATA.tables[table]))).mappings()
            ]

    async def events(self) -> list[Any]:
        async with self.runtime.database.read() as connection:
            return [event for _, event in await outbox.oldest(connection, limit=1000)]


async def open_desk(settings: Settings, database: Database) -> Desk:
    clock = SetClock()
    runtime = Runtime(settings=settings, service=SERVICE, database=database, transport=None, clock=clock)
    await startup(runtime)
    return Desk(runtime, clock)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    settings = load_settings(data_folder=tmp_path)
    database = Database.for_service(settings, "members")
    async with database.write() as connection:
        await connection.run_sync(METADATA.create_all)
    yield await open_desk(settings, database)
    await database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk on a migrated database of either kind, as it is deployed."""
    server = (
        {"database": {"url": request.getfixturevalue("postgresql_url")()}}
        if request.param == "postgresql"
        else {}
    )
    settings = load_settings(data_folder=tmp_path, **server)
    database = Database.for_service(settings, "members")
    await upgrade(database, "members")
    yield await open_desk(settings, database)
    await database.close()
