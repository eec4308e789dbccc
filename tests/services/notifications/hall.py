"""The notifications service alone, told by hand-made events: for what needs no ranking. Rows, HTTP, sockets are real.

The one stand-in is the lists' API: `told` answers for it. The village has the real one.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from sqlalchemy import text

from migrations.running import upgrade
from schemas.envelope import Event, Sequence, new_event
from schemas.topics import (
    FLAGSHIP_REVISED,
    LIST_VERSIONED,
    ORGANISATION_REVISED,
    PROJECT_REVISED,
    STANDING_CROSSED,
    STANDING_LOST,
)
from schemas.webhooks.notifications import RULES
from services.chassis.bus.delivery import deliver
from services.chassis.bus.transport import Record
from services.chassis.database import Database
from services.chassis.identity.verification import Verifier
from services.chassis.runtime import Runtime
from services.chassis.settings import load_settings
from services.chassis.web.application import merge_applications
from services.notifications import SERVICE
from services.notifications.consumers import GROUP, forget, keep
from services.notifications.tables import METADATA
from services.notifications.worker import cycles, digests, readying, reminders
from services.notifications.worker.dispatch import Dispatcher
from services.notifications.worker.guard import open_session, reach_of
from services.notifications.worker.mailing import Post
from services.notifications.worker.pacing import LEASE
from services.notifications.worker.reasons import READER, Asked, ListsAway, Rows
from tests.services.matches.town import Issuer, TurnedClock, organisation, project, uuid_of
from tests.services.notifications.village import LOOPBACK, Receiver

__all__ = ["Hall", "open_hall", "uuid_of"]


@dataclass
class Lists:
    """The lists' API in the hands of a test: whoever stands above the floor has a row."""

    rows_of: dict[str, dict[str, Any]] = field(default_factory=dict)
    bands: dict[tuple[str, str], str] = field(
        default_factory=dict
    )  # as the log says, by project and organisation
    below: set[str] = field(default_factory=set)  # those who have none: the list is ahead of the log
    away: bool = False
    client: Any = None

    async def rows(self, project: str, asked: Asked) -> Rows:
        if self.away:
            raise ListsAway("closed for the test")
        plain = {"fit": 100, "band": "good", "confidence": 500, "shared_terms": ["school"]}
        return {
            (language, one): plain
            | {"band": self.bands.get((project, one), "good"), "reasons": [f"Why, in {language}."]}
            | self.rows_of.get(one, {})
            for one, languages in asked.items()
            for language in languages
            if one not in self.below
        }


@dataclass(kw_only=True)
class Hall:
    """The service with its verbs."""

    runtime: Runtime
    clock: TurnedClock
    http: httpx2.AsyncClient
    issuer: Issuer
    dispatcher: Dispatcher
    lists: Lists
    versions: dict[str, int] = field(default_factory=dict)
    said: list[Event] = field(default_factory=list)
    incarnation: int = 0  # of whoever speaks on the log

    def bearer(self, *roles: str, **claims: Any) -> dict[str, str]:
        token = self.issuer.token(self.runtime.settings, sub="somebody", roles=list(roles), **claims)
        return {"Authorization": f"Bearer {token}"}

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        name: str = "Ada",
        status: int = 200,
        **headers: str,
    ) -> Any:
        """Ask as an editor of this organisation; the answer's JSON."""
        sent = self.bearer("organisation_editor", organisation=uuid_of(name))
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        answer = await self.http.request(method, path, json=body, headers=sent)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def endpoint(self, receiver: Receiver, name: str = "Ada") -> str:
        made = await self.call("POST", "/v1/endpoints", {"url": receiver.url}, name=name, status=201)
        receiver.secrets.append(made["secret"])
        await self.dispatch()
        return str(made["id"])

    async def subscribe(self, name: str = "Ada", *, status: int = 201, **body: Any) -> str:
        identifier = str(uuid4())
        await self.call(
            "PUT", f"/v1/subscriptions/{identifier}", {"opt_in": True} | body, name=name, status=status
        )
        return identifier

    # The log

    async def say(self, *events: Event) -> None:
        """Hand these events to the service, in one transaction."""
        async with self.runtime.database.write() as connection:
            for event in events:
                self.said.append(event)
                await deliver(
                    connection, _record(event), runtime=self.runtime, group=GROUP, handle=keep, parked=set()
                )

    async def say_again(self, *, rebuilding: bool = False) -> None:
        """Hand everything over once more: after a crash between effect and position, or from the beginning."""
        said, self.said = self.said, []
        if rebuilding:
            async with self.runtime.database.write() as connection:
                await forget(connection)
        await self.say(*said)

    def event(self, topic: str, kind: str, key: str, data: Any, *, version: int | None = None) -> Event:
        self.versions[key] = version or self.versions.get(key, 0) + 1
        return new_event(
            topic,
            kind,
            key=key,
            sequence=Sequence(self.incarnation, self.versions[key]),
            data=data,
            source="/test",
            clock=self.clock,
        )

    async def member(self, name: str, **changes: Any) -> str:
        body = organisation(name) | {"state": "active"} | changes
        body.pop("contact")
        identifier = uuid_of(name)
        data = body | {"id": identifier, "revision": self.versions.get(identifier, 0) + 1}
        await self.say(self.event("members.v1", ORGANISATION_REVISED, identifier, data))
        return identifier

    async def open_project(self, name: str = "schools", **changes: Any) -> str:
        identifier = uuid_of(name)
        body = project() | {"state": "published"} | changes
        data = body | {"id": identifier, "revision": self.versions.get(identifier, 0) + 1}
        await self.say(self.event("projects.v1", PROJECT_REVISED, identifier, data))
        return identifier

    async def declare(self, name: str, **titles: str) -> str:
        """Say a flagship initiative with a title for each language."""
        identifier = uuid_of(name)
        texts = [{"language": language, "text": text} for language, text in titles.items()]
        data = {
            "id": identifier, "revision": self.versions.get(identifier, 0) + 1, "titles": texts, "level": "global",
            "reason": texts[0], "declared_by": "editor", "declared_at": "2026-11-01T00:00:00Z",
        }  # fmt: skip
        await self.say(self.event("projects.v1", FLAGSHIP_REVISED, identifier, data))
        return identifier

    def crossing(self, project_id: str, organisation_id: str, band: str, number: int) -> Event:
        """A pair's record in this list version."""
        data = {
            "project": project_id, "organisation": organisation_id, "number": number, "points": 1, "fit": 100,
            "band": band, "above_floor": True,
        }  # fmt: skip
        key = f"{project_id}/{organisation_id}"
        return self.event("standings.v1", STANDING_CROSSED, key, data, version=number)

    async def rank(
        self,
        project_id: str,
        number: int,
        crossed: dict[str, str],
        *,
        lost: Iterable[str] = (),
        above: int | None = None,
        reasons: tuple[str, ...] = ("floor",),
        day: str = "2026-11-23",
    ) -> None:
        """Say a list version and its crossings (organisation → band), in the order of the outbox."""
        events = []
        for one, band in crossed.items():
            events.append(self.crossing(project_id, one, band, number))
            self.lists.bands[project_id, one] = band
        for one in lost:
            key = f"{project_id}/{one}"
            events.append(self.event("standings.v1", STANDING_LOST, key, None, version=number))
        count = len(crossed) if above is None else above
        counts = {"candidates": count, "above_floor": count, "excluded": 0, "local_above_floor": 0}
        data = {
            "project": project_id, "project_revision": self.versions[project_id], "number": number, "epoch": "e",
            "reference_date": day, "as_of": [], "counts": counts, "digest": "0" * 64,
            "reasons": list(reasons),
        }  # fmt: skip
        key = f"list {project_id}"
        self.versions[key] = number - 1
        event = self.event("matches.v1", LIST_VERSIONED, key, data)
        await self.say(*events, _keyed(event, project_id))

    async def end(self, name: str = "schools", *, number: int, state: str = "closed") -> None:
        """Close or withdraw a project as the system does: its last version, of which all pairs are lost, comes once the end is told."""
        project_id = await self.open_project(name, state=state)
        await self.herald()
        stood = (
            "SELECT organisation FROM standings WHERE project = :project AND standing ORDER BY organisation"
        )
        lost = [row["organisation"] for row in await self.rows(stood, project=project_id)]
        await self.rank(project_id, number, {}, lost=lost, reasons=("closed",))

    # Letting time pass

    async def herald(self) -> None:
        while await cycles.step(self.runtime) + await readying.step(self.runtime):
            if self.lists.away:
                break
        await digests.step(self.runtime)

    async def settle(self) -> None:
        await self.herald()
        await self.dispatch()

    async def remind(self) -> None:
        await reminders.step(self.runtime)
        await self.settle()

    async def dispatch(self) -> None:
        while True:
            moved = await self.dispatcher.turn()
            if self.dispatcher._tasks:
                await asyncio.wait(self.dispatcher._tasks)
            elif not moved and not self.dispatcher._ended:
                return

    async def until_due(self) -> bool:
        """Turn the clock to when the next message is due and send it; False if none is."""
        [row] = await self.rows(
            "SELECT min(due_at) AS due FROM deliveries WHERE state IN ('pending', 'retrying')"
        )
        if row["due"] is None:
            return False
        self.clock.moment = max(self.clock.moment, type(self.clock.moment).fromisoformat(row["due"]))
        await self.dispatch()
        return True

    def killed(self) -> None:
        """A process was killed here; its claims have run out when the next one looks."""
        for task in self.dispatcher._tasks:
            task.cancel()
        old = self.dispatcher
        self.dispatcher = Dispatcher(self.runtime, old.session, old.post, dice=random.Random(7))
        self.clock.moment += LEASE * 1.01

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        async with self.runtime.database.read() as connection:
            return [dict(row) for row in (await connection.execute(text(query), values)).mappings()]


def _record(event: Event) -> Record:
    return Record(
        topic=event.topic,
        partition=0,
        offset=0,
        key=event.key.encode(),
        headers=event.headers(),
        value=event.data,
        appended_at=0,
    )


def _keyed(event: Event, key: str) -> Event:
    return replace(event, key=key, subject=key, partitionkey=key)


@asynccontextmanager
async def open_hall(folder: Path, *, resolver: Any = None, **overrides: Any) -> AsyncIterator[Hall]:
    # The rate counts the seconds of a clock that a test turns, and most tests are not about it.
    overrides["notifications"] = (
        LOOPBACK | {"endpoint_per_second": 10_000.0} | overrides.get("notifications", {})
    )
    settings = load_settings(data_folder=folder, **overrides)
    async with AsyncExitStack() as stack:
        database = Database.for_service(settings, "notifications")
        stack.push_async_callback(database.close)
        if settings.database.url is None:
            async with database.write() as connection:
                await connection.run_sync(METADATA.create_all)
        else:
            await upgrade(database, "notifications")
        clock, issuer, lists = TurnedClock(), Issuer(), Lists()
        runtime = Runtime(settings=settings, service=SERVICE, database=database, transport=None, clock=clock)  # type: ignore[arg-type]
        await SERVICE.startup(runtime)
        runtime.state[READER] = lists
        verifier = Verifier(issuer.keys, issuer=settings.issuer, audience=settings.identity.audience)
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(
                app=merge_applications((runtime,), verifier=verifier), raise_app_exceptions=False
            ),
            base_url="http://comity.test",
        )
        stack.push_async_callback(client.aclose)
        session = await stack.enter_async_context(
            open_session(settings, reach_of(settings), resolver=resolver)
        )
        hall = Hall(
            runtime=runtime,
            clock=clock,
            http=client,
            issuer=issuer,
            dispatcher=Dispatcher(runtime, session, Post(settings), dice=random.Random(7)),
            lists=lists,
        )
        yield hall
        said = await hall.rows("SELECT DISTINCT type, rule FROM notices")
        assert {one["type"] for one in said if one["rule"] not in RULES[one["type"]]} == set()
