"""A request that is asked again while the server is too busy for it, or a gateway reaches nobody behind it.

What: up to so many tries, as far apart as `Retry-After` says and longer each time. Why: what is away is back in a moment as
a rule, and a command of an hour must not end for that. It must not ask again what was answered, and must not send what may
not be sent twice: a write is conditional, or has its `Idempotency-Key`.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2

from services.chassis.web.retry_after import seconds_of
from services.console.connection import BUSY, Connection, sentence_of
from services.console.exits import Ended, Exit

TRIES = 8
LONGEST_WAIT = 30.0
"""Seconds between two tries, however late the server wants to be asked again."""

_GROWTH = 1.5
"""Each wait is so many times what the last would have been: the times for which something is away differ widely."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer. `unsure`: a gateway lost the answer to an earlier try, so what that one asked for may have been done."""

    answer: httpx2.Response
    unsure: bool


def ask(
    connection: Connection,
    method: str,
    path: str,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Asked:
    """Send a request until it is answered. Raises Ended (unreachable) where the last try too found the server busy."""
    unsure = False
    for tried in range(TRIES):
        answer = connection.send(method, path, body=body, headers=headers)
        if not _later(answer):
            return Asked(answer, unsure)
        unsure |= answer.status_code in {502, 504}
        if tried + 1 < TRIES:
            wanted = seconds_of(answer.headers.get("Retry-After"), datetime.now(UTC))
            time.sleep(min((1.0 if wanted is None else wanted) * _GROWTH**tried, LONGEST_WAIT))
    raise Ended(
        Exit.UNREACHABLE,
        f"The server put {method} {path} off {TRIES} times, the last time with {sentence_of(answer)}",
    )


def _later(answer: httpx2.Response) -> bool:
    """Whether the server asks to come again; 409 with `Retry-After` means that the same request is being worked on."""
    return answer.status_code in BUSY or (answer.status_code == 409 and "Retry-After" in answer.headers)
