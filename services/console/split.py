"""The split deployment: PostgreSQL, Apache Kafka, and every service a process of its own.

What: installs and starts the two servers, migrates, creates topics, starts the processes of `PROCESSES` and waits until
each is ready; leaving the context stops all of it. Why: the same system as in production's shape, in one command, for
`make demo-kafka`, tests and benchmarks. `deploy/compose.yaml` describes the same processes; a test compares them. It must
not be taken for production: one broker, one database server, one machine.
"""

import asyncio
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from types import TracebackType
from typing import Self

import httpx2

from services.catalogue import SERVICES
from services.chassis.settings import JWKS_PATH, Settings, load_settings
from services.console.connection import save_credentials, saved_credentials
from services.console.hearing import LOOPBACK
from services.console.parts import kafka, postgresql
from services.console.parts.processes import Child, PartFailedError, free_port, is_free
from services.console.preparing import prepare
from services.console.roles import PREFIX, statements

READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of the deployment: `comity run SERVICE --role ROLE`."""

    name: str
    service: str
    role: str


PROCESSES = (
    Process(name="identity", service="identity", role="all"),
    Process(name="projects", service="projects", role="all"),
    Process(name="members", service="members", role="all"),
    Process(name="matches-api", service="matches", role="api"),
    Process(name="matches-relay", service="matches", role="relay"),
    Process(name="matches-worker-1", service="matches", role="worker"),
    Process(name="matches-worker-2", service="matches", role="worker"),
    Process(name="notifications", service="notifications", role="all"),
)
"""Every process of the split deployment; projects and members run their relay and sweep beside
their API, notifications its dispatcher."""

_SECRET = re.compile(rb"client_id=(\S+) client_secret=(\S+)")


def environment(*, folder: Path, database: str, servers: str, issuer: str, matches: str) -> dict[str, str]:
    """Return the settings that every process of the deployment is given, as environment variables."""
    return {
        "COMITY_DATA_FOLDER": str(folder),
        "COMITY_DATABASE__URL": database,
        "COMITY_DATABASE__POOL_SIZE": "5",
        "COMITY_LOG__TRANSPORT": "kafka",
        "COMITY_KAFKA__BOOTSTRAP_SERVERS": servers,
        "COMITY_KAFKA__REPLICATION_FACTOR": "1",
        "COMITY_KAFKA__MIN_INSYNC_REPLICAS": "1",
        "COMITY_IDENTITY__ISSUER": issuer,
        "COMITY_IDENTITY__JWKS_URL": issuer + JWKS_PATH,
        "COMITY_NOTIFICATIONS__MATCHES_URL": matches,
    }


class Split:
    """A running split deployment; `addresses` maps path prefixes to the processes that answer them.

    The processes listen on `port` and the ports that follow it, in their order; 0 takes free ones. A public address in
    the settings is one for all of them, as behind a gateway; without it each goes by its own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        token_seconds: int | None = None,
        processes: Sequence[Process] = PROCESSES,
    ) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.token_seconds = token_seconds
        self.processes = processes
        self.addresses: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self._parts: list[kafka.Broker | postgresql.Cluster | Child] = []

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the processes, then the servers."""
        for part in reversed(self._parts):
            part.stop()
        self._parts.clear()

    def wait(self) -> None:
        """Block until nothing answers any more, or the person presses Ctrl-C; a process that ends alone is named once.

        The others go on: that is what several of them are for.
        """
        running = [part for part in self._parts if isinstance(part, Child)]
        while running:
            for child in [child for child in running if not child.running]:
                running.remove(child)
                sys.stderr.write(f"{child.name} has ended, the others go on; its log is {child.log}\n")
            time.sleep(0.5)

    def _start(self) -> None:
        ports = self._ports()
        cluster = postgresql.start(self.folder / "postgresql")
        self._parts.append(cluster)
        broker = kafka.start(self.folder / "kafka")
        self._parts.append(broker)
        at = {name: load_settings(http={"port": port}).own_address for name, port in ports.items()}
        self.environment = environment(
            folder=self.folder,
            database=_database_with_roles(cluster),
            servers=broker.bootstrap_servers,
            issuer=at["identity"],
            matches=at["matches-api"],
        )
        self.environment |= {
            f"COMITY_NOTIFICATIONS__{name.upper()}": str(value) for name, value in LOOPBACK.items()
        }
        if self.token_seconds is not None:
            self.environment["COMITY_IDENTITY__TOKEN_SECONDS"] = str(self.token_seconds)
        asyncio.run(prepare(self.settings()))
        children = {process.name: self._run(process, ports[process.name]) for process in self.processes}
        for process in self.processes:
            _await_ready(children[process.name], at[process.name])
            if process.role in ("all", "api"):
                self.addresses |= dict.fromkeys(SERVICES[process.service].prefixes, at[process.name])
        self._remember(children["identity"])

    def _ports(self) -> dict[str, int]:
        """Return a port for each process. Raises PartFailedError if one that was asked for is in use."""
        if self.port == 0:
            return {process.name: free_port() for process in self.processes}
        ports = {process.name: self.port + place for place, process in enumerate(self.processes)}
        taken = [str(port) for port in ports.values() if not is_free(port)]
        if taken:
            raise PartFailedError(
                f"The {len(ports)} processes need the ports {self.port} to {max(ports.values())}; in use: "
                f"{', '.join(taken)}. Set COMITY_HTTP__PORT to another, or to 0 for free ones."
            )
        return ports

    def settings(self) -> Settings:
        """The settings that the processes share."""
        return load_settings(**nested(self.environment))

    def _run(self, process: Process, port: int) -> Child:
        child = Child(
            process.name,
            [sys.executable, "-m", "services", "run", process.service, "--role", process.role],
            log=self.folder / f"{process.name}.log",
            stop_signal=SIGTERM,
            environment={
                **os.environ,
                **self.environment,
                "COMITY_HTTP__PORT": str(port),
                "PYTHONUNBUFFERED": "1",
            },
        )
        self._parts.append(child)
        return child

    def _remember(self, identity: Child) -> None:
        """Keep the first administrator that the identity service printed, and where everything answers."""
        saved = saved_credentials(self.folder) or {}
        deadline = time.monotonic() + 15
        while "client_id" not in saved:
            found = _SECRET.search(identity.log.read_bytes())
            if found:
                saved["client_id"], saved["client_secret"] = (part.decode() for part in found.groups())
            elif time.monotonic() > deadline:
                raise PartFailedError("The identity service made no first administrator.")
            else:
                time.sleep(0.05)
        saved["addresses"] = self.addresses
        save_credentials(self.folder, saved)


def _database_with_roles(cluster: postgresql.Cluster) -> str:
    """Make the database with a schema and a role for each service; its URL, in which the service has its place."""
    url = cluster.database("comity")
    cluster.run("comity", statements(SERVICES, database="comity", password=cluster.password))
    return url.replace(f"//{postgresql.OWNER}:", f"//{PREFIX}{{service}}:")


def _await_ready(child: Child, address: str) -> None:
    def ready() -> bool:
        try:
            return httpx2.get(f"{address}/readyz", timeout=5.0, trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False

    child.wait_until(ready, seconds=READY_SECONDS)


def nested(environment: Mapping[str, str]) -> dict[str, object]:
    """Return COMITY_A__B=x as {"a": {"b": "x"}}, the form of overrides."""
    nested: dict[str, object] = {}
    for name, value in environment.items():
        path = name.removeprefix("COMITY_").lower().split("__")
        place: dict[str, object] = nested
        for part in path[:-1]:
            inner = place.setdefault(part, {})
            assert isinstance(inner, dict)  # noqa: S101 - for the type checker: groups are dictionaries
            place = inner
        place[path[-1]] = value
    return nested
