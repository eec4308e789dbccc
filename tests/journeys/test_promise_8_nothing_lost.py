"""Promise 8: an accepted write is on the log sooner or later, exactly once in effect, whatever is killed when.

A client that gets no answer repeats its write with the same If-Match or Idempotency-Key, as any careful client does.
"""

import asyncio
import json
import os
import random
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, cycle
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx2
import pytest

from schemas.envelope import Event
from services.chassis.lifecycle import open_transport
from services.chassis.settings import load_settings
from services.console.connection import Connection
from services.console.loading import DEMO_FOLDER, kept_open, records
from services.console.parts.processes import free_port
from services.console.waiting import wait_for
from tests.journeys.conftest import Demo, Started, computed_list, same_list, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROUNDS = 10
SEED = 8
WRITERS = 4
HIDDEN = {"id", "sources", "_flagship", "flagship", "parent", "external_ids"}
TEXTS = {"organisations": "descriptions", "projects": "objectives"}
TOPICS = {"organisations": "members.v1", "projects": "projects.v1"}


@dataclass(frozen=True, kw_only=True)
class Write:
    """One write of a resource, which makes its revision `expected`."""

    kind: str
    id: str
    body: Mapping[str, Any] | None  # None publishes
    expected: int

    @property
    def resource(self) -> str:
        return f"/v1/{self.kind}/{self.id}"

    def send(self, client: httpx2.Client) -> httpx2.Response:
        headers = {"Content-Type": "application/json"}
        if self.expected > 1:
            headers["If-Match"] = f'"{self.expected - 1}"'
        if self.body is None:
            headers["Idempotency-Key"] = f"publish-{self.id}"
            return client.post(f"{self.resource}/publish", headers=headers)
        return client.put(self.resource, headers=headers, content=json.dumps(self.body).encode())


def life_of(kind: str, record: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> Iterator[Write]:
    """Every write of a resource, without end: it is made, published if it is a project, and revised again and again."""
    chance = random.Random(f"{SEED} {record['id']}")
    body = {name: value for name, value in record.items() if name not in HIDDEN}
    revisions = count(1)
    yield Write(kind=kind, id=record["id"], body=body, expected=next(revisions))
    if kind == "projects":
        yield Write(kind=kind, id=record["id"], body=None, expected=next(revisions))
    for revision in revisions:
        other = chance.choice(others)[TEXTS[kind]][0]
        text = other | {"text": f"{other['text']} Edition {revision}."}
        yield Write(kind=kind, id=record["id"], body=body | {TEXTS[kind]: [text]}, expected=revision)


@dataclass(kw_only=True)
class Writer:
    """Somebody who writes some resources in turn and never forgets a write that was not answered."""

    organisations: list[Iterator[Write]]
    projects: list[Iterator[Write]]
    accepted: list[Write] = field(default_factory=list)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    unanswered: Write | None = None
    repeated: int = 0  # writes that were not answered at first
    _turns: Iterator[Iterator[Write]] = field(init=False)

    def __post_init__(self) -> None:
        self._turns = cycle([*self.organisations, *self.projects])

    def register(self, client: httpx2.Client) -> None:
        """Make the organisations: projects of others need their owners."""
        for life in self.organisations:
            self._write(client, next(life))

    def write(self, client: httpx2.Client, stop: threading.Event) -> None:
        """Write until nobody answers, or until told to stop; begin with what was not answered the last time."""
        try:
            if self.unanswered is not None:
                self._write(client, self.unanswered, again=True)
                self.repeated += 1
            while not stop.is_set():
                self._write(client, next(next(self._turns)))
        except httpx2.HTTPError:
            return

    def _write(self, client: httpx2.Client, write: Write, *, again: bool = False) -> None:
        self.unanswered = write
        answer = write.send(client)
        if again and answer.status_code in {412, 428}:
            self.tokens.append(self._recognise(client, write))
        else:
            assert answer.status_code in {200, 201}, answer.text
            assert answer.headers["ETag"] == f'"{write.expected}"', "a revision was made twice, or lost"
            self.tokens.append(answer.json()["token"])
        self.accepted.append(write)
        self.unanswered = None

    def _recognise(self, client: httpx2.Client, write: Write) -> dict[str, Any]:
        """Make sure that what stands there is the unanswered write, once; its token."""
        there = client.get(write.resource)
        assert there.headers["ETag"] == f'"{write.expected}"', "the unanswered write stands there twice"
        assert write.body is not None, "a repeated POST is answered as it was the first time"
        name = TEXTS[write.kind]
        assert [one["text"] for one in there.json()[name]] == [one["text"] for one in write.body[name]]
        return {"topic": TOPICS[write.kind], "id": write.id, "sequence": f"1.{write.expected}"}


def writers() -> list[Writer]:
    """Return writers of disjoint resources: some initiatives of the demo, their owners, and candidates."""
    today = datetime.now(UTC).date()
    free = [item for item in records(DEMO_FOLDER, "initiatives") if not item.get("_flagship")]
    initiatives = [kept_open(item, today) for item in free[:4]]
    profiles = {item["id"]: item for item in records(DEMO_FOLDER, "organisations")}
    owners = sorted({item["owner"] for item in initiatives})
    others = [item for item in profiles.values() if item["id"] not in owners and not item.get("parent")]
    chosen = [profiles[owner] for owner in owners] + random.Random(SEED).sample(others, 20)
    return [
        Writer(
            organisations=[life_of("organisations", one, chosen) for one in chosen[number::WRITERS]],
            projects=[life_of("projects", one, initiatives) for one in initiatives[number::WRITERS]],
        )
        for number in range(WRITERS)
    ]


@dataclass(kw_only=True)
class Town:
    """One data folder, served on one address by one process after another."""

    folder: Path
    port: int = field(default_factory=free_port)
    secret: tuple[str, str] | None = None

    @contextmanager
    def serving(self) -> Iterator[tuple[Started, Connection]]:
        address = f"http://127.0.0.1:{self.port}"
        settings = {"COMITY_HTTP__PORT": str(self.port), "COMITY_PUBLIC_URL": address}
        with started("run", "all", "--migrate", folder=self.folder, **settings) as process:
            process.said("answers at")
            if self.secret is None:
                found = process.said(r"client_id=(\S+) client_secret=(\S+)")
                self.secret = (found.group(1), found.group(2))
            with Connection({"": address}) as connection:
                connection.take_token(*self.secret)
                yield process, connection


@contextmanager
def http(connection: Connection) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {connection.token}"}
    with httpx2.Client(
        base_url=connection.addresses[""], headers=headers, trust_env=False, timeout=60.0
    ) as client:
        yield client


def last_revisions(accepted: Sequence[Write]) -> dict[str, list[int]]:
    """Return the revisions that each resource must have: one for each accepted write of it."""
    found: dict[str, list[int]] = defaultdict(list)
    for write in accepted:
        found[write.resource].append(write.expected)
    return {resource: sorted(revisions) for resource, revisions in found.items()}


def on_the_log(folder: Path) -> dict[str, list[int]]:
    """Return the versions of every key on the log, read from its first record to its last."""

    async def read() -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        async with open_transport(load_settings(data_folder=folder)) as transport:
            for kind, topic in TOPICS.items():
                for partition, end in (await transport.ends(topic)).items():
                    batch = await transport.read(topic, partition, offset=0, limit=100_000)
                    assert batch.next_offset == end
                    for record in batch.records:
                        event = Event.from_record(record)
                        found[f"/v1/{kind}/{event.key}"].append(event.sequence.version)
        return dict(found)

    return asyncio.run(read())


def lists_of(connection: Connection, accepted: Sequence[Write]) -> dict[str, Any]:
    published = sorted({write.id for write in accepted if write.kind == "projects" and write.body is None})
    return {project: computed_list(connection, project) for project in published}


def silent(_done: int, _total: int) -> None:
    """Report nothing."""


@pytest.mark.xdist_group("journeys-killed")
def test_promise_8_nothing_lost(tmp_path: Path) -> None:
    chance, everybody = random.Random(SEED), writers()
    town = Town(folder=tmp_path / "killed" / "var")
    for number in range(ROUNDS):
        with town.serving() as (process, connection), http(connection) as client:
            if number == 0:
                for writer in everybody:
                    writer.register(client)
            killer = threading.Timer(chance.uniform(0.2, 2.0), process.kill)
            killer.start()
            with ThreadPoolExecutor(WRITERS) as pool:
                list(pool.map(lambda writer: writer.write(client, threading.Event()), everybody))
            killer.join()
            assert process.process.returncode == -SIGKILL
    done = threading.Event()
    done.set()
    with town.serving() as (process, connection):
        with http(connection) as client:
            for writer in everybody:
                writer.write(client, done)  # only what was not answered
        accepted = [write for writer in everybody for write in writer.accepted]
        tokens = [token for writer in everybody for token in writer.tokens]
        wait_for(connection, tokens, report=silent)
        wanted = last_revisions(accepted)
        revisions = {
            resource: sorted(one["revision"] for one in connection.items(f"{resource}/revisions", "items"))
            for resource in wanted
        }
        lists = lists_of(connection, accepted)
        assert process.stop() == 0
    assert len(accepted) > 100, "too few writes to prove anything"
    assert sum(writer.repeated for writer in everybody) >= ROUNDS, "too few kills met a write"
    assert revisions == wanted
    assert on_the_log(town.folder) == wanted
    assert lists
    assert lists == _lists_of_a_clean_run(tmp_path / "clean" / "var", accepted)


def _lists_of_a_clean_run(folder: Path, accepted: Sequence[Write]) -> dict[str, Any]:
    """Make the same writes where nothing is killed: organisations before projects, each resource in its order."""
    with Town(folder=folder).serving() as (_process, connection):
        tokens = []
        with http(connection) as client:
            for write in sorted(accepted, key=lambda write: (write.kind, write.expected)):
                answer = write.send(client)
                assert answer.status_code in {200, 201}, answer.text
                tokens.append(answer.json()["token"])
        wait_for(connection, tokens, report=silent)
        return lists_of(connection, accepted)


def workers_of(demo: Demo) -> list[int]:
    """Return the processes of the matching workers that a demo started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            line = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == demo.process and line[-4:-1] == [b"matches", b"--role", b"worker"]:
            found.append(int(folder.name))
    return sorted(found)


def owners_of_partitions(connection: Connection) -> set[int]:
    """Return the processes that rank now."""
    partitions = connection.read("/v1/ranking-progress")["partitions"]
    return {int(one["owner"].rpartition(":")[2]) for one in partitions}


@pytest.mark.kafka
@pytest.mark.postgresql
@pytest.mark.xdist_group("journeys")
def test_promise_8_lists_complete_on_the_other_worker(demo: Demo, split_demo: Demo) -> None:
    today = datetime.now(UTC).date()
    organisations = list(records(DEMO_FOLDER, "organisations"))
    projects = [kept_open(item, today)["id"] for item in records(DEMO_FOLDER, "initiatives")]
    changed = random.Random(SEED).sample([one for one in organisations if not one.get("parent")], 40)
    texts = [
        one["descriptions"] for one in changed[1:] + changed[:1]
    ]  # everybody says what the next one said
    workers = workers_of(split_demo)
    assert len(workers) == 2
    with split_demo.connection() as split, demo.connection() as embedded:
        assert owners_of_partitions(split) == set(workers), "a worker that owns nothing would prove nothing"
        tokens = []
        for number, (one, descriptions) in enumerate(zip(changed, texts, strict=True)):
            tokens.append(_rewrite(split, one, descriptions))
            if number == len(changed) // 2:
                os.kill(workers[0], SIGKILL)
        wait_for(split, tokens, report=silent)
        assert owners_of_partitions(split) == {workers[1]}
        tokens = [_rewrite(embedded, one, said) for one, said in zip(changed, texts, strict=True)]
        wait_for(embedded, tokens, report=silent)
        assert [project for project in projects if not same_list(split, embedded, project)] == []


def _rewrite(connection: Connection, record: Mapping[str, Any], descriptions: Any) -> dict[str, Any]:
    path = f"/v1/organisations/{record['id']}"
    body = {name: value for name, value in record.items() if name != "id"} | {"descriptions": descriptions}
    etag = connection.send("GET", path).headers["ETag"]
    answer = connection.send("PUT", path, body=body, headers={"If-Match": etag})
    assert answer.status_code == 200, answer.text
    token: dict[str, Any] = answer.json()["token"]
    return token
