"""From a waiting notice to a message: reasons are added, first words below the asked confidence fall out, webhooks are queued.

*What.* One cycle at a time: ask for the rows, then in one transaction the notices become ready and the deliveries of
webhooks are made, in an order that is a keyed hash. *Why all or none.* Who is told first is nobody's advantage if all are
queued together. A notice of a pair that has no row above the floor any more waits for the record that says so: the cycle
of that record takes it back, or finds that the pair stands again. *Never:* send.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import structlog
from sqlalchemy import and_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import (
    MATCH_WITHDRAWN,
    OPPORTUNITY_CLOSING_SOON,
)
from services.chassis.database import Insert, insert_for
from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.dismissals import look_again_at
from services.notifications.commands.leaving import DISMISSED, NEEDS_REASONS, OVER, PAUSED, TRIED, WITHDRAWN
from services.notifications.consumers import REFERENCE
from services.notifications.queries.reading import quiet_of
from services.notifications.rules import conditions
from services.notifications.rules.cadence import next_digest
from services.notifications.rules.conditions import asked_of, day_told, reaches_band
from services.notifications.tables import (
    DELIVERIES,
    ENDPOINTS,
    LISTS,
    NOTICE_HEAD,
    NOTICES,
    ORGANISATIONS,
    PROJECTS,
    STANDINGS,
    SUBSCRIPTIONS,
)
from services.notifications.worker.holding import put_back_held
from services.notifications.worker.knowing import (
    AT_ONCE,
    TOLD,
    Known,
    last_words,
    later,
    moves,
    terms_told,
)
from services.notifications.worker.messages import NOTHING_SAID, said_of, webhook_of
from services.notifications.worker.reasons import READER, Asked, ListReader, ListsAway, NoAnswer, Rows
from services.notifications.worker.reminders import causes_of

ASKS = NEEDS_REASONS | {MATCH_WITHDRAWN}
"""Types that ask the list; of who stands on it no more, whether a rule leaves it out, for then nothing has fallen."""

SILENT = "silent-list"
"""Whose list gave no answer last."""

_log = structlog.get_logger(__name__)

_READY = (
    update(NOTICES)
    .where(NOTICES.c.id == bindparam("this_id"), NOTICES.c.state == "waiting")
    .values(
        state=bindparam("new_state"),
        type=bindparam("new_type"),
        rule=bindparam("new_rule"),
        data=bindparam("new_data"),
        deadline=bindparam("new_deadline"),
        facts=bindparam("new_facts"),
        band=bindparam("new_band"),
        delivery=bindparam("new_delivery"),
        position=bindparam("new_position"),  # anew also if it had one: who has read on since has not seen it
    )
)

TELLABLE = and_(
    NOTICES.c.state == "waiting",
    or_(PROJECTS.c.state == "published", NOTICES.c.type.in_(OVER)),
    ~DISMISSED,
    ~PAUSED,
    ~WITHDRAWN,
)
"""What waits for its reasons, and not until its project is open again, its dismissal taken back, its subscription taken up, or its organisation back."""

_WITH_NEWS = (
    select(NOTICES.c.project)
    .join(PROJECTS, PROJECTS.c.id == NOTICES.c.project)
    .where(TELLABLE)
    .group_by(NOTICES.c.project)
    .order_by(func.min(NOTICES.c.made_at))
)


async def step(runtime: Runtime) -> int:
    """Make every waiting notice ready that can be; returns how many were settled. Those whose list is away wait.

    Without any answer nothing more is asked in this step, for each question would be waited for as long. It may be that
    list alone, so the next step begins behind it.
    """
    async with runtime.database.read() as connection:
        projects = (await connection.scalars(_WITH_NEWS)).all()
    silent = runtime.state.get(SILENT)
    if silent in projects:
        behind = projects.index(silent) + 1
        projects = [*projects[behind:], *projects[:behind]]
    settled, asks = 0, True
    for project in projects:
        try:
            settled += await _ready(runtime, project, asks=asks)
        except ListsAway as error:
            _log.warning("notices wait for their reasons", project=project, error=str(error))
            if isinstance(error, NoAnswer):
                asks = False
                runtime.state[SILENT] = project
    return settled


async def _ready(runtime: Runtime, project: str, *, asks: bool) -> int:
    async with runtime.database.read() as connection:
        waiting = await _waiting(connection, project)
        record = (
            select(PROJECTS.c.facts, PROJECTS.c.facts_hash, PROJECTS.c.state, LISTS.c.told_day)
            .outerjoin(LISTS, LISTS.c.project == PROJECTS.c.id)
            .where(PROJECTS.c.id == project)
        )
        row = (await connection.execute(record)).first()
        if not waiting or row is None:
            return 0  # taken back since, or the log is being read anew
        asked = _asked(waiting)
        if asked and not asks:
            return 0
        terms = await terms_told(connection, project, waiting)
        last = await last_words(connection, project, waiting)
    reader: ListReader = runtime.state[READER]
    rows = await reader.rows(project, asked)
    more = [one["subscription"] for one in waiting if one["told"] and one["fits"] is not None]
    if await put_back_held(runtime, project, more):
        return await _ready(runtime, project, asks=asks)
    known: Mapping[str, Any] = NOTHING_SAID if row.state == "erased" else orjson.loads(row.facts)
    now = runtime.clock.now()
    made = await asyncio.to_thread(
        _made,
        runtime,
        waiting,
        rows,
        facts=known,
        facts_hash=row.facts_hash,
        asked=asked_of(runtime.state[REFERENCE], known, day=day_told(row.told_day, now.date())),
        terms=terms,
        last=last,
        now=now,
    )
    if not made.notices:
        return 0
    async with runtime.database.write() as connection:
        settled = await _settle(connection, project, waiting, made)
        for notice, subscription, due in made.digests:
            if notice in settled:
                await connection.execute(
                    update(SUBSCRIPTIONS)
                    .where(SUBSCRIPTIONS.c.id == subscription, SUBSCRIPTIONS.c.next_digest_at.is_(None))
                    .values(next_digest_at=timestamp(due))
                )
        outdated = [organisation for notice, organisation in made.outdated if notice in settled]
        for start in range(0, len(outdated), AT_ONCE):
            theirs = STANDINGS.c.organisation.in_(outdated[start : start + AT_ONCE])
            await look_again_at(connection, theirs & (STANDINGS.c.project == project))
    runtime.signals.notify("notifications.due")
    return len(made.notices)


class _Made(NamedTuple):
    """What becomes of waiting notices, by their ids."""

    notices: list[dict[str, Any]]
    deliveries: list[tuple[str, dict[str, Any]]]
    digests: list[tuple[str, str, datetime]]
    """Subscriptions, and when their mails are due that are told at once."""
    outdated: list[tuple[str, str]]
    """Organisations that may have read what is not so any more: they are told what is, if no other word says it."""


def _made(
    runtime: Runtime,
    waiting: Sequence[Mapping[str, Any]],
    rows: Rows,
    *,
    facts: Mapping[str, Any],
    facts_hash: str,
    asked: conditions.Asked,
    terms: Mapping[str, list[str]],
    last: Mapping[str, Known],
    now: datetime,
) -> _Made:
    """Return what becomes of waiting notices. A thread's work."""
    made = _Made([], [], [], [])
    for waits, notice in moves(waiting, rows, last, facts_hash=facts_hash, asked=asked):
        row = rows.get((waits["language"], waits["organisation"]))
        if notice is None:
            made.notices.append(_untold(waits))
            if waits["tried"]:
                made.outdated.append((waits["id"], waits["organisation"]))
            continue
        excluded = row is not None and row["fit"] is None
        if excluded != (notice["type"] == MATCH_WITHDRAWN):
            row = None  # it stands there again, or not any more
        if row is None and notice["type"] in NEEDS_REASONS and (notice["standing"] or notice["fresh"]):
            continue  # the list is ahead of the log: the record that the pair fell, or stands again, is on its way
        chosen = orjson.loads(notice["conditions"])
        least = chosen.get("minimum_band")
        if row is not None and notice["fits"] and not reaches_band(row["band"], least):
            if notice["fresh"]:
                continue  # a cycle is about to take it back
            row = None
        confidence = chosen.get("minimum_confidence")
        data = said_of(notice, facts, row, terms=terms.get(notice["subscription"], []), least=confidence)
        if data is None:
            made.notices.append(_untold(notice))
            continue
        _add(made, runtime, notice, data, facts=facts_hash, now=now)
    return made


def _add(
    made: _Made,
    runtime: Runtime,
    notice: Mapping[str, Any],
    data: dict[str, Any],
    *,
    facts: str,
    now: datetime,
) -> None:
    """Add a notice that is told, with its webhook, or the hour of its mail if that is told at once."""
    delivery = None
    if notice["channel"] == "webhook":
        message = webhook_of(runtime, notice, data, now=now)
        delivery = message["id"]
        made.deliveries.append((notice["id"], message))
    elif notice["channel"] == "email" and notice["cadence"] == "instant":
        due = next_digest(now, "instant", quiet_of(notice), notice["time_zone"])
        made.digests.append((notice["id"], notice["subscription"], due))
    state = "ready" if notice["channel"] == "email" else "sent"
    made.notices.append(_settled(notice, state, data, delivery, facts=facts))


def _untold(notice: Mapping[str, Any]) -> dict[str, Any]:
    """Return what becomes of a notice that is not told (on): one that was tried stays told, as what it said."""
    kept = orjson.loads(notice["data"]) if notice["tried"] and notice["data"] is not None else None
    state = "sent" if notice["tried"] else "dropped"
    return _settled(notice, state, kept, notice["delivery"], facts=notice["facts"])


async def _settle(
    connection: AsyncConnection, project: str, waiting: Sequence[Mapping[str, Any]], made: _Made
) -> frozenset[str]:
    """Queue the messages and settle the notices that wait still: reasons took their time, and people decide meanwhile.

    Returns those that wait still.
    """
    still = await _still_waiting(connection, project, waiting)
    queued = [one for notice, one in made.deliveries if notice in still]
    if queued:
        await connection.execute(_queued(connection), queued)
    settled = [one for one in made.notices if one["this_id"] in still]
    if settled:
        await connection.execute(_READY, await _placed(connection, settled))
    return still


def _queued(connection: AsyncConnection) -> Insert:
    """Return the statement that queues a webhook; one that was put back, or left for a mail, keeps its id and its tries.

    Its hour too, if that had come: it has waited for that of its cadence once.
    """
    statement = insert_for(connection, DELIVERIES)
    anew = ("type", "endpoint", "body", "state", "place", "ended_at")
    begun = or_(DELIVERIES.c.attempts > 0, DELIVERIES.c.due_at <= DELIVERIES.c.ended_at)
    earlier = begun & (DELIVERIES.c.due_at < statement.excluded.due_at)
    due_at = case((earlier, DELIVERIES.c.due_at), else_=statement.excluded.due_at)
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={name: statement.excluded[name] for name in anew}
        | {"due_at": due_at, "earlier": DELIVERIES.c.attempts},
        where=(DELIVERIES.c.state == "cancelled") & DELIVERIES.c.body.is_(None),
    )


def _asked(waiting: Sequence[Mapping[str, Any]]) -> Asked:
    """Return whose reasons waiting notices need, each organisation in the languages that its subscribers chose."""
    asked: dict[str, set[str]] = {}
    for notice in waiting:
        if notice["type"] in ASKS:
            asked.setdefault(notice["organisation"], set()).add(notice["language"])
    return asked


async def _placed(connection: AsyncConnection, notices: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Give each notice the next position. The row is held until the end of the transaction, so that none shows later before."""
    head = insert_for(connection, NOTICE_HEAD).values(id=1, position=len(notices))
    moved = head.on_conflict_do_update(
        index_elements=["id"], set_={"position": NOTICE_HEAD.c.position + len(notices)}
    )
    newest: int = (await connection.execute(moved.returning(NOTICE_HEAD.c.position))).scalar_one()
    first = newest - len(notices) + 1
    return [one | {"new_position": first + number} for number, one in enumerate(notices)]


async def _still_waiting(
    connection: AsyncConnection, project: str, made: Sequence[Mapping[str, Any]]
) -> frozenset[str]:
    """Return those notices that wait still, held against whoever would end their subscriptions or dismiss their project now.

    One whose subscription was saved anew, or whose endpoint or organisation has come to another state, is left for the
    next step, which reads what they say now. Of a project that has come to rest or was
    dismissed, or an organisation that has withdrawn, it waits on; of one whose deadline was
    moved, all is left, but for the reminders of the earlier one, which are forgotten: if it comes back, so do they.
    """
    record = select(PROJECTS.c.deadline).where(PROJECTS.c.id == project)
    deadline = await connection.scalar(
        record.with_for_update(read=True)
    )  # it is revised before this, or after
    waiting = (NOTICES.c.project == project) & (NOTICES.c.state == "waiting")
    about = select(NOTICES.c.subscription).where(waiting)
    held = (
        select(SUBSCRIPTIONS.c.id, SUBSCRIPTIONS.c.revision, SUBSCRIPTIONS.c.endpoint, ORGANISATIONS.c.state)
        .outerjoin(ORGANISATIONS, ORGANISATIONS.c.id == SUBSCRIPTIONS.c.organisation)
        .where(SUBSCRIPTIONS.c.id.in_(about))
        .order_by(SUBSCRIPTIONS.c.id)
        .with_for_update(of=SUBSCRIPTIONS, key_share=True)
    )
    subscriptions = (await connection.execute(held)).all()
    named = select(SUBSCRIPTIONS.c.endpoint).where(SUBSCRIPTIONS.c.id.in_(about))
    endpoints = select(ENDPOINTS.c.id, ENDPOINTS.c.state).where(ENDPOINTS.c.id.in_(named))
    locked = endpoints.order_by(ENDPOINTS.c.id).with_for_update(read=True, key_share=True)
    states = {row.id: row.state for row in await connection.execute(locked)}
    now = {row.id: (row.revision, states.get(row.endpoint), row.state) for row in subscriptions}
    await connection.execute(
        delete(NOTICES).where(
            waiting,
            NOTICES.c.type == OPPORTUNITY_CLOSING_SOON,
            ~NOTICES.c.cause.startswith(causes_of(deadline), autoescape=True),
        )
    )
    tellable = (
        select(NOTICES.c.id)
        .join(PROJECTS, PROJECTS.c.id == NOTICES.c.project)
        .where(NOTICES.c.project == project, TELLABLE)
        .with_for_update(of=NOTICES)
    )
    still = frozenset(await connection.scalars(tellable))
    return still & {
        one["id"]
        for one in made
        if one["project_deadline"] == deadline
        and now.get(one["subscription"])
        == (one["subscription_revision"], one["endpoint_state"], one["organisation_state"])
    }


async def _waiting(connection: AsyncConnection, project: str) -> Sequence[Mapping[str, Any]]:
    query = (
        select(
            NOTICES,
            SUBSCRIPTIONS.c.channel,
            SUBSCRIPTIONS.c.endpoint,
            SUBSCRIPTIONS.c.language,
            SUBSCRIPTIONS.c.cadence,
            SUBSCRIPTIONS.c.quiet,
            SUBSCRIPTIONS.c.time_zone,
            SUBSCRIPTIONS.c.conditions,
            SUBSCRIPTIONS.c.state.label("subscription_state"),
            SUBSCRIPTIONS.c.revision.label("subscription_revision"),
            ENDPOINTS.c.state.label("endpoint_state"),
            ORGANISATIONS.c.state.label("organisation_state"),
            STANDINGS.c.standing,
            STANDINGS.c.fresh,
            STANDINGS.c.band.label("standing_band"),
            PROJECTS.c.deadline.label("project_deadline"),
            TRIED.label("tried"),
            TOLD.label("told"),
            later("ready", "sent").label("superseded"),
        )
        .join(PROJECTS, PROJECTS.c.id == NOTICES.c.project)
        .join(SUBSCRIPTIONS, SUBSCRIPTIONS.c.id == NOTICES.c.subscription)
        .outerjoin(ENDPOINTS, ENDPOINTS.c.id == SUBSCRIPTIONS.c.endpoint)
        .outerjoin(ORGANISATIONS, ORGANISATIONS.c.id == NOTICES.c.organisation)
        .outerjoin(
            STANDINGS,
            (STANDINGS.c.project == NOTICES.c.project) & (STANDINGS.c.organisation == NOTICES.c.organisation),
        )
        .where(NOTICES.c.project == project, TELLABLE)
        .order_by(NOTICES.c.place)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _settled(
    notice: Mapping[str, Any],
    state: str,
    data: Mapping[str, Any] | None,
    delivery: str | None,
    *,
    facts: str | None,
) -> dict[str, Any]:
    return {
        "this_id": notice["id"],
        "new_state": state,
        "new_type": notice["type"],
        "new_rule": notice["rule"] if data is None else data["why"]["rule"],
        "new_data": None if data is None else orjson.dumps(data),
        "new_deadline": None if data is None else data["deadline"] or "",
        "new_facts": None if data is None else facts,
        "new_band": None if data is None else data["band"],
        "new_delivery": delivery,
    }
