"""Writes and list pages over HTTP, beside bare FastAPI handlers that do the same work and nothing around it.

    python benchmarks/http_vs_bare.py [--requests 2000] [--clients 8] [--organisations 5000] [--json]

A town is loaded, then one process serves it in the role "api" and another serves two bare handlers on a copy of the
same files. A *durable write* makes a new draft project: the bare handler runs the same SQL statements, recorded once from
the real command, in one transaction, and answers the same bytes. A *list page* is the first fifty rows of a project: the
bare handler makes the same kernel call that ranks the list, and answers the bytes of the real answer. Neither has auth,
validation, ETag, idempotency, problems, headers, logs or metrics. Each project is asked for in turn, more of them than
lists are kept, so that both rank every time. Both run on the same server and event loop, and are asked by the same
clients, one after the other, in turns.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.report import Claim, machine, report
from benchmarks.write_to_list import content_of, embedded, fill, make_town, settings
from services.console.connection import Connection
from services.console.parts.processes import Child, free_port

SHARE = 0.5
ROUNDS = 4
_PAGE = "/v1/lists/{}/candidates?limit=50"

Ask = tuple[str, str, bytes | None]
"""Method, path and body of one request."""


class Clients:
    """Threads with a keep-alive connection each; the same for both servers."""

    def __init__(self, number: int) -> None:
        self.number = number

    def rate(self, address: str, token: str, asks: Callable[[int], Ask], requests: int) -> float:
        """Send so many requests from all clients together; requests a second. A refusal ends the benchmark."""
        place, numbers, lock = urlsplit(address).netloc, count(), threading.Lock()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

        def client(_: int) -> None:
            wire = http.client.HTTPConnection(place, timeout=60)
            while True:
                with lock:
                    number = next(numbers)
                if number >= requests:
                    return
                method, path, body = asks(number)
                wire.request(method, path, body=body, headers=headers)
                answer = wire.getresponse()
                told = answer.read()
                if answer.status >= 400:
                    raise SystemExit(f"{method} {path}: {answer.status} {told[:300]!r}")

        began = time.perf_counter()
        with ThreadPoolExecutor(self.number) as pool:
            list(pool.map(client, range(self.number)))
        return requests / (time.perf_counter() - began)


def serve(stack: ExitStack, name: str, command: list[str], folder: Path, port: int) -> str:
    """Start a server as a process of its own; its address, once it answers."""
    address = f"http://127.0.0.1:{port}"
    given = settings(folder) | {"COMITY_HTTP__PORT": str(port), "COMITY_PUBLIC_URL": address}
    child = Child(
        name,
        [sys.executable, *command],
        log=folder.parent / f"{name}.log",
        stop_signal=signal.SIGTERM,
        environment={**os.environ, **given, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    stack.callback(child.stop)

    def answers() -> bool:
        wire = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            wire.request("GET", "/healthz")
            return wire.getresponse().status == 200
        except OSError:
            return False

    child.wait_until(answers, seconds=180)
    return address


def turn(projects: Sequence[str], number: int) -> Ask:
    """Return the page of the project whose turn it is."""
    return "GET", _PAGE.format(projects[number % len(projects)]), None


def draft(template: Mapping[str, Any], number: int) -> Ask:
    """Return the write of a new draft."""
    del number
    return "PUT", f"/v1/projects/{uuid.uuid4()}", json.dumps(content_of(template)).encode()


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Load, serve both, and ask them in turns: the median rate of each."""
    town = make_town(arguments.organisations, arguments.projects, 71)
    template, clients = town.projects[0], Clients(arguments.clients)
    with tempfile.TemporaryDirectory() as name:
        folder, other = Path(name) / "comity", Path(name) / "bare"
        folder.mkdir()
        with ExitStack() as stack:
            connection = embedded(stack, folder)
            fill(connection, town)
        shutil.copytree(folder, other)
        with ExitStack() as stack:
            # The port of before: it is in the tokens.
            port = urlsplit(connection.addresses[""]).port or 0
            ours = serve(stack, "comity", ["-m", "services", "run", "all", "--role", "api"], folder, port)
            token = str(connection.token)
            with Connection({"": ours}, token=token) as asking:
                pages = {
                    one["id"]: json.dumps(asking.read(_PAGE.format(one["id"]))).encode()
                    for one in town.projects
                }
            said = Path(name) / "bare.json"
            said.write_text(
                json.dumps(
                    {
                        "body": json.dumps(content_of(template)),
                        "pages": {key: page.decode() for key, page in pages.items()},
                    }
                )
            )
            peer = serve(
                stack,
                "bare",
                [str(Path(__file__).with_name("bare_handlers.py")), str(said)],
                other,
                free_port(),
            )
            rates: dict[str, list[float]] = {}
            for _ in range(ROUNDS + 1):
                for server, address in (("comity", ours), ("bare", peer)):
                    writes = clients.rate(
                        address, token, partial(draft, template), arguments.requests // ROUNDS
                    )
                    read = clients.rate(
                        address, token, partial(turn, list(pages)), arguments.requests // ROUNDS
                    )
                    rates.setdefault(f"{server} writes", []).append(writes)
                    rates.setdefault(f"{server} pages", []).append(read)
    # The first round warms both up.
    return {name: round(statistics.median(values[1:]), 1) for name, values in rates.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2_000, help="of each kind, to each server")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--organisations", type=int, default=5_000)
    parser.add_argument("--projects", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    before, rates = machine(), measure(arguments)
    shares = {what: round(rates[f"comity {what}"] / rates[f"bare {what}"], 3) for what in ("writes", "pages")}
    report(
        ratios={f"{what} / bare": share for what, share in shares.items()},
        claims=[
            Claim(name=f"share of the bare handler's {what}", value=share, unit="", goal=SHARE)
            for what, share in shares.items()
        ],
        figures={f"{name} a second": rate for name, rate in rates.items()}
        | {"clients": arguments.clients, "organisations": arguments.organisations},
        machine=before,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
