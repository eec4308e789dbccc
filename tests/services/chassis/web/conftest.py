"""A small service, `notes`, that uses everything the chassis offers, on real SQLite files."""

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, Text, insert, select, text

from migrations.append_only import SQLITE
from schemas.http.texts import Name
from services.chassis.bus.transports.sql.log import SqlTransport
from services.chassis.bus.transports.sql.tables import METADATA as LOG_METADATA
from services.chassis.database import Contended, Database, insert_for
from services.chassis.identity.principal import principal_of
from services.chassis.identity.verification import Verifier
from services.chassis.runtime import Runtime, Service
from services.chassis.settings import Settings, load_settings
from services.chassis.web import audit, idempotency
from services.chassis.web.access import PUBLIC
from services.chassis.web.application import build_application
from services.chassis.web.cursors import cursors_of
from services.chassis.web.operation import Answer, Unit, execute
from services.chassis.web.parameters import Cursor, Limit
from services.chassis.web.problems import NotFound
from services.chassis.web.reading import respond, respond_page

METADATA = MetaData()
AUDIT = audit.attach(METADATA)
idempotency.attach(METADATA)
NOTES = Table(
    "notes",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("revision", Integer, nullable=False),
)
Table(
    "needles",
    METADATA,
    Column("id", Integer, primary_key=True),
    # Checked at COMMIT, not at the statement: the way to make a commit itself fail.
    Column("note", Text, ForeignKey("notes.id", deferrable=True, initially="DEFERRED")),
)


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: Name
    weight: int = Field(1, ge=0, le=10)
    more: dict[str, Any] | None = None


async def put_note(unit: Unit, *, note_id: str, note: Note) -> Answer:
    row = (await unit.connection.execute(select(NOTES).where(NOTES.c.id == note_id))).one_or_none()
    before = None if row is None else row.revision
    unit.check_match(before)
    after = (before or 0) + 1
    change = insert_for(unit.connection, NOTES).values(id=note_id, title=note.title, revision=after)
    await unit.connection.execute(
        change.on_conflict_do_update(index_elements=["id"], set_={"title": note.title, "revision": after})
    )
    await unit.audit(action="note.put", subject=note_id, before=before, after=after)
    return Answer(status=200 if before else 201, body={"id": note_id, "revision": after}, revision=after)


async def add_note(unit: Unit, *, note: Note) -> Answer:
    note_id = f"n{unit.now.timestamp()}"
    await unit.connection.execute(insert(NOTES).values(id=note_id, title=note.title, revision=1))
    await unit.audit(action="note.add", subject=note_id, before=None, after=1)
    if unit.runtime.state.get("contended", 0):
        unit.runtime.state["contended"] -= 1
        raise Contended("Somebody else's transaction was in the way.")
    if gate := unit.runtime.state.get("gate"):
        unit.runtime.state["entered"].set()
        await gate.wait()
    return Answer(status=201, body={"id": note_id}, revision=1, headers={"Location": f"/v1/notes/{note_id}"})


async def break_at_commit(unit: Unit) -> Answer:
    await unit.connection.execute(text("INSERT INTO needles (note) VALUES ('no such note')"))
    await unit.audit(action="note.break", subject="x", before=None, after=None)
    return Answer(status=201, body={"done": True})


async def forget_the_audit(unit: Unit) -> Answer:
    await unit.connection.execute(insert(NOTES).values(id="unaudited", title="x", revision=1))
    return Answer(status=201, body={})


def routers() -> tuple[APIRouter, ...]:  # noqa: C901 - nine small routes
    routes = APIRouter(prefix="/v1/notes")

    @routes.get("", openapi_extra=PUBLIC)
    async def list_notes(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Response:
        principal = principal_of(request)
        query = select(NOTES).order_by(NOTES.c.id).limit(limit + 1)
        if cursor is not None:
            query = query.where(NOTES.c.id > cursors_of(request).unseal("notes", cursor, principal))
        async with request.app.state.runtime.database.read() as connection:
            rows = (await connection.execute(query)).all()
        following = (
            cursors_of(request).seal("notes", rows[limit - 1].id, principal) if len(rows) > limit else None
        )
        return respond_page(request, [{"id": r.id} for r in rows[:limit]], next_cursor=following)

    @routes.get("/{note_id}")
    async def get_note(request: Request, note_id: str) -> Response:
        async with request.app.state.runtime.database.read() as connection:
            row = (await connection.execute(select(NOTES).where(NOTES.c.id == note_id))).one_or_none()
        if row is None:
            raise NotFound
        return respond(request, {"id": row.id, "title": row.title}, revision=row.revision)

    @routes.get("/by-number/{number}")
    async def by_number(number: UUID, request: Request, word: list[str] | None = None) -> Response:
        return respond(request, {"number": str(number)})

    @routes.put("/{note_id}")
    async def put(request: Request, note_id: str, note: Note) -> Response:
        return await execute(request, partial(put_note, note_id=note_id, note=note))

    @routes.post("")
    async def post(request: Request, note: Note) -> Response:
        return await execute(request, partial(add_note, note=note))

    @routes.post("/break")
    async def post_break(request: Request) -> Response:
        return await execute(request, break_at_commit)

    @routes.post("/unaudited")
    async def post_unaudited(request: Request) -> Response:
        return await execute(request, forget_the_audit)

    @routes.post("/crash")
    async def post_crash(request: Request) -> Response:
        raise RuntimeError("a secret of the inside")

    return (routes, audit.router("notes", AUDIT))


NOTES_SERVICE = Service(
    name="notes",
    title="Notes, for the tests.",
    prefixes=("/v1/notes", "/v1/audit/notes"),
    metadata=METADATA,
    routers=routers,
    topics=("members.v1",),
)


class Issuer:
    """Somebody who signs tokens."""

    def __init__(self, issuer: str, audience: str) -> None:
        self.issuer, self.audience = issuer, audience
        self.key = Ed25519PrivateKey.generate()
        self.fetches = 0
        self.revoked: Any = {}

    async def keys(self) -> dict[str, Any]:
        self.fetches += 1
        x = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        coded = base64.urlsafe_b64encode(x).rstrip(b"=").decode()
        return {
            "keys": [{"kty": "OKP", "crv": "Ed25519", "x": coded, "kid": "k1", "alg": "EdDSA", "use": "sig"}],
            "revoked": self.revoked,
        }

    def token(
        self, *roles: str, sub: str = "someone", key: Any = None, alg: str = "EdDSA", **claims: Any
    ) -> str:
        now = datetime.now(UTC)
        kid = claims.pop("kid", "k1")
        payload = {
            "sub": sub,
            "roles": list(roles),
            "iss": self.issuer,
            "aud": self.audience,
            "iat": now,
            "exp": now + timedelta(minutes=5),
        } | claims
        return jwt.encode(payload, key or self.key, algorithm=alg, headers={"kid": kid})


@dataclass
class Bench:
    runtime: Runtime
    issuer: Issuer
    client: httpx2.AsyncClient
    application: Any

    def bearer(self, *roles: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token(*(roles or ('bdt_editor',)), **claims)}"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_folder=tmp_path, http={"max_body_bytes": 20_000})


@pytest.fixture
async def make_bench(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    opened: list[Any] = []

    async def make(settings: Settings, service: Service = NOTES_SERVICE) -> Bench:
        database = Database.for_service(settings, service.name)
        async with database.write() as connection:
            await connection.run_sync(METADATA.create_all)
            for statement in SQLITE:
                await connection.execute(text(statement))
        log = Database.for_service(settings, "log")
        async with log.write() as connection:
            await connection.run_sync(LOG_METADATA.create_all)
        transport = SqlTransport(log)
        await transport.open()
        runtime = Runtime(settings=settings, service=service, database=database, transport=transport)
        issuer = Issuer(settings.issuer, settings.identity.audience)
        verifier = Verifier(issuer.keys, issuer=settings.issuer, audience=settings.identity.audience)
        application = build_application(runtime, verifier=verifier)
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=application, raise_app_exceptions=False),
            base_url="http://comity.test",
        )
        opened.extend([client.aclose, transport.close, database.close, log.close])
        return Bench(runtime, issuer, client, application)

    yield make
    for close in opened:
        await close()


@pytest.fixture
async def bench(make_bench: Any, settings: Settings) -> Bench:
    return await make_bench(settings)
