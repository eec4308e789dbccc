"""Tries that a process left without an end: it was killed, or froze until its claim had run out.

*What.* Each is written down as interrupted; a webhook is due again, a mail only if its content was not handed over. *Why also
claims far ahead.* They were made by a clock that has been put right; until it came there again nobody would find them. *Why of one
finder.* Two who made one message due again would send it twice, so a row that another has found is passed by. *Never:* send.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.runtime import timestamp
from services.notifications.queries.reading import quiet_of
from services.notifications.rules.cadence import released
from services.notifications.rules.schedule import after_interruption, most_tries
from services.notifications.tables import ATTEMPTS, DELIVERIES, SUBSCRIPTIONS
from services.notifications.worker.pacing import LEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The deliveries whose tries were ended, and those mails among them that are not tried again."""

    deliveries: list[str]
    given_up: list[str]


async def end_lost_tries(
    connection: AsyncConnection, now: datetime, *, most: int, die: Callable[[], float], mine: Collection[str]
) -> Lost:
    """End at most so many tries whose claims have run out, or lie too far ahead.

    Of the latter none of a message that is `mine`: this process has it under way.
    """
    ahead = and_(DELIVERIES.c.claimed_until > timestamp(now + 2 * LEASE), DELIVERIES.c.id.not_in(mine))
    before = ATTEMPTS.alias("before")
    last_end = (
        select(func.max(before.c.number))
        .where(before.c.delivery == DELIVERIES.c.id, before.c.outcome != "interrupted")
        .scalar_subquery()
    )
    found = (
        select(
            DELIVERIES.c.id, DELIVERIES.c.attempts, DELIVERIES.c.earlier, DELIVERIES.c.channel, DELIVERIES.c.type,
            ATTEMPTS.c.handed_over_at, last_end.label("last_end"), SUBSCRIPTIONS.c.quiet, SUBSCRIPTIONS.c.time_zone,
        )
        .join(ATTEMPTS, (ATTEMPTS.c.delivery == DELIVERIES.c.id) & (ATTEMPTS.c.number == DELIVERIES.c.attempts))
        .outerjoin(SUBSCRIPTIONS, SUBSCRIPTIONS.c.id == DELIVERIES.c.subscription)
        .where(
            DELIVERIES.c.state == "sending", or_(DELIVERIES.c.claimed_until < timestamp(now), ahead)
        )
        .limit(most)
        .with_for_update(skip_locked=True, of=DELIVERIES)
    )  # fmt: skip
    lost = Lost(deliveries=[], given_up=[])
    for row in [dict(one) for one in (await connection.execute(found)).mappings()]:
        await connection.execute(
            update(ATTEMPTS)
            .where(ATTEMPTS.c.delivery == row["id"], ATTEMPTS.c.number == row["attempts"])
            .values(outcome="interrupted", ended_at=timestamp(now))
        )
        handed = row["handed_over_at"] is not None
        again = None if handed else _again(row, now, die())
        await connection.execute(
            update(DELIVERIES)
            .where(DELIVERIES.c.id == row["id"])
            .values(
                state="unconfirmed" if handed else "exhausted" if again is None else "retrying",
                due_at=timestamp(again or now),
                ended_at=timestamp(now) if again is None else None,
                claimed_until=None,
            )
        )
        lost.deliveries.append(row["id"])
        if row["channel"] == "email" and not handed and again is None:
            lost.given_up.append(row["id"])
    return lost


def _again(row: Mapping[str, Any], now: datetime, die: float) -> datetime | None:
    in_a_row = max(1, row["attempts"] - max(row["earlier"], row["last_end"] or 0))
    again = after_interruption(
        row["attempts"] - row["earlier"],
        in_a_row=in_a_row,
        ended=now,
        die=die,
        most=most_tries(row["type"]),
    )
    return None if again is None else released(again, quiet_of(row), row["time_zone"])
