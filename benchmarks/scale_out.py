"""A burst of project revisions, ranked by one matching worker and by two, on PostgreSQL and Apache Kafka.

    python benchmarks/scale_out.py [--revisions 5000] [--projects 500] [--organisations 1000] [--json]

The split deployment runs without a worker while a town is loaded and every project is revised in turn, until so many
revisions are accepted. Then the workers start, and the clock runs from the start of their processes until every list
covers every revision. Once with one worker, once with two, each on fresh servers: the ratio says what a second worker
brings on this machine, whose processors they share with the API, the broker and the database.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.report import Claim, machine, report
from benchmarks.write_to_list import content_of, make_town, put_all, settings
from services.console.connection import Connection, saved_credentials, sentence_of
from services.console.parts.processes import Child, free_port
from services.console.split import PROCESSES, Split
from services.console.waiting import wait_for

NOT_SLOWER = 1.0
"""Two workers on two processors, which much else needs too, must not be slower than one."""

_CLIENTS = 4


def revise(connection: Connection, texts: Sequence[str], body: dict[str, Any], times: int) -> dict[str, Any]:
    """Revise one project so many times; the token of the last revision."""
    path = f"/v1/projects/{body['id']}"
    answer = connection.send("GET", path)
    for number in range(times):
        changed = content_of(body) | {"objectives": [{"language": "en", "text": texts[number % len(texts)]}]}
        match = {"If-Match": answer.headers["ETag"]}
        answer = connection.send("PUT", path, body=changed, headers=match)
        if answer.status_code >= 400:
            raise SystemExit(sentence_of(answer))
    token: dict[str, Any] = answer.json()["token"]
    return token


def burst(connection: Connection, projects: Sequence[dict[str, Any]], revisions: int) -> list[dict[str, Any]]:
    """Revise all projects, as fast as writes are accepted; the tokens of their last revisions."""
    chance = random.Random(5)
    goals = [text for body in projects for text in body["objectives"][0]["text"].split(". ")]
    texts = [". ".join(chance.sample(goals, min(5, len(goals)))) for _ in range(200)]
    times = max(1, revisions // len(projects))
    with ThreadPoolExecutor(_CLIENTS) as pool:
        return list(pool.map(partial(revise, connection, texts, times=times), projects))


def measure(workers: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Load and burst without a worker, then let so many of them cover it all."""
    town = make_town(arguments.organisations, arguments.projects, 71)
    chosen = tuple(one for one in PROCESSES if one.role != "worker")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        os.environ.update(settings(Path(name)))  # its processes take ours
        system = stack.enter_context(Split(Path(name), processes=chosen))
        connection = stack.enter_context(Connection(system.addresses))
        saved = saved_credentials(Path(name)) or {}
        connection.take_token(saved["client_id"], saved["client_secret"])
        tokens = put_all(connection, town)
        began = time.perf_counter()
        tokens += burst(connection, town.projects, arguments.revisions)
        accepted = time.perf_counter() - began
        began = time.perf_counter()
        for number in range(workers):
            child = Child(
                f"worker {number}",
                [sys.executable, "-m", "services", "run", "matches", "--role", "worker"],
                log=Path(name) / f"worker-{number}.log",
                stop_signal=signal.SIGTERM,
                environment={**os.environ, **system.environment, "COMITY_HTTP__PORT": str(free_port())},
            )
            stack.callback(child.stop)
        wait_for(connection, tokens, report=lambda _done, _total: None)
        covered = time.perf_counter() - began
    return {"accepted_seconds": round(accepted, 2), "covered_seconds": round(covered, 2)}


def main() -> None:
    """Measure one worker and two, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--revisions", type=int, default=5_000)
    parser.add_argument("--projects", type=int, default=500)
    parser.add_argument("--organisations", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    before = machine()
    one, two = (measure(workers, arguments) for workers in (1, 2))
    speed_up = round(one["covered_seconds"] / two["covered_seconds"], 2)
    report(
        ratios={"one worker / two workers": speed_up},
        claims=[Claim(name="speed-up by a second worker", value=speed_up, unit="×", goal=NOT_SLOWER)],
        figures={
            "one worker": one,
            "two workers": two,
            "revisions a second, two workers": round(arguments.revisions / two["covered_seconds"], 1),
            "revisions": arguments.revisions,
            "projects": arguments.projects,
            "organisations": arguments.organisations,
        },
        machine=before,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
