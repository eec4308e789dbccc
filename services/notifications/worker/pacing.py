"""One endpoint's share: how many tries it takes at once and a second, counted in rows and so over all processes.

*What.* What is under way is counted from the messages that are being sent; the rate is one moment in the endpoint's row,
moved on by each try (the generic cell rate algorithm, which allows a second's worth at once). *Why rows, and held.* Two
processes that count for themselves send twice as much. Who claims holds the endpoint's row until the claims stand, then
counts: nobody claims beside it, and nobody waits, for a row that is held is passed by. *Never:* choose a message, or
wait for a lock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.runtime import timestamp
from services.chassis.settings import Notifications
from services.notifications.tables import DELIVERIES, ENDPOINTS

LEASE = timedelta(seconds=90)
"""How long a claim stands without an end."""
LONGEST_TRY = timedelta(seconds=75)
"""How long any try may take, whatever its steps may: it ends while its claim stands."""
_LATE = timedelta(seconds=5)
"""So much later than claimed a try may begin."""
_APART = timedelta(seconds=5)
"""So far apart the clocks of two processes may be."""

_MOVE_ON = (
    update(ENDPOINTS)
    .where(ENDPOINTS.c.id == bindparam("this_id"))
    .values(paced_until=bindparam("new_paced_until"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What any endpoint takes, by the settings."""

    at_once: int
    interval: timedelta  # from one try to the next, on the average
    ahead: (
        timedelta  # so far the moment in the row may lie ahead of a try: a second's worth of tries less one
    )
    furthest: (
        timedelta  # further ahead no try can have moved it: that was a clock which has been put right since
    )
    lasting: timedelta  # what was claimed longer ago is over at its receiver, whatever became of its process

    @classmethod
    def of(cls, asked: Notifications) -> Self:
        """Read the settings."""
        rate = asked.endpoint_per_second
        interval = timedelta(seconds=1 / rate)
        ahead = (max(rate, 1.0) - 1) * interval
        return cls(
            at_once=asked.endpoint_concurrency,
            interval=interval,
            ahead=ahead,
            furthest=ahead + interval + _APART,
            lasting=timedelta(seconds=asked.attempt_seconds) + _LATE,
        )


@dataclass(slots=True, kw_only=True)
class Share:
    """What an endpoint still takes now."""

    url: str
    state: str
    room: int
    paced_until: datetime
    latest: datetime  # up to which `paced_until` may be for a try to begin now
    interval: timedelta

    @property
    def left(self) -> bool:
        """Whether it takes one more."""
        return self.room > 0 and self.paced_until <= self.latest

    def take(self, row: Mapping[str, Any]) -> bool:
        """Whether this try may begin, and if so count it; not if the endpoint has changed since the row was read."""
        if not self.left or (row["url"], row["endpoint_state"]) != (self.url, self.state):
            return False
        self.room -= 1
        self.paced_until += self.interval
        return True


def has_room(pace: Pace, now: datetime) -> ColumnElement[bool]:
    """Return the SQL condition that a message's endpoint, if it has one, seems to take one more; `held` makes sure."""
    busy = _under_way(pace, now).with_only_columns(_OUT.c.endpoint).having(func.count() >= pace.at_once)
    paced = or_(
        ENDPOINTS.c.paced_until.is_(None),
        ENDPOINTS.c.paced_until <= timestamp(now + pace.ahead),
        ENDPOINTS.c.paced_until > timestamp(now + pace.furthest),
    )
    return or_(DELIVERIES.c.endpoint.is_(None), and_(paced, DELIVERIES.c.endpoint.not_in(busy)))


def at_most(rows: Sequence[Mapping[str, Any]], pace: Pace, *, room: int) -> Sequence[Mapping[str, Any]]:
    """Return the first of these messages that could be claimed together at best."""
    chosen: list[Mapping[str, Any]] = []
    counted: Counter[str | None] = Counter()
    for row in rows:
        if len(chosen) == room:
            break
        counted[row["endpoint"]] += 1
        if row["endpoint"] is None or counted[row["endpoint"]] <= pace.at_once:
            chosen.append(row)
    return chosen


async def held(
    connection: AsyncConnection, endpoints: AbstractSet[str], pace: Pace, now: datetime
) -> dict[str, Share]:
    """Hold these endpoints until the end of the transaction and return their shares, without those that others hold."""
    if not endpoints:
        return {}
    asked = (
        select(ENDPOINTS.c.id, ENDPOINTS.c.url, ENDPOINTS.c.state, ENDPOINTS.c.paced_until)
        .where(ENDPOINTS.c.id.in_(sorted(endpoints)))
        .with_for_update(key_share=True, skip_locked=True)
    )
    rows = (await connection.execute(asked)).all()
    if not rows:
        return {}
    # A statement of its own: it sees what was claimed by whoever held the rows a moment ago.
    count = _under_way(pace, now).where(_OUT.c.endpoint.in_([row.id for row in rows]))
    under_way = {row.endpoint: row.tries for row in await connection.execute(count)}
    return {
        row.id: Share(
            url=row.url,
            state=row.state,
            room=pace.at_once - under_way.get(row.id, 0),
            paced_until=_paced_until(row.paced_until, pace, now),
            latest=now + pace.ahead,
            interval=pace.interval,
        )
        for row in rows
    }


def _paced_until(kept: str | None, pace: Pace, now: datetime) -> datetime:
    """Return the moment in an endpoint's row, or now if it is past, or of a clock that was ahead and has been put right."""
    moment = now if kept is None else datetime.fromisoformat(kept)
    return moment if now < moment <= now + pace.furthest else now


async def move_on(connection: AsyncConnection, shares: Mapping[str, Share]) -> None:
    """Write down how much of their rate these endpoints have used up."""
    moved = [
        {"this_id": endpoint, "new_paced_until": timestamp(share.paced_until)}
        for endpoint, share in sorted(shares.items())
    ]
    if moved:
        await connection.execute(_MOVE_ON, moved)


_OUT = DELIVERIES.alias("out")


def _under_way(pace: Pace, now: datetime) -> Any:
    return (
        select(_OUT.c.endpoint, func.count().label("tries"))
        .where(
            _OUT.c.state == "sending",
            _OUT.c.endpoint.is_not(None),
            _OUT.c.claimed_until > timestamp(now + LEASE - pace.lasting),
        )
        .group_by(_OUT.c.endpoint)
    )
