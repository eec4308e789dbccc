"""Conditions that their owner changes: what waits of projects that they do not ask for any more is taken back.

*What.* Of one subscription, in the transaction that saves it; what was out then, before a mail is made of it again. *Why nothing is said.* Who changed them knows; who was told of such a
project hears that it is not asked for with the next news of it. *Why a look again.* What was taken back, tried or not, or was told that it does not fit, may be what
they ask for after all, once they are put right, or their subscription is taken up. *Never:* take back the word of an end, or that a project has
left: those are told whatever is asked for.
"""

from collections.abc import Collection
from datetime import datetime

import orjson
from sqlalchemy import and_, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.reference import Reference
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Unit
from services.notifications.commands.dismissals import look_again_at
from services.notifications.commands.leaving import ARRIVES, UNENDED, take_back
from services.notifications.queries.reading import Row
from services.notifications.rules.conditions import asked_of, day_told
from services.notifications.tables import DELIVERIES, LISTS, NOTICES, PROJECTS, STANDINGS


async def take_back_unasked(
    connection: AsyncConnection, row: Row, reference: Reference, *, now: datetime
) -> Collection[str]:
    """Take back what has not arrived of projects for which the saved row's conditions do not ask; its subscription is locked.

    Returns those of which something has not arrived and for which they do ask.
    """
    not_arrived = select(DELIVERIES.c.id).where(
        DELIVERIES.c.subscription == row["id"], DELIVERIES.c.state.in_((*UNENDED, "cancelled", "exhausted"))
    )
    mine = NOTICES.c.subscription == row["id"]
    told = and_(mine, NOTICES.c.state != "dropped")
    waits = select(NOTICES.c.project).where(
        told, or_(NOTICES.c.state.in_(("waiting", "ready")), NOTICES.c.delivery.in_(not_arrived))
    )
    newest = (
        select(func.max(NOTICES.c.id)).where(told, NOTICES.c.fits.is_not(None)).group_by(NOTICES.c.project)
    )
    known = (
        select(PROJECTS.c.id, PROJECTS.c.facts, STANDINGS.c.band, LISTS.c.told_day)
        .join(NOTICES, NOTICES.c.project == PROJECTS.c.id)
        .join(STANDINGS, STANDINGS.c.project == PROJECTS.c.id)
        .outerjoin(LISTS, LISTS.c.project == PROJECTS.c.id)
        .where(
            NOTICES.c.id.in_(newest),
            NOTICES.c.fits,
            PROJECTS.c.id.in_(waits),
            PROJECTS.c.facts.is_not(None),
            STANDINGS.c.organisation == row["organisation"],
            STANDINGS.c.standing,
        )
        .order_by(PROJECTS.c.id)
    )
    asked_for = []
    for project in (await connection.execute(known)).all():
        day = day_told(project.told_day, now.date())
        asked = asked_of(reference, orjson.loads(project.facts), day=day)
        if asked(row["conditions"], project.band):
            asked_for.append(project.id)
        else:
            await take_back(
                connection,
                project=project.id,
                subscriptions=[row["id"]],
                states=("waiting", "ready"),
                now=timestamp(now),
            )
    return asked_for


async def look_again(unit: Unit, row: Row, asked_for: Collection[str]) -> None:
    """Have the next cycle look at the pairs that stand and that this subscription does not know as fitting, though it was told of them, or about to be, since somebody opted in.

    Nor does it know so a project that is asked for and of which the last word may not have arrived.
    """
    mine = and_(
        NOTICES.c.subscription == row["id"],
        NOTICES.c.fits.is_not(None),
        NOTICES.c.made_at >= row["opted_in_at"],
    )
    newest = select(func.max(NOTICES.c.id)).where(mine).group_by(NOTICES.c.project)
    unheard = and_(NOTICES.c.project.in_(asked_for), NOTICES.c.state == "sent", not_(ARRIVES))
    unknown = select(NOTICES.c.project).where(
        NOTICES.c.id.in_(newest), or_(NOTICES.c.state == "dropped", not_(NOTICES.c.fits), unheard)
    )
    await look_again_at(
        unit.connection,
        (STANDINGS.c.organisation == row["organisation"]) & STANDINGS.c.project.in_(unknown),
    )
