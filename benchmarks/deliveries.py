"""Webhooks: messages sent a second with every try a durable row, and how fast one project reaches 10,000 subscribers.

    python benchmarks/deliveries.py [--messages 5000] [--subscriptions 10000] [--json]

*Sent* is the whole way of a message from its row to its row: claimed and written before the first packet, signed, posted on
the loopback address to a receiver in a process of its own, and how it ended written down. The peer in the same run is a
bare aiohttp client that posts the same bodies, signed alike, with as many at once. *Fanned out* is from the last event of a
list version to every subscriber's message in the queue: *rows* until the notices are there, then the reasons of every one, which
the lists' API works out from a real list in the same process (`real_list.py`), each in one of six languages. As in any process of
the system, the garbage collector spares the indexes that stand when it begins.
*Meanwhile* the service's own API, in the same process, is asked for notices so many times a second, whether it has answered or
not; each answer is timed from when it was due to be asked.
"""

import argparse
import asyncio
import math
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import httpx2
import orjson
import uuid_utils
from aiohttp import ClientSession, TCPConnector, web
from sqlalchemy import func, insert, select

from benchmarks.real_list import RealList, ranked
from benchmarks.real_list import prepare as prepare_lists
from benchmarks.report import Claim, machine, report
from benchmarks.streams import token, verifier
from services.chassis.database import Database
from services.chassis.lifecycle import collected_seldom, spared
from services.chassis.runtime import Runtime, timestamp
from services.chassis.settings import load_settings
from services.chassis.telemetry import set_up_logs
from services.chassis.web.application import merge_applications
from services.notifications import SERVICE, startup
from services.notifications.commands.queueing import event_row
from services.notifications.mail.letters import LANGUAGES
from services.notifications.rules.keys import keys_of, new_secret
from services.notifications.tables import (
    DELIVERIES,
    ENDPOINTS,
    LISTS,
    METADATA,
    PROJECTS,
    SECRETS,
    STANDINGS,
    SUBSCRIPTIONS,
)
from services.notifications.worker import cycles, readying
from services.notifications.worker.dispatch import Dispatcher
from services.notifications.worker.guard import open_session, reach_of
from services.notifications.worker.mailing import Post
from services.notifications.worker.reasons import READER, ListReader
from services.notifications.worker.webhooks import Message, signed

SENT, FANNED_OUT_SECONDS, DELIVERED_SECONDS, ANSWERED_MS = 500, 10.0, 60.0, 500.0
ASKED_PER_SECOND = 20
ENDPOINT_COUNT, AT_ONCE = 100, 64
ORGANISATION = "018f3c2a-7d10-7000-8000-0000000000ab"


def receive(pipe: Pipe) -> None:
    """Run a receiver in this process: it answers 204, and says through the pipe how many messages came."""

    async def main() -> None:
        count = 0

        async def hook(request: web.Request) -> web.Response:
            nonlocal count
            await request.read()
            count += 1
            return web.Response(status=204)

        application = web.Application()
        application.router.add_post("/hook", hook)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        while not await asyncio.to_thread(pipe.poll, 0.2):
            pass
        pipe.recv()
        pipe.send(count)
        await runner.cleanup()

    asyncio.run(main())


async def opened(folder: Path) -> Runtime:
    """Return the service on an empty database, able to reach the loopback address alone."""
    settings = load_settings(
        data_folder=folder,
        notifications={
            "allow_http": True, "ports": "any", "allowed_networks": "127.0.0.0/8", "public_addresses": False,
            "concurrency": AT_ONCE, "endpoint_per_second": 10_000.0,
        },
        http={"requests_per_minute": 0},
        telemetry={"level": "error", "format": "json"},
    )  # fmt: skip
    set_up_logs(settings.telemetry)
    database = Database.for_service(settings, "notifications")
    async with database.write() as connection:
        await connection.run_sync(METADATA.create_all)
    runtime = Runtime(settings=settings, service=SERVICE, database=database, transport=None)  # type: ignore[arg-type]
    await startup(runtime)
    return runtime


async def add_endpoints(runtime: Runtime, url: str, count: int) -> list[str]:
    """Put active endpoints there, each of an organisation of its own; their ids."""
    keys = keys_of(runtime.state)
    now = timestamp(runtime.clock.now())
    identifiers = [str(uuid_utils.uuid7()) for _ in range(count)]
    endpoint = {
        "revision": 1,
        "state": "active",
        "url": url,
        "failures": 0,
        "created_at": now,
        "changed_at": now,
    }
    async with runtime.database.write() as connection:
        await connection.execute(
            insert(ENDPOINTS), [endpoint | {"id": one, "organisation": f"o {one}"} for one in identifiers]
        )
        await connection.execute(
            insert(SECRETS),
            [
                {"id": f"s {one}", "endpoint": one, "sealed": keys.seal(new_secret()), "created_at": now}
                for one in identifiers
            ],
        )
    return identifiers


async def send_all(runtime: Runtime) -> float:
    """Dispatch until nothing is due; the seconds that took."""
    async with open_session(runtime.settings, reach_of(runtime.settings)) as session:
        dispatcher = Dispatcher(runtime, session, Post(runtime.settings))
        stop, begun = asyncio.Event(), time.perf_counter()
        running = asyncio.create_task(dispatcher.run(stop))
        unsent = select(func.count()).where(DELIVERIES.c.state != "delivered")
        while True:
            async with runtime.database.read() as connection:
                if not await connection.scalar(unsent):
                    break
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - begun
        stop.set()
        await running
    return seconds


@asynccontextmanager
async def asked_meanwhile(runtime: Runtime, application: Any) -> AsyncIterator[list[float]]:
    """Ask the API for notices while this lasts; the list holds the milliseconds of each answer at its end."""
    transport = httpx2.ASGITransport(app=application)
    headers = {"Authorization": f"Bearer {token(runtime.settings, organisation=ORGANISATION)}"}
    taken, stop, asking = list[float](), asyncio.Event(), set[asyncio.Task[None]]()

    async def ask(client: httpx2.AsyncClient, due: float) -> None:
        answer = await client.get("/v1/notices", headers=headers)
        answer.raise_for_status()
        taken.append(1_000 * (time.perf_counter() - due))

    async def ask_for_ever(client: httpx2.AsyncClient) -> None:
        due = time.perf_counter()
        while not stop.is_set():
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asking.add(asyncio.create_task(ask(client, due)))
            due += 1 / ASKED_PER_SECOND

    async with httpx2.AsyncClient(transport=transport, base_url="http://comity") as client:
        await ask(client, time.perf_counter())
        taken.clear()
        running = asyncio.create_task(ask_for_ever(client))
        yield taken
        stop.set()
        await running
        await asyncio.gather(*asking)


async def durable(runtime: Runtime, endpoints: list[str], messages: int) -> float:
    """Queue messages and send them; the seconds that took."""
    rows = []
    for number in range(messages):
        endpoint = endpoints[number % len(endpoints)]
        row = {"id": endpoint, "organisation": f"o {endpoint}", "failing_since": None}
        rows.append(event_row(row, "org.comity.endpoint.tested.v1", to=endpoint, now=runtime.clock.now()))
    async with runtime.database.write() as connection:
        await connection.execute(insert(DELIVERIES), rows)
    return await send_all(runtime)


async def bare(url: str, messages: int, body: bytes) -> float:
    """Post as many signed bodies with nothing written down; the seconds that took."""
    secret, numbers = new_secret(), iter(range(messages))

    async def one(session: ClientSession) -> None:
        for _ in numbers:
            message = Message(id=str(uuid_utils.uuid7()), number=1, url=url, secrets=(secret,), body=body)
            async with session.post(url, data=body, headers=signed(message, datetime.now(UTC))) as answer:
                await answer.read()

    async with ClientSession(connector=TCPConnector(limit=AT_ONCE)) as session:
        begun = time.perf_counter()
        await asyncio.gather(*(one(session) for _ in range(AT_ONCE)))
        return time.perf_counter() - begun


async def fan_out(
    runtime: Runtime, lists: RealList, endpoints: list[str], subscriptions: int
) -> dict[str, float]:
    """One project crosses the floor for every subscriber: seconds until their messages are queued, and delivered."""
    now, project = timestamp(runtime.clock.now()), lists.project["id"]
    application = merge_applications((runtime, lists.runtime), verifier=verifier(runtime.settings))
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application))
    analyst = token(runtime.settings)

    async def own_token() -> str:
        return analyst

    runtime.state[READER] = ListReader(client=client, address="http://comity", token=own_token)
    listeners = lists.above[:subscriptions]
    facts = {
        "titles": [{"language": "en", "text": "Schools"}],
        "level": "national",
        "regions": [],
        "tags": [],
    }
    facts |= {"countries": ["KEN"], "flagship": None, "need_kinds": [], "deadline": None}
    async with runtime.database.write() as connection:
        await connection.execute(
            insert(PROJECTS).values(
                id=project,
                incarnation=0,
                version=1,
                state="published",
                facts=orjson.dumps(facts),
                facts_hash="h",
            )
        )
        await connection.execute(
            insert(LISTS).values(
                project=project, incarnation=0, number=1, project_revision=1, above_floor=len(listeners),
                final=False, reference_date="2026-11-23", seen_at=now, due=True,
            )
        )  # fmt: skip
        pair = {
            "project": project,
            "incarnation": 0,
            "version": 1,
            "standing": True,
            "fit": 1,
            "band": "good",
        }
        await connection.execute(
            insert(STANDINGS),
            [pair | {"organisation": one, "fresh": True, "crossed_at": now} for one in listeners],
        )
        listener = {
            "revision": 1,
            "state": "active",
            "channel": "webhook",
            "cadence": "instant",
        }
        listener |= {
            "conditions": b'{"countries":["KEN"]}',
            "time_zone": "UTC",
            "created_at": now,
            "changed_at": now,
        }
        await connection.execute(
            insert(SUBSCRIPTIONS),
            [
                listener
                | {
                    "id": str(uuid_utils.uuid7()),
                    "organisation": one,
                    "language": LANGUAGES[n % len(LANGUAGES)],
                    "endpoint": endpoints[n % len(endpoints)],
                }
                for n, one in enumerate(listeners)
            ],
        )
    async with asked_meanwhile(runtime, application) as taken:
        begun, used = time.perf_counter(), time.process_time()
        await cycles.step(runtime)
        rows = time.perf_counter() - begun
        await readying.step(runtime)
        queued, used = time.perf_counter() - begun, time.process_time() - used
        delivered = queued + await send_all(runtime)
    await client.aclose()
    taken.sort()
    return {
        "rows_seconds": rows,
        "fanned_out_seconds": queued,
        "fanned_out_processor_seconds": used,
        "delivered_seconds": delivered,
        "answers_meanwhile": len(taken),
        "answered_p50_ms": taken[len(taken) // 2],
        "answered_p99_ms": taken[math.ceil(0.99 * len(taken)) - 1],
    }


async def main(arguments: argparse.Namespace, folder: Path, url: str) -> dict[str, float]:
    """Measure on one database, and beside it the bare client."""
    runtime = await opened(folder)
    endpoints = await add_endpoints(runtime, url, ENDPOINT_COUNT)
    body = orjson.dumps({"specversion": "1.0", "data": {"text": "x" * 400}})
    await bare(url, 500, body)
    figures = {"bare_per_second": round(arguments.messages / await bare(url, arguments.messages, body), 1)}
    used = time.process_time()
    seconds = await durable(runtime, endpoints, arguments.messages)
    figures["sent_per_processor_second"] = round(arguments.messages / (time.process_time() - used), 1)
    figures["sent_per_second"] = round(arguments.messages / seconds, 1)
    await asyncio.to_thread(prepare_lists, runtime.settings)
    with collected_seldom():
        lists = await ranked(runtime.settings, arguments.subscriptions)
        with spared():
            found = await fan_out(runtime, lists, endpoints, arguments.subscriptions)
    figures |= {name: round(value, 2) for name, value in found.items()}
    await lists.runtime.database.close()
    await runtime.database.close()
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=5_000)
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    before = machine()
    mine, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(theirs,), daemon=True)
    receiver.start()
    address = f"http://127.0.0.1:{mine.recv()}/hook"
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(main(asked, Path(folder), address))
    mine.send("stop")
    found["received"] = mine.recv()
    receiver.join()
    report(
        ratios={"durable / bare": round(found["sent_per_second"] / found["bare_per_second"], 3)},
        claims=[
            Claim(name="messages with durable tries", value=found["sent_per_second"], unit="/s", goal=SENT),
            Claim(
                name=f"fanned out to {asked.subscriptions:,} subscriptions",
                value=found["fanned_out_seconds"],
                unit="s",
                goal=FANNED_OUT_SECONDS,
                at_least=False,
            ),
            Claim(
                name="... and delivered on the loopback address",
                value=found["delivered_seconds"],
                unit="s",
                goal=DELIVERED_SECONDS,
                at_least=False,
            ),
            Claim(
                name="the API meanwhile, p99",
                value=found["answered_p99_ms"],
                unit="ms",
                goal=ANSWERED_MS,
                at_least=False,
            ),
        ],
        figures=found,
        machine=before,
        as_json=asked.json,
    )
