"""`Retry-After`, as others may write it: a number of seconds, or a date.

What: one header value → seconds from now. Why one reader: whoever is told to come again later (a receiver's answer, a
gateway's) is told in either form, RFC 9110 §10.2.3. It must not decide how long anybody waits at most.
"""

from datetime import datetime
from email.utils import parsedate_to_datetime


def seconds_of(value: str | None, now: datetime) -> float | None:
    """Return how many seconds after `now` (aware) one may ask again, 0 where that is past; None for what is neither form."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (TypeError, ValueError, OverflowError):  # the last: a number no calendar or clock has
        return None
