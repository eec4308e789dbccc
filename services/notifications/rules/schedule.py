"""When a message is tried again, and when an endpoint is given up: the published schedule as pure functions.

*What.* Ten tries over about 76 hours, jitter added and never taken away; what each answer means. *Why additive.* A
receiver may rely on the least distance between two tries. *Never:* read a clock or roll a die; both are arguments.
Source: Standard Webhooks 1.0, ecosystem reference §1.4.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.webhooks.notifications import ENDPOINT_PINGED

DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""How long after the try before it each try comes; the first one at once."""

PING_TRIES = 4
"""How often a ping is tried, over 35 minutes: its address has agreed to nothing, and who wants another asks for it."""

JITTER = 0.1
"""At most so large a part of a delay is added to it."""

UNSIGNED = "unsigned"
"""The word of a try that could not be signed: the key that sealed the endpoint's secrets is not the one at hand."""

FAULT = "internal"
"""The word of a try that a fault of this system's own ended."""

LONGEST_WAIT = timedelta(hours=24)
LONGEST_APART = LONGEST_WAIT * (1 + JITTER) + timedelta(days=1)
"""Two tries of one message lie no further apart, quiet hours between them included."""

WARN_AFTER = timedelta(hours=24)
DISABLE_AFTER = timedelta(days=5)
LEAST_FAILURES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one try ended. `status` is HTTP's or SMTP's; `retry_after` in seconds; `response` the first bytes."""

    error: str | None = None  # None: delivered
    status: int | None = None
    retry_after: float | None = None
    response: bytes = b""
    milliseconds: float = 0.0
    permanent: bool = False  # nothing is gained by trying again
    nobody: bool = False  # a mail, and nobody is at its address

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.error is None


def next_try(
    tries: int, *, ended: datetime, outcome: Outcome, die: float, most: int = len(DELAYS)
) -> datetime | None:
    """Return when the try after `tries` of at `most` so many is due, None if none follows; `die` is in [0, 1)."""
    if outcome.permanent or tries >= most:
        return None
    delay = DELAYS[tries]
    if outcome.retry_after is not None:
        delay = max(delay, min(timedelta(seconds=outcome.retry_after), LONGEST_WAIT))
    return ended + delay * (1 + JITTER * die)


def after_interruption(
    tries: int, *, in_a_row: int, ended: datetime, die: float, most: int = len(DELAYS)
) -> datetime | None:
    """Return when the try after an interrupted one is due, None if none follows; `in_a_row` counts those just before, it included.

    The first is made up for at once, for the receiver has no part in it. Those in a row wait as long as the first tries
    of the schedule do: what ends every process that tries it is no accident.
    """
    if tries >= most:
        return None
    return ended + DELAYS[in_a_row - 1] * (1 + JITTER * die)


def most_tries(kind: str) -> int:
    """Return how many tries a message of this type gets."""
    return PING_TRIES if kind == ENDPOINT_PINGED else len(DELAYS)


def gives_up(*, failing_since: datetime, failures: int, now: datetime) -> bool:
    """Whether an endpoint has failed so long, and so often, that it is disabled."""
    return failures >= LEAST_FAILURES and now - failing_since >= DISABLE_AFTER


def warns(*, outage_since: datetime, now: datetime) -> bool:
    """Whether an outage has lasted so long that its people should hear of it, and that it may be the last."""
    return now - outage_since >= WARN_AFTER
