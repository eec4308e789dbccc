"""A whole Comity in one process that moves only when a test says so: real SQLite files, real log, real engine.

Projects and organisations come in over HTTP, through the services' own commands. `settle` then takes every event its way:
outbox, relay, log, archive, index, ranker, until nothing moves any more. No loop runs in the background, so a test can
stand still between any two steps.
"""

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx2
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Engine, event, text

from matching.epoch import canonical
from matching.lists import RankedList
from migrations.running import migrate
from schemas.topics import TOPICS
from services.chassis.bus import positions
from services.chassis.bus.delivery import Together, deliver
from services.chassis.bus.relay import Relay
from services.chassis.bus.transport import Record, TopicPartition
from services.chassis.bus.transports.sql.log import SqlTransport
from services.chassis.database import Database, for_log
from services.chassis.identity.verification import Verifier
from services.chassis.runtime import Clock, Runtime, Service
from services.chassis.settings import Settings, load_settings
from services.chassis.web.application import merge_applications
from services.matches import SERVICE as MATCHES
from services.matches.commands import first_epoch
from services.matches.consumers import GROUP, archive
from services.matches.worker.documents import Analysis
from services.matches.worker.index import Index
from services.matches.worker.ownership import Ownership
from services.matches.worker.ranker import Ranker
from services.members import SERVICE as MEMBERS
from services.projects import SERVICE as PROJECTS
from services.projects.commands.dates import write_what_the_date_changed

PARTITIONS = 2
CONSUMED = ("members.v1", "projects.v1")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def uuid_of(name: str) -> str:
    """Return the id of whoever a test calls by this name."""
    return str(uuid5(NAMESPACE_URL, f"town:{name}"))


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

    def token(self, settings: Settings, **claims: Any) -> str:
        now = datetime.now(UTC)
        frame = {"iss": settings.issuer, "aud": settings.identity.audience, "iat": now}
        payload = frame | {"exp": now + timedelta(minutes=15)} | claims
        return jwt.encode(payload, self.key, algorithm="EdDSA", headers={"kid": "k1"})


@cache
def migrated() -> Path:
    """Return a folder with migrated, empty files, to be copied for each town."""
    folder = Path(tempfile.mkdtemp(prefix="comity-town-"))
    migrate(load_settings(data_folder=folder), ["log", "projects", "members", "matches"])
    return folder


@cache
def analysis() -> Analysis:
    """Return one proved analyser for all towns: its dictionary takes seconds to load."""
    return Analysis()


@dataclass(kw_only=True)
class Worker:
    """One matching process: its own runtime on the shared database, index, ownership and ranker.

    `group` is what the consumer group gives it, for no consumer runs.
    """

    runtime: Runtime
    group: set[TopicPartition]
    owned: Ownership
    ranker: Ranker

    @property
    def index(self) -> Index:
        index: Index = self.runtime.state["index"]
        return index


@dataclass(kw_only=True)
class Town:
    """The services and the verbs that tests are written in."""

    settings: Settings
    runtimes: Mapping[str, Runtime]
    worker: Worker
    client: httpx2.AsyncClient
    issuer: Issuer
    clock: TurnedClock
    application: Any
    revisions: dict[str, int] = field(default_factory=dict)

    # Talking to it

    def bearer(self, *roles: str, **claims: Any) -> dict[str, str]:
        sub = claims.pop("sub", None) or f"{'-'.join(roles)}-1"
        token = self.issuer.token(self.settings, sub=sub, roles=list(roles), **claims)
        return {"Authorization": f"Bearer {token}"}

    async def call(
        self, method: str, path: str, body: Any = None, *, who: Any = "bdt_admin", **headers: str
    ) -> httpx2.Response:
        """Send a request as a role ("nobody" without a token) or with the headers given."""
        if isinstance(who, str):
            who = {} if who == "nobody" else self.bearer(who)
        sent = who | {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if content is not None:
            sent = {"Content-Type": "application/json"} | sent
        return await self.client.request(method, path, content=content, headers=sent)

    async def get(self, path: str, *, who: Any = "bdt_admin", status: int = 200, **headers: str) -> Any:
        answer = await self.call("GET", path, who=who, **headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    # Writing

    async def organisation(self, name: str, *, who: Any = "bdt_admin", **changes: Any) -> str:
        """Put the organisation of this name; a second time revises it."""
        return await self._put("organisations", name, organisation(name, **changes), who=who)

    async def draft(self, name: str, *, who: Any = "bdt_admin", **changes: Any) -> str:
        """Put the project of this name; a second time revises it."""
        return await self._put("projects", name, project(**changes), who=who)

    async def published(self, name: str, *, who: Any = "bdt_admin", **changes: Any) -> str:
        project_id = await self.draft(name, who=who, **changes)
        await self.step(project_id, "publish", who=who)
        return project_id

    async def step(self, project_id: str, verb: str, *, who: Any = "bdt_admin", body: Any = None) -> Any:
        """Publish, close or withdraw a project."""
        match = f'"{self.revisions[project_id]}"'
        answer = await self.call("POST", f"/v1/projects/{project_id}/{verb}", body, who=who, If_Match=match)
        assert answer.status_code == 200, answer.text
        self.revisions[project_id] = answer.json()["revision"]
        return answer.json()

    async def rest(self, project_id: str) -> None:
        """Let the day of a project's review pass, and settle: it is dormant, with any other whose day has passed."""
        project = await self.get(f"/v1/projects/{project_id}")
        review_by = datetime.fromisoformat(project["review_by"]).replace(tzinfo=UTC)
        self.clock.moment = max(self.clock.moment, review_by + timedelta(days=1, hours=12))
        await write_what_the_date_changed(self.runtimes["projects"])
        await self.settle()
        project = await self.get(f"/v1/projects/{project_id}")
        assert project["state"] == "dormant"
        self.revisions[project_id] = project["revision"]

    async def erase(self, kind: str, identifier: str) -> None:
        match = f'"{self.revisions[identifier]}"'
        answer = await self.call("DELETE", f"/v1/{kind}/{identifier}", If_Match=match)
        assert answer.status_code == 204, answer.text

    async def withdraw(self, identifier: str) -> None:
        match = f'"{self.revisions[identifier]}"'
        path = f"/v1/organisations/{identifier}/withdraw"
        answer = await self.call("POST", path, {"reason": "Leaving."}, If_Match=match)
        assert answer.status_code == 200, answer.text
        self.revisions[identifier] = answer.json()["revision"]

    async def _put(self, kind: str, name: str, body: Any, *, who: Any) -> str:
        identifier = uuid_of(name)
        known = self.revisions.get(identifier)
        condition = {} if known is None else {"If_Match": f'"{known}"'}
        answer = await self.call("PUT", f"/v1/{kind}/{identifier}", body, who=who, **condition)
        assert answer.status_code in {200, 201}, answer.text
        self.revisions[identifier] = answer.json()["revision"]
        return identifier

    # Letting time pass

    async def settle(self) -> None:
        """Move every event as far as it goes, until nothing is left to do."""
        while await self.relay() + await self.consume() + await self.rank():
            pass

    async def relay(self) -> int:
        """Relay every outbox to its end; how many events left."""
        moved = 0
        for name, runtime in self.runtimes.items():
            relayed = runtime.service.relayed
            relay = Relay(runtime, relayed=None if relayed is None else relayed(runtime))
            async with runtime.transport.appender(name) as appender:
                while sent := await relay.step(appender):
                    moved += sent
        return moved

    async def consume(self, *, limit: int = 500) -> int:
        """Archive what is on the log, each record in a transaction with its position; how many."""
        moved = 0
        for topic in CONSUMED:
            for partition in range(PARTITIONS):
                moved += await self._consume(TopicPartition(topic, partition), limit)
        return moved

    async def rank(self) -> int:
        """Follow the archive and rank until nothing changes; how many steps."""
        steps = 0
        while await self.worker.index.follow() or await self.worker.ranker.step():
            steps += 1
        return steps

    async def deliver_again(self, records: Iterable[Record]) -> None:
        """Hand records to the archive once more, as after a crash between effect and position."""
        runtime = self.runtimes["matches"]
        for record in records:
            async with runtime.database.write() as connection:
                await deliver(connection, record, runtime=runtime, group=GROUP, handle=archive, parked=set())

    async def records(self, topic: str) -> list[Record]:
        """Everything that stands on a topic."""
        transport = self.runtimes["matches"].transport
        found: list[Record] = []
        for partition in range(await transport.partitions(topic)):
            found += (await transport.read(topic, partition, offset=0, limit=10_000)).records
        return found

    async def told(self, topic: str) -> list[Any]:
        """The data of every record of a topic, None for tombstones."""
        return [None if one.value is None else orjson.loads(one.value) for one in await self.records(topic)]

    async def _consume(self, at: TopicPartition, limit: int) -> int:
        runtime = self.runtimes["matches"]
        log = await runtime.transport.identity(at.topic)
        moved = 0
        while True:
            async with runtime.database.write() as connection:
                position = await positions.take(connection, GROUP, at, log=log, now=0)
                batch = await runtime.transport.read(
                    at.topic, at.partition, offset=position.next_offset, limit=limit
                )
                if not batch.records:
                    return moved
                last = batch.records[-1]
                await positions.move(connection, position, position.past(last, positions.event_id(last)))
                together = Together(batch.records)
                for record in batch.records:
                    await deliver(
                        connection,
                        record,
                        runtime=runtime,
                        group=GROUP,
                        handle=archive,
                        parked=set(),
                        together=together,
                    )
                await together.write(connection)
                moved += len(batch.records)

    # Looking

    async def list_of(self, project_id: str, query: str = "", *, who: Any = "bdt_admin") -> Any:
        """The first page of a list, 200 rows; on every list that a test looks at, the parts must add up."""
        asked = query if "include=" in query else f"include=parts&{query}"
        size = "" if "limit=" in query else "limit=200&"
        answer = await self.get(f"/v1/lists/{project_id}/candidates?{size}{asked}".rstrip("?&"), who=who)
        for row in answer["candidates"]:
            erased = row["name"] is None
            assert erased or sum(part["points"] for part in row["parts"]) == row["points"], row
        return answer

    async def names_of(self, project_id: str, query: str = "") -> list[str]:
        """The names on a list in rank order."""
        return [row["name"] for row in (await self.list_of(project_id, query))["candidates"]]

    async def row_of(self, project_id: str, name: str, *, who: Any = "bdt_admin") -> Any:
        """One organisation on one list."""
        return await self.get(f"/v1/lists/{project_id}/candidates/{uuid_of(name)}", who=who)

    async def ranked(self, project_id: str) -> RankedList:
        """The list as the worker's index computes it now."""
        pinned = await self.worker.index.pin()
        return pinned.view.rank(project_id, pinned.day)

    async def versions(self, project_id: str) -> Any:
        """The versions of a list, newest first."""
        return (await self.get(f"/v1/lists/{project_id}/versions"))["items"]

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.runtimes["matches"].database.read() as connection:
            return [dict(row) for row in (await connection.execute(text(query), values)).mappings()]


async def new_worker(runtime: Runtime, name: str) -> Worker:
    """Start a matching process on a runtime that was started up: it owns every partition."""
    group = {TopicPartition("projects.v1", number) for number in range(PARTITIONS)}
    owned = Ownership(runtime, name, group=lambda: group)
    ranker = Ranker(runtime, runtime.state["index"], owned)
    await owned.assigned(frozenset(group))
    await runtime.state["index"].watch()
    return Worker(runtime=runtime, group=group, owned=owned, ranker=ranker)


async def open_town(folder: Path, stack: AsyncExitStack, **overrides: Any) -> Town:
    """Open a town on a folder; what is there already is taken on, as after a restart."""
    if not (folder / "log.db").exists():
        shutil.copytree(await asyncio.to_thread(migrated), folder, dirs_exist_ok=True)
    overrides["log"] = {"partitions": PARTITIONS} | overrides.get("log", {})
    settings = load_settings(data_folder=folder, **overrides)
    if settings.database.url is not None:
        await asyncio.to_thread(migrate, settings, ["projects", "members", "matches"])
    log = for_log(settings)
    stack.push_async_callback(log.close)
    transport = SqlTransport(log, partitions=PARTITIONS)
    await transport.open()
    stack.push_async_callback(transport.close)
    await transport.create_topics(tuple(TOPICS.values()))
    clock, issuer = TurnedClock(), Issuer()
    services: tuple[Service, ...] = (PROJECTS, MEMBERS, MATCHES)
    runtimes = {}
    for service in services:
        database = Database.for_service(settings, service.name)
        stack.push_async_callback(database.close)
        runtime = Runtime(
            settings=settings, service=service, database=database, transport=transport, clock=clock
        )
        if service is MATCHES:
            runtime.state["analysis"] = await asyncio.to_thread(analysis)
        await service.startup(runtime)
        runtimes[service.name] = runtime
    verifier = Verifier(issuer.keys, issuer=settings.issuer, audience=settings.identity.audience)
    application = merge_applications(tuple(runtimes.values()), verifier=verifier)
    client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=application, raise_app_exceptions=False),
        base_url="http://comity.test",
    )
    stack.push_async_callback(client.aclose)
    return Town(
        settings=settings,
        runtimes=runtimes,
        worker=await new_worker(runtimes["matches"], "first"),
        client=client,
        issuer=issuer,
        clock=clock,
        application=application,
    )


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """An empty town."""
    async with AsyncExitStack() as stack:
        yield await open_town(tmp_path / "town", stack)


def changed_epoch(**weights: Any) -> bytes:
    """The shipped epoch with other weights, in its canonical bytes; None takes one away."""
    body = json.loads(first_epoch(None))
    changed = body["weights"] | weights
    body["weights"] = {name: value for name, value in changed.items() if value is not None}
    body["analyser"]["golden"] = analysis().golden
    return canonical(body)


def organisation(name: str, **changes: Any) -> dict[str, Any]:
    """A profile that fits the project below; None takes a member away."""
    body = {
        "legal_name": name,
        "category": "other_entity",
        "hq_country": "CHE",
        "descriptions": [
            {
                "language": "en",
                "text": "We connect rural schools with solar-powered community networks and train village technicians.",
            }
        ],
        "offers": [
            {
                "kind": "training",
                "texts": [{"language": "en", "text": "Courses for technicians of rural community networks."}],
            }
        ],
        "languages": ["en"],
        "contact": {"name": "Front desk", "email": "desk@example.org"},
        "fictional": True,
    }
    return {key: value for key, value in (body | changes).items() if value is not None}


def project(**changes: Any) -> dict[str, Any]:
    """A project that may be published on the town's day; None takes a member away."""
    body = {
        "titles": [{"language": "en", "text": "Community networks for rural schools"}],
        "summaries": [
            {
                "language": "en",
                "text": "Connect rural schools by solar-powered community networks and train technicians in the villages.",
            }
        ],
        "needs": [
            {
                "id": "n1",
                "kind": "training",
                "importance": 5,
                "texts": [{"language": "en", "text": "Training of village technicians"}],
            },
            {
                "id": "n2",
                "kind": "equipment",
                "importance": 2,
                "texts": [{"language": "en", "text": "Solar panels and radios"}],
            },
        ],
        "level": "national",
        "countries": ["KEN"],
        "presence_required": {"required": False},
        "languages": ["en"],
        "period": {"start": "2026-12-01", "end": "2028-12-31"},
        "deadline": "2027-06-30",
        "owner": uuid_of("the owner"),
        "fictional": True,
    }
    return {key: value for key, value in (body | changes).items() if value is not None}


def shuffled(items: Iterable[Any], random: Random) -> list[Any]:
    """Return the items in another order."""
    found = list(items)
    random.shuffle(found)
    return found


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that is executed meanwhile, whoever executes it."""
    told: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        told.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(Engine, "before_cursor_execute", note)
