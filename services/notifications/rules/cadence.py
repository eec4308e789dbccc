"""When something may be sent: quiet hours are held, not dropped, and digests come at the subscriber's own hour.

*What.* Local wall time of a time zone against the moment now. *Why local.* "Not at night" means the reader's night, also
where clocks change. *Never:* read a clock; the moment is an argument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Cadence = Literal["instant", "daily", "weekly", "monthly"]

DIGEST_HOUR = time(8, 0)
"""The local time at which a digest is sent: mornings, Mondays, the first of a month."""

REMINDED_BEFORE: Mapping[Cadence, tuple[int, int]] = {
    "instant": (5, 1),
    "daily": (5, 1),
    "weekly": (7, 1),
    "monthly": (31, 1),
}
"""So many days before a deadline it is told once more: where digests come seldom, so early that one comes before it."""

CAP_WINDOW = timedelta(days=7)
"""So many days a subscription's cap counts over, today among them."""
FURTHEST: Mapping[Cadence, timedelta] = {
    "instant": CAP_WINDOW + timedelta(days=3),
    "daily": CAP_WINDOW + timedelta(days=3),
    "weekly": CAP_WINDOW + timedelta(days=9),
    "monthly": CAP_WINDOW + timedelta(days=33),
}
"""No digest is due later than this from now, held by the cap and by quiet hours: a clock that was ahead wrote what is beyond."""
_QUIET_AT_MOST = timedelta(days=1, hours=2)  # also where clocks change meanwhile
FIRST_TRY: Mapping[Cadence, timedelta] = {
    "instant": _QUIET_AT_MOST,
    "daily": timedelta(days=1) + _QUIET_AT_MOST,
    "weekly": timedelta(days=7) + _QUIET_AT_MOST,
    "monthly": timedelta(days=31) + _QUIET_AT_MOST,
}
"""No webhook is first tried later than this from now: at its hour, held by quiet hours and by no cap."""
_JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day, local, in which nothing is sent; `start` after `end` goes over midnight."""

    start: time
    end: time

    def holds_at(self, local: time) -> bool:
        """Whether this local time lies in the quiet hours."""
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


def released(now: datetime, quiet: Quiet | None, zone: str) -> datetime:
    """Return the first moment from now on that is not quiet."""
    if quiet is None or quiet.start == quiet.end:
        return now
    local = now.astimezone(ZoneInfo(zone))
    if not quiet.holds_at(local.time()):
        return now
    day = local.date() if local.time() < quiet.end else local.date() + timedelta(days=1)
    end = datetime.combine(day, quiet.end, ZoneInfo(zone)).replace(
        fold=local.fold
    )  # of an hour that comes twice
    return max(now, end.astimezone(UTC))


def next_under_cap(
    due: Sequence[datetime], *, cap: int, now: datetime, cadence: Cadence, quiet: Quiet | None, zone: str
) -> datetime | None:
    """Return when a digest that is due now may leave instead, as the cap is reached; None: now.

    `due` is when the subscription's own digests were due, the only thing looked at. Days are counted where the reader is:
    from one Monday morning to the next are seven of them, also where clocks change between. Days to come are those of a
    clock that was ahead, and count for nothing.
    """
    today = now.astimezone(ZoneInfo(zone)).date()
    days = sorted(moment.astimezone(ZoneInfo(zone)).date() for moment in due)
    counted = [day for day in days if today - CAP_WINDOW < day <= today]
    if len(counted) < cap:
        return None
    free = datetime.combine(counted[-cap] + CAP_WINDOW, time.min, ZoneInfo(zone)).astimezone(UTC)
    return next_digest(free - _JUST_BEFORE, "daily" if cadence == "instant" else cadence, quiet, zone)


def next_digest(now: datetime, cadence: Cadence, quiet: Quiet | None, zone: str) -> datetime:
    """Return when the next digest is due, strictly after now; of "instant" as soon as it is not quiet."""
    if cadence == "instant":
        return released(now, quiet, zone)
    day = now.astimezone(ZoneInfo(zone)).date()
    while True:
        if _is_day_of(cadence, day):
            due = datetime.combine(day, DIGEST_HOUR, ZoneInfo(zone)).astimezone(UTC)
            if due > now:
                return released(due, quiet, zone)
        day += timedelta(days=1)


def day_reminded(today: date, cadence: Cadence, zone: str) -> date:
    """Return the last day (local) whose digests leave before the day after `today` begins in UTC; of "instant" today itself.

    Reminders are looked for as a day begins in UTC, when far in the east the digests of that day have left.
    """
    if cadence == "instant":
        return today
    next_look = datetime.combine(today + timedelta(days=1), time.min, UTC).astimezone(ZoneInfo(zone))
    return next_look.date() if next_look.time() >= DIGEST_HOUR else next_look.date() - timedelta(days=1)


def _is_day_of(cadence: Cadence, day: date) -> bool:
    if cadence == "weekly":
        return day.weekday() == 0
    return day.day == 1 if cadence == "monthly" else True
