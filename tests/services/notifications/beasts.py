"""Receivers that hang, drip, pour, lie and break, on real sockets: what each does, and what may be made of it."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
AT_A_TIME = 65_536


async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 1000\r\n\r\nhalf")
    await writer.drain()
    found = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def deaf(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer in full, and end the connection that it had promised to keep."""
    writer.write(b"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\nKeep-Alive: timeout=600\r\n\r\n")
    await writer.drain()


def saying(answer: bytes) -> Speak:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return speak


def answering(status: bytes, *headers: bytes) -> Speak:
    lines = b"".join(one + b"\r\n" for one in (b"Content-Length: 0", *headers))
    return saying(b"HTTP/1.1 " + status + b"\r\n" + lines + b"\r\n")


def without_end(head: bytes, piece: bytes, *, pause: float = 0.0) -> Speak:
    """Say the head, and then the same again and again, as fast as it is taken or with a pause between."""
    much = piece if pause else piece * (AT_A_TIME // len(piece))

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(much)
            await writer.drain()
            await asyncio.sleep(pause)

    return speak


@dataclass(frozen=True, slots=True, kw_only=True)
class Beast:
    """How it speaks, the words that its tries may end with (None: delivered), and the status that they may have."""

    speak: Speak
    errors: frozenset[str | None]
    status: int | None = None
    holds: bool = False  # its connections are held until the time of a try is over
    tls: str | None = (
        None  # "silent": no handshake is answered; "plain": by HTTP; "unknown": by nobody's certificate
    )


def one(speak: Speak, *errors: str | None, status: int | None = None, holds: bool = False) -> Beast:
    return Beast(speak=speak, errors=frozenset(errors), status=status, holds=holds)


BEASTS = {
    "hang": one(hang, "timeout", holds=True),
    "drip of a body": one(
        without_end(OK + b"Content-Length: 1000000\r\n\r\n", b"x", pause=0.1), "timeout", holds=True
    ),
    "drip of a head": one(without_end(OK, b"a", pause=0.1), "timeout", holds=True),
    "drip of chunks": one(without_end(CHUNKED, b"1\r\nx\r\n", pause=0.1), "timeout", holds=True),
    "drip of interim answers": one(
        without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.1), "timeout", "too_large"
    ),
    "10 GB": one(without_end(OK + b"Content-Length: 10000000000\r\n\r\n", b"x"), None, status=200),
    "a gzip bomb": one(
        without_end(OK + b"Content-Encoding: gzip\r\nContent-Length: 10000000000\r\n\r\n", b"\0"),
        None,
        status=200,
    ),
    "tiny chunks without end": one(without_end(CHUNKED, b"1\r\nx\r\n"), None, status=200),
    "interim answers without end": one(without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "too_large"),
    "empty lines without end": one(without_end(b"", b"\r\n"), "too_large"),
    "an extension of a chunk without end": one(without_end(CHUNKED + b"1;", b"x"), "too_large"),
    "a size of a chunk without end": one(without_end(CHUNKED, b"0"), "too_large"),
    "headers without end": one(without_end(OK, b"a: b\r\n"), "reset"),
    "a header without end": one(without_end(OK + b"a: ", b"x"), "reset"),
    "a reason without end": one(without_end(b"HTTP/1.1 200 ", b"x"), "reset"),
    "trailers without end": one(without_end(CHUNKED + b"0\r\n", b"a: b\r\n"), "reset"),
    "more than it said": one(
        without_end(OK + b"Content-Length: 2\r\n\r\nok", b"x"), None, "reset", status=200
    ),
    "answers without end": one(without_end(b"", b"HTTP/1.1 204 No Content\r\n\r\n"), None, status=204),
    "less than it said": one(saying(OK + b"Content-Length: 1000\r\n\r\nhalf"), "reset"),
    "reset": one(reset, "reset"),
    "closed": one(saying(b""), "reset"),
    "kept alive and closed": one(deaf, None, "reset", status=204),
    "no http": one(saying(os.urandom(1_000)), "reset"),
    "no status": one(saying(b"HTTP/1.1 what?\r\n\r\n"), "reset"),
    "two lengths": one(saying(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), "reset"),
    "500": one(answering(b"500 No"), "http", status=500),
    "429": one(answering(b"429 Slowly", b"Retry-After: 120"), "http", status=429),
    "301": one(answering(b"301 Moved", b"Location: http://169.254.169.254/latest/"), "http", status=301),
    "307 to itself": one(answering(b"307 Again", b"Location: /hook"), "http", status=307),
    "304": one(answering(b"304 Not Modified"), "http", status=304),
    "101": one(answering(b"101 Switching", b"Upgrade: other", b"Connection: upgrade"), "http", status=101),
    "410": one(answering(b"410 Gone"), "http", status=410),
    "a handshake that never comes": Beast(
        speak=hang, errors=frozenset({"timeout"}), holds=True, tls="silent"
    ),
    "http where https is asked for": Beast(
        speak=answering(b"400 Bad"), errors=frozenset({"tls"}), tls="plain"
    ),
    "a certificate that nobody vouches for": Beast(
        speak=answering(b"200 OK"), errors=frozenset({"tls"}), tls="unknown"
    ),
}


@asynccontextmanager
async def at_large(beast: Beast, folder: Path) -> AsyncIterator[str]:
    """A server on the loopback address that behaves so; its URL."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if beast.tls not in {"silent", "plain"}:
                await reader.readuntil(b"\r\n\r\n")
            await beast.speak(reader, writer)
        except (
            ConnectionError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            asyncio.CancelledError,
        ):
            pass
        finally:
            writer.close()

    context = None
    if beast.tls == "unknown":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(await asyncio.to_thread(self_signed, folder))
    server = await asyncio.start_server(met, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'http' if beast.tls is None else 'https'}://127.0.0.1:{port}/hook"
    finally:
        server.close()


def self_signed(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    made = (
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
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
