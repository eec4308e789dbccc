"""The projects service on a real SQLite file behind real tokens, with a clock that the tests turn."""

import base64
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from migrations.running import migrate, migrate_owners
from services.chassis.bus.transports.sql.log import SqlTransport
from services.chassis.database import Database, for_log
from services.chassis.identity.verification import Verifier
from services.chassis.runtime import Clock, Runtime
from services.chassis.settings import Settings, load_settings
from services.chassis.web.application import build_application
from services.projects import SERVICE

OWNER = "018f3c2a-7d10-7000-8000-000000000001"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class TurnedClock(Clock):
    """A clock whose hands the test moves; monotonic time goes on by itself."""

    def __init__(self) -> None:
        self.moment = NOON

    def now(self) -> datetime:
        return self.moment


class Issuer:
    """Somebody who signs tokens and publishes the key."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()

    async def keys(self) -> dict[str, Any]:
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1", "alg": "EdDSA", "use": "sig"}]}

    def token(self, *, issuer: str, audience: str, **claims: Any) -> str:
        now = datetime.now(UTC)
        times = {"iat": now, "exp": now + timedelta(minutes=5)}
        payload = {"iss": issuer, "aud": audience} | times | claims
        return jwt.encode(payload, self.key, algorithm="EdDSA", headers={"kid": "k1"})


@dataclass
class Bench:
    """The service and the verbs that tests are written in."""

    runtime: Runtime
    client: httpx2.AsyncClient
    issuer: Issuer
    clock: TurnedClock
    application: Any

    def bearer(self, role: str = "bdt_editor", *, sub: str | None = None, **claims: Any) -> dict[str, str]:
        settings = self.runtime.settings
        token = self.issuer.token(
            issuer=settings.issuer,
            audience=settings.identity.audience,
            sub=sub or f"{role}-1",
            roles=[] if role == "public" else [role],
            **claims,
        )
        return {"Authorization": f"Bearer {token}"}

    async def call(
        self, method: str, path: str, body: Any = None, *, who: Any = "bdt_editor", **headers: str
    ) -> Any:
        """Send a request as a role ("nobody" without a token) or with the headers given."""
        if isinstance(who, str):
            who = {} if who == "nobody" else self.bearer(who)
        sent = who | {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            sent = sent | {"Content-Type": "application/json"}
        return await self.client.request(method, path, content=content, headers=sent)

    async def draft(self, *, who: Any = "bdt_editor", project_id: str | None = None, **changes: Any) -> str:
        project_id = project_id or str(uuid4())
        answer = await self.call("PUT", f"/v1/projects/{project_id}", project(**changes), who=who)
        assert answer.status_code == 201, answer.text
        return project_id

    async def published(self, *, who: Any = "bdt_editor", **changes: Any) -> str:
        project_id = await self.draft(who=who, **changes)
        answer = await self.call("POST", f"/v1/projects/{project_id}/publish", who=who, If_Match='"1"')
        assert answer.status_code == 200, answer.text
        return project_id

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.runtime.database.read() as connection:
            return [dict(row) for row in (await connection.execute(text(query), values)).mappings()]

    async def events(self) -> list[dict[str, Any]]:
        rows = await self.rows("SELECT * FROM outbox ORDER BY position")
        for row in rows:
            row["data"] = None if row["payload"] is None else json.loads(row["payload"])
        return rows


def project(**changes: Any) -> dict[str, Any]:
    """A whole project that may be published on the tests' day; a change to None leaves the member out."""
    body: dict[str, Any] = {
        "titles": [{"language": "en", "text": "Solar links for rural schools"}],
        "summaries": [
            {"language": "en", "text": "Connect forty rural schools by solar-powered radio links."}
        ],
        "needs": [
            {
                "id": "n1",
                "kind": "connectivity",
                "importance": 5,
                "texts": [{"language": "en", "text": "Last-mile radio links and backhaul capacity."}],
            }
        ],
        "level": "national",
        "countries": ["KEN"],
        "tags": [{"scheme": "sdg", "code": "9"}, {"scheme": "kap", "version": "2023-2025", "code": "AFR2"}],
        "period": {"start": "2027-01-01", "end": "2028-12-31"},
        "deadline": "2027-03-31",
        "owner": OWNER,
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def flagship(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "titles": [{"language": "en", "text": "Every school online"}],
        "level": "global",
        "reason": {"language": "en", "text": "Gathers the national school projects."},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the migrated databases; copying it is faster than migrating for every test."""
    folder = tmp_path_factory.mktemp("migrated")
    migrate(load_settings(data_folder=folder), ("projects", "log"))
    return folder


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Bench]:
    """The service on databases that were migrated before."""
    database = Database.for_service(settings, "projects")
    log = for_log(settings)
    transport = SqlTransport(log)
    await transport.open()
    clock = TurnedClock()
    runtime = Runtime(settings=settings, service=SERVICE, database=database, transport=transport, clock=clock)
    assert SERVICE.startup is not None
    await SERVICE.startup(runtime)
    issuer = Issuer()
    verifier = Verifier(issuer.keys, issuer=settings.issuer, audience=settings.identity.audience)
    application = build_application(runtime, verifier=verifier)
    door = httpx2.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=door, base_url="http://comity.test") as client:
        yield Bench(runtime, client, issuer, clock, application)
    await transport.close()
    await database.close()
    await log.close()


@pytest.fixture
async def bench(migrated: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    async with opened(load_settings(data_folder=tmp_path)) as made:
        yield made


@pytest.fixture
async def postgresql_bench(postgresql_url: Callable[[], str], tmp_path: Path) -> AsyncIterator[Bench]:
    url = postgresql_url()
    settings = load_settings(data_folder=tmp_path, database={"url": url}, log={"url": url})
    await migrate_owners(settings, ("projects", "log"))
    async with opened(settings) as made:
        yield made


@pytest.fixture
def body() -> Any:
    return project


@pytest.fixture
def declaration() -> Any:
    return flagship
