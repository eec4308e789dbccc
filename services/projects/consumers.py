"""The newest list of each project in figures, projected from `matches.v1` for the flagship pages.

*What.* One row for each project, replaced only by a newer list version. *Why here.* The register shows need
coverage without asking another service. *Never:* keep an organisation's rank; a flagship's page shows figures.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import and_, bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events.matches import ListVersion
from schemas.topics import LIST_VERSIONED
from services.chassis.bus.consumer import Consumer, Delivery
from services.chassis.bus.reader import Reader
from services.chassis.database import Insert, insert_in
from services.chassis.runtime import Loop, Runtime
from services.projects.commands.dates import sweep
from services.projects.commands.storing import encoded
from services.projects.tables import ERASED, LIST_SUMMARIES, PROJECTS

GROUP = "projects.lists"
_BELOW = update(LIST_SUMMARIES).values(incarnation=-1, version=-1)
_STATE = select(PROJECTS.c.state).where(PROJECTS.c.id == bindparam("project"))

CONSUMER = "list-consumer"
"""Where the runtime's state holds the consumer of a worker."""


async def forget_lists(connection: AsyncConnection) -> None:
    """Take every row for one that the log may not hold, below every sequence, before it is read from the beginning."""
    await connection.execute(_BELOW)


async def absent_lists(connection: AsyncConnection) -> Sequence[str]:
    """Return the projects whose figures are kept, and whose list the log was found not to hold."""
    query = select(LIST_SUMMARIES.c.project).where(LIST_SUMMARIES.c.incarnation == -1)
    return list(await connection.scalars(query.order_by(LIST_SUMMARIES.c.project)))


async def erase_lists(connection: AsyncConnection, projects: Sequence[str]) -> None:
    """Forget the figures of these."""
    for project in projects:
        await connection.execute(delete(LIST_SUMMARIES).where(LIST_SUMMARIES.c.project == project))


def loops(runtime: Runtime) -> tuple[Loop, ...]:
    """Return the loops of the worker: the consumer of list versions, and the sweep of dates."""
    consumer = Consumer(runtime, group=LISTS.group, topics=LISTS.topics, handle=LISTS.handle)
    runtime.state[CONSUMER] = consumer
    return (
        Loop(name=GROUP, run=consumer.run),
        Loop(name="projects.dates", run=lambda stop: sweep(runtime, stop)),
    )


async def progress(runtime: Runtime) -> dict[str, Any]:
    """Return how far the consumer of list versions is; nothing in a process that is no worker."""
    consumer: Consumer | None = runtime.state.get(CONSUMER)
    return {} if consumer is None else {"consumers": {GROUP: await consumer.progress()}}


async def keep_newest_list(delivery: Delivery) -> None:
    """Keep what a list version says in figures, unless a newer one is held or its project was erased."""
    if delivery.event.type != LIST_VERSIONED or not isinstance(delivery.data, ListVersion):
        return
    version, sequence = delivery.data, delivery.event.sequence
    connection = delivery.connection
    state = await connection.scalar(_STATE, {"project": version.project})
    if state == ERASED:
        return
    kept = version.model_copy(update={"head": (), "delta": type(version.delta)(), "as_of": ()})
    row = {
        "project": version.project,
        "incarnation": sequence.incarnation,
        "version": sequence.version,
        "record": encoded(kept),
    }
    written = await connection.execute(_replacing(connection.dialect.name), row)
    if written.rowcount == 0:
        delivery.stale()


@cache
def _replacing(dialect: str) -> Insert:
    """Return the statement that keeps the newer of two versions, built once."""
    statement = insert_in(dialect, LIST_SUMMARIES)
    held, new = LIST_SUMMARIES.c, statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[held.project],
        set_={name: new[name] for name in ("incarnation", "version", "record")},
        where=or_(
            held.incarnation < new.incarnation,
            and_(held.incarnation == new.incarnation, held.version < new.version),
        ),
    )


LISTS = Reader(
    group=GROUP,
    topics=("matches.v1",),
    handle=keep_newest_list,
    forget=forget_lists,
    absent=absent_lists,
    erase=erase_lists,
)
