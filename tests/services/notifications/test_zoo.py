"""Receivers that hang, drip, pour, lie and break: the healthy ones are served at once, and memory is bounded."""

import asyncio
import resource
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.notifications.worker import slots
from services.notifications.worker.webhooks import MOST_KEPT
from tests.services.notifications.hall import Hall, open_hall
from tests.services.notifications.village import Receiver, receiving

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"


async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD % b"200 OK" + b"Content-Length: 1000000\r\n\r\n")
    for _ in range(600):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.1)


async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD % b"200 OK" + b"Content-Length: 10000000000\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD % b"200 OK" + b"Content-Length: 1000\r\n\r\nhalf")
    await writer.drain()
    found = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def answering(status: bytes, *headers: bytes) -> Speak:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            HEAD % status + b"".join(one + b"\r\n" for one in headers) + b"Content-Length: 0\r\n\r\n"
        )
        await writer.drain()

    return speak


@asynccontextmanager
async def beast(speak: Speak) -> AsyncIterator[str]:
    """A server on the loopback address that behaves badly; its URL."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await speak(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        server.close()


BEASTS = {
    "hang": (hang, "timeout", None),
    "drip": (drip, "timeout", 200),
    "pour": (pour, None, 200),
    "reset": (reset, "reset", 200),
    "500": (answering(b"500 No"), "http", 500),
    "429": (answering(b"429 Slowly", b"Retry-After: 120"), "http", 429),
    "301": (answering(b"301 Moved", b"Location: http://169.254.169.254/latest/"), "http", 301),
    "410": (answering(b"410 Gone"), "http", 410),
    "no http": (answering(b"what?"), "reset", None),
}


async def made(hall: Hall, url: str, number: int) -> str:
    """Put an active endpoint there without asking it: a beast would not answer its ping."""
    from sqlalchemy import insert

    from services.notifications.rules.keys import Keys, new_secret
    from services.notifications.tables import ENDPOINTS, SECRETS

    keys: Keys = hall.runtime.state["keys"]
    identifier, now = f"00000000-0000-4000-8000-{number:012d}", "2026-11-23T12:00:00.000000Z"
    row = {"id": identifier, "organisation": f"o{number}", "revision": 1, "state": "active", "url": url}
    async with hall.runtime.database.write() as connection:
        await connection.execute(
            insert(ENDPOINTS).values(row | {"failures": 0, "created_at": now, "changed_at": now})
        )
        secret = {"id": f"s{number}", "endpoint": identifier, "sealed": keys.seal(new_secret())}
        await connection.execute(insert(SECRETS).values(secret | {"created_at": now}))
    return identifier


async def queue(hall: Hall, endpoint: str, count: int) -> None:
    from sqlalchemy import insert

    from services.notifications.commands.queueing import event_row
    from services.notifications.tables import DELIVERIES

    row = {"id": endpoint, "organisation": "o", "failing_since": None}
    rows = [
        event_row(row, "org.comity.endpoint.tested.v1", to=endpoint, now=hall.clock.moment)
        for _ in range(count)
    ]
    async with hall.runtime.database.write() as connection:
        await connection.execute(insert(DELIVERIES), rows)


async def drive(hall: Hall, *, until: Callable[[], bool]) -> None:
    while not until():
        if not await hall.dispatcher.turn() and hall.dispatcher._tasks:
            await asyncio.wait(hall.dispatcher._tasks, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)


async def test_the_healthy_are_served_at_once_beside_a_whole_zoo(tmp_path: Path) -> None:
    few = {"attempt_seconds": 2.0, "concurrency": 64, "endpoint_concurrency": 4}
    async with AsyncExitStack() as stack:
        hall = await stack.enter_async_context(open_hall(tmp_path, notifications=few))
        loop = asyncio.get_running_loop()
        healthy: list[Receiver] = [await stack.enter_async_context(receiving()) for _ in range(20)]
        ends = [await made(hall, one.url, number) for number, one in enumerate(healthy, 100)]
        begun = loop.time()
        for end in ends:
            await queue(hall, end, 5)
        await drive(hall, until=lambda: sum(len(one.taken) for one in healthy) == 100)
        alone = loop.time() - begun  # what this machine needs for them without a zoo
        await hall.dispatch()
        named = {}
        for number, (name, (speak, _, _)) in enumerate(BEASTS.items(), 1):
            named[name] = await made(hall, await stack.enter_async_context(beast(speak)), number)
            await queue(hall, named[name], 12)  # in front of everybody else's
        for one, end in zip(healthy, ends, strict=True):
            one.taken.clear()
            await queue(hall, end, 5)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = loop.time()
        arrived: list[float] = []

        def all_served() -> bool:
            count = sum(len(one.taken) for one in healthy)
            arrived.extend([loop.time() - begun] * (count - len(arrived)))
            return count == 100

        await drive(hall, until=all_served)
        assert sorted(arrived)[98] <= max(5.0, 5 * alone)
        await drive(hall, until=lambda: not hall.dispatcher._tasks and not hall.dispatcher._ended)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 100 * 1024  # kB
        for name, (_, error, status) in BEASTS.items():
            rows = await hall.rows(
                "SELECT error, status, length(response) AS size FROM attempts JOIN deliveries ON id = delivery "
                "WHERE deliveries.endpoint = :endpoint AND outcome IS NOT NULL",
                endpoint=named[name],
            )
            assert rows, name
            assert {one["error"] for one in rows} <= {error, "connect"}, name
            assert error in {one["error"] for one in rows}, name
            assert all(one["status"] in {status, None} for one in rows), name
            assert all((one["size"] or 0) <= MOST_KEPT for one in rows)
            begun_there = await hall.rows(
                "SELECT count(*) AS n FROM attempts JOIN deliveries ON id = delivery WHERE deliveries.endpoint = :endpoint",
                endpoint=named[name],
            )
            if name in {"hang", "drip"}:
                assert begun_there[0]["n"] <= 4 * 4  # four at once, and a try lasts two seconds


async def test_twenty_that_hang_leave_the_places_of_the_others_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "SLOW_AFTER", 0.3)
    async with AsyncExitStack() as stack:
        hall = await stack.enter_async_context(open_hall(tmp_path))  # 64 places, 15 seconds for a try
        for number in range(1, 21):
            await queue(hall, await made(hall, await stack.enter_async_context(beast(hang)), number), 12)
        healthy = [await stack.enter_async_context(receiving()) for _ in range(20)]
        for number, one in enumerate(healthy, 100):
            await queue(hall, await made(hall, one.url, number), 5)
        async with asyncio.timeout(60):
            await drive(hall, until=lambda: sum(len(one.taken) for one in healthy) == 100)
        ended = await hall.rows("SELECT error FROM attempts WHERE ended_at IS NOT NULL")
        assert {one["error"] for one in ended} <= {None}  # no try that hangs had to end for them
        [begun] = await hall.rows("SELECT count(*) AS n FROM attempts")
        assert begun["n"] == 100 + 20 * 4  # those that hang were not begun anew beside it
        for task in hall.dispatcher._tasks:
            task.cancel()


async def test_those_that_timed_out_have_a_part_of_the_places_together(tmp_path: Path) -> None:
    few = {"attempt_seconds": 0.3, "concurrency": 16}
    async with AsyncExitStack() as stack:
        hall = await stack.enter_async_context(open_hall(tmp_path, notifications=few))
        for number in range(1, 9):
            await queue(hall, await made(hall, await stack.enter_async_context(beast(hang)), number), 30)
        while await hall.rows("SELECT id FROM endpoints WHERE failures = 0"):
            await hall.dispatcher.turn()
            if hall.dispatcher._tasks:
                await asyncio.wait(hall.dispatcher._tasks)
        await hall.dispatcher.turn()
        assert len(hall.dispatcher._tasks) == 16 // slots.HANGING_PART
        healthy = await stack.enter_async_context(receiving())
        await queue(hall, await made(hall, healthy.url, 100), 4)
        await hall.dispatcher.turn()
        assert len(hall.dispatcher._tasks) == 16 // slots.HANGING_PART + 4  # all of its own, at once
        while hall.dispatcher._tasks:
            await asyncio.wait(hall.dispatcher._tasks)


async def test_a_certificate_that_nobody_vouches_for_is_no_receiver(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = await asyncio.to_thread(self_signed, tmp_path)
    context.load_cert_chain(certificate)
    taken: list[Any] = []
    server = await asyncio.start_server(lambda *given: taken.append(given), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with open_hall(tmp_path / "hall") as hall:
        await queue(hall, await made(hall, f"https://127.0.0.1:{port}/", 1), 1)
        await hall.dispatch()
        [row] = await hall.rows("SELECT error FROM attempts")
        assert row["error"] == "tls"
    server.close()
    assert taken == []


def self_signed(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 with its key, signed by itself."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    made_ = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made_.public_bytes(serialization.Encoding.PEM))
    return path


async def test_names_that_are_never_answered_hold_up_no_other_name_and_no_other_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, real = threading.Event(), socket.getaddrinfo

    def looked_up(host: Any, port: Any, *given: Any, **named: Any) -> Any:
        if str(host).startswith("silent"):
            asked.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "nobody answered")
        return real("127.0.0.1" if host == "healthy.test" else host, port, *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    by_name = {"public_addresses": True, "attempt_seconds": 5.0}
    async with receiving() as receiver, open_hall(tmp_path, notifications=by_name) as hall:
        try:
            for number in range(1, 11):
                await queue(hall, await made(hall, f"http://silent-{number}.test/", number), 4)
            healthy = await made(hall, receiver.url.replace("127.0.0.1", "healthy.test"), 11)
            await queue(hall, healthy, 4)
            async with asyncio.timeout(20):
                await drive(hall, until=lambda: len(receiver.taken) == 4)
                assert await asyncio.to_thread(lambda: "done") == "done"
        finally:
            asked.set()
            await hall.dispatch()
