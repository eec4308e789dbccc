"""Idempotency-Key: the same request sent twice is done once, and answered twice.

The stored answer is a row of the command's own transaction, so a crash leaves both or neither. A key belongs to one
principal and one route for 24 hours. A request that was refused is not stored: it changed nothing, and may be sent
again under its key.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import orjson
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from services.chassis.runtime import timestamp
from services.chassis.web.problems import IdempotencyInFlight, IdempotencyMismatch, InvalidParameter

KEPT_FOR = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def attach(metadata: MetaData) -> Table:
    """Add the table of stored answers to a service's tables and return it."""
    return Table(
        "idempotency",
        metadata,
        Column("principal", Text, primary_key=True),
        Column("route", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("body_digest", Text, nullable=False),
        Column("status", Integer, nullable=False),
        Column("headers", LargeBinary, nullable=False),  # JSON object
        Column("body", LargeBinary, nullable=False),
        Column("created_at", Text, nullable=False, index=True),
    )


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key with what it belongs to."""

    principal: str
    route: str
    key: str
    body_digest: str


def read_key(header: str | None, *, principal: str, route: str, body: bytes) -> Key | None:
    """Return the key that the header names. Raises InvalidParameter if it is none."""
    if header is None:
        return None
    if not _KEY.fullmatch(header):
        raise InvalidParameter(
            "Idempotency-Key must be 1 to 255 visible ASCII characters.",
            errors=[
                {
                    "header": "Idempotency-Key",
                    "rule": "idempotency-key",
                    "detail": "It is no key.",
                    "fix": "Send a random UUID, for example.",
                }
            ],
        )
    return Key(principal, route, header, sha256(body).hexdigest())


@contextmanager
def in_flight(keys: set[Key], key: Key | None) -> Iterator[None]:
    """Hold the key while its request is worked on in this process. Raises IdempotencyInFlight if it is held."""
    if key is None:
        yield
        return
    if any((held.principal, held.route, held.key) == (key.principal, key.route, key.key) for held in keys):
        raise IdempotencyInFlight(headers={"Retry-After": "1"})
    keys.add(key)
    try:
        yield
    finally:
        keys.discard(key)


async def forget_expired(connection: AsyncConnection, *, now: datetime) -> None:
    """Delete the answers that no key brings back any more."""
    await connection.execute(
        text("DELETE FROM idempotency WHERE created_at < :horizon"), {"horizon": timestamp(now - KEPT_FOR)}
    )


async def forget_naming(connection: AsyncConnection, identifier: str) -> None:
    """Delete the stored answers that name what is erased; a request repeated under such a key is done anew."""
    place = "position(:named IN body)" if connection.dialect.name == "postgresql" else "instr(body, :named)"
    await connection.execute(
        text(f"DELETE FROM idempotency WHERE {place} > 0"),  # noqa: S608 - one of the two above
        {"named": identifier.encode()},
    )


async def stored_answer(connection: AsyncConnection, key: Key, *, now: datetime) -> Response | None:
    """Return the answer stored under the key, if any, after taking the key for this transaction.

    Raises IdempotencyMismatch if it was given to another body, IdempotencyInFlight if another process works on it.
    """
    if connection.dialect.name == "postgresql":
        taken = await connection.execute(
            text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"),
            {"name": f"idempotency {key.principal} {key.route} {key.key}"},
        )
        if not taken.scalar_one():
            raise IdempotencyInFlight(headers={"Retry-After": "1"})
    await forget_expired(connection, now=now)
    found = (
        await connection.execute(
            text(
                "SELECT body_digest, status, headers, body FROM idempotency "
                "WHERE principal = :principal AND route = :route AND key = :key"
            ),
            {"principal": key.principal, "route": key.route, "key": key.key},
        )
    ).one_or_none()
    if found is None:
        return None
    if found.body_digest != key.body_digest:
        raise IdempotencyMismatch
    headers = orjson.loads(found.headers) | {"Idempotency-Replayed": "true"}
    return Response(bytes(found.body), status_code=found.status, headers=headers)


async def store_answer(connection: AsyncConnection, key: Key, response: Response, *, now: datetime) -> None:
    """Store the answer in the command's transaction."""
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    await connection.execute(
        text(
            "INSERT INTO idempotency (principal, route, key, body_digest, status, headers, body, created_at) "
            "VALUES (:principal, :route, :key, :body_digest, :status, :headers, :body, :created_at)"
        ),
        {
            "principal": key.principal,
            "route": key.route,
            "key": key.key,
            "body_digest": key.body_digest,
            "status": response.status_code,
            "headers": orjson.dumps(headers),
            "body": bytes(response.body),
            "created_at": timestamp(now),
        },
    )
