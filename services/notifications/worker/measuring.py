"""How long whoever has asked to hear has waited: the figures of `/progress`, and the gauges of a process that is scraped.

*What.* Ages of the oldest news and of the oldest message that could be tried now, and how many wait. *Why here.* What could
be tried is what the dispatcher would take, so it is asked with the dispatcher's own conditions. *Never:* change anything.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, or_, select

from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.leaving import UNENDED
from services.notifications.consumers import READER
from services.notifications.tables import DELIVERIES, ENDPOINTS, LISTS, NOTICES, PROJECTS
from services.notifications.worker.dispatch import may_go
from services.notifications.worker.loops import CONSUMER
from services.notifications.worker.readying import TELLABLE

# News that nobody has been told of yet, because its reasons cannot be had, or the record of its project is not here.
_OLDEST_NEWS = (
    select(func.min(NOTICES.c.made_at)).join(PROJECTS, PROJECTS.c.id == NOTICES.c.project).where(TELLABLE)
)
_OLDEST_LIST = (
    select(func.min(LISTS.c.seen_at))
    .outerjoin(PROJECTS, PROJECTS.c.id == LISTS.c.project)
    .where(LISTS.c.due, or_(PROJECTS.c.id.is_(None), PROJECTS.c.version < LISTS.c.project_revision))
)
# What could be tried now and is not: a message between two tries is not due, nor is one that its endpoint does not take.
_OLDEST_DUE = (
    select(func.min(DELIVERIES.c.due_at))
    .outerjoin(ENDPOINTS, ENDPOINTS.c.id == DELIVERIES.c.endpoint)
    .where(
        DELIVERIES.c.state.in_(("pending", "retrying")),
        DELIVERIES.c.due_at <= bindparam("now"),
        or_(DELIVERIES.c.channel != "email", bindparam("mails")),  # without a mail server they wait by choice
        may_go(bindparam("now")),
    )
)
_FAILING_ENDPOINTS = select(func.count()).where(
    ENDPOINTS.c.failing_since.is_not(None), ENDPOINTS.c.state != "deleted"
)


async def progress(runtime: Runtime) -> Mapping[str, Any]:
    """Return how far the log was read, and how many notices and messages wait."""
    async with runtime.database.read() as connection:
        waiting = await connection.scalar(select(func.count()).where(NOTICES.c.state == "waiting"))
        unsent = select(func.count()).where(DELIVERIES.c.state.in_(UNENDED))
        unsent_count = await connection.scalar(unsent)
    figures: dict[str, Any] = {"notices_waiting": waiting, "messages_unsent": unsent_count}
    consumer = runtime.state.get(CONSUMER)
    return figures if consumer is None else figures | {"consumers": {READER.group: await consumer.progress()}}


async def measure(runtime: Runtime) -> None:
    """Set the gauges that say whether whoever has asked to hear, hears: how long news and messages have waited."""
    now = runtime.clock.now()
    async with runtime.database.read() as connection:
        news = [await connection.scalar(_OLDEST_NEWS), await connection.scalar(_OLDEST_LIST)]
        due = await connection.scalar(
            _OLDEST_DUE, {"now": timestamp(now), "mails": runtime.settings.mail.host is not None}
        )
        unsent = await connection.scalar(select(func.count()).where(DELIVERIES.c.state.in_(UNENDED)))
        failing = await connection.scalar(_FAILING_ENDPOINTS)
    metrics, name = runtime.metrics, runtime.service.name
    metrics.news_oldest.labels(name).set(max(_age(one, now) for one in news))
    metrics.messages_due_oldest.labels(name).set(_age(due, now))
    metrics.messages_unsent.labels(name).set(unsent or 0)
    metrics.endpoints_failing.labels(name).set(failing or 0)


def _age(moment: str | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - datetime.fromisoformat(moment)).total_seconds())
