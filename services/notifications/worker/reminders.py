"""Deadline reminders: those who were told of a project hear once more, some days and one day before it closes.

*What.* How many days depends on how often somebody hears, and where (`rules.cadence`), so that a digest that carries the reminder
comes before the deadline's day. *Why a look a day.* What is due changes with the day, the project's record and what was told of it. A look
reads all that was told, so it is taken once for each of them, some projects a step. *Never:* remind of a project that is not
open, that was dismissed, that has left what a subscription asks for, on whose list the organisation has fallen below the floor, or of which nobody was told; or of what was told no earlier than the reminder is due, for every message
names the deadline that held when it was made. Where that was another, nobody was told this one.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache

import orjson
from sqlalchemy import bindparam, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import OPPORTUNITY_CLOSING_SOON
from services.chassis.runtime import Runtime, timestamp
from services.notifications.consumers import REFERENCE
from services.notifications.rules.cadence import REMINDED_BEFORE, day_reminded
from services.notifications.rules.conditions import BEST_BAND, asked_of, day_told
from services.notifications.tables import LISTS, NOTICES, PROJECTS, STANDINGS
from services.notifications.worker.cycles import newest_version, told_of
from services.notifications.worker.news import News, insert_notices
from services.notifications.worker.telling import LEFT

LOOKS_AT_ONCE = 50
"""So many projects are looked at in one step, those that have waited longest first; the herald comes again within a minute or so."""
_BELOW = select(STANDINGS.c.organisation).where(
    STANDINGS.c.project == bindparam("this_project"), not_(STANDINGS.c.standing)
)
_LONGEST = timedelta(days=max(days for some in REMINDED_BEFORE.values() for days in some))


async def step(runtime: Runtime) -> int:
    """Make the reminders that are due today; returns how many were given. The same reminder is made once."""
    now = runtime.clock.now()
    today = now.date()
    told_since = (
        select(NOTICES.c.id)
        .where(NOTICES.c.project == PROJECTS.c.id, NOTICES.c.made_at >= PROJECTS.c.reminded_at)
        .exists()
    )
    near = (
        select(PROJECTS.c.id, PROJECTS.c.incarnation, PROJECTS.c.version)
        .where(
            PROJECTS.c.state == "published",
            PROJECTS.c.deadline >= today.isoformat(),
            PROJECTS.c.deadline <= (today + _LONGEST + timedelta(days=1)).isoformat(),
            or_(PROJECTS.c.reminded_at.is_(None), PROJECTS.c.reminded_at < today.isoformat(), told_since),
        )
        .order_by(PROJECTS.c.reminded_at.nulls_first(), PROJECTS.c.deadline)
        .limit(LOOKS_AT_ONCE)
    )
    async with runtime.database.read() as connection:
        projects = (await connection.execute(near)).all()
        due = {
            project.id for project in projects if await _news(runtime, connection, project.id, today=today)
        }
    made = 0
    for project, incarnation, version in projects:
        async with runtime.database.write() as connection:
            if project in due:
                news = await _news(runtime, connection, project, today=today)  # it may have closed since
                number = await newest_version(connection, project)
                made += await insert_notices(
                    runtime,
                    connection,
                    project,
                    news,
                    list_version=number,
                    cycle=f"{project}|deadline:{today.isoformat()}",
                )
            looked_at = (  # a revision that came since is looked at anew
                PROJECTS.c.id == project,
                PROJECTS.c.incarnation == incarnation,
                PROJECTS.c.version == version,
            )
            await connection.execute(update(PROJECTS).where(*looked_at).values(reminded_at=timestamp(now)))
    return made


def causes_of(deadline: str | None) -> str:
    """Return what the causes of the reminders of this deadline (ISO date) begin with."""
    return f"deadline:{deadline}:"


async def _news(
    runtime: Runtime, connection: AsyncConnection, project: str, *, today: date
) -> Sequence[News]:
    """Return the reminders of a project that are due and were not made yet."""
    query = (
        select(PROJECTS.c.deadline, PROJECTS.c.facts, LISTS.c.told_day)
        .outerjoin(LISTS, LISTS.c.project == PROJECTS.c.id)
        .where(PROJECTS.c.id == project, PROJECTS.c.state == "published", PROJECTS.c.deadline.is_not(None))
    )
    found = (await connection.execute(query)).first()
    if found is None:
        return []
    deadline = date.fromisoformat(found.deadline)
    told = (
        select(NOTICES.c.subscription, func.min(NOTICES.c.made_at).label("first"))
        .where(
            NOTICES.c.project == project,
            NOTICES.c.state != "dropped",
            NOTICES.c.type != OPPORTUNITY_CLOSING_SOON,
            or_(
                NOTICES.c.state == "waiting",  # it will name the one that holds
                NOTICES.c.deadline.is_(None),
                NOTICES.c.deadline == found.deadline,
            ),
        )
        .group_by(NOTICES.c.subscription)
    )
    first = {row.subscription: row.first for row in await connection.execute(told)}
    prefix = causes_of(found.deadline)
    reminded = select(NOTICES.c.subscription, NOTICES.c.cause).where(
        NOTICES.c.project == project,
        NOTICES.c.cause.startswith(prefix, autoescape=True),
        NOTICES.c.state != "dropped",  # it was taken back, and the project may be told of again
    )
    made = {(row.subscription, row.cause) for row in await connection.execute(reminded)}
    news = []
    days_of = cache(lambda cadence, zone: day_reminded(today, cadence, zone))
    told_day = day_told(found.told_day, today)
    asked = asked_of(runtime.state[REFERENCE], orjson.loads(found.facts), day=told_day)
    fallen = set(
        await connection.scalars(_BELOW, {"this_project": project})
    )  # who was away then was not told so
    for one in await told_of(connection, project):
        if one["organisation"] in fallen:
            continue
        # In whichever band it is now; but who was told that it left is told of no date until it hears that it is back.
        if one["rule"] == LEFT or not asked(bytes(one["conditions"]), BEST_BAND):
            continue
        day = days_of(one["cadence"], one["time_zone"])
        due = [days for days in REMINDED_BEFORE[one["cadence"]] if days >= (deadline - day).days]
        if not due:
            continue
        since = deadline - timedelta(min(due)) - (day - today)
        if first.get(one["subscription"], "") >= since.isoformat():
            continue
        cause = f"{prefix}{min(due)}"
        if (one["subscription"], cause) not in made:
            news.append(
                News(
                    subscription=one["subscription"],
                    organisation=one["organisation"],
                    type=OPPORTUNITY_CLOSING_SOON,
                    rule="deadline-near",
                    cause=cause,
                    fits=None,
                )
            )
    return news
