"""One webhook sent once: signed after Standard Webhooks, and what became of it.

*What.* From a claimed message to an outcome: never an exception, for every end of a try is data. *Why bounded.* A
receiver may hang, drip or pour; time and bytes are cut off. *Never:* follow a redirect, or try again; the schedule does.
"""

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from aiohttp import ClientResponse, ClientSession
from standardwebhooks import Webhook

from schemas.webhooks.notifications import CONTENT_TYPE
from services.chassis.web.retry_after import seconds_of
from services.notifications.rules.redaction import without_secrets
from services.notifications.rules.schedule import Outcome
from services.notifications.worker.bounding import TooLarge
from services.notifications.worker.guard import ForbiddenTarget

MOST_READ = 65_536
MOST_KEPT = 4_096
_WORDS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((TimeoutError,), "timeout"),
    ((TooLarge,), "too_large"),
    ((aiohttp.ClientConnectorDNSError,), "dns"),
    ((aiohttp.ClientSSLError, ssl.SSLError), "tls"),
    ((aiohttp.ClientConnectorError,), "connect"),
    ((ValueError,), "forbidden_target"),  # the URL itself is refused by the sender's parser
)
_GONE = 410
_SLOW_DOWN = {429, 502, 503, 504}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message claimed for one try."""

    id: str
    number: int  # of this try
    url: str
    secrets: tuple[str, ...]  # the live ones, the newest first
    body: bytes


def signed(message: Message, now: datetime) -> dict[str, str]:
    """Return the headers that prove who sent it: one signature for each live secret."""
    moment = now.astimezone(UTC)
    text = message.body.decode()
    signatures = [Webhook(secret).sign(message.id, moment, text) for secret in message.secrets]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
        "Content-Type": CONTENT_TYPE,
    }


async def send(session: ClientSession, message: Message, now: datetime) -> Outcome:
    """Send it once and return how that ended."""
    begun = time.perf_counter()
    try:
        async with session.post(
            message.url, data=message.body, headers=signed(message, now), allow_redirects=False
        ) as answer:
            kept = without_secrets(await _read(answer))
            outcome = _judged(answer, kept, now)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        said = str(error)[:300].encode(errors="replace")  # a parser quotes what it could not read
        outcome = Outcome(error=error_of(error), response=without_secrets(said))
    milliseconds = (time.perf_counter() - begun) * 1_000
    return Outcome(
        error=outcome.error,
        status=outcome.status,
        retry_after=outcome.retry_after,
        response=outcome.response,
        milliseconds=milliseconds,
        permanent=outcome.permanent,
    )


async def _read(answer: ClientResponse) -> bytes:
    """Return the first bytes of the answer, reading no more of it than is bounded."""
    kept = b""
    read = 0
    async for chunk in answer.content.iter_chunked(8_192):
        kept += chunk[: MOST_KEPT - len(kept)]
        read += len(chunk)
        if read > MOST_READ:
            answer.close()
            break
    return kept


def _judged(answer: ClientResponse, kept: bytes, now: datetime) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Outcome(status=status, response=kept)
    return Outcome(
        error="http",
        status=status,
        retry_after=seconds_of(answer.headers.get("Retry-After"), now) if status in _SLOW_DOWN else None,
        response=kept,
        permanent=status == _GONE,
    )


def error_of(error: BaseException) -> str:
    """Return the attempt log's word for an exception."""
    seen: list[BaseException] = [error]
    for one in seen:
        if isinstance(one, ForbiddenTarget):
            return "forbidden_target"
        causes: Sequence[BaseException | None] = (
            one.__cause__,
            one.__context__,
            getattr(one, "os_error", None),
        )
        seen += [cause for cause in causes if cause is not None and cause not in seen]
    return next((word for kinds, word in _WORDS if isinstance(error, kinds)), "reset")
