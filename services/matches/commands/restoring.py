"""What this service has said on its topics: said again as it stands, and what comes back after a restore.

What: the `Owner` of `standings.v1`, `matches.v1` and `epochs.v1`. Said again are the epoch in force, the last day, every
standing and the newest version of each list that is shown; what came before them on the history topics is told here only.
Days come back from the log; the body of an epoch and
the list versions made since a backup do not, for the log holds their figures only: they are named, their numbers are not
given out again, and the lists themselves are computed anew from the archive. A standing that the log holds and the backup does not is taken back
*there*, by a tombstone; the next pass says again what is true. It must not rank.
"""

import asyncio
import zlib
from collections.abc import Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel
from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.epoch import Epoch
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
_SHOWN = LIST_VERSIONS.c.shown_until.is_(None)
_UNSAID = {"rows", "excluded", "attention", "lane"}
_SAID = [column for column in LIST_VERSIONS.c if column.name not in _UNSAID]


async def keys(connection: AsyncConnection, after: str, limit: int) -> Sequence[str]:
    """Return the epoch in force and the last day, then the pairs above the floor, then the projects whose lists are shown.

    So it came, too: an epoch before the lists that name it, the pairs of a list before its version.
    """
    stages = (_frame, _pairs, _lists)
    at = 1 if "/" in after else 2 if await _numbers(connection, {after}) else 0
    found: list[str] = []
    for stage in stages[at:]:
        found += await stage(connection, after, limit - len(found))
        after = ""
    return found


async def _frame(connection: AsyncConnection, after: str, limit: int) -> Sequence[str]:
    epoch = await connection.scalar(select(EPOCHS.c.hash).order_by(EPOCHS.c.number.desc()).limit(1))
    day = await connection.scalar(select(func.max(DAYS.c.day)))
    frame = [key for key in (epoch, day) if key is not None]
    return frame[frame.index(after) + 1 if after in frame else 0 :][:limit]


async def _pairs(connection: AsyncConnection, after: str, limit: int) -> Sequence[str]:
    project, _, organisation = after.partition("/")
    query = select(STANDINGS.c.project, STANDINGS.c.organisation).order_by(*_PAIR.clauses).limit(limit)
    rows = await connection.execute(query.where(tuple_(project, organisation) < _PAIR))
    return [f"{row.project}/{row.organisation}" for row in rows]


async def _lists(connection: AsyncConnection, after: str, limit: int) -> Sequence[str]:
    shown = select(LIST_VERSIONS.c.project).where(LIST_VERSIONS.c.project > after, _SHOWN).distinct()
    return list(await connection.scalars(shown.order_by(LIST_VERSIONS.c.project).limit(limit)))


async def say(connection: AsyncConnection, runtime: Any, wanted: Sequence[str]) -> Sequence[Event]:
    """Return what stands of each: the present standing of a pair, the newest version of a list, an epoch, a day.

    A tombstone of a pair that is not above the floor, and of a list that is shown no more that it is gone. Raises UnknownKey
    for what was never said, such as a pair whose project never had a list, or whose organisation is not in the archive.
    """
    pairs = [key for key in wanted if "/" in key]
    await _require_pairs(connection, pairs)
    others = [key for key in wanted if "/" not in key]
    said = {event.key: event for event in await unsay(connection, runtime, pairs)}
    said |= await _said_of_lists(connection, runtime, others)
    said |= await _said_of_frame(connection, runtime, [key for key in others if key not in said])
    for key in wanted:
        if key not in said:
            raise UnknownKey(f"There is no list of a project, no epoch and no day {key} here.")
    return [said[key] for key in wanted]


async def _require_pairs(connection: AsyncConnection, wanted: Sequence[str]) -> None:
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


async def _said_of_lists(
    connection: AsyncConnection, runtime: Any, projects: Sequence[str]
) -> dict[str, Event]:
    here = {"incarnation": await incarnation.current(connection), "clock": runtime.clock}
    # Whoever writes the next version ends this one first, and so waits; the newest is read once it is held.
    shown = select(LIST_VERSIONS.c.number).where(LIST_VERSIONS.c.project.in_(projects), _SHOWN)
    await connection.execute(shown.with_for_update())
    numbers = (await _numbers(connection, set(projects))).items()
    newest = tuple_(LIST_VERSIONS.c.project, LIST_VERSIONS.c.number).in_(list(numbers))
    rows = (await connection.execute(select(*_SAID).where(newest))).mappings()
    return {
        row["project"]: events.list_versioned(events.version_data(dict(row)), **here)
        if row["shown_until"] is None
        else events.list_removed(row["project"], row["number"] + 1, **here)
        for row in rows
    }


async def _said_of_frame(
    connection: AsyncConnection, runtime: Any, wanted: Sequence[str]
) -> dict[str, Event]:
    here = {"incarnation": await incarnation.current(connection), "clock": runtime.clock}
    said = {}
    for row in (await connection.execute(select(EPOCHS).where(EPOCHS.c.hash.in_(wanted)))).all():
        epoch = await asyncio.to_thread(Epoch.loads, zlib.decompress(row.body))
        said[row.hash] = events.epoch_published(row.number, row.hash, str(epoch.weights.version), **here)
    for day in await connection.scalars(select(DAYS.c.day).where(DAYS.c.day.in_(wanted))):
        said[day] = events.day_opened(date.fromisoformat(day), **here)
    return said


async def unsay(connection: AsyncConnection, runtime: Any, wanted: Sequence[str]) -> Sequence[Event]:
    """Return what stands of any pairs: the log may have some whose project or organisation a backup has not."""
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
