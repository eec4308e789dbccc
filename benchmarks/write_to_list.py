"""From an HTTP write to a new list version that can be read: how long, and where the time goes.

A town of 1,000 organisations and 500 projects is loaded over HTTP into a running system (a process of its own, or the
split deployment on PostgreSQL and Apache Kafka). Then published projects are revised, one at a time: the clock runs from
the PUT's first byte to the answer of `GET …/candidates?token=…` with `Prefer: wait=10`, which names the new version.

    python benchmarks/write_to_list.py [--deployment embedded|split|both] [--writes 200] [--json]

Hops, from the stamps that the system itself leaves: accept (PUT answered), log (event on the log), rank (list version
written), read (answer with the new version).
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.console.connection import Connection, saved_credentials
from services.console.loading import DEMO_FOLDER, records, wait_for_lists
from services.console.parts.processes import Child, free_port
from services.console.split import Split

GOALS = {"embedded": (20.0, 60.0), "split": (100.0, 300.0)}


def town(organisations: int, projects: int, seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make organisations and projects of the demo's own sentences, shuffled: varied texts, seeded, of real lengths."""
    chance = random.Random(seed)
    profiles = [one for one in records(DEMO_FOLDER, "organisations-en")]
    initiatives = [one for one in records(DEMO_FOLDER, "initiatives") if one["titles"][0]["language"] == "en"]
    sentences = [s for one in profiles for d in one["descriptions"] for s in d["text"].split(". ")]
    goals = [s for one in initiatives for d in one["objectives"] for s in d["text"].split(". ")]
    made = []
    for number in range(organisations):
        body = dict(chance.choice(profiles))
        body["id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"organisation {seed} {number}"))
        body["legal_name"] = f"Bench organisation {number} (fictional)"
        body["descriptions"] = [{"language": "en", "text": ". ".join(chance.sample(sentences, 5))}]
        body.pop("parent", None)
        body.pop("external_ids", None)
        made.append(body)
    wanted = []
    for number in range(projects):
        body = {k: v for k, v in chance.choice(initiatives).items() if k not in {"sources", "_flagship"}}
        body["id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"project {seed} {number}"))
        body["titles"] = [{"language": "en", "text": f"Bench project {number}"}]
        body["objectives"] = [{"language": "en", "text": ". ".join(chance.sample(goals, 5))}]
        body["owner"] = made[number % len(made)]["id"]
        wanted.append(body)
    return made, wanted


def fill(connection: Connection, organisations: list[dict[str, Any]], projects: list[dict[str, Any]]) -> None:
    """Load the town over HTTP and wait until every list is complete."""
    tokens: list[dict[str, Any]] = []

    def put(path: str, body: dict[str, Any]) -> None:
        answer = connection.send("PUT", f"{path}/{body['id']}", body={k: v for k, v in body.items() if k != "id"})
        answer.raise_for_status()
        if path == "/v1/projects":
            answer = connection.send(
                "POST", f"{path}/{body['id']}/publish", headers={"If-Match": answer.headers["ETag"]}
            )
            answer.raise_for_status()
        tokens.append(answer.json()["token"])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda body: put("/v1/organisations", body), organisations))
        list(pool.map(lambda body: put("/v1/projects", body), projects))
    wait_for_lists(connection, tokens=tokens, report=lambda done, total: None)


def measure(connection: Connection, projects: list[dict[str, Any]], writes: int, seed: int) -> list[dict[str, float]]:
    """Revise published projects one at a time; milliseconds in all and per hop."""
    chance = random.Random(seed)
    words = [s for body in projects for s in body["objectives"][0]["text"].split(". ")]
    samples = []
    for number in range(writes):
        body = dict(chance.choice(projects))
        path = f"/v1/projects/{body['id']}"
        etag = connection.send("GET", path).headers["ETag"]
        body["objectives"] = [{"language": "en", "text": ". ".join(chance.sample(words, 5))}]
        content = {k: v for k, v in body.items() if k != "id"}
        began_wall, began = datetime.now(UTC), time.perf_counter()
        written = connection.send("PUT", path, body=content, headers={"If-Match": etag})
        accepted = time.perf_counter()
        written.raise_for_status()
        token = written.json()["token"]
        answer = connection.read(
            f"/v1/lists/{body['id']}/candidates?limit=10&token={token['topic']}:{token['id']}:{token['sequence']}",
            headers={"Prefer": "wait=10"},
        )
        ended = time.perf_counter()
        if answer["project_revision"] < int(token["sequence"].partition(".")[2]):
            raise SystemExit(f"write {number}: the list does not cover the write: {answer['project_revision']}")
        version = connection.read(f"/v1/lists/{body['id']}/versions/{answer['list_version']}")
        made = datetime.fromisoformat(version["created_at"])
        ranked = (made - began_wall).total_seconds() * 1000
        samples.append(
            {
                "total": (ended - began) * 1000,
                "accept": (accepted - began) * 1000,
                "log_and_rank": ranked - (accepted - began) * 1000,
                "read": (ended - began) * 1000 - ranked,
            }
        )
    return samples


def embedded(stack: ExitStack, folder: Path) -> Connection:
    """Start `comity run all` as a process of its own on a fresh folder."""
    import os

    port = free_port()
    child = Child(
        "comity",
        [sys.executable, "-m", "services", "run", "all", "--migrate"],
        log=folder / "comity.log",
        stop_signal=__import__("signal").SIGTERM,
        environment={
            **os.environ,
            "COMITY_DATA_FOLDER": str(folder),
            "COMITY_HTTP__PORT": str(port),
            "COMITY_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "COMITY_TELEMETRY__LEVEL": "warning",
        },
    )
    stack.callback(child.stop)
    child.wait_until(lambda: b"client_secret=" in child.log.read_bytes(), seconds=120)
    said = child.log.read_text("utf-8")
    found = dict(part.split("=", 1) for part in said.split() if part.startswith(("client_id=", "client_secret=")))
    connection = stack.enter_context(Connection({"": f"http://127.0.0.1:{port}"}))
    connection.take_token(found["client_id"], found["client_secret"])
    return connection


def split(stack: ExitStack, folder: Path) -> Connection:
    """Start the split deployment on fresh servers."""
    system = stack.enter_context(Split(folder))
    connection = stack.enter_context(Connection(system.addresses))
    saved = saved_credentials(folder)
    assert saved is not None
    connection.take_token(saved["client_id"], saved["client_secret"])
    return connection


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def run(deployment: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Fill and measure one deployment."""
    organisations, projects = town(arguments.organisations, arguments.projects, arguments.seed)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        connection = (embedded if deployment == "embedded" else split)(stack, folder)
        began = time.perf_counter()
        fill(connection, organisations, projects)
        loaded = time.perf_counter() - began
        measure(connection, projects, 10, arguments.seed + 1)  # warm-up
        samples = measure(connection, projects, arguments.writes, arguments.seed)
    totals = [sample["total"] for sample in samples]
    hops = {hop: statistics.median(sample[hop] for sample in samples) for hop in ("accept", "log_and_rank", "read")}
    return {
        "p50_ms": statistics.median(totals),
        "p99_ms": percentile(totals, 0.99),
        "hops_p50_ms": hops,
        "shares": {hop: value / sum(hops.values()) for hop, value in hops.items()},
        "load_seconds": loaded,
        "writes": len(samples),
    }


def main() -> None:
    """Run the deployments and print ratios, claims and figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deployment", choices=["embedded", "split", "both"], default="both")
    parser.add_argument("--writes", type=int, default=200)
    parser.add_argument("--organisations", type=int, default=1000)
    parser.add_argument("--projects", type=int, default=500)
    parser.add_argument("--seed", type=int, default=71)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    chosen = ["embedded", "split"] if arguments.deployment == "both" else [arguments.deployment]
    figures = {name: run(name, arguments) for name in chosen}
    claims = []
    for name, figure in figures.items():
        for key, goal in zip(("p50_ms", "p99_ms"), GOALS[name], strict=True):
            claims.append(
                {
                    "name": f"{name} write to list {key.removesuffix('_ms')}",
                    "value": round(figure[key], 1),
                    "unit": "ms",
                    "goal": goal,
                    "met": figure[key] <= goal,
                }
            )
    ratios = {}
    if len(figures) == 2:
        ratios["split / embedded p50"] = round(figures["split"]["p50_ms"] / figures["embedded"]["p50_ms"], 2)
    result = {
        "ratios": ratios,
        "claims": claims,
        "figures": figures,
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip(),
    }
    print(json.dumps(result if arguments.json else result, indent=None if arguments.json else 2))


if __name__ == "__main__":
    main()
