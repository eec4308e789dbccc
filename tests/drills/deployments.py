"""The two deployments as a drill sees them: named parts that are started, killed and started again.

`Sqlite` is everything in one process, with the embedded log; killing it is killing API, relay and worker at once. `Split`
is PostgreSQL, Apache Kafka and a process for each service and role, each killed by itself.
"""

import asyncio
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from services.catalogue import SERVICES
from services.chassis.settings import load_settings
from services.console.parts import kafka, postgresql
from services.console.parts.processes import free_port
from services.console.preparing import prepare
from services.console.split import PROCESSES, environment, nested
from services.console.split import Process as Role
from tests.drills.processes import PATIENCE_SECONDS, DidNotStartError, Process, Starter

BROKER, DATABASE = "broker", "database"


class Deployment(ABC):
    """A running Comity. `addresses`: path prefix → base URL; `secret`: its first administrator's."""

    name: str
    dense = False
    """Whether the log gives each record the next offset, so that its ends count what was appended."""

    def __init__(self, starter: Starter, folder: Path, *, mutant: str | None = None) -> None:
        self.starter = starter
        self.folder = folder
        self.mutant = mutant
        self.addresses: dict[str, str] = {}
        self.secret: tuple[str, str] = ("", "")
        self.processes: dict[str, Process] = {}

    @property
    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """What can be killed by itself."""

    def prepare(self) -> None:
        """Make what must be there before any process starts; nothing, unless a deployment says otherwise."""
        self.folder.mkdir(parents=True)

    @abstractmethod
    def start(self, part: str, **how: Any) -> None:
        """Start a part that does not run, without waiting for it; `how` is what `Starter.start` takes."""

    @abstractmethod
    def kill(self, part: str) -> None:
        """Kill a part as a power cut would; harmless if it has ended."""

    @property
    def coded(self) -> tuple[str, ...]:
        """The parts that are processes of the product, and so have named lines."""
        return tuple(part for part in self.parts if part not in (BROKER, DATABASE))

    def running(self, part: str) -> bool:
        """Whether a part has been started and has not ended."""
        return part in self.processes and self.processes[part].running

    @abstractmethod
    def ready(self) -> None:
        """Wait until every part answers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes.values():
            process.kill()


class Sqlite(Deployment):
    """Everything in one process, on SQLite files and the embedded log."""

    name = "sqlite"
    dense = True

    def __init__(
        self,
        starter: Starter,
        folder: Path,
        *,
        mutant: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(starter, folder, mutant=mutant)
        self.settings = dict(settings or {})
        self.port = free_port()
        self.addresses = {"": f"http://127.0.0.1:{self.port}"}

    @property
    def parts(self) -> tuple[str, ...]:
        return ("everything",)

    def start(self, part: str, **how: Any) -> None:
        settings = self.settings | {
            "COMITY_DATA_FOLDER": str(self.folder / "var"),
            "COMITY_HTTP__PORT": str(self.port),
            "COMITY_PUBLIC_URL": self.addresses[""],
        }
        self.processes[part] = self.starter.start(
            "run",
            "all",
            "--migrate",
            log=self.folder / f"{part}.log",
            environment=settings,
            **{"mutant": self.mutant, **how},
        )

    def kill(self, part: str) -> None:
        self.processes[part].kill()

    def ready(self) -> None:
        """Wait for the process; one that ended while it started is started again, as a supervisor does."""
        (part,) = self.parts
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "answers at" not in self.processes[part].output():
            if not self.running(part):
                self.start(part)
            if time.monotonic() > deadline:
                raise DidNotStartError(f"{part} is not ready. {self.processes[part].tail()}")
            time.sleep(0.02)
        if not self.secret[0]:
            found = self.processes[part].said(r"client_id=(\S+) client_secret=(\S+)")
            self.secret = (found.group(1), found.group(2))


class Split(Deployment):
    """PostgreSQL, Apache Kafka, and a process for each service and role, with short leases."""

    name = "split"

    def __init__(
        self,
        starter: Starter,
        folder: Path,
        *,
        mutant: str | None = None,
        roles: Sequence[Role] = PROCESSES,
        session_ms: int = 3_000,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(starter, folder, mutant=mutant)
        self.roles = {role.name: role for role in roles}
        self.ports = {role.name: free_port() for role in roles}
        self._cluster: postgresql.Cluster | None = None
        self._broker: kafka.Broker | None = None
        self._up = {BROKER: False, DATABASE: False}
        self._session_ms = session_ms
        self._settings = dict(settings or {})
        self._environment: dict[str, str] = {}

    @property
    def parts(self) -> tuple[str, ...]:
        return (*self.roles, BROKER, DATABASE)

    def prepare(self) -> None:
        """Start the servers and make tables and topics; the processes are not started."""
        super().prepare()
        self.start(DATABASE)
        self.start(BROKER)
        assert self._cluster
        assert self._broker
        issuer = f"http://127.0.0.1:{self.ports['identity']}"
        self._environment = environment(
            folder=self.folder / "var",
            database=self._cluster.database("comity"),
            servers=self._broker.bootstrap_servers,
            issuer=issuer,
            matches=f"http://127.0.0.1:{self.ports['matches-api']}",
        ) | {"COMITY_KAFKA__SESSION_TIMEOUT_MS": str(self._session_ms), **self._settings}
        asyncio.run(prepare(load_settings(**nested(self._environment))))
        for role in self.roles.values():
            if role.role in ("all", "api"):
                address = f"http://127.0.0.1:{self.ports[role.name]}"
                self.addresses |= dict.fromkeys(SERVICES[role.service].prefixes, address)

    def start(self, part: str, **how: Any) -> None:
        if part == DATABASE:
            self._cluster = postgresql.start(self.folder / "postgresql")
            self._up[DATABASE] = True
        elif part == BROKER:
            self._broker = kafka.start(self.folder / "kafka")
            self._up[BROKER] = True
        else:
            role = self.roles[part]
            self.processes[part] = self.starter.start(
                "run",
                role.service,
                "--role",
                role.role,
                log=self.folder / f"{part}.log",
                environment=self._environment | {"COMITY_HTTP__PORT": str(self.ports[part])},
                **{"mutant": self.mutant, **how},
            )

    def kill(self, part: str) -> None:
        if part == DATABASE and self._cluster:
            self._cluster.kill()
            self._up[DATABASE] = False
        elif part == BROKER and self._broker:
            self._broker.kill()
            self._up[BROKER] = False
        elif part in self.processes:
            self.processes[part].kill()

    def running(self, part: str) -> bool:
        return self._up[part] if part in self._up else super().running(part)

    def ready(self) -> None:
        """Wait for every process; one that could not start while a server was away is started again, as a supervisor does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for name in self.roles:
            while not self.answers(name):
                if not self.running(name):
                    self.start(name)
                if time.monotonic() > deadline:
                    raise DidNotStartError(f"{name} is not ready. {self.processes[name].tail()}")
                time.sleep(0.1)
        if not self.secret[0]:
            found = self.processes["identity"].said(r"client_id=(\S+) client_secret=(\S+)")
            self.secret = (found.group(1), found.group(2))

    def answers(self, name: str) -> bool:
        """Whether a process says that it is ready."""
        with suppress(httpx2.HTTPError):
            asked = httpx2.get(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=5.0, trust_env=False)
            return asked.status_code == 200
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for server in (self._broker, self._cluster):
            if server is not None:
                server.stop()
        if self._cluster is not None:
            shutil.rmtree(self._cluster.folder, ignore_errors=True)  # started by root, it stands elsewhere
