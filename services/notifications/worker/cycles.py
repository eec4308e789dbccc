"""A cycle: one list version told to everybody whom it concerns, all at once.

*What.* Waits until the project and every pair that the version counts above its floor is here, then makes one notice for each
subscription whose conditions the project meets. *Why wait.* Promise 4: all above the floor are told in the same cycle, and
the order of sending can only be mixed once all are known. *Why one transaction.* Killed anywhere, a cycle has told
nobody or has its notices; a notice's cause is unique, so the same news is never told twice. *Why a snapshot.* Pairs are read
on while a cycle makes its notices; what it marks as told is what it told of. *Never:* look at a rank, or send anything.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import orjson
import structlog
from sqlalchemy import Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import OPPORTUNITY_CLOSED, OPPORTUNITY_WITHDRAWN
from services.chassis.database import Contended
from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.dismissals import UNDISMISSED
from services.notifications.commands.leaving import ARRIVES, DISMISSED, ERASED, OVER, take_back
from services.notifications.consumers import REFERENCE, told_of_ending
from services.notifications.rules.conditions import Asked, Facts, asked_about, asked_of, regrouped
from services.notifications.tables import (
    DISMISSALS,
    LISTS,
    NOTICES,
    ORGANISATIONS,
    PROJECTS,
    STANDINGS,
    SUBSCRIPTIONS,
)
from services.notifications.worker.arriving import set_aside, unread
from services.notifications.worker.falls import (
    FALLEN,
    fallen_of,
    look_again,
    stop,
    take_back_from,
    take_back_of,
)
from services.notifications.worker.news import News, insert_notices
from services.notifications.worker.telling import (
    ENDS,
    LEFT,
    MEETS,
    PROJECT_CHANGED,
    Last,
    Word,
    knows,
    leaves,
    word_of,
)

PATIENCE = timedelta(seconds=60)
"""So long nothing new of a list must have come before anybody asks whether the rest of it comes at all (`arriving`).

What is unread comes, and is waited for however long that takes. What is set aside is known, and the others are told. For the
project's own record there is no such end: without it nobody can say who asked for the project, and whoever is not told now
would never be.
"""
LONGEST = timedelta(hours=1)
"""So long a cycle waits for pairs of which nothing is known: not unread, not set aside; then it tells those that are here, and says so.

The events of the next version may stop half-way for as long as the relay of `matches` does.
"""
CYCLES_AT_ONCE = 50
"""So many are told in one step; those that wait are looked at beside them, so that they hold up nobody."""
LISTENING = ("active", "unconfirmed")
"""The states of a subscription for which news is made."""
AWAY = frozenset({"withdrawn", "erased"})
"""The states of an organisation that is told nothing: of no project, no year that is over, none of its endpoints."""

_WAITS = STANDINGS.c.standing & STANDINGS.c.organisation.in_(
    select(ORGANISATIONS.c.id).where(ORGANISATIONS.c.state == "withdrawn")
)
"""Whether a pair stands whose organisation has withdrawn: that it crossed is news if it comes back."""

_DUE = (
    select(LISTS.c.project)
    .join(PROJECTS, (PROJECTS.c.id == LISTS.c.project) & (PROJECTS.c.version >= LISTS.c.project_revision))
    .where(
        or_(
            LISTS.c.due,
            and_(
                PROJECTS.c.state == "published",
                LISTS.c.project.in_(select(STANDINGS.c.project).where(STANDINGS.c.fresh, ~_WAITS)),
            ),
        )
    )
    .order_by(LISTS.c.seen_at)
)
_ENDED = select(PROJECTS.c.id).where(PROJECTS.c.ending.is_not(None))

_log = structlog.get_logger(__name__)


async def step(runtime: Runtime) -> int:
    """Tell what is due; returns how many notices were made."""
    async with runtime.database.read() as connection:
        due = (await connection.scalars(_DUE)).all()
        ended = (await connection.scalars(_ENDED)).all()
    made = told = 0
    for project in due:
        if told == CYCLES_AT_ONCE:
            break
        try:
            async with runtime.database.write(snapshot=True) as connection:
                found = await _cycle(runtime, connection, project)
        except Contended:  # it is due still, and the herald comes again
            _log.info("a cycle is put off: what it tells of has moved meanwhile", project=project)
            await stop(runtime, project)
            continue
        if found is not None:
            made, told = made + found, told + 1
    for project in ended:
        async with runtime.database.write() as connection:
            made += await _ending(runtime, connection, project)
    return made


async def _cycle(runtime: Runtime, connection: AsyncConnection, project: str) -> int | None:
    """Make the notices of a project's newest list version; None, and none yet, if not everything of it is here."""
    now, reference = runtime.clock.now(), runtime.state[REFERENCE]
    locked = select(LISTS).where(LISTS.c.project == project).with_for_update()
    listed: Mapping[str, Any] = dict((await connection.execute(locked)).mappings().one())
    row = (await connection.execute(select(PROJECTS).where(PROJECTS.c.id == project))).mappings().first()
    if row is None or row["version"] < listed["project_revision"]:
        return None  # the log is read anew since it was found due
    known: Mapping[str, Any] = dict(row)
    here = (
        await connection.execute(
            select(
                func.count().filter(STANDINGS.c.standing).label("standing"),
                func.max(STANDINGS.c.version).filter(STANDINGS.c.fresh).label("newest"),
                func.max(STANDINGS.c.seen_at).filter(STANDINGS.c.fresh).label("seen_at"),
                func.count().filter(FALLEN).label("fallen"),
            ).where(STANDINGS.c.project == project)
        )
    ).one()
    if not _complete(listed, standing=here.standing, newest=here.newest or 0):
        since = max(listed["seen_at"], here.seen_at or "")
        if await _comes(
            runtime, connection, listed, standing=here.standing, newest=here.newest or 0, since=since
        ):
            return None
        _log.warning(
            "a list is told of although not all of its pairs are here",
            project=project,
            here=here.standing,
            counted=listed["above_floor"],
        )
    for some in await fallen_of(connection, project) if here.fallen else ():
        await take_back_from(connection, project, some, now=timestamp(now))
    heard = update(LISTS).where(LISTS.c.project == project)
    if (
        known["state"] != "published"
    ):  # what is not told of its pairs and its record is news when it opens again
        await connection.execute(heard.values(due=False))
        return 0
    facts: Facts = orjson.loads(known["facts"])
    newer = _newer(known, listed)
    day = date.fromisoformat(max(listed["reference_date"], listed["told_day"] or ""))
    told_day = date.fromisoformat(listed["told_day"] or listed["reference_date"])
    before: Facts = orjson.loads(listed["told_asked"]) if listed["told_asked"] is not None else facts
    changed = newer and listed["told_facts"] not in {None, known["facts_hash"]}
    record = f"facts:{known['incarnation']}.{known['version']}"
    occasion = None
    if changed or (newer and asked_about(before) != asked_about(facts)):
        occasion = record
    elif regrouped(reference, facts["countries"], since=told_day, day=day):
        occasion = f"day:{day}"
    concerned = await _concerned(connection, project, everybody=occasion is not None)
    told = await _told(connection, project)
    asked = asked_of(reference, facts, day=day)
    leaving = [
        pair
        for pair in concerned
        if leaves(pair, told.get(pair["subscription"]), asked=asked, revised=occasion is not None)
    ]
    untold: frozenset[str] = frozenset()
    if leaving:
        untold = await take_back_of(connection, project, leaving, now=timestamp(now))
        told = await _told(connection, project)
    words = _words(
        concerned,
        told,
        asked=asked,
        asked_before=asked_of(reference, before, day=told_day),
        changed=changed,
        revised=occasion is not None,
        facts=known["facts_hash"] if newer or listed["told_facts"] == known["facts_hash"] else None,
    )
    news = _news(words, told, record=record, occasion=occasion)
    made = await insert_notices(
        runtime,
        connection,
        project,
        news,
        list_version=listed["number"],
        cycle=f"{project}|{listed['number']}",
    )
    await connection.execute(
        update(STANDINGS)
        .where(STANDINGS.c.project == project, STANDINGS.c.fresh, ~_WAITS)
        .values(fresh=False, told_band=STANDINGS.c.band)
    )
    untold |= {pair["organisation"] for pair, _ in words}
    away = untold & {pair["organisation"] for pair in concerned if not pair["here"]}
    await look_again(connection, project, away)
    seen = _seen(known, facts) if newer else {}
    await connection.execute(heard.values({"due": False, "told_day": day.isoformat()} | seen))
    return made


def _newer(known: Mapping[str, Any], listed: Mapping[str, Any]) -> bool:
    """Whether a project's record is above the one that was told last: a log read anew may be at an older one."""
    if listed["told_version"] is None:
        return True
    told = (listed["told_incarnation"], listed["told_version"])
    return (known["incarnation"], known["version"]) > told


def _seen(known: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Return what a list's row keeps of the record that was told."""
    return {
        "told_incarnation": known["incarnation"],
        "told_version": known["version"],
        "told_facts": known["facts_hash"],
        "told_asked": asked_about(facts),
    }


def _complete(listed: Mapping[str, Any], *, standing: int, newest: int) -> bool:
    """Whether as many pairs are here as a list version counts above its floor."""
    return bool(listed["final"] or (standing == listed["above_floor"] and newest <= listed["number"]))


async def _comes(
    runtime: Runtime,
    connection: AsyncConnection,
    listed: Mapping[str, Any],
    *,
    standing: int,
    newest: int,
    since: str,
) -> bool:
    """Whether what is missing of a list is waited for. `since` is when something of it came last.

    Set aside may be that a pair rose, or that it fell: fewer stand than are counted, or more. Neither accounts for a version
    whose pairs have begun to come and that is not here itself.
    """
    now, project = runtime.clock.now(), listed["project"]
    if timestamp(now - PATIENCE) < since or await unread(runtime, connection, project):
        return True
    missing = listed["above_floor"] - standing
    known = newest <= listed["number"] and 0 < abs(missing) <= await set_aside(connection, project)
    return not known and timestamp(now - LONGEST) < since


async def _concerned(
    connection: AsyncConnection, project: str, *, everybody: bool
) -> list[Mapping[str, Any]]:
    """Return the pairs that crossed (or, of a changed project, all that stand) with who listens to them."""
    which = or_(STANDINGS.c.fresh, STANDINGS.c.standing) if everybody else STANDINGS.c.fresh
    query = (
        select(
            STANDINGS.c.organisation,
            STANDINGS.c.incarnation,
            STANDINGS.c.version,
            STANDINGS.c.standing,
            STANDINGS.c.fresh,
            STANDINGS.c.band,
            STANDINGS.c.told_band,
            SUBSCRIPTIONS.c.id.label("subscription"),
            SUBSCRIPTIONS.c.conditions,
            DISMISSALS.c.project.is_not(None).label("dismissed"),
            here().label("here"),
        )
        .join(SUBSCRIPTIONS, SUBSCRIPTIONS.c.organisation == STANDINGS.c.organisation)
        .outerjoin(
            DISMISSALS,
            (DISMISSALS.c.organisation == STANDINGS.c.organisation)
            & (DISMISSALS.c.project == STANDINGS.c.project)
            & ~DISMISSALS.c.lifted,
        )
        .outerjoin(ORGANISATIONS, ORGANISATIONS.c.id == STANDINGS.c.organisation)
        .where(STANDINGS.c.project == project, which, SUBSCRIPTIONS.c.state.in_(LISTENING))
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def listening() -> Any:
    """Return the SQL condition of a subscription that is told: opted in, its organisation here.

    What cannot go now, for its endpoint is to be verified, paused or disabled, or its address has still to confirm, is
    made all the same, and waits.
    """
    return SUBSCRIPTIONS.c.state.in_(LISTENING) & here()


def here() -> Any:
    """Return the SQL condition of an organisation that is told anything; of one that is not known yet nothing speaks against it."""
    return or_(ORGANISATIONS.c.state.is_(None), ORGANISATIONS.c.state.not_in(AWAY))


async def _told(connection: AsyncConnection, project: str) -> dict[str, Last]:
    """Return the subscriptions that were told of a project before, with what they were told last."""
    newest = NOTICES.c.id.in_(_newest_told(project))
    waits = NOTICES.c.state == "waiting"  # it is told by the figures of when it is made
    query = select(
        NOTICES.c.id,
        NOTICES.c.subscription,
        NOTICES.c.type,
        NOTICES.c.fits,
        NOTICES.c.band,
        NOTICES.c.facts,
        waits.label("waits"),
        ARRIVES.label("arrives"),
    ).where(newest)
    told = {}
    for row in await connection.execute(query):
        band, facts = (row.band, row.facts) if row.arrives and not row.waits else (None, None)
        told[row.subscription] = Last(
            row.type, row.fits, band, facts, notice=row.id, sure=row.waits or row.arrives
        )
    return told


def _newest_told(project: str) -> Select[tuple[str]]:
    """Return the query for the newest notice of a project that each subscription was told, reminders apart."""
    return (
        select(func.max(NOTICES.c.id))
        .where(NOTICES.c.project == project, NOTICES.c.state != "dropped", NOTICES.c.fits.is_not(None))
        .group_by(NOTICES.c.subscription)
    )


def _words(
    concerned: Iterable[Mapping[str, Any]],
    told: Mapping[str, Last],
    *,
    asked: Asked,
    asked_before: Asked,
    changed: bool,
    revised: bool,
    facts: str | None,
) -> list[tuple[Mapping[str, Any], Word]]:
    """Return what there is to be told of each pair whose organisation has not dismissed the project, be that away."""
    found = []
    for pair in concerned:
        if pair["dismissed"]:
            continue
        last = told.get(pair["subscription"])
        word = word_of(
            pair,
            last,
            asked=asked,
            asked_before=asked_before,
            changed=changed,
            revised=revised,
            facts=facts,
        )
        if word is not None and (pair["here"] or (word.fits and not knows(last))):
            found.append((pair, word))
    return found


def _news(
    words: Iterable[tuple[Mapping[str, Any], Word]],
    told: Mapping[str, Last],
    *,
    record: str,
    occasion: str | None,
) -> Iterator[News]:
    """Yield the news of those that are here.

    `occasion` names what is new of the project, None if nothing is, and `record` its revision: it may return to what it was,
    and that is news too. A crossing is named by its pair's record, and what a look again has found by the word that it is news after.
    """
    for pair, word in words:
        if not pair["here"]:
            continue
        crossing = f"standing:{pair['incarnation']}.{pair['version']}"
        of_project = word.rule in {PROJECT_CHANGED, LEFT, MEETS}
        cause = occasion if occasion and of_project else crossing
        if cause == crossing and pair["told_band"] == UNDISMISSED:
            last = told.get(pair["subscription"])
            cause = f"again:{record}:{crossing}" if last is None else f"again:{last.notice}"
        yield News(
            subscription=pair["subscription"],
            organisation=pair["organisation"],
            type=word.type,
            rule=word.rule,
            cause=cause,
            fits=word.fits,
        )


async def _ending(runtime: Runtime, connection: AsyncConnection, project: str) -> int:
    """Tell those who were told of a project that it has ended: the last that they hear of it. What was held is not sent."""
    held = (
        select(PROJECTS).where(PROJECTS.c.id == project).with_for_update()
    )  # a digest of it is made before, or after
    row = (await connection.execute(held)).mappings().one()
    if row["ending"] is None:
        return 0
    await take_back(connection, project=project, but=OVER, now=timestamp(runtime.clock.now()))
    withdrawn, erased = row["ending"] == "withdrawn", row["state"] == "erased"
    news = [
        News(
            subscription=one["subscription"],
            organisation=one["organisation"],
            type=OPPORTUNITY_WITHDRAWN if withdrawn else OPPORTUNITY_CLOSED,
            rule=ERASED if erased else "project-withdrawn" if withdrawn else "project-closed",
            cause=f"ended:{row['incarnation']}.{row['version']}",
            fits=False,
        )
        for one in await told_of(connection, project)
    ]
    number = await newest_version(connection, project)
    made = await insert_notices(
        runtime, connection, project, news, list_version=number, cycle=f"{project}|ended"
    )
    if erased:
        emptied = (NOTICES.c.project == project) & (NOTICES.c.rule != ERASED)
        await connection.execute(update(NOTICES).where(emptied).values(state="dropped"))
    await told_of_ending(connection, project)
    return made


async def newest_version(connection: AsyncConnection, project: str) -> int | None:
    """Return the number of the newest list version that is known of a project."""
    query = select(LISTS.c.number).where(LISTS.c.project == project, LISTS.c.number > 0)
    return (await connection.execute(query)).scalar_one_or_none()


async def told_of(connection: AsyncConnection, project: str) -> list[Mapping[str, Any]]:
    """Return the listening subscriptions, with cadence, time zone, conditions and the rule of their last word, to whom a project is open.

    They were told of it and of no end since. Those that have dismissed it are left out.
    """
    query = (
        select(
            SUBSCRIPTIONS.c.id.label("subscription"),
            SUBSCRIPTIONS.c.organisation,
            SUBSCRIPTIONS.c.cadence,
            SUBSCRIPTIONS.c.time_zone,
            SUBSCRIPTIONS.c.conditions,
            NOTICES.c.rule,
        )
        .join(NOTICES, NOTICES.c.subscription == SUBSCRIPTIONS.c.id)
        .outerjoin(ORGANISATIONS, ORGANISATIONS.c.id == SUBSCRIPTIONS.c.organisation)
        .where(
            NOTICES.c.id.in_(_newest_told(project)),
            NOTICES.c.type.not_in(ENDS),
            listening(),
            ~DISMISSED,
        )
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]
