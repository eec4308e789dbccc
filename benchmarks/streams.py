"""The match feed without its ranker: who writes entries, who serves them, and plain clients that read streams.

What: `matches` under the lifecycle that serves it always, with relay, feed, tail and routes as they are; in place of the
ranker a loop posts standings into the outbox. `Served` runs it in processes that can be killed and come again on the
same port and files. Clients speak HTTP over bare sockets, so that a thousand of them cost less than what they measure. It
must not take a shorter way from outbox to socket than the service does.
"""

import asyncio
import base64
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from migrations.running import migrate
from schemas.envelope import Event
from schemas.topics import topics_of
from services.chassis.bus import outbox
from services.chassis.identity.verification import Verifier
from services.chassis.lifecycle import open_transport, run_services, run_until_signalled
from services.chassis.reference import load_reference
from services.chassis.runtime import Loop, Runtime, Service
from services.chassis.settings import Settings, load_settings
from services.chassis.telemetry import set_up_logs
from services.console.parts.processes import free_port
from services.matches import SERVICE, events
from services.matches.queries.register import Register
from services.matches.routes.sending import open_places
from services.matches.worker.tail import Tail

STREAM, FEED = "/v1/streams/matches", "/v1/feeds/matches"
PROJECTS = 40
_SEED = 42
_LARGEST = 100_000


def standing(number: int, runtime: Runtime) -> Event:
    """Make the event of a pair that came above the floor; every number is another pair."""
    project = str(uuid.uuid5(uuid.NAMESPACE_OID, f"project {number % PROJECTS}"))
    organisation = str(uuid.uuid5(uuid.NAMESPACE_OID, f"organisation {number}"))
    row = {"organisation": organisation, "points": number, "fit": number % 1000, "band": "good"}
    return events.standing_crossed(project, row, 1, incarnation=1, clock=runtime.clock)


async def post(runtime: Runtime, first: int, count: int) -> None:
    """Put so many standings into the outbox, as a ranking pass does."""
    async with runtime.database.write() as connection:
        made = [standing(number, runtime) for number in range(first, first + count)]
        await outbox.post_all(connection, made, max_record_bytes=_LARGEST)


def key() -> Ed25519PrivateKey:
    """Return the key that signs the tokens: the same in every process of a run."""
    return Ed25519PrivateKey.from_private_bytes(_SEED.to_bytes(32, "big"))


def token(settings: Settings, *, seconds: int = 86_000, organisation: str | None = None) -> str:
    """Return a token good for so long: an organisation's reader's, or else an analyst's."""
    now = int(time.time())
    claims = {
        "iss": settings.issuer,
        "aud": settings.identity.audience,
        "sub": "analyst-1",
        "iat": now - 60,
        "exp": now + seconds,
        "roles": ["organisation_reader"] if organisation else ["bdt_analyst"],
    } | ({"organisation": organisation} if organisation else {})
    return jwt.encode(claims, key(), algorithm="EdDSA", headers={"kid": "k1"})


def verifier(settings: Settings) -> Verifier:
    """Return who accepts those tokens."""
    public = key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    published = {
        "keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "alg": "EdDSA", "use": "sig", "x": x}]
    }

    async def keys() -> dict[str, Any]:
        return published

    return Verifier(keys, issuer=settings.issuer, audience=settings.identity.audience)


def feed_only(*, every: float, burst: int, total: int) -> Service:
    """Return `matches` with a loop that posts `burst` standings every so many seconds, `total` in all, as its worker."""

    async def startup(runtime: Runtime) -> None:
        runtime.state["reference"] = load_reference()
        runtime.state["register"] = Register(runtime.state["reference"])
        runtime.state["tail"] = Tail(runtime)
        open_places(runtime)

    def writing(runtime: Runtime) -> tuple[Loop, ...]:
        async def run(stop: asyncio.Event) -> None:
            async with runtime.database.read() as connection:
                waiting = await outbox.oldest(connection, limit=100_000)
                fed = await connection.exec_driver_sql("SELECT coalesce(max(position), 0) FROM feed")
                number = int(fed.scalar_one()) + len(waiting)
            while not stop.is_set():
                if number < total:
                    await post(runtime, number, burst)
                    number += burst
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), every)

        return (Loop(name="writing", run=run),)

    def following(runtime: Runtime) -> tuple[Loop, ...]:
        return (Loop(name="matches.tail", run=runtime.state["tail"].run),)

    return replace(
        SERVICE,
        startup=startup,
        loops=writing,
        followers=following,
        readers=(),
        readiness=None,
        progress=None,
    )


def settings_of(folder: Path, port: int, **matches: Any) -> Settings:
    """Return the settings of a run."""
    return load_settings(
        data_folder=folder,
        http={"port": port, "requests_per_minute": 0},
        matches=matches,
        telemetry={"level": "error", "format": "json"},
        lifecycle={"stop_seconds": 60},
    )


async def prepare(settings: Settings) -> None:
    """Make tables and topics."""
    await asyncio.to_thread(migrate, settings, ["log", "matches"])
    async with open_transport(settings) as transport:
        await transport.create_topics(topics_of("matches"))


@dataclass(kw_only=True)
class Served:
    """The feed served by a process of its own, which comes again as often as it is killed. Enter it; `pid` is who serves."""

    folder: Path
    every: float = 0.02
    burst: int = 1
    total: int = 1_000
    port: int = 0
    pid: int = 0
    deaths: int = 0
    _keeper: subprocess.Popen[str] | None = field(default=None, repr=False)

    async def __aenter__(self) -> Self:
        self.port = free_port()
        await prepare(settings_of(self.folder, self.port))
        self._keeper = subprocess.Popen(  # noqa: ASYNC220 - once, before anything runs
            [
                *(sys.executable, "-m", "benchmarks.streams", str(self.folder), str(self.port)),
                *(str(self.every), str(self.burst), str(self.total)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        await self._next()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
            await asyncio.to_thread(self._keeper.wait, 120)
            if self._keeper.stdout is not None:
                self._keeper.stdout.close()

    @property
    def settings(self) -> Settings:
        """The settings under which it serves."""
        return settings_of(self.folder, self.port)

    async def kill(self) -> None:
        """Kill whoever serves, and wait for the next one."""
        os.kill(self.pid, signal.SIGKILL)
        self.deaths += 1
        await self._next()

    async def _next(self) -> None:
        if self._keeper is None or self._keeper.stdout is None:
            raise RuntimeError("It is not entered.")
        line = await asyncio.to_thread(self._keeper.stdout.readline)
        self.pid = int(line)


@asynccontextmanager
async def bare_process(*, every: float = 1.0, page: bytes = b"") -> AsyncIterator[tuple[int, int]]:
    """Run the peer in a process of its own; its port and pid."""
    port = free_port()
    with tempfile.NamedTemporaryFile() as file:
        file.write(page)
        file.flush()
        command = [sys.executable, "-m", "benchmarks.bare_streams", str(port), str(every), file.name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - once, before anything
        try:
            if process.stdout is None:
                raise RuntimeError("It has no output.")
            yield port, int(await asyncio.to_thread(process.stdout.readline))
        finally:
            process.kill()
            process.communicate()


@dataclass(slots=True)
class Frame:
    """One server-sent event; a comment or a mere id has no data."""

    id: str | None
    event: str | None
    data: bytes | None


async def frames(port: int, path: str, headers: dict[str, str]) -> AsyncIterator[Frame]:
    """Read a stream until it ends. Raises OSError where nobody answers, ValueError for another status than 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise ValueError(head.decode())
        held = b""
        while size := int(await reader.readline() or b"0", 16):
            held += (await reader.readexactly(size + 2))[:-2]
            *whole, held = held.split(b"\n\n")
            for block in whole:
                yield _frame(block)
    except asyncio.IncompleteReadError:
        return
    finally:
        writer.close()


def _frame(block: bytes) -> Frame:
    found: dict[bytes, bytes] = {}
    for line in block.split(b"\n"):
        name, _, value = line.partition(b": ")
        found[name] = value
    identifier, event = found.get(b"id"), found.get(b"event")
    return Frame(identifier and identifier.decode(), event and event.decode(), found.get(b"data"))


def _serve(folder: Path, port: int, *, every: float, burst: int, total: int) -> None:
    settings = settings_of(folder, port)
    service = feed_only(every=every, burst=burst, total=total)

    async def main(stop: asyncio.Event) -> None:
        async def ready(_system: object) -> None:
            print(os.getpid(), flush=True)

        await run_services(settings, (service,), ready=ready, stop=stop, verifier=verifier(settings))

    run_until_signalled(main, stop_seconds=settings.lifecycle.stop_seconds)


def _keep(serve: Callable[[], None]) -> None:
    """Fork a server, and another whenever one dies, until our standard input ends: imports are paid once."""
    while True:
        child = os.fork()
        if child == 0:
            try:
                serve()
            finally:
                os._exit(0)
        while True:
            done, _ = os.waitpid(child, os.WNOHANG)
            if done:
                break
            if _is_over():
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return
            time.sleep(0.005)


def _is_over() -> bool:
    import select  # noqa: PLC0415 - of the keeper alone

    return bool(select.select([sys.stdin], [], [], 0)[0])


if __name__ == "__main__":
    arguments = sys.argv[1:]
    set_up_logs(settings_of(Path(arguments[0]), int(arguments[1])).telemetry)
    _keep(
        lambda: _serve(
            Path(arguments[0]),
            int(arguments[1]),
            every=float(arguments[2]),
            burst=int(arguments[3]),
            total=int(arguments[4]),
        )
    )
