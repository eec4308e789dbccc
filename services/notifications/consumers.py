"""What this service reads: projects, flagships, organisations, list versions and standings become rows of its own tables.

*What.* One handler for four topics, each record gated on its sequence, in the transaction that moves the position. *Why
rows only.* What is to be told follows from rows that a cycle looks at, so reading a record twice tells nobody twice.
*Never:* make a message or call anybody; cycles and the dispatcher do, from rows.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import RowMapping, Table, and_, case, delete, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from schemas.events.matches import ListVersion, Standing
from schemas.topics import (
    FLAGSHIP_REVISED,
    LIST_VERSIONED,
    ORGANISATION_ERASED,
    ORGANISATION_REVISED,
    PROJECT_ERASED,
    PROJECT_REVISED,
    STANDING_CROSSED,
    STANDING_LOST,
)
from services.chassis.bus.consumer import Delivery
from services.chassis.bus.reader import Reader
from services.chassis.database import Insert, insert_in, insert_new
from services.chassis.reference import Reference, load_reference
from services.chassis.runtime import Clock, timestamp
from services.notifications.commands.dismissals import look_again_at
from services.notifications.commands.leaving import (
    ERASED,
    OUTDATED,
    drop_waiting,
    forget_organisation,
    forget_project,
    put_back,
    silence_organisation,
)
from services.notifications.rules.conditions import facts_hash, facts_hash_as_listed, facts_of
from services.notifications.tables import (
    DISMISSALS,
    ENDPOINTS,
    FLAGSHIPS,
    LISTS,
    NOTICES,
    ORGANISATIONS,
    PROJECTS,
    STANDINGS,
    SUBSCRIPTIONS,
)

GROUP = "notifications"
REFERENCE = "reference"
ENDED = frozenset({"closed", "withdrawn"})
"""The states of a project that has ended."""


async def keep(delivery: Delivery) -> None:
    """Keep what a record says, unless something newer of its key is held."""
    kind = delivery.event.type
    if kind in {PROJECT_REVISED, PROJECT_ERASED}:
        await _project(delivery)
    elif kind == FLAGSHIP_REVISED:
        titles = orjson.dumps(delivery.event.json()["titles"])
        await _newest(delivery, FLAGSHIPS, {"id": delivery.event.key, "titles": titles})
    elif kind in {ORGANISATION_REVISED, ORGANISATION_ERASED}:
        await _organisation(delivery)
    elif kind == LIST_VERSIONED:
        await _list(delivery)
    elif kind in {STANDING_CROSSED, STANDING_LOST}:
        await _standing(delivery)


async def forget(connection: AsyncConnection) -> None:
    """Empty the projections, before the log is read from the beginning; what was told stays told.

    Of a list and a pair the rows stay, below every sequence, with what was last told of them: else whatever stands above a
    floor would be news once more for who subscribed since.
    """
    for table in (PROJECTS, FLAGSHIPS, ORGANISATIONS):
        await connection.execute(delete(table))
    await connection.execute(delete(STANDINGS).where(STANDINGS.c.told_band.is_(None)))
    await connection.execute(
        update(STANDINGS).values(incarnation=-1, version=-1, standing=False, fit=0, band=None, fresh=False)
    )
    await connection.execute(update(LISTS).values(incarnation=-1, number=-1, due=False))


async def absent(connection: AsyncConnection) -> Sequence[str]:
    """Return what is kept here and that the log was found not to hold: who has something here, and pairs told of."""
    known = select(ORGANISATIONS.c.id)
    organisations = [
        select(SUBSCRIPTIONS.c.organisation).where(
            SUBSCRIPTIONS.c.organisation.not_in(known), SUBSCRIPTIONS.c.state != "ended"
        ),
        select(ENDPOINTS.c.organisation).where(
            ENDPOINTS.c.organisation.not_in(known), ENDPOINTS.c.state != "deleted"
        ),
    ]
    named = (await connection.scalars(union(*organisations))).all()
    projects = await connection.scalars(
        select(NOTICES.c.project)
        .where(
            NOTICES.c.project.not_in(select(PROJECTS.c.id)),
            NOTICES.c.state != "dropped",
            NOTICES.c.rule != ERASED,
        )
        .distinct()
    )
    pairs = await connection.execute(
        select(STANDINGS.c.project, STANDINGS.c.organisation).where(STANDINGS.c.incarnation == -1)
    )
    return sorted(
        [
            *(f"organisation:{one}" for one in named),
            *(f"project:{one}" for one in projects),
            *(f"standing:{pair.project}/{pair.organisation}" for pair in pairs),
        ]
    )


async def erase(connection: AsyncConnection, keys: Sequence[str]) -> None:
    """Forget these as their tombstones would have made it."""
    now = timestamp(Clock().now())
    for key in keys:
        kind, _, name = key.partition(":")
        if kind == "organisation":
            await forget_organisation(connection, name, now=now)
        elif kind == "project":
            gone = {"id": name, "incarnation": -1, "version": -1, "state": "erased", "facts_hash": ""}
            await connection.execute(insert_new(connection, PROJECTS), gone | {"ending": "withdrawn"})
            await forget_project(connection, name, now=now)
        else:
            project, _, organisation = name.partition("/")
            await connection.execute(
                delete(STANDINGS).where(
                    STANDINGS.c.project == project, STANDINGS.c.organisation == organisation
                )
            )


def prepare(runtime: Any) -> None:
    """Make sure of the reference data, for who reads without having started this service up."""
    runtime.state.setdefault(REFERENCE, load_reference())


async def _project(delivery: Delivery) -> None:
    event, connection = delivery.event, delivery.connection
    reference: Reference = delivery.runtime.state[REFERENCE]
    held = await _held(delivery, PROJECTS)
    values: dict[str, Any] = {
        "id": event.key,
        "state": "erased",
        "facts": None,
        "facts_hash": "",
        "ending": None,
        "reminded_at": None,
    }
    values["deadline"] = None
    if not event.tombstone:
        record = event.json()
        values |= {
            "state": record["state"],
            "deadline": record.get("deadline"),
            "facts": orjson.dumps(facts_of(record, region_of=reference.region_of)),
            "facts_hash": facts_hash(record),
        }
        await _take_over(delivery, facts_hash_as_listed(record), values["facts_hash"])
        if record["state"] in ENDED and await _ends(delivery, held):
            values["ending"] = record["state"]
    elif await _ends(delivery, held):
        values["ending"] = "withdrawn"
    await _newest(delivery, PROJECTS, values)
    if not event.tombstone:  # an end is no change: whoever has dismissed the project hears of none
        await _lift(delivery, values["facts_hash"])
    now = timestamp(delivery.runtime.clock.now())
    if event.tombstone:
        await forget_project(connection, event.key, now=now)
    elif not _newer(delivery, held):
        return
    elif values["state"] == "dormant":
        await put_back(connection, NOTICES.c.project == event.key, now=now)
    elif held is None or held["deadline"] != values["deadline"]:
        await delivery.settle()
        await put_back(connection, (NOTICES.c.project == event.key) & OUTDATED, now=now)


async def _ends(delivery: Delivery, held: RowMapping | None) -> bool:
    """Whether the end of a project may still have to be told.

    It closes now, its end was not told yet, or somebody was told of it: a log read anew holds the record of its end alone.
    Whoever heard of the end hears of it once.
    """
    if held is not None and (held["state"] not in ENDED or held["ending"] is not None):
        return True
    told = select(NOTICES.c.id).where(NOTICES.c.project == delivery.event.key, NOTICES.c.state != "dropped")
    return (await delivery.connection.execute(told.limit(1))).first() is not None


async def _take_over(delivery: Delivery, listed: str, ordered: str) -> None:
    """Keep what was told and dismissed as of these facts where it still goes by the order in which needs were listed."""
    if listed != ordered:
        project = delivery.event.key
        for table, whose, kept in (
            (LISTS, LISTS.c.project, LISTS.c.told_facts),
            (DISMISSALS, DISMISSALS.c.project, DISMISSALS.c.facts_hash),
        ):
            same = (whose == project) & (kept == listed)
            await delivery.connection.execute(update(table).where(same).values({kept: ordered}))


async def _lift(delivery: Delivery, facts_hash: str) -> None:
    """Lift the dismissals of a project that has changed since, for good: whoever returns to what was dismissed is news.

    What had waited is not told any more, for the change is; and what moved while it stood is looked at again.

    Kept with the dismissal, and asked by its sequence, for a log read anew holds the newest revision alone, or older ones.
    """
    above = delivery.event.sequence
    changed = and_(
        DISMISSALS.c.project == delivery.event.key,
        DISMISSALS.c.facts_hash != facts_hash,
        ~DISMISSALS.c.lifted,
        or_(
            DISMISSALS.c.version.is_(None),
            DISMISSALS.c.incarnation < above.incarnation,
            and_(DISMISSALS.c.incarnation == above.incarnation, DISMISSALS.c.version < above.version),
        ),
    )
    whose = select(DISMISSALS.c.organisation).where(changed)
    await drop_waiting(
        delivery.connection, NOTICES.c.project == delivery.event.key, NOTICES.c.organisation.in_(whose)
    )
    await look_again_at(
        delivery.connection,
        and_(STANDINGS.c.project == delivery.event.key, STANDINGS.c.organisation.in_(whose)),
    )
    await delivery.connection.execute(update(DISMISSALS).where(changed).values(lifted=True))


async def _organisation(delivery: Delivery) -> None:
    event, now = delivery.event, timestamp(delivery.runtime.clock.now())
    record = {} if event.tombstone else event.json()
    state = record.get("state", "erased")
    held = await _held(delivery, ORGANISATIONS)
    await _newest(
        delivery,
        ORGANISATIONS,
        {"id": event.key, "state": state, "name": record.get("legal_name", "")},
    )
    if event.tombstone:
        await forget_organisation(delivery.connection, event.key, now=now)
    elif state == "withdrawn" and _newer(delivery, held):
        made_by = now if held else event.time  # in a log read anew, a later record may say that it is back
        await silence_organisation(delivery.connection, event.key, made_by=made_by, now=now)


async def _list(delivery: Delivery) -> None:
    said = delivery.data
    assert isinstance(said, ListVersion)  # noqa: S101 - the type of the event says so
    await _newest(
        delivery,
        LISTS,
        {
            "project": said.project,
            "number": said.number,
            "project_revision": said.project_revision,
            "above_floor": said.counts.above_floor,
            "final": "closed" in said.reasons,
            "reference_date": said.reference_date.isoformat(),
            "seen_at": timestamp(delivery.runtime.clock.now()),
            "due": True,
        },
        version="number",
    )


async def _standing(delivery: Delivery) -> None:
    event = delivery.event
    project, _, organisation = event.key.partition("/")
    values: dict[str, Any] = {
        "project": project,
        "organisation": organisation,
        "standing": False,
        "fit": 0,
        "band": None,
        "fresh": True,
        "crossed_at": event.time,
        "seen_at": timestamp(delivery.runtime.clock.now()),
    }
    if isinstance(delivery.data, Standing):
        values |= {"standing": True, "fit": delivery.data.fit, "band": delivery.data.band}
    await _newest(delivery, STANDINGS, values)


async def _held(delivery: Delivery, table: Table) -> RowMapping | None:
    """Return the row of a key, as the events before this one left it, and hold it."""
    await delivery.settle()
    query = select(table).where(table.c.id == delivery.event.key).with_for_update()
    return (await delivery.connection.execute(query)).mappings().first()


def _newer(delivery: Delivery, held: RowMapping | None) -> bool:
    """Whether the event's sequence is higher than the one held."""
    said = delivery.event.sequence
    return held is None or (held["incarnation"], held["version"]) < (said.incarnation, said.version)


async def _newest(
    delivery: Delivery, table: Table, values: dict[str, Any], *, version: str = "version"
) -> None:
    """Insert or replace the row of a key, if the event's sequence is higher than the one held."""
    event: Event = delivery.event
    row = values | {"incarnation": event.sequence.incarnation, version: event.sequence.version}
    dialect = delivery.connection.dialect.name
    await delivery.put(_replacing(dialect, table, tuple(row), version), row)


@cache
def _replacing(dialect: str, table: Table, names: tuple[str, ...], version: str) -> Insert:
    """Return the statement of `_newest`, built once: a list that is ranked anew brings hundreds of standings."""
    statement = insert_in(dialect, table)
    held, new = table.c, statement.excluded
    anew: dict[str, Any] = {name: new[name] for name in names if not held[name].primary_key}
    if table is STANDINGS:  # said again in a new life of the lists, a pair has not crossed again
        stands = and_(held.standing, new.standing, held.band == new.band)
        anew["crossed_at"] = case((stands, held.crossed_at), else_=new.crossed_at)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_=anew,
        where=or_(
            held.incarnation < new.incarnation,
            and_(held.incarnation == new.incarnation, held[version] < new[version]),
        ),
    )


async def told_of_ending(connection: AsyncConnection, project: str) -> None:
    """Note that those who were told of a project were told of its end."""
    await connection.execute(update(PROJECTS).where(PROJECTS.c.id == project).values(ending=None))


READER = Reader(
    group=GROUP,
    topics=("projects.v1", "members.v1", "matches.v1", "standings.v1"),
    handle=keep,
    forget=forget,
    absent=absent,
    erase=erase,
    prepare=prepare,
)
