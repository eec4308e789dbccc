"""From an HTTP write to a new list version that can be read: how long, and where the time goes.

A town of organisations and projects is loaded over HTTP into a running system: every service in one process, or the split
deployment on PostgreSQL and Apache Kafka. Then published projects are revised, one after the other. The clock runs from
the PUT's first byte to the last byte of `GET /v1/lists/{id}/candidates?limit=10&token=…` (`Prefer: wait=10`), which
answers as soon as the list covers the write.

    python benchmarks/write_to_list.py [--deployment embedded|split|both] [--writes 200] [--json]

Hops, from the stamps that the system itself leaves: `accept` (the PUT is answered: durable in its service), `rank` (outbox,
log, archive, index, ranked: the version is written), `read` (the reader is woken and has the page). Before each write
the system has come to rest (`--rest`), so that none waits for the tail of the one before, which tells of every standing
that crossed (about a hundred events, for each write replaces the project's objectives) and ends with the cycle of notices,
which lingers for 0.2 s. The peer in the same
run is what nobody can go below: the same two requests without anything between them (a PUT of a draft, which no list
covers, and a page of a list that nothing waits for). The ratio to it hardly depends on the machine.
"""

import argparse
import http.client
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.report import Claim, machine, report
from services.console.connection import Connection, saved_credentials, sentence_of
from services.console.loading import DEMO_FOLDER, records
from services.console.parts.processes import Child, free_port
from services.console.split import Split
from services.console.waiting import wait_for

GOALS = {"embedded": (20.0, 60.0), "split": (100.0, 300.0)}
HOPS = ("accept", "rank", "read")
_WARM_UP = 20
_LOADERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """What is loaded: bodies of organisations and projects, each with its id."""

    organisations: Sequence[dict[str, Any]]
    projects: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer and the moment at which its last byte was there."""

    body: dict[str, Any]
    etag: str
    at: float


class Wire:
    """Keep-alive HTTP from the standard library: a client must not be what is measured."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: dict[str, http.client.HTTPConnection] = {}

    def send(self, method: str, path: str, *, body: Any = None, **headers: str) -> Reply:
        """Send one request and read its answer to the end; a refusal ends the benchmark."""
        place = urlsplit(self._connection.address(path)).netloc
        if place not in self._open:
            self._open[place] = http.client.HTTPConnection(place, timeout=60)
        wire = self._open[place]
        sent = {"Authorization": f"Bearer {self._connection.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        wire.request(method, path, body=content, headers=sent)
        answer = wire.getresponse()
        received = answer.read()
        at = time.perf_counter()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {received[:500]!r}")
        return Reply(body=json.loads(received), etag=answer.headers.get("ETag", ""), at=at)


def make_town(organisations: int, projects: int, seed: int) -> Town:
    """Make a town of the demo's own sentences, shuffled: varied texts, seeded, of real lengths."""
    chance = random.Random(seed)
    profiles = list(records(DEMO_FOLDER, "organisations-en"))
    initiatives = [one for one in records(DEMO_FOLDER, "initiatives") if one["titles"][0]["language"] == "en"]
    sentences = _sentences(text for one in profiles for text in one["descriptions"])
    goals = _sentences(text for one in initiatives for text in one["objectives"])
    made, wanted = [], []
    for number in range(organisations):
        body = {k: v for k, v in chance.choice(profiles).items() if k not in {"parent", "external_ids"}}
        body["id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"organisation {seed} {number}"))
        body["legal_name"] = f"Bench organisation {number} (fictional)"
        body["descriptions"] = [{"language": "en", "text": ". ".join(chance.sample(sentences, 5))}]
        made.append(body)
    for number in range(projects):
        left_out = {"sources", "_flagship", "flagship"}
        body = {k: v for k, v in chance.choice(initiatives).items() if k not in left_out}
        body["id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"project {seed} {number}"))
        body["titles"] = [{"language": "en", "text": f"Bench project {number}"}]
        body["objectives"] = [{"language": "en", "text": ". ".join(chance.sample(goals, 5))}]
        body["owner"] = made[number % len(made)]["id"]
        wanted.append(body)
    return Town(organisations=made, projects=wanted)


def _sentences(texts: Any) -> list[str]:
    return [sentence.strip(" .") for text in texts for sentence in text["text"].split(". ")]


def fill(connection: Connection, town: Town) -> None:
    """Load the town over HTTP and wait until every list is complete."""
    wait_for(connection, put_all(connection, town), report=lambda _done, _total: None)


def put_all(connection: Connection, town: Town) -> list[dict[str, Any]]:
    """Load the town over HTTP, every project published; the tokens of the writes."""
    tokens: list[dict[str, Any]] = []

    def put(path: str, body: dict[str, Any]) -> None:
        answer = connection.send("PUT", f"{path}/{body['id']}", body=content_of(body))
        if path == "/v1/projects" and answer.status_code < 400:
            match = {"If-Match": answer.headers["ETag"]}
            answer = connection.send("POST", f"{path}/{body['id']}/publish", headers=match)
        if answer.status_code >= 400:
            raise SystemExit(sentence_of(answer))
        tokens.append(answer.json()["token"])

    with ThreadPoolExecutor(_LOADERS) as pool:
        list(pool.map(lambda body: put("/v1/organisations", body), town.organisations))
        list(pool.map(lambda body: put("/v1/projects", body), town.projects))
    return tokens


def measure(wire: Wire, town: Town, writes: int, seed: int, *, rest: float) -> list[dict[str, float]]:
    """Revise published projects one after the other; milliseconds in all, per hop, and of the peer's two requests."""
    chance = random.Random(seed)
    goals = [s for body in town.projects for s in body["objectives"][0]["text"].split(". ")]
    samples = []
    draft = dict(town.projects[0]) | {"id": str(uuid.uuid4())}
    draft_path = f"/v1/projects/{draft['id']}"
    draft_etag = wire.send("PUT", draft_path, body=content_of(draft)).etag
    for number in range(writes):
        body = dict(chance.choice(town.projects))
        path, list_path = f"/v1/projects/{body['id']}", f"/v1/lists/{body['id']}"
        etag = wire.send("GET", path).etag
        body["objectives"] = [{"language": "en", "text": ". ".join(chance.sample(goals, 5))}]
        time.sleep(rest)
        began_at, began = datetime.now(UTC), time.perf_counter()
        written = wire.send("PUT", path, body=content_of(body), If_Match=etag)
        token = written.body["token"]
        asked = f"{list_path}/candidates?limit=10&token={token['topic']}:{token['id']}:{token['sequence']}"
        page = wire.send("GET", asked, Prefer="wait=10")
        if not page.body["covers_token"]:
            raise SystemExit(f"write {number}: the list does not cover the write after 10 s")
        version = wire.send("GET", f"{list_path}/versions/{page.body['list_version']}").body
        ranked = (datetime.fromisoformat(version["made_at"]) - began_at).total_seconds() * 1000
        accepted, total = (written.at - began) * 1000, (page.at - began) * 1000
        draft["objectives"] = body["objectives"]
        time.sleep(rest)
        peer_began = time.perf_counter()
        draft_etag = wire.send("PUT", draft_path, body=content_of(draft), If_Match=draft_etag).etag
        peer = (wire.send("GET", f"{list_path}/candidates?limit=10").at - peer_began) * 1000
        samples.append(
            {
                "total": total,
                "accept": accepted,
                "rank": ranked - accepted,
                "read": total - ranked,
                "peer": peer,
            }
        )
    return samples


def embedded(stack: ExitStack, folder: Path) -> Connection:
    """Start `comity run all` as a process of its own on a fresh folder."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    child = Child(
        "comity",
        [sys.executable, "-m", "services", "run", "all", "--migrate"],
        log=folder / "comity.log",
        stop_signal=signal.SIGTERM,
        environment={
            **os.environ,
            **settings(folder),
            "COMITY_HTTP__PORT": str(port),
            "COMITY_PUBLIC_URL": address,
        },
    )
    stack.callback(child.stop)
    child.wait_until(lambda: b"client_secret=" in child.log.read_bytes(), seconds=120)
    said = child.log.read_text("utf-8")
    found = dict(
        part.split("=", 1) for part in said.split() if part.startswith(("client_id=", "client_secret="))
    )
    connection = stack.enter_context(Connection({"": address}))
    connection.take_token(found["client_id"], found["client_secret"])
    return connection


def split(stack: ExitStack, folder: Path) -> Connection:
    """Start the split deployment on fresh servers."""
    os.environ.update(settings(folder))  # its processes take ours
    system = stack.enter_context(Split(folder))
    connection = stack.enter_context(Connection(system.addresses))
    saved = saved_credentials(folder) or {}
    connection.take_token(saved["client_id"], saved["client_secret"])
    return connection


def settings(folder: Path) -> dict[str, str]:
    """What the benchmark sets: where its files are, a token for all of it, fewer log lines, and no limit on one client's requests."""
    return {
        "COMITY_DATA_FOLDER": str(folder),
        "COMITY_IDENTITY__TOKEN_SECONDS": "86400",
        "COMITY_TELEMETRY__LEVEL": "warning",
        "COMITY_HTTP__REQUESTS_PER_MINUTE": "0",
    }


def content_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body as it is sent: its id is in the address."""
    return {name: value for name, value in body.items() if name != "id"}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def run(deployment: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Fill and measure one deployment."""
    town = make_town(arguments.organisations, arguments.projects, arguments.seed)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        connection = (embedded if deployment == "embedded" else split)(stack, Path(name))
        began = time.perf_counter()
        fill(connection, town)
        loaded = time.perf_counter() - began
        wire = Wire(connection)
        measure(wire, town, _WARM_UP, arguments.seed + 1, rest=arguments.rest)
        samples = measure(wire, town, arguments.writes, arguments.seed, rest=arguments.rest)
    totals = [sample["total"] for sample in samples]
    hops = {hop: statistics.median(sample[hop] for sample in samples) for hop in HOPS}
    peer = statistics.median(sample["peer"] for sample in samples)
    return {
        "p50_ms": round(statistics.median(totals), 1),
        "p99_ms": round(percentile(totals, 0.99), 1),
        "hops_p50_ms": {hop: round(value, 1) for hop, value in hops.items()},
        "shares": {hop: round(value / sum(hops.values()), 3) for hop, value in hops.items()},
        "two_requests_p50_ms": round(peer, 1),
        "write_to_list_over_two_requests": round(statistics.median(totals) / peer, 2),
        "load_seconds": round(loaded, 1),
        "writes": len(samples),
    }


def claims_of(figures: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """Return each goal with the figure that it is held against."""
    return [
        Claim(
            name=f"{name}: write to readable list version, {key.removesuffix('_ms')}",
            value=figure[key],
            unit="ms",
            goal=goal,
            at_least=False,
        )
        for name, figure in figures.items()
        for key, goal in zip(("p50_ms", "p99_ms"), GOALS[name], strict=True)
    ]


def ratios_of(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return what hardly depends on the machine."""
    ratios = {
        f"{name}: write to list / the two requests alone": figure["write_to_list_over_two_requests"]
        for name, figure in figures.items()
    }
    if len(figures) == len(GOALS):
        ratios["split / embedded"] = round(figures["split"]["p50_ms"] / figures["embedded"]["p50_ms"], 2)
    return ratios


def main() -> None:
    """Run the deployments and print ratios, claims and figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deployment", choices=["embedded", "split", "both"], default="both")
    parser.add_argument("--writes", type=int, default=200)
    parser.add_argument("--organisations", type=int, default=1000)
    parser.add_argument("--projects", type=int, default=500)
    parser.add_argument("--rest", type=float, default=0.4, help="seconds of rest before each write")
    parser.add_argument("--seed", type=int, default=71)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    chosen = list(GOALS) if arguments.deployment == "both" else [arguments.deployment]
    before = machine()
    figures = {name: run(name, arguments) for name in chosen}
    report(
        ratios=ratios_of(figures),
        claims=claims_of(figures),
        figures=figures
        | {"town": {"organisations": arguments.organisations, "projects": arguments.projects}},
        machine=before,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
