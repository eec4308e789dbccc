"""The examples of the OpenAPI document: what a running system answered, and the command that records it anew.

`python -m tests.contracts.examples` asks every operation of the small world of the contracts, and another system whose log
was spoilt; `schemas/http/examples.jsonl` gets an answer of each operation for each status. So no example is made up. Of a
long list the first entries are kept; what opens something (secrets, tokens) is replaced.
"""

import asyncio
import json
import os
import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from sqlalchemy import text as sql

from schemas.envelope import Event, Sequence, new_event
from schemas.http.examples import FILE, HEADERS, Example
from schemas.topics import LIST_REMOVED
from services.chassis.bus.transports.sql.log import SqlTransport
from services.chassis.database import Database, for_log
from services.chassis.settings import load_settings
from tests.conformance.kit import Clock, revised
from tests.contracts.visibility_notifications import NOTIFICATIONS
from tests.contracts.visibility_rows import Get, Row
from tests.contracts.visibility_table import TABLE
from tests.contracts.world import PATIENCE, World, populate, started, uuid_of
from tests.services.matches.town import changed_epoch

LONGEST = 3
WHOLE = frozenset({"parts"})
"""Lists that add up: they are kept as they are, whatever their length."""
UNRECORDED = frozenset({("get_epoch_body", "200")})
"""What `comity epoch build` wrote, megabytes."""
SECRET = re.compile(r"(?<=\")(comity_|whsec_|eyJ)[^\"]{20,}")
REPOSITORY = Path(__file__).resolve().parents[2]
NOBODY, RECEIVER = "http://127.0.0.1:9", "https://receiver.example"
SMALL = {"log": {"partitions": 1}}
"""One partition of each topic: nobody reads eight alike."""


@dataclass
class Recorder:
    """Keeps the newest JSON that every operation answered, by status."""

    operations: list[tuple[str, re.Pattern[str], str]] = field(default_factory=list)
    answers: dict[tuple[str, str], httpx2.Response] = field(default_factory=dict)

    def follow(self, world: World) -> None:
        """Keep what this system answers from now on."""
        self.operations = [
            (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operation["operationId"])
            for path, methods in sorted(world.get("public", "/openapi.json")["paths"].items())
            for method, operation in methods.items()
        ]
        self.operations.sort(key=lambda one: one[1].pattern.count("[^/]+"))  # a name outranks a parameter
        world.http.event_hooks = {"response": [self._keep]}

    def _keep(self, answer: httpx2.Response) -> None:
        if not answer.is_success or not answer.headers.get("content-type", "").endswith("json"):
            return
        path, method = answer.request.url.path, answer.request.method
        for verb, form, operation in self.operations:
            if verb == method and form.fullmatch(path):
                answer.read()
                self.answers[operation, str(answer.status_code)] = answer
                return


@contextmanager
def receiver() -> Iterator[str]:
    """Give the address of a webhook receiver that takes everything."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/comity"
        server.shutdown()


def furnish(world: World) -> None:
    """Put the small world in, with a person to look at."""
    populate(world)
    world.ids |= {"client": world.clients["reader_a"], "person": uuid_of("person")}
    person = {"name": "Amina Example", "email": "amina@people.example", "roles": ["organisation_reader"]}
    where = f"/v1/people/{world.ids['person']}"
    world.made("PUT", where, json=person | {"organisation": world.ids["a"]})


def ask_all(world: World) -> None:
    """Ask every operation as the table of visibility does, and what is refused there on purpose."""
    paths = world.get("public", "/openapi.json")["paths"]
    paged = {
        operation["operationId"]
        for methods in paths.values()
        for operation in methods.values()
        if "limit" in {one["name"] for one in operation.get("parameters", ())}
    }
    for name, rows in TABLE.items():
        for row in reversed(rows):
            send = row.send
            if isinstance(send, Get) and name in paged:
                send = Get(send.path + ("&" if "?" in send.path else "?") + "limit=1")
            send(world, caller_of(name, row))


def caller_of(operation: str, row: Row) -> str:
    """Return who asks: what is an organisation's own is shown in full to its own people only."""
    return "owner_a" if operation in NOTIFICATIONS and "owner_a" in row.allowed else "admin"


def ask_the_rest(world: World, hook: str) -> None:
    """Ask what the table of visibility is only refused: what would change its world for good."""
    world.get("public", "/v1/projects?state=published&limit=1")  # what is done with the others here is not so
    flagship = "/v1/flagships/" + str(uuid4())
    declared = {
        "level": "global",
        "reason": {"language": "en", "text": "Declared to gather the school projects."},
    }
    for title, headers in (("Schools online", {}), ("Schools online, everywhere", {"If-Match": '"1"'})):
        titles = {"titles": [{"language": "en", "text": f"{title} (fictional)"}]}
        world.made("PUT", flagship, json=declared | titles, headers=headers)
    where, etag = world.new_organisation()
    withdrawal = f"/v1/organisations/{where}/withdraw"
    world.made("POST", withdrawal, headers={"If-Match": etag}, json={"reason": "It has closed."})
    made = world.made("POST", "/v1/endpoints", caller="owner_a", json={"url": hook}).json()
    active = f"/v1/endpoints/{made['id']}"
    until(lambda: world.get("owner_a", active)["state"] == "active")
    world.made("POST", f"{active}/test", caller="owner_a")
    until(lambda: all(one["state"] == "delivered" for one in deliveries(world, made["id"])))
    [newest, *_] = deliveries(world, made["id"])
    world.made("POST", f"/v1/deliveries/{newest['id']}/replay", caller="owner_a")
    world.made("POST", f"{active}/recover", caller="owner_a", json={"since": newest["created_at"]})
    subscribed = {"channel": "webhook", "endpoint": made["id"]}
    world.made("PUT", f"/v1/subscriptions/{uuid4()}", caller="owner_a", json=subscribed)
    until(lambda: world.get("owner_a", "/v1/notices")["items"])
    world.get("owner_a", "/v1/notices?limit=1")
    world.made("POST", f"/v1/mail-links/{world.ids['link']}", caller="public")
    world.made("POST", "/v1/days", json={"day": tomorrow(world)})
    epoch = changed_epoch(lane=2)
    world.made("POST", "/v1/epochs", content=epoch, headers={"Content-Type": "application/json"})
    world.get("admin", "/v1/audit/matches?limit=1")


def deliveries(world: World, endpoint: str) -> list[dict[str, Any]]:
    """Return the messages to an endpoint, newest first."""
    found = world.get("owner_a", "/v1/deliveries")["items"]
    return [one for one in found if one["endpoint"] == endpoint]


def tomorrow(world: World) -> str:
    day = date.fromisoformat(world.get("admin", "/v1/ranking-progress")["day"])
    return (day + timedelta(days=1)).isoformat()


def until(holds: Any) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def removed(key: str, number: int) -> Event:
    """The record of a list that is shown no more, as `matches` posts it."""
    data = {"project": key, "number": number}
    sequence = Sequence(1, number)
    return new_event(
        "matches.v1",
        LIST_REMOVED,
        key=key,
        sequence=sequence,
        data=data,
        source="/comity/matches",
        clock=Clock(),
    )


async def spoil(folder: Path) -> None:
    """Append what no reader can take past every outbox: a broken record, a good one behind it, and another broken one."""
    settings = load_settings(data_folder=folder, **SMALL)
    log = for_log(settings)
    transport = SqlTransport(log)
    await transport.open()
    for owner, made in (("members", revised), ("matches", removed)):
        async with transport.appender(owner) as appender:
            bad, worse = (replace(made(uuid_of(name), 1), data=b'{"id": 7}') for name in ("bad", "worse"))
            await appender.append([bad, made(uuid_of("bad"), 2), worse])
        # Were nothing of its own behind it, the owner would not start on what it has never said.
        database = Database.for_service(settings, owner)
        async with database.write() as connection:
            await connection.execute(sql("UPDATE positions SET next_offset = 10 WHERE group_name = 'outbox'"))
        await database.close()
    await transport.close()
    await log.close()


def settle_letters(world: World, service: str) -> None:
    """Find a partition halted and its letters, let it go on, give up what is broken and replay what waited behind it."""
    path = f"/v1/dead-letters/{service}"
    until(lambda: world.get("admin", f"{path}/halted")["items"])
    halted = world.get("admin", f"{path}/halted")["items"][0]
    going_on = {name: halted[name] for name in ("group", "topic", "partition")}
    letters = world.get("admin", f"{path}")["items"]
    dead, parked = (next(one for one in letters if one["state"] == state) for state in ("dead", "parked"))
    world.get("admin", f"{path}?limit=1")
    world.get("admin", f"{path}/{dead['id']}")
    reason = {"reason": "Its owner has written the record anew."}
    world.made("POST", f"{path}/{dead['id']}/discard", json=reason)
    world.made("POST", f"{path}/{parked['id']}/replay")
    world.made("POST", f"{path}/halted/resume", json=going_on | {"reason": "The handler was mended."})


def shortened(body: Any, name: str = "") -> Any:
    """Return an answer without the entries of long lists that say nothing new."""
    if isinstance(body, dict):
        return {one: shortened(value, one) for one, value in body.items()}
    if isinstance(body, list):
        return [shortened(one) for one in (body if name in WHOLE else body[:LONGEST])]
    return body


def record() -> Mapping[tuple[str, str], Example]:
    """Return what the systems answered, by operation and status."""
    recorder = Recorder()
    replaced = {f"{socket.gethostname()}:{os.getpid()}": "worker-0:1", f"{REPOSITORY}/": ""}
    with tempfile.TemporaryDirectory() as place:
        with receiver() as hook, started(Path(place) / "world", **SMALL) as world:
            replaced |= {
                world.address: "https://comity.example",
                hook: f"{RECEIVER}/comity",
                NOBODY: RECEIVER,
            }
            recorder.follow(world)
            furnish(world)
            ask_all(world)
            ask_the_rest(world, hook)
        folder = Path(place) / "spoilt"
        with started(folder, **SMALL):
            pass
        asyncio.run(spoil(folder))
        with started(folder, **SMALL, dead_letters={"in_a_row": 1}) as world:
            recorder.follow(world)
            for service in ("projects", "matches", "notifications"):
                settle_letters(world, service)
    return {
        key: Example(
            shortened(json.loads(shown(answer.text, replaced))),
            tuple(name for name in HEADERS if name in answer.headers),
        )
        for key, answer in recorder.answers.items()
        if key not in UNRECORDED
    }


def shown(answer: str, replaced: Mapping[str, str]) -> str:
    """Return an answer without what is of the machine that recorded it, and without what opens something."""
    for real, other in replaced.items():
        answer = answer.replace(real, other)
    return SECRET.sub(r"\1fictional", answer)


def rewrite() -> None:
    """Record the answers, and write the file anew."""
    lines = [
        json.dumps({"operation": operation, "status": status} | found._asdict(), ensure_ascii=False)
        for (operation, status), found in sorted(record().items())
    ]
    FILE.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    rewrite()
