"""What this service has said on its topics: standings said again as they stand, and what comes back after a restore.

What: the `Owner` of `standings.v1`, `matches.v1` and `epochs.v1`. Days come back from the log; the body of an epoch and
the list versions made since a backup do not, for the log holds their figures only: they are named, their numbers are not
given out again, and the lists themselves are computed anew from the archive. A standing that the log holds and the backup does not is taken back
*there*, by a tombstone; the next pass says again what is true. It must not rank.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from schemas.topics import DAY_OPENED, EPOCH_PUBLISHED, LIST_VERSIONED
from services.chassis.bus import incarnation
from services.chassis.bus.errors import UnknownKey
from services.chassis.bus.owner import Owner, TakenBack, is_news
from services.chassis.database import insert_for
from services.matches import events
from services.matches.tables import DAYS, DOCUMENTS, EPOCHS, LIST_NUMBERS, LIST_VERSIONS, STANDINGS
from services.matches.worker.documents import MEMBER

_PAIR = tuple_(STANDINGS.c.project, STANDINGS.c.organisation)


async def keys(connection: AsyncConnection, after: str, limit: int) -> Sequence[str]:
    """Return the pairs above the floor as `project/organisation`, in order."""
    project, _, organisation = after.partition("/")
    query = select(STANDINGS.c.project, STANDINGS.c.organisation).order_by(*_PAIR.clauses).limit(limit)
    rows = await connection.execute(query.where(tuple_(project, organisation) < _PAIR))
    return [f"{row.project}/{row.organisation}" for row in rows]


async def say(connection: AsyncConnection, runtime: Any, wanted: Sequence[str]) -> Sequence[Event]:
    """Return the present standing of each pair; a tombstone for one that is not above the floor.

    Raises UnknownKey for a pair whose project never had a list, or whose organisation is not in the archive.
    """
    pairs = [key.partition("/") for key in wanted]
    listed = await _numbers(connection, {project for project, _, _ in pairs})
    known = select(DOCUMENTS.c.id).where(
        DOCUMENTS.c.kind == MEMBER,
        DOCUMENTS.c.latest,
        DOCUMENTS.c.id.in_({organisation for _, _, organisation in pairs}),
    )
    archived = set(await connection.scalars(known))
    for key, (project, _, organisation) in zip(wanted, pairs, strict=True):
        if project not in listed or organisation not in archived:
            raise UnknownKey(
                f"There is no pair {key}: PROJECT/ORGANISATION, of which the project has a list."
            )
    return await unsay(connection, runtime, wanted)


async def unsay(connection: AsyncConnection, runtime: Any, wanted: Sequence[str]) -> Sequence[Event]:
    """Return the same of any pairs: the log may have some whose project or organisation a backup has not."""
    here = {"incarnation": await incarnation.current(connection), "clock": runtime.clock}
    pairs = [tuple(key.split("/", 1)) for key in wanted]
    rows = await connection.execute(select(STANDINGS).where(_PAIR.in_(pairs)).with_for_update())
    standing = {(row["project"], row["organisation"]): dict(row) for row in rows.mappings()}
    numbers = await _numbers(connection, {project for project, _ in pairs})
    return [
        events.standing_crossed(project, row, row["number"], **here)
        if (row := standing.get((project, organisation)))
        else events.standing_lost(project, organisation, numbers.get(project, 0), **here)
        for project, organisation in pairs
    ]


async def take_back(
    connection: AsyncConnection, runtime: Any, event: Event, data: BaseModel | None, life: int
) -> TakenBack:
    """Open a day that the backup does not have; say of an epoch or a list version whether it is gone.

    The number of a version that is gone stays taken.
    """
    del runtime, data
    if event.type == DAY_OPENED:
        day = {"day": event.key, "opened_at": event.time}
        added = await connection.execute(insert_for(connection, DAYS).values(day).on_conflict_do_nothing())
        return "taken" if added.rowcount else "known"
    if event.type == EPOCH_PUBLISHED:
        held = await connection.scalar(select(EPOCHS.c.number).where(EPOCHS.c.hash == event.key))
        return "gone" if held is None else "known"
    if event.type == LIST_VERSIONED:
        number = (await _numbers(connection, {event.key})).get(event.key)
        if not is_news(event, life, number):
            return "known"
        taken = insert_for(connection, LIST_NUMBERS).values(project=event.key, number=event.sequence.version)
        await connection.execute(
            taken.on_conflict_do_update(
                index_elements=[LIST_NUMBERS.c.project],
                set_={"number": taken.excluded.number},
                where=LIST_NUMBERS.c.number < taken.excluded.number,
            )
        )
        return "gone"
    return "known"


async def _numbers(connection: AsyncConnection, projects: set[str]) -> dict[str, int]:
    """Return the number of each project's newest list version."""
    newest = (
        select(LIST_VERSIONS.c.project, func.max(LIST_VERSIONS.c.number).label("number"))
        .where(LIST_VERSIONS.c.project.in_(projects))
        .group_by(LIST_VERSIONS.c.project)
    )
    return {row.project: row.number for row in await connection.execute(newest)}


OWNER = Owner(keys=keys, say=say, take_back=take_back, unsay=unsay)
