"""A town with the notifications service in it, and receivers on the loopback address: nothing moves unless a test says so.

What is real: the log, the databases, the ranking, the API that gives reasons, the sockets, the signatures (checked by the
official library). What is the test's: the clock.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import standardwebhooks.webhooks
from aiohttp import ClientSession, web
from sqlalchemy import text

from migrations.running import upgrade
from schemas.topics import TOPICS
from services.chassis.bus import positions
from services.chassis.bus.delivery import deliver
from services.chassis.bus.transport import TopicPartition
from services.chassis.database import Database
from services.chassis.identity.verification import Verifier
from services.chassis.runtime import Runtime
from services.chassis.web.application import merge_applications
from services.notifications import SERVICE
from services.notifications.consumers import GROUP, READER, keep
from services.notifications.worker import cycles, digests, readying, reminders
from services.notifications.worker.dispatch import Dispatcher
from services.notifications.worker.guard import open_session, reach_of
from services.notifications.worker.mailing import Post
from services.notifications.worker.reasons import READER as LISTS
from services.notifications.worker.reasons import ListReader
from tests.services.matches.town import PARTITIONS, Town, open_town, uuid_of

LOOPBACK = {
    "allow_http": True,
    "ports": "any",
    "allowed_networks": "127.0.0.0/8",
    "public_addresses": False,  # nothing that a test does may leave the machine
}

Look = Callable[[bytes], Awaitable[None]]


@dataclass
class Receiver:
    """A webhook receiver on a free port: it keeps what comes in, and answers as the test says."""

    url: str = ""
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204
    repeats: bool = False
    """Whether it answers with what it was sent."""
    headers: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    look: Look | None = None
    """What it does with a body before it answers."""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.taken.append((dict(request.headers), body))
        if self.look is not None:
            await self.look(body)
        said = body if self.repeats else None
        return web.Response(status=self.status, headers=self.headers, body=said)

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """What came in, in order; pings are left out unless asked for."""
        found = [json.loads(body) for _, body in self.taken]
        return [
            one for one in found if kind in one["type"] and (kind or "endpoint.pinged" not in one["type"])
        ]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application(client_max_size=1_000_000)
    application.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    receiver.url = f"http://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def verified(secret: str, headers: dict[str, str], body: bytes, *, now: datetime) -> Any:
    """Check a message with the official library, whose clock shows this moment. Raises WebhookVerificationError."""

    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # noqa: ARG003 - as the real one
            return now

    real = standardwebhooks.webhooks.datetime
    standardwebhooks.webhooks.datetime = Then
    try:
        return standardwebhooks.webhooks.Webhook(secret).verify(body, headers)
    finally:
        standardwebhooks.webhooks.datetime = real


@dataclass(kw_only=True)
class Village:
    """The town, the notifications service, and the verbs of its tests."""

    town: Town
    runtime: Runtime
    dispatcher: Dispatcher
    session: ClientSession

    # Asking for things

    def own(self, name: str, role: str = "organisation_editor") -> dict[str, str]:
        return self.town.bearer(role, organisation=uuid_of(name))

    async def endpoint(self, name: str, receiver: Receiver) -> tuple[str, str]:
        """Register an endpoint and let it be pinged; its id and secret."""
        answer = await self.town.call("POST", "/v1/endpoints", {"url": receiver.url}, who=self.own(name))
        assert answer.status_code == 201, answer.text
        await self.dispatch()
        made = answer.json()
        receiver.secrets.append(made["secret"])
        return made["id"], made["secret"]

    async def subscribe(self, name: str, *, channel: str = "webhook", **body: Any) -> str:
        """Save a subscription for an organisation; its id."""
        identifier = str(uuid4())
        sent = {"channel": channel, "opt_in": True} | body
        answer = await self.town.call("PUT", f"/v1/subscriptions/{identifier}", sent, who=self.own(name))
        assert answer.status_code == 201, answer.text
        return identifier

    async def hooked(self, name: str, receiver: Receiver, **body: Any) -> str:
        """An organisation that hears by webhook; its subscription's id."""
        endpoint, _ = await self.endpoint(name, receiver)
        return await self.subscribe(name, endpoint=endpoint, **body)

    # Letting time pass

    async def settle(self) -> None:
        """Move every event all the way to the receivers."""
        await self.town.settle()
        await self.consume()
        await self.herald()
        await self.dispatch()

    async def herald(self) -> None:
        while await cycles.step(self.runtime) + await readying.step(self.runtime):
            pass
        await digests.step(self.runtime)

    async def remind(self) -> None:
        await reminders.step(self.runtime)
        await self.herald()
        await self.dispatch()

    async def dispatch(self) -> None:
        """Send what is due until nothing is."""
        while True:
            moved = await self.dispatcher.turn()
            if self.dispatcher._tasks:
                await asyncio.wait(self.dispatcher._tasks)
            elif not moved:
                return

    async def consume(self, *, limit: int = 500) -> int:
        moved = 0
        for topic in READER.topics:
            for partition in range(min(PARTITIONS, TOPICS[topic].partitions)):
                moved += await self._consume(TopicPartition(topic, partition), limit)
        return moved

    async def deliver_again(self, topic: str) -> None:
        """Hand every record of a topic to the service once more."""
        for record in await self.town.records(topic):
            async with self.runtime.database.write() as connection:
                await deliver(
                    connection, record, runtime=self.runtime, group=GROUP, handle=keep, parked=set()
                )

    async def _consume(self, at: TopicPartition, limit: int) -> int:
        log = await self.runtime.transport.identity(at.topic)
        moved = 0
        while True:
            async with self.runtime.database.write() as connection:
                position = await positions.take(connection, GROUP, at, log=log, now=0)
                batch = await self.runtime.transport.read(
                    at.topic, at.partition, offset=position.next_offset, limit=limit
                )
                if not batch.records:
                    return moved
                last = batch.records[-1]
                await positions.move(connection, position, position.past(last, positions.event_id(last)))
                for record in batch.records:
                    await deliver(
                        connection, record, runtime=self.runtime, group=GROUP, handle=keep, parked=set()
                    )
                moved += len(batch.records)

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        async with self.runtime.database.read() as connection:
            return [dict(row) for row in (await connection.execute(text(query), values)).mappings()]


async def open_village(folder: Path, stack: AsyncExitStack, **overrides: Any) -> Village:
    """Open a town with notifications in it; what is in the folder is taken on, as after a restart."""
    overrides["notifications"] = LOOPBACK | overrides.get("notifications", {})
    town = await open_town(folder, stack, **overrides)
    database = Database.for_service(town.settings, "notifications")
    stack.push_async_callback(database.close)
    await upgrade(database, "notifications")
    runtime = Runtime(
        settings=town.settings,
        service=SERVICE,
        database=database,
        transport=town.runtimes["matches"].transport,
        clock=town.clock,
    )
    await SERVICE.startup(runtime)
    verifier = Verifier(
        town.issuer.keys, issuer=town.settings.issuer, audience=town.settings.identity.audience
    )
    application = merge_applications((*town.runtimes.values(), runtime), verifier=verifier)
    client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=application, raise_app_exceptions=False),
        base_url="http://comity.test",
    )
    stack.push_async_callback(client.aclose)
    town.client, town.application = client, application

    async def token() -> str:
        return town.issuer.token(town.settings, sub="comity:notifications", roles=["bdt_analyst"])

    runtime.state[LISTS] = ListReader(client=client, address="http://comity.test", token=token)
    session = await stack.enter_async_context(open_session(town.settings, reach_of(town.settings)))
    dispatcher = Dispatcher(runtime, session, Post(town.settings), dice=random.Random(7))
    return Village(town=town, runtime=runtime, dispatcher=dispatcher, session=session)
