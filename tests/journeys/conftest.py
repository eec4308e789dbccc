"""The journeys: a Comity as its users have it, started by the `comity` command and asked over HTTP.

Each deployment's demo is started once for all journeys; its folder, what it printed and where it answers are shared.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.console.connection import Connection
from services.console.parts.postgresql import ELSEWHERE
from services.console.parts.processes import free_port, is_free
from services.console.split import PROCESSES

COMITY = Path(sys.executable).with_name("comity")
START_SECONDS = 240.0


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a user: nothing of ours but the data folder, bytecode kept as everywhere else."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COMITY_") or name in {"COMITY_CACHE", "COMITY_TEST_DATA"}
    }
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"COMITY_DATA_FOLDER": str(folder), "COLUMNS": "100", "PYTHONUNBUFFERED": "1"} | more


def comity(
    *arguments: str, folder: Path, seconds: float = 240.0, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [str(COMITY), *arguments],
        cwd=folder.parent,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@dataclass(kw_only=True)
class Started:
    """A command that goes on running; `stdout` and `stderr` are files that grow."""

    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    def said(self, pattern: str, *, seconds: float = START_SECONDS) -> re.Match[str]:
        """Wait until its standard output holds the pattern."""
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.stdout.read_text("utf-8"))
            if found:
                return found
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{self.process.args} did not say {pattern!r}: {self.stderr.read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self, *, seconds: float = 60.0) -> int:
        """Ask it to end, as `kill` does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def started(*arguments: str, folder: Path, **more: str) -> Iterator[Started]:
    """Start the command and leave it running for as long as the block lasts."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.parent.glob("*.stdout")))
    stdout, stderr = (folder.parent / f"{number}.{kind}" for kind in ("stdout", "stderr"))
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            [str(COMITY), *arguments],
            cwd=folder.parent,
            env=environment(folder, **more),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    running = Started(process=process, stdout=stdout, stderr=stderr)
    try:
        yield running
    finally:
        if process.poll() is None:
            try:
                running.stop()
            except subprocess.TimeoutExpired:
                running.kill()


@dataclass(kw_only=True)
class Demo:
    """A demo that serves: what it printed, what its two runs with --once --json printed before it, and a way to ask it."""

    folder: Path  # the data folder that the command was given
    own: Path  # the demo's folder in it
    runs: Sequence[subprocess.CompletedProcess[str]]
    seconds: Sequence[float]
    printed: str
    why: str  # what the command printed that it suggests, before anybody changed anything
    addresses: Mapping[str, str]
    process: int
    port: int  # what the setting http.port was
    _tokens: dict[str, str] = field(default_factory=dict)

    def token(self, variable: str) -> str:
        """Return the token that the demo printed for a role."""
        found = re.search(rf"^export {variable}=(\S+)$", self.printed, re.MULTILINE)
        assert found, f"the demo printed no line for {variable}"
        return found.group(1)

    def saved(self) -> dict[str, Any]:
        return json.loads((self.own / "credentials.json").read_text("utf-8"))

    def connection(self, variable: str | None = None) -> Connection:
        """Connect as the demo's administrator, or as one of the roles that it printed."""
        token = self.token(variable) if variable else self._tokens.get("admin")
        connection = Connection(self.addresses, token=token)
        if token is None:
            saved = self.saved()
            connection.take_token(saved["client_id"], saved["client_secret"])
            self._tokens["admin"] = str(connection.token)
        return connection


def free_ports(count: int) -> int:
    """Return the first of `count` ports in a row that nobody listens on."""
    while True:
        first = free_port()
        if first + count <= 65_536 and all(is_free(port) for port in range(first, first + count)):
            return first


WHY = re.compile(r"^\S*/comity (why) (\S+) (\S+)$", re.MULTILINE)
"""The command that the demo suggests; where it stands is another place in each installation."""


def why_of(printed: str, folder: Path) -> str:
    """Return what the command prints that the demo suggests."""
    suggested = WHY.search(printed)
    assert suggested, printed
    return comity(*suggested.groups(), folder=folder).stdout


PORTS = {"embedded": 1, "split": len(PROCESSES)}


def _demo(folder: Path, *, deployment: str, runs: int) -> Iterator[Demo]:
    once, seconds = [], []
    option = ("--deployment", deployment)
    for _ in range(runs):
        begun = time.monotonic()
        once.append(comity("demo", *option, "--once", "--json", folder=folder, seconds=400))
        seconds.append(time.monotonic() - begun)
        assert once[-1].returncode == 0, once[-1].stderr[-3000:]
    port = str(free_ports(PORTS[deployment]))
    with started("demo", *option, folder=folder, COMITY_HTTP__PORT=port) as serving:
        serving.said("Serving until Ctrl-C")
        own = folder / ("demo" if deployment == "embedded" else "demo-split")
        printed = serving.stdout.read_text("utf-8")
        yield Demo(
            folder=folder,
            own=own,
            runs=once,
            seconds=seconds,
            printed=printed,
            why=why_of(printed, folder),
            addresses=json.loads((own / "credentials.json").read_text("utf-8"))["addresses"],
            process=serving.process.pid,
            port=int(port),
        )
        assert serving.stop() == 0, serving.stderr.read_text()[-3000:]
    for pointer in folder.glob(f"*/postgresql/{ELSEWHERE}"):
        shutil.rmtree(pointer.read_text())


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Return the embedded demo: run twice with --once --json, then left serving."""
    yield from _demo(tmp_path_factory.mktemp("embedded") / "var", deployment="embedded", runs=2)


@pytest.fixture(scope="session")
def split_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Return the demo on PostgreSQL and Kafka: run once with --once --json, then left serving."""
    yield from _demo(tmp_path_factory.mktemp("split") / "var", deployment="split", runs=1)


ROW = (
    "rank",
    "organisation",
    "revision",
    "points",
    "components",
    "fit",
    "band",
    "above_floor",
    "labels",
    "steps",
)


def computed_list(connection: Connection, project: str) -> dict[str, Any]:
    """Return a list's computed rows to the last one, with the inputs that head them."""
    path: str | None = f"/v1/lists/{project}/candidates?limit=200"
    rows: list[dict[str, Any]] = []
    first: dict[str, Any] = {}
    while path:
        page = connection.read(path)
        first = first or page
        rows += [{name: row[name] for name in ROW} for row in page["candidates"]]
        path = page["next"]
    return {
        "inputs": {name: first[name] for name in ("project", "project_revision", "epoch", "reference_date")},
        "counts": first["counts"],
        "rows": rows,
    }


def digest(connection: Connection, project: str) -> tuple[Any, ...]:
    """Return what identifies a list's canonical rows: the digest of its newest version, if the rows are still those."""
    answer = connection.read(f"/v1/lists/{project}/candidates?limit=1")
    if answer["changed_since"]:  # not material, so in no version yet: the rows themselves
        return ("rows", json.dumps(computed_list(connection, project), sort_keys=True))
    version = connection.read(f"/v1/lists/{project}/versions/{answer['list_version']}")
    return ("digest", version["digest"], version["reference_date"])


def same_list(one: Connection, other: Connection, project: str) -> bool:
    """Compare two systems' lists of a project: by digest, and where that cannot tell, row by row."""
    if digest(one, project) == digest(other, project):
        return True
    return computed_list(one, project) == computed_list(other, project)


def wait_ready(address: str, *, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx2.HTTPError):
            if httpx2.get(f"{address}/readyz", timeout=5.0, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail(f"{address} did not become ready.")
