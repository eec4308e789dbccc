"""News becomes notices: one row for each piece of it and each subscription, which then waits for its reasons.

*What.* Rows of news that a cycle, the end of a project, or a deadline that is near has found. *Why a cause.* It is unique for a subscription
and a project, so the same news is never told twice. *Why ids after those that are there.* The newest of a project by its id is what somebody was
told last, also where a clock that was ahead has drawn the one before. *Never:* decide what is news.
"""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import uuid_utils
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import MATCH_WITHDRAWN, OPPORTUNITY_CLOSING_SOON, Rule
from services.chassis.database import insert_for
from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.leaving import NEEDS_REASONS
from services.notifications.rules.keys import keys_of
from services.notifications.tables import NOTICES

AGAIN = NEEDS_REASONS | {MATCH_WITHDRAWN, OPPORTUNITY_CLOSING_SOON}
"""Types of news that are made again once they were dropped: where somebody stands or that it fell, and a date that is still to come."""
NOTICES_AT_ONCE = 500
"""Rows written together; others have the event loop between two parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One piece of news for one subscription, before it is a row."""

    subscription: str
    organisation: str
    type: str
    rule: Rule
    cause: str
    fits: (
        bool | None
    )  # whether by it the project is open, asked for and in a band that is; None: it says nothing of that


async def insert_notices(
    runtime: Runtime,
    connection: AsyncConnection,
    project: str,
    news: Iterable[News],
    *,
    list_version: int | None,
    cycle: str,
) -> int:
    """Add the notices that are not there yet, and those of `AGAIN` that were dropped, under new ids, a part at a time; returns how many were given."""
    keys = keys_of(runtime.state)
    moment = timestamp(runtime.clock.now())
    statement = insert_for(connection, NOTICES)
    anew = ("id", "type", "rule", "fits", "list_version", "state", "place", "made_at")
    add = statement.on_conflict_do_update(
        index_elements=["subscription", "project", "cause"],
        set_={name: statement.excluded[name] for name in anew}
        | dict.fromkeys(("data", "band", "facts"))
        | {"unsure": False},
        where=(NOTICES.c.state == "dropped")
        & or_(*(statement.excluded.type == one for one in sorted(AGAIN))),
    )
    newest = await connection.scalar(select(func.max(NOTICES.c.id)).where(NOTICES.c.project == project))
    identifiers = _after(newest)
    given, coming = 0, iter(news)
    while some := list(islice(coming, NOTICES_AT_ONCE)):
        rows = [
            {
                "id": next(identifiers),
                "subscription": one.subscription,
                "organisation": one.organisation,
                "project": project,
                "cause": one.cause,
                "type": one.type,
                "rule": one.rule,
                "fits": one.fits,
                "list_version": list_version,
                "state": "waiting",
                "place": keys.place(cycle, one.subscription),
                "made_at": moment,
            }
            for one in some
        ]
        await connection.execute(add, rows)
        given += len(rows)
    return given


def _after(newest: str | None) -> Iterator[str]:
    """Yield ids by the time, each above the one before and above the newest that is there."""
    last = 0 if newest is None else UUID(newest).int
    while True:
        last = max(uuid_utils.uuid7().int, last + 1 + secrets.randbits(32))
        yield str(UUID(int=last))
