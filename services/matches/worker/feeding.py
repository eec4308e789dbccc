"""The feed's one writer: what the relay has taken to the log becomes entries, in the transaction that empties the outbox.

What: turns events of lists and standings into rows of `feed`, one for each sequence of a subject, so that what is
republished is fed once; lets entries lie where their project lies now; and lets go of what nobody has to be told any more. Why here: the relay is the one place that
sees every event after its own commit and in one order, so a position never becomes visible after a higher one, whoever
holds a transaction open (docs/decisions/0012). It must not rank, and must not decide who sees an entry.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from schemas.feeds.matches import FED, REMOVAL_OF, REMOVALS, entry_body, removal_body, sequence_of
from services.chassis.bus.relay import Relayed
from services.chassis.database import DatabaseAway, insert_for
from services.chassis.reference import Reference, load_reference
from services.chassis.runtime import Runtime, timestamp
from services.matches.queries.archive import ArchivedProject, projects_of
from services.matches.rules.feeds import regions_of
from services.matches.rules.rights import HIDDEN
from services.matches.tables import FEED, FEED_HORIZON

PRUNE_SECONDS = 3_600.0
_AT_ONCE = 5_000
"""Entries let go of in one transaction, so that no writer waits long."""

MOVED_AT_ONCE = 500
"""Entries read and written together where a project has moved; others have the event loop between two parts."""

_PLACES = ("flagship", "level", "regions", "hidden")
_THESE = FEED.c.subject.in_(bindparam("subjects", expanding=True)) & FEED.c.latest
_BEFORE = select(FEED.c.subject, FEED.c.body, FEED.c.deleted, *(FEED.c[name] for name in _PLACES)).where(
    _THESE
)
_AWAY = (
    select(FEED)
    .where(
        FEED.c.project == bindparam("this_project"),
        FEED.c.position > bindparam("after"),
        not_(FEED.c.moved),
        or_(
            *(
                FEED.c[name].is_distinct_from(bindparam(f"this_{name}", type_=FEED.c[name].type))
                for name in _PLACES
            )
        ),
    )
    .order_by(FEED.c.position)
    .limit(MOVED_AT_ONCE)
)
"""What was told of a project and lies elsewhere than the project does."""

_SUPERSEDE = update(FEED).where(_THESE).values(latest=False)
_ADD = insert(FEED)
_PASSED = (
    select(FEED.c.position, FEED.c.latest, FEED.c.moved, FEED.c.deleted)
    .where(
        FEED.c.fed_at < bindparam("before"),
        or_(FEED.c.deleted, not_(FEED.c.latest)),
        FEED.c.position
        < select(func.max(FEED.c.position)).scalar_subquery(),  # the head says where the feed is
    )
    .order_by(FEED.c.position)
    .limit(_AT_ONCE)
)


def feeder(runtime: Runtime) -> Relayed:
    """Return what the relay of this service hands its events to."""
    reference = load_reference()

    async def feed(connection: AsyncConnection, events: Sequence[Event]) -> None:
        told = [event for event in events if event.type in FED]
        if told:
            await _feed(connection, told, reference, fed_at=timestamp(runtime.clock.now()))

    return feed


async def prune(runtime: Runtime, stop: asyncio.Event) -> None:
    """Every hour let go of entries that are older than the settings keep; the newest of a subject stays."""
    while not stop.is_set():
        try:
            while await prune_once(runtime) == _AT_ONCE:
                pass
        except DatabaseAway:
            pass  # tried again at the next turn
        try:
            await asyncio.wait_for(stop.wait(), PRUNE_SECONDS)
        except TimeoutError:
            continue


async def prune_once(runtime: Runtime) -> int:
    """Delete the oldest entries that need not be kept; returns how many.

    The horizon moves in the same transaction, up to the last deletion that goes: what is superseded nobody misses who reads on.
    """
    before = timestamp(runtime.clock.now() - timedelta(days=runtime.settings.matches.feed_days))
    async with runtime.database.write() as connection:
        passed = (await connection.execute(_PASSED, {"before": before})).all()
        if passed:
            await connection.execute(
                delete(FEED).where(FEED.c.position.in_([row.position for row in passed]))
            )
        if deletions := [row.position for row in passed if row.deleted and (row.latest or row.moved)]:
            row = insert_for(connection, FEED_HORIZON).values(single=1, position=deletions[-1])
            await connection.execute(
                row.on_conflict_do_update(
                    index_elements=[FEED_HORIZON.c.single],
                    set_={"position": row.excluded.position},
                    where=FEED_HORIZON.c.position < row.excluded.position,
                )
            )
    return len(passed)


async def _feed(
    connection: AsyncConnection, events: Sequence[Event], reference: Reference, *, fed_at: str
) -> None:
    subjects = {name for event in events for name in (event.subject, event.partitionkey)}
    before = (await connection.execute(_BEFORE, {"subjects": list(subjects)})).all()
    events = _news(events, {row.subject: sequence_of(row.body) for row in before})
    if not events:
        return
    newest = {event.subject: place for place, event in enumerate(events)}
    held = {row.subject: row._asdict() for row in before}
    lives = {event.partitionkey: event.sequence.incarnation for event in events}
    projects = await projects_of(connection, list(lives))
    now = {project: _places(one, reference) for project, one in projects.items()}
    for project, where in now.items():
        # Where the list was told last, whatever was told of the project lies. A first list may come after pairs that lie elsewhere.
        fed = held.get(project)
        moved = project in newest if fed is None else not (fed["deleted"] or _lies(fed, where))
        if moved:
            await _move(connection, project, where, life=lives[project], fed_at=fed_at)
            held = {name: one for name, one in held.items() if name.partition("/")[0] != project}
    rows = []
    for place, event in enumerate(events):
        project, _, organisation = event.subject.partition("/")
        # Who saw the subject come sees it go, also where its project is erased.
        gone = event.type in REMOVALS and event.subject in held
        where = held[event.subject] if gone else now.get(project, {})
        rows.append(
            {
                "incarnation": event.sequence.incarnation,
                "type": event.type,
                "subject": event.subject,
                "project": project,
                "organisation": organisation or None,
                "flagship": where.get("flagship"),
                "level": where.get("level"),
                "regions": where.get("regions", " "),
                "hidden": where.get("hidden", False),
                "latest": newest[event.subject] == place,
                "deleted": event.type in REMOVALS,
                "moved": False,
                "fed_at": fed_at,
                "body": entry_body(event),
            }
        )
    await connection.execute(_SUPERSEDE, {"subjects": list(newest)})
    await connection.execute(_ADD, rows)


async def _move(
    connection: AsyncConnection, project: str, where: Mapping[str, Any], *, life: int, fed_at: str
) -> None:
    """Let what was told of a project lie where the project lies now, and be hidden with it.

    Who follows where it lay is told that its list and its pairs are gone, who follows where it lies now is told of them; so are
    organisations when it is hidden, and when it is open again. Who reads everything hears nothing of it, for nothing has become of them.
    """
    asked = {"this_project": project, "after": 0} | {f"this_{name}": where[name] for name in _PLACES}
    told = {"incarnation": life, "latest": False, "moved": True, "fed_at": fed_at}
    lies = {name: where[name] for name in _PLACES}
    while found := [dict(row) for row in (await connection.execute(_AWAY, asked)).mappings()]:
        positions = [row.pop("position") for row in found]
        asked["after"] = positions[-1]
        # Who has still to read that a pair went reads it no more where it lay: it is said again there.
        away = [row | told for row in found if row["latest"]]
        come = [row | lies for row in away if not row["deleted"]]
        part = FEED.c.position.between(positions[0], positions[-1])
        await connection.execute(
            update(FEED).where(FEED.c.project == project, not_(FEED.c.moved), part).values(lies)
        )
        if away:
            await connection.execute(_ADD, [*map(_gone, away), *come])
        await asyncio.sleep(0)


def _gone(row: dict[str, Any]) -> dict[str, Any]:
    if row["deleted"]:
        return row
    return row | {"type": REMOVAL_OF[row["type"]], "deleted": True, "body": removal_body(row["body"])}


def _lies(entry: Any, where: Mapping[str, Any]) -> bool:
    return all(entry[name] == where[name] for name in _PLACES)


def _news(events: Sequence[Event], fed: dict[str, str]) -> list[Event]:
    """Return the events whose sequence is above the newest that was fed of their subject, the ones before them included."""
    news = []
    for event in events:
        sequence = event.sequence.sortable()
        if sequence > fed.get(event.subject, ""):
            fed[event.subject] = sequence
            news.append(event)
    return news


def _places(project: ArchivedProject, reference: Reference) -> dict[str, Any]:
    """Return where a project's entries lie: its flagship, its level, every region it lies in; and whether it is hidden."""
    return {
        "flagship": project.record.get("flagship"),
        "level": project.record.get("level"),
        "regions": f" {' '.join(sorted(regions_of(project.record, reference)))} ",
        "hidden": project.state in HIDDEN,
    }
