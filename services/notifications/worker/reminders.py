"""Deadline reminders: those who were told of a project hear once more, five days and one day before it closes.

*Never:* remind of a project that is not open, that was dismissed, or of which nobody was told.
"""

from datetime import date, timedelta

from sqlalchemy import select

from schemas.webhooks.notifications import OPPORTUNITY_CLOSING_SOON
from services.chassis.runtime import Runtime
from services.notifications.tables import PROJECTS
from services.notifications.worker.cycles import News, insert_notices, newest_version, told_of

DAYS_BEFORE = (5, 1)


async def step(runtime: Runtime) -> int:
    """Make the reminders that are due today; returns how many were given. The same reminder is made once."""
    today = runtime.clock.now().date()
    due = select(PROJECTS.c.id, PROJECTS.c.deadline, PROJECTS.c.facts_hash).where(
        PROJECTS.c.state == "published",
        PROJECTS.c.deadline >= today.isoformat(),
        PROJECTS.c.deadline <= (today + timedelta(days=max(DAYS_BEFORE))).isoformat(),
    )
    async with runtime.database.read() as connection:
        projects = (await connection.execute(due)).all()
    made = 0
    for project in projects:
        left = (date.fromisoformat(project.deadline) - today).days
        before = min(days for days in DAYS_BEFORE if days >= left)
        cause = f"deadline:{project.deadline}:{before}"
        async with runtime.database.write() as connection:
            news = [
                News(
                    subscription=one["subscription"],
                    organisation=one["organisation"],
                    type=OPPORTUNITY_CLOSING_SOON,
                    rule="deadline-near",
                    cause=cause,
                )
                for one in await told_of(connection, project.id, facts_hash=project.facts_hash)
            ]
            number = await newest_version(connection, project.id)
            made += await insert_notices(
                runtime, connection, project.id, news, list_version=number, cycle=f"{project.id}|{cause}"
            )
    return made
