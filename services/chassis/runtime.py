"""What one service is, and what it runs on in one process.

`Service` is the descriptor that each service exports; `Runtime` holds what was built for it. Why: nothing has to be
global, the same service runs alone or beside others, and no code path asks which. This module must not build
databases or transports itself: `lifecycle` does, and passes them in.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter
from sqlalchemy import MetaData

from services.chassis.database import Database
from services.chassis.settings import Settings
from services.chassis.telemetry import Metrics

if TYPE_CHECKING:
    from services.chassis.bus.owner import Owner
    from services.chassis.bus.reader import Reader
    from services.chassis.bus.relay import Relayed
    from services.chassis.bus.transport import Transport

Role = Literal["all", "api", "worker", "relay"]
"""What a process does of its services: answer requests, consume and compute, take outboxes to the log, or everything."""

Run = Callable[[asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A background loop; `run` returns soon after its event is set, and whatever it raises ends the process."""

    name: str
    run: Run


def no_loops(runtime: "Runtime") -> tuple[Loop, ...]:
    """Return no loops: the default of a service without background work of its own."""
    del runtime
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The descriptor of a service: what it is called, serves, owns and runs."""

    name: str
    title: str
    """One sentence, for OpenAPI and for `/`."""
    prefixes: tuple[str, ...]
    """Disjoint path prefixes, such as "/v1/projects"."""
    metadata: MetaData
    routers: Callable[[], tuple[APIRouter, ...]]
    topics: tuple[str, ...] = ()
    """The topics that this service alone writes to."""
    linger_seconds: float = 0.0
    """How long its relay waits for more events after the first."""
    owner: "Owner | None" = None
    """How what stands on those topics is said again."""
    relayed: "Callable[[Runtime], Relayed] | None" = None
    """Makes what is handed each event that has reached the log, once and in order."""
    readers: "tuple[Reader, ...]" = ()
    """Its groups on the topics of others."""
    webhooks: "Callable[[], Mapping[str, Any]] | None" = None
    """What it sends to endpoints of others, for OpenAPI: `webhooks` by type and their `schemas`."""
    loops: "Callable[[Runtime], tuple[Loop, ...]]" = no_loops
    """Consumers and sweeps of the role "worker"."""
    body_limits: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Bytes by path, where a body may be larger than usual."""
    unread_bodies: tuple[str, ...] = ()
    """Beginnings of paths that take a body of any type, for nobody reads it."""
    followers: "Callable[[Runtime], tuple[Loop, ...]]" = no_loops
    """Loops of every role but "relay", such as what keeps an index fresh."""
    startup: "Callable[[Runtime], Awaitable[None]] | None" = None
    """Runs before ready, in every role but "relay"."""
    readiness: "Callable[[Runtime], Awaitable[Mapping[str, str | None]]] | None" = None
    """Why a part is not ready, or None, by part."""
    progress: "Callable[[Runtime], Awaitable[Mapping[str, Any]]] | None" = None
    """Figures for /progress."""
    measure: "Callable[[Runtime], Awaitable[None]] | None" = None
    """Sets its gauges when the process is scraped."""


class Signals:
    """In-process wake-ups by name. Other processes are found out by polling, so a lost wake-up costs time only.

    Who looks at something and then waits takes a `mark` before looking, so that what happens in between is not lost.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._given: dict[str, int] = {}

    def mark(self, name: str) -> int:
        """Return how often the name was given so far: what `wait` takes as `since`."""
        return self._given.get(name, 0)

    def notify(self, name: str) -> None:
        """Wake everybody who waits for this name now."""
        self._given[name] = self._given.get(name, 0) + 1
        for waiter in self._waiting.pop(name, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def wait(
        self,
        name: str,
        timeout: float,  # noqa: ASYNC109 - the timeout is the poll interval
        *,
        since: int | None = None,
    ) -> bool:
        """Wait for the name, at most `timeout` seconds; at once if it was given after `since`. Whether it was."""
        if since is not None and self.mark(name) != since:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, set()).add(waiter)
        try:
            await asyncio.wait_for(waiter, timeout)
        except TimeoutError:
            return False
        finally:
            rest = self._waiting.get(name)
            if rest is not None:
                rest.discard(waiter)
                if not rest:
                    del self._waiting[name]
        return True


class Clock:
    """The only place where the time of day is read; tests pass their own."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back, for durations."""
        return time.monotonic()


def timestamp(moment: datetime) -> str:
    """Return an aware moment as RFC 3339 text in UTC with microseconds; such texts sort by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


@dataclass(kw_only=True)
class Runtime:
    """One service in one process, with all that it stands on."""

    settings: Settings
    service: Service
    database: Database
    transport: "Transport"
    signals: Signals = field(default_factory=Signals)
    clock: Clock = field(default_factory=Clock)
    metrics: Metrics = field(default_factory=Metrics)
    role: Role = "all"
    stopping: asyncio.Event = field(default_factory=asyncio.Event)  # set when no request may last any longer
    state: dict[str, Any] = field(default_factory=dict)  # the service's own long-lived objects
