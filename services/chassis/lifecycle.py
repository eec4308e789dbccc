"""Starting a process, keeping it honest, and stopping it in good order.

What: opens the log and the databases, runs each service's startup, serves HTTP and runs the background loops of a role,
until a signal, a crash or the caller says stop. A loop that ends by itself ends the process with an error: half a
process that looks alive is the worst kind. Stopping: no new requests, finish those in hand, then the workers, and
the relays last so that what the others wrote still leaves; what is not done by the deadline is cut off, and nothing is
lost by it, because every effect is in a transaction. This module must not know any service by name.
"""

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import uvloop
from starlette.types import ASGIApp

from services.chassis.bus import said
from services.chassis.bus.relay import Relay
from services.chassis.bus.transport import Transport
from services.chassis.database import Database, for_log
from services.chassis.identity.verification import Verifier
from services.chassis.runtime import Loop, Role, Runtime, Service, Signals
from services.chassis.settings import JWKS_PATH, Settings
from services.chassis.telemetry import Metrics, log_of
from services.chassis.web.application import merge_applications

CUT_OFF_SECONDS = 3.0
"""What is cut off at the deadline has this long to let go of its databases, before the process ends without it."""


class ProcessFailed(Exception):  # noqa: N818 - what happened, in the past tense
    """A background loop ended by itself, or the port is taken; the process must exit with an error."""


@dataclass(kw_only=True)
class System:
    """A running set of services in this process."""

    address: str  # where it answers, without a slash at the end
    settings: Settings
    runtimes: tuple[Runtime, ...]
    stop: asyncio.Event = field(default_factory=asyncio.Event)  # set it to stop

    def runtime(self, service: str) -> Runtime:
        """Return the runtime of one service."""
        return next(runtime for runtime in self.runtimes if runtime.service.name == service)


Ready = Callable[[System], Awaitable[None]]
"""Awaited once requests are answered; a stop waits for what it has begun, and its failure ends the process."""


@asynccontextmanager
async def open_transport(
    settings: Settings, *, reading: bool = False, compacting: bool = True
) -> AsyncIterator[Transport]:
    """Open the log that the settings name, and close it at the end.

    `reading`: for who only reads records, beside the one process that an embedded log serves. `compacting`: whether an
    embedded log is compacted meanwhile; not for who reads it from the beginning, for whom what went would never have been.
    """
    if settings.log.transport == "kafka":
        from services.chassis.bus.transports.kafka import KafkaTransport  # noqa: PLC0415 - only where it is used

        transport: Transport = KafkaTransport(settings)
        database = None
    else:
        from services.chassis.bus.transports.sql.log import SqlTransport  # noqa: PLC0415 - only where it is used

        database = for_log(settings)
        transport = SqlTransport(
            database,
            partitions=settings.log.partitions,
            compaction_lag_seconds=settings.log.compaction_lag_seconds,
            tombstone_seconds=settings.log.tombstone_seconds,
            compacting=compacting,
        )
    try:
        if not (reading and database is not None):
            await transport.open()
        try:
            yield transport
        finally:
            await transport.close()
    finally:
        if database is not None:
            await database.close()


@asynccontextmanager
async def open_runtimes(
    settings: Settings,
    services: Sequence[Service],
    *,
    transport: Transport | None = None,
    role: Role = "all",
) -> AsyncIterator[tuple[Runtime, ...]]:
    """Open a runtime for each service, with one log, one set of signals and metrics; run each service's startup.

    What says something on the log is proved first to know what it has said there: raises DatabaseBehind, before anything
    is accepted. A relay reads outboxes only: it starts no service up, so it never holds what they answer from (such as an index).
    """
    async with AsyncExitStack() as stack:
        if transport is None:
            transport = await stack.enter_async_context(open_transport(settings))
        signals, metrics = Signals(), Metrics()
        runtimes = []
        for service in services:
            database = Database.for_service(settings, service.name)
            stack.push_async_callback(database.close)
            runtimes.append(
                Runtime(
                    settings=settings,
                    service=service,
                    database=database,
                    transport=transport,
                    signals=signals,
                    metrics=metrics,
                    role=role,
                )
            )
        for runtime in runtimes:
            if role != "relay":  # a relay does it itself, once it may append
                await said.verify(runtime, runtime.service.owner)
        for runtime in runtimes:
            if runtime.service.startup is not None and role != "relay":
                await runtime.service.startup(runtime)
        yield tuple(runtimes)


async def run_services(
    settings: Settings,
    services: Sequence[Service],
    *,
    role: Role = "all",
    ready: Ready | None = None,
    stop: asyncio.Event | None = None,
    verifier: Verifier | None = None,
) -> None:
    """Run these services in one role until `stop` is set. `ready` is awaited once requests are answered.

    Port 0 takes a free one. A process that publishes the keys reads them at its own address, for the public one may lead
    through what it cannot pass. Every role answers on its port: api and all with
    everything, worker and relay with health and metrics. Raises ProcessFailed if the port is taken or a loop ended.
    """
    listening, settings = listen(settings)
    if settings.identity.jwks_url is None and any(JWKS_PATH in service.prefixes for service in services):
        here = settings.identity.model_copy(update={"jwks_url": settings.own_address + JWKS_PATH})
        settings = settings.model_copy(update={"identity": here})
    with contextlib.closing(listening), collected_seldom():
        async with open_runtimes(settings, services, role=role) as runtimes:
            system = System(
                address=settings.own_address,
                settings=settings,
                runtimes=runtimes,
                stop=stop or asyncio.Event(),
            )
            application = merge_applications(runtimes, verifier=verifier, routes=role in {"all", "api"})
            with spared():
                await _run(system, application, listening, role=role, ready=ready)


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Have the garbage collector go through all generations more seldom: an index is millions of objects without a cycle.

    Otherwise it takes a fifth of the time in which an index is built.
    """
    usual = gc.get_threshold()
    gc.set_threshold(20_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextmanager
def spared() -> Iterator[None]:
    """Keep the garbage collector from stopping every answer for 0.2 s: what was built at start stays, so it is spared."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def listen(settings: Settings) -> tuple[socket.socket, Settings]:
    """Take the port; return the listening socket, and the settings with the port that was taken."""
    family = socket.AF_INET6 if ":" in settings.http.host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is; without, answers wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.http.host, settings.http.port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        port_is_at_fault = error.errno in {errno.EADDRINUSE, errno.EACCES}
        fix = (
            "Set COMITY_HTTP__PORT to another, or to 0 for a free one."
            if port_is_at_fault
            else "Set COMITY_HTTP__HOST to an address of this machine, such as 127.0.0.1."
        )
        raise ProcessFailed(
            f"Port {settings.http.port} of {settings.http.host} cannot be used ({error.strerror}). {fix}"
        ) from error
    listening.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    http = settings.http.model_copy(update={"port": listening.getsockname()[1]})
    return listening, settings.model_copy(update={"http": http})


def run_until_signalled(
    main: Callable[[asyncio.Event], Coroutine[Any, Any, None]], *, stop_seconds: float
) -> None:
    """Run a coroutine function on a fast event loop; SIGTERM and SIGINT set the event that it is given.

    A second signal ends the process at once. So does the time: who is not through `stop_seconds` after the signal, and
    some for what is cut off then, waits for a thread that nobody can cancel. Nothing is lost by it: every effect is in
    a transaction.
    """
    timers: list[threading.Timer] = []

    async def watched() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):

            def on_signal(number: signal.Signals = number) -> None:
                stop.set()
                timers.append(_end_after(stop_seconds + CUT_OFF_SECONDS))
                loop.remove_signal_handler(number)

            loop.add_signal_handler(number, on_signal)
        try:
            await main(stop)
        finally:
            timers.append(_end_after(CUT_OFF_SECONDS))

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(watched())
    finally:
        for timer in timers:
            timer.cancel()


def _end_after(seconds: float) -> threading.Timer:
    """Start a timer that ends the process, unless it is cancelled: closing the event loop waits for its threads."""

    def end() -> None:
        log_of("lifecycle").error("ended with a thread at work", seconds=seconds)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer


async def _run(
    system: System,
    application: ASGIApp,
    listening: socket.socket,
    *,
    role: Role,
    ready: Ready | None,
) -> None:
    log = log_of("lifecycle")
    deadline = system.settings.lifecycle.stop_seconds
    server = _server(application, deadline, trusted_proxies=system.settings.http.trusted_proxies)
    workers, relays = asyncio.Event(), asyncio.Event()
    loops = {
        asyncio.create_task(_watched(loop, stopping, system), name=loop.name): stopping
        for loop, stopping in _loops(system.runtimes, role, workers, relays)
    }
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    stopping = asyncio.create_task(system.stop.wait(), name="stop")
    announcing = asyncio.create_task(_announce(server, system, ready), name="ready")
    tasks = [serving, *loops]
    try:
        await asyncio.wait([announcing, stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        if not announcing.done() or announcing.exception() is None:
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        asked = stopping.done()
        log.info("stopping", because="asked to" if asked else "a part ended")
        try:
            async with asyncio.timeout(deadline):
                if asked and server.started:
                    await asyncio.wait(
                        [announcing]
                    )  # what it made and has not said yet could not be had again
                for runtime in system.runtimes:
                    runtime.stopping.set()
                server.should_exit = True
                await asyncio.wait([serving])
                for event in (workers, relays):
                    event.set()
                    ending = [task for task, its in loops.items() if its is event]
                    if ending:
                        await asyncio.wait(ending)
        except TimeoutError:
            log.warning("cut off", parts=[task.get_name() for task in tasks if not task.done()])
    finally:
        tasks.append(announcing)
        for task in (*tasks, stopping):
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(stopping, return_exceptions=True)
    broken = [
        (task.get_name(), outcome)
        for task, outcome in zip(tasks, outcomes, strict=True)
        if isinstance(outcome, Exception)
    ]
    if broken:
        name, error = broken[0]
        raise ProcessFailed(f"The part {name!r} ended: {type(error).__name__}: {error}") from error


def _loops(
    runtimes: Sequence[Runtime], role: Role, workers: asyncio.Event, relays: asyncio.Event
) -> Iterator[tuple[Loop, asyncio.Event]]:
    for runtime in runtimes:
        if role != "relay":
            for loop in runtime.service.followers(runtime):
                yield loop, workers
        if role in {"all", "worker"}:
            for loop in runtime.service.loops(runtime):
                yield loop, workers
        if role in {"all", "relay"} and "outbox" in runtime.service.metadata.tables:
            service = runtime.service
            relayed = None if service.relayed is None else service.relayed(runtime)
            relay = Relay(runtime, owner=service.owner, linger=service.linger_seconds, relayed=relayed)
            yield Loop(name=f"{service.name} relay", run=relay.run), relays


async def _watched(loop: Loop, stop: asyncio.Event, system: System) -> None:
    gauge = system.runtimes[0].metrics.loops.labels(loop.name)
    gauge.set(1)
    try:
        await loop.run(stop)
    except Exception as error:
        log_of("lifecycle").error("a loop crashed", loop=loop.name, exc_info=error)
        raise
    finally:
        gauge.set(0)
    if not stop.is_set():
        raise ProcessFailed(f"The loop {loop.name} returned without being asked to.")


async def _announce(server: uvicorn.Server, system: System, ready: Ready | None) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, not an event
        await asyncio.sleep(0.005)
    log_of("lifecycle").info("ready", address=system.address)
    if ready is not None:
        await ready(system)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: a process has one way to stop, and it is ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(application: ASGIApp, deadline: float, *, trusted_proxies: str) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            date_header=True,
            proxy_headers=bool(trusted_proxies.strip()),
            forwarded_allow_ips=trusted_proxies,
            timeout_graceful_shutdown=max(1, int(deadline)),
            h11_max_incomplete_event_size=65_536,
        )
    )
