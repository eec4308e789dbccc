"""Digests: the news that has come together for a subscription becomes one mail, or none.

*What.* Subscriptions whose hour has come: their ready notices are rendered into one delivery, in one transaction with the
next hour. *Why no duplicate.* A digest's id follows from its news, and a notice that is in a digest is not ready any
more; killed anywhere, either both stand or neither. *Why of all its news.* One that is made again after a
backup was put back is the same mail to whoever filters by Message-ID, unless it has news that the first had not. *Why a cap.* Restraint:
what is above it, or beyond the projects that one mail has room for, stays ready and comes with the next digest, so it is
late and never lost. *Why so much room.* What a mail does not name waits for a month where its reader chose one a month, and
when somebody hears is to follow from that choice alone. *Why a keyed hash.* Those of one hour are made and sent in an order
that nobody can choose, as webhooks are. *Why with what no server took yet.* Of two
mails on their way the older could come last, and tell what is not so any more; one that may have been taken stays as it is. *Why a look at what was told last.* Between two digests a project may move away and come back: to its
reader nothing has happened. *Why a reminder beside its word.* What a mail names was told, so it says where a pair stands, however near the date is. *Never:* an empty mail, the same project twice in one, one as it is known already, one as open that has ended, the end of what no mail had
announced or that it is not asked for any more, or a look at a rank, a band or a category to decide who waits.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from heapq import nsmallest
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import MATCH_WITHDRAWN, OPPORTUNITY_CLOSING_SOON, Rule
from services.chassis.database import Insert, insert_for
from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.leaving import (
    ARRIVES,
    DISMISSED,
    ERASED,
    HELD,
    OUTDATED,
    OVER,
    RESTING,
    UNENDED,
    open_digests,
)
from services.notifications.commands.narrowing import take_back_unasked
from services.notifications.commands.queueing import delivery_row
from services.notifications.consumers import REFERENCE
from services.notifications.mail.letters import Letter, isolated, render, words_of
from services.notifications.queries.reading import quiet_of
from services.notifications.rules.cadence import CAP_WINDOW, FURTHEST, next_digest, next_under_cap, released
from services.notifications.rules.conditions import reaches_band
from services.notifications.rules.identifiers import identifier_of, identifier_of_news
from services.notifications.rules.keys import keys_of
from services.notifications.tables import (
    DELIVERIES,
    FLAGSHIPS,
    NOTICES,
    ORGANISATIONS,
    PROJECTS,
    SUBSCRIPTIONS,
)
from services.notifications.worker.cycles import AWAY
from services.notifications.worker.knowing import Known, known_by, later, same, what_changed
from services.notifications.worker.messages import title_in
from services.notifications.worker.readying import TELLABLE
from services.notifications.worker.telling import ENDS, FELL, LEFT

DIGEST = "digest"
IN_FULL = 20
"""So many projects a mail tells of with their reasons; it names the others in a line each."""
MOST_NAMED = 200
"""So many projects one mail has room for; what is in no mail was not told, so it stays ready for the next."""
MOST_REASONS = 3
"""So many sentences of why a mail has for each of the first: with more of them the largest is cut off where it is read."""
LOOK_AGAIN = timedelta(minutes=1)
"""When news is looked at again that was ready and could not be told: its project is being read anew, or about to be told as ended, or an earlier mail is out."""
AT_ONCE = 500
"""Of one step. All that are due are put in order first, so that whoever subscribed early is in no earlier batch."""
_SECTION = {OPPORTUNITY_CLOSING_SOON: "closing", MATCH_WITHDRAWN: "fallen"} | dict.fromkeys(OVER, "ended")
SECTIONS = ("new", "changed", "closing", "fallen", "ended")

_OVERTAKEN = NOTICES.c.fits.is_not(None) & later("sent")
"""Whether a word is older than one of its project that was sent: by webhook, before there were mails."""
_NOT_TAKEN = (
    select(DELIVERIES.c.id)
    .where(
        DELIVERIES.c.id == NOTICES.c.delivery,
        DELIVERIES.c.state.in_(("cancelled", "exhausted")),
        or_(DELIVERIES.c.channel == "email", DELIVERIES.c.attempts == 0),
    )
    .exists()
)
"""Whether what was sent was surely not taken: a mail that was refused, for itself too, or a webhook that nobody tried."""


async def step(runtime: Runtime) -> int:
    """Make the digests that are due; returns how many subscriptions were looked at. Without a mail server all wait."""
    if runtime.settings.mail.host is None:
        return 0  # what is made now would leave beside everything that comes up until there is one
    now = runtime.clock.now()
    keys = keys_of(runtime.state)
    hour = SUBSCRIPTIONS.c.next_digest_at
    beyond = [
        and_(SUBSCRIPTIONS.c.cadence == cadence, hour > timestamp(now + furthest))
        for cadence, furthest in FURTHEST.items()
    ]
    due = select(hour, SUBSCRIPTIONS.c.id).where(or_(hour <= timestamp(now), *beyond))
    async with runtime.database.read() as connection:
        found = (await connection.execute(due)).all()
    first = nsmallest(AT_ONCE, ((row.next_digest_at, keys.place(*row), row.id) for row in found))
    for *_, subscription in first:
        async with runtime.database.write() as connection:
            await _digest(runtime, connection, subscription, now=now)
    return len(first)


async def _digest(runtime: Runtime, connection: AsyncConnection, subscription: str, *, now: datetime) -> None:
    open_now = await _open_of(connection, subscription)
    query = (
        select(SUBSCRIPTIONS, ORGANISATIONS.c.name, ORGANISATIONS.c.state.label("organisation_state"))
        .outerjoin(ORGANISATIONS, ORGANISATIONS.c.id == SUBSCRIPTIONS.c.organisation)
        .where(SUBSCRIPTIONS.c.id == subscription)
        .with_for_update(of=SUBSCRIPTIONS)
    )
    row = dict((await connection.execute(query)).mappings().one())
    if not await _is_due(connection, row, now=now):
        return
    period = row["next_digest_at"]
    hour = next_digest(now, row["cadence"], quiet_of(row), row["time_zone"])
    written_to = row["state"] == "active" and row["refused_at"] is None
    following = timestamp(hour) if written_to and row["cadence"] != "instant" else None
    await connection.execute(
        update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == subscription).values(next_digest_at=following)
    )
    if row["organisation_state"] in AWAY:  # it withdrew while a mail was out that nobody took
        mine = (NOTICES.c.subscription == subscription) & (NOTICES.c.state == "ready")
        await connection.execute(update(NOTICES).where(mine, HELD).values(state="waiting"))
        await connection.execute(update(NOTICES).where(mine).values(state="dropped"))
        return
    if not written_to:
        return
    await _narrow(runtime, connection, row, now=now)
    notices, known, not_yet = await _ready(connection, row, open_now)
    if not_yet:
        await _due_again(connection, subscription, now + LOOK_AGAIN)
    if not notices:
        return
    later = await _held_until(runtime, connection, row, now=now)
    if later is not None:
        await _due_again(connection, subscription, later)
        return
    order = _in_order(notices)
    order, more = order[:MOST_NAMED], len(order[MOST_NAMED:])
    named = frozenset(order)
    notices = [one for one in notices if one["project"] in named]
    if more and following is None:  # told at once: not one mail after the other
        morning = next_digest(now, "daily", quiet_of(row), row["time_zone"])
        await _due_again(connection, subscription, morning)
    keys = keys_of(runtime.state)
    titles = {
        one.id: one.titles for one in await connection.execute(select(FLAGSHIPS.c.id, FLAGSHIPS.c.titles))
    }
    letter = digest_letter(
        runtime, row, notices, order=order, more=more, known=known, flagships=titles, now=now
    )
    identifier = identifier_of(DIGEST, subscription, *sorted(identifier_of_news(one) for one in notices))
    queued = delivery_row(
        organisation=row["organisation"],
        channel="email",
        kind=DIGEST,
        subscription=subscription,
        period=f"{period} {identifier}",
        identifier=identifier,
        body=letter.encoded(),
        place=keys.place(period, subscription),
        now=now,
    )
    due = released(datetime.fromisoformat(period), quiet_of(row), row["time_zone"])
    await connection.execute(_queued(connection, queued | {"due_at": timestamp(due)}))
    await connection.execute(
        update(NOTICES)
        .where(NOTICES.c.id.in_([one["id"] for one in notices]))
        .values(state="sent", delivery=queued["id"])
    )


async def _is_due(connection: AsyncConnection, row: Mapping[str, Any], *, now: datetime) -> bool:
    """Whether a digest is to be made now; an earlier one that no server took yet is opened for what is new, and waited for while it is out."""
    subscription, period = row["id"], row["next_digest_at"]
    if period is None:
        return False  # another process was first
    if period > timestamp(now):
        if period > timestamp(now + FURTHEST[row["cadence"]]):
            hour = next_digest(now, row["cadence"], quiet_of(row), row["time_zone"])
            await _due_again(connection, subscription, hour)
        return False  # another process was first, or a clock that was ahead
    ready = select(NOTICES.c.id).where(NOTICES.c.subscription == subscription, NOTICES.c.state == "ready")
    earlier = and_(DELIVERIES.c.subscription == subscription, DELIVERIES.c.type == DIGEST, ready.exists())
    await open_digests(connection, earlier, now=timestamp(now))
    out = select(DELIVERIES.c.id).where(earlier, DELIVERIES.c.state == "sending")
    if await connection.scalar(out.limit(1)) is None:
        return True
    await _due_again(connection, subscription, now + LOOK_AGAIN)
    return False


async def _narrow(
    runtime: Runtime, connection: AsyncConnection, row: Mapping[str, Any], *, now: datetime
) -> None:
    """Take back what conditions do not ask for that were saved while a mail was out with it that nobody took."""
    ready = select(func.min(NOTICES.c.made_at)).where(
        NOTICES.c.subscription == row["id"], NOTICES.c.state == "ready"
    )
    oldest = await connection.scalar(ready)
    if oldest is not None and row["changed_at"] >= oldest:
        await take_back_unasked(connection, row, runtime.state[REFERENCE], now=now)


async def _ready(
    connection: AsyncConnection, row: Mapping[str, Any], open_now: frozenset[str]
) -> tuple[list[dict[str, Any]], Mapping[str, Known | None], bool]:
    """Return the news that may be told, as what its projects are known that are known as open, and whether there is news that may not be told yet.

    Not yet: of what has closed the word is waited for, what became ready meanwhile is not held, and what was ready and is made anew
    (it names a deadline that was moved, or is in another language) comes a moment later.
    """
    subscription = row["id"]
    mine = (NOTICES.c.subscription == subscription) & (NOTICES.c.state == "ready")
    held = update(NOTICES).where(mine, RESTING | DISMISSED)
    await connection.execute(held.values(state="waiting"))  # since a mail was out with it that nobody took
    await connection.execute(update(NOTICES).where(mine, OUTDATED).values(state="waiting"))
    emptied = NOTICES.c.data.is_(None)  # its project was erased meanwhile
    await connection.execute(update(NOTICES).where(mine, emptied | _OVERTAKEN).values(state="dropped"))
    shown = (NOTICES.c.subscription == subscription) & NOTICES.c.position.is_not(None)  # it was ready before
    anew = select(NOTICES.c.id).join(PROJECTS, PROJECTS.c.id == NOTICES.c.project).where(shown, TELLABLE)
    ready = select(NOTICES).where(NOTICES.c.subscription == subscription, NOTICES.c.state == "ready")
    rows = (await connection.execute(ready.order_by(NOTICES.c.id))).mappings()
    notices = [{**one, "data": orjson.loads(one["data"])} for one in rows]
    other = {one["id"] for one in notices if one["data"]["language"] != row["language"]}
    if other:  # saved while a mail was out, as above
        await connection.execute(update(NOTICES).where(NOTICES.c.id.in_(other)).values(state="waiting"))
        notices = [one for one in notices if one["id"] not in other]
    known = await _known(connection, subscription)
    newest = {one["project"]: one["type"] for one in notices}
    told = {project for project, kind in newest.items() if kind in ENDS or project in open_now}
    not_yet = bool(newest.keys() - told) or await connection.scalar(anew.limit(1)) is not None
    notices = [one for one in notices if one["project"] in told]
    erased = {one["project"] for one in notices if one["rule"] == ERASED}
    if erased:  # what announced them went with them
        known |= dict.fromkeys(await _mailed(connection, subscription, erased))
    word = _words_in(notices)
    least = orjson.loads(row["conditions"]).get("minimum_band")
    over = {project for project, one in word.items() if project not in known and _gone(one, least)}
    unchanged = {
        project
        for project, one in word.items()
        if (before := known.get(project)) and (now := known_by(one)) and same(before, now)
    }
    dropped = {
        one["id"]
        for one in notices
        if one["project"] in over or (one["project"] in unchanged and one["type"] != OPPORTUNITY_CLOSING_SOON)
    }
    if dropped:
        await connection.execute(update(NOTICES).where(NOTICES.c.id.in_(dropped)).values(state="dropped"))
        notices = [one for one in notices if one["id"] not in dropped]
    return notices, known, not_yet


def _words_in(notices: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return, by project, the newest of these notices, reminders apart."""
    return {one["project"]: one for one in notices if one["type"] != OPPORTUNITY_CLOSING_SOON}


def _reminders_in(notices: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["project"]: one for one in notices if one["type"] == OPPORTUNITY_CLOSING_SOON}


def _gone(notice: Mapping[str, Any], least: str | None) -> bool:
    """Whether a notice says that its project has ended, or is not what the subscription asks for: a mail was out meanwhile that nobody took."""
    if notice["type"] in ENDS or notice["rule"] == LEFT:
        return True
    return notice["rule"] == FELL and not reaches_band(notice["data"]["band"], least)


async def _open_of(connection: AsyncConnection, subscription: str) -> frozenset[str]:
    """Return which projects are open of its ready news, and of what no server took yet, and hold them: each is revised before this digest, or finds it made.

    Held before the subscription, in the order of whoever makes messages ready or takes them back.
    """
    not_taken = select(DELIVERIES.c.id).where(
        DELIVERIES.c.subscription == subscription, DELIVERIES.c.state.in_(UNENDED)
    )
    news = select(NOTICES.c.project).where(
        NOTICES.c.subscription == subscription,
        or_(NOTICES.c.state == "ready", NOTICES.c.delivery.in_(not_taken)),
    )
    records = select(PROJECTS.c.id, PROJECTS.c.state).where(PROJECTS.c.id.in_(news)).order_by(PROJECTS.c.id)
    held = await connection.execute(records.with_for_update(read=True))
    return frozenset(row.id for row in held if row.state == "published")


def _queued(connection: AsyncConnection, row: Mapping[str, Any]) -> Insert:
    """Return the statement that queues a digest; one that was given up and is made again of the same news keeps its id and its tries."""
    statement = insert_for(connection, DELIVERIES).values(row)
    anew = ("period", "body", "state", "due_at", "place", "created_at", "ended_at")
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={name: statement.excluded[name] for name in anew} | {"earlier": DELIVERIES.c.attempts},
        where=DELIVERIES.c.state.in_(("cancelled", "exhausted")),
    )


async def _due_again(connection: AsyncConnection, subscription: str, moment: datetime) -> None:
    await connection.execute(
        update(SUBSCRIPTIONS)
        .where(SUBSCRIPTIONS.c.id == subscription)
        .values(next_digest_at=timestamp(moment))
    )


def _in_order(notices: Sequence[dict[str, Any]]) -> list[str]:
    """Return the projects of these notices: what closes soon first, by its deadline, then what has waited longest."""
    oldest = dict.fromkeys(one["project"] for one in notices)
    closing = {project: one["data"]["deadline"] or "" for project, one in _reminders_in(notices).items()}
    return sorted(oldest, key=lambda project: (project not in closing, closing.get(project, "")))


async def _known(connection: AsyncConnection, subscription: str) -> dict[str, Known | None]:
    """Return the projects with news that the subscriber knows as open, for the last that it may have read of them was no end, and as what.

    None: nobody knows as what; a webhook said it that may not have arrived.
    """
    ready = select(NOTICES.c.project).where(
        NOTICES.c.subscription == subscription, NOTICES.c.state == "ready"
    )
    newest = (
        select(func.max(NOTICES.c.id))
        .where(
            NOTICES.c.subscription == subscription,
            NOTICES.c.state == "sent",
            ~_NOT_TAKEN,
            NOTICES.c.type != OPPORTUNITY_CLOSING_SOON,
            NOTICES.c.project.in_(ready),
        )
        .group_by(NOTICES.c.project)
    )
    said = (NOTICES.c.project, NOTICES.c.type, NOTICES.c.fits, NOTICES.c.band, NOTICES.c.facts)
    last = select(*said, ARRIVES.label("arrives")).where(NOTICES.c.id.in_(newest))
    told = [one for one in (await connection.execute(last)).mappings() if one["type"] not in ENDS]
    return {one["project"]: known_by(one) if one["arrives"] else None for one in told}


async def _mailed(
    connection: AsyncConnection, subscription: str, projects: AbstractSet[str]
) -> Sequence[str]:
    """Return of which of these projects a mail has arrived, or may have."""
    mails = select(NOTICES.c.project).where(
        NOTICES.c.subscription == subscription,
        NOTICES.c.project.in_(projects),
        NOTICES.c.delivery.is_not(None),
        ARRIVES,
    )
    return (await connection.scalars(mails)).all()


async def _held_until(
    runtime: Runtime, connection: AsyncConnection, row: Mapping[str, Any], *, now: datetime
) -> datetime | None:
    """Return when the cap of a week lets the next digest leave, None if that is now; its notices stay ready until then."""
    sent = select(DELIVERIES.c.period).where(
        DELIVERIES.c.subscription == row["id"],
        DELIVERIES.c.type == DIGEST,
        DELIVERIES.c.state.not_in(("cancelled", "exhausted")),  # no mail that came
        DELIVERIES.c.created_at > timestamp(now - CAP_WINDOW - timedelta(days=1)),
    )
    return next_under_cap(
        [datetime.fromisoformat(period.partition(" ")[0]) for period in await connection.scalars(sent)],
        cap=cap_of(runtime, row),
        now=now,
        cadence=row["cadence"],
        quiet=quiet_of(row),
        zone=row["time_zone"],
    )


def cap_of(runtime: Runtime, row: Mapping[str, Any]) -> int:
    """Return how many digests a subscription gets in seven days at most: its own choice, else the published one."""
    return int(row["weekly_cap"] or runtime.settings.notifications.weekly_cap)


def _rules(notice: Mapping[str, Any], known: Known | None, reminder: Mapping[str, Any] | None) -> list[Rule]:
    """Return the rule of what is another than the reader knows, else of the notice; and of the reminder beside it, in whichever band it is told."""
    now = None if notice is reminder else known_by(notice)
    changed = None if now is None or known is None else what_changed(known, now)
    rules: list[Rule] = [changed or notice["data"]["why"]["rule"]]
    if reminder is None or reminder is notice or _gone(notice, least=None):
        return rules
    return [*rules, reminder["rule"]]


def digest_letter(
    runtime: Runtime,
    row: Mapping[str, Any],
    notices: Sequence[dict[str, Any]],
    *,
    order: Sequence[str],
    more: int,
    known: Mapping[str, Known | None],
    flagships: Mapping[str, bytes],
    now: datetime,
) -> Letter:
    """Return the digest of these notices: the newest word of each project, else its reminder, by flagship and section.

    The first of their projects by `order` are told of in full. What changed before it was ever announced is new; of what is
    `known` the reason is what is another than its reader knows. Of so many projects `more` the news waits. `flagships` are titles (JSON) by id; one of which nothing was read yet goes by its id.
    """
    address, keys, words = runtime.settings.address, keys_of(runtime.state), words_of(row["language"])
    reminders = _reminders_in(notices)
    newest = reminders | _words_in(notices)
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for place, project in enumerate(order):
        one = newest[project]
        data = one["data"]
        rules = _rules(one, known.get(project), reminders.get(project))
        flagship = data.get("flagship") or ""
        if flagship in flagships:
            flagship = title_in(orjson.loads(flagships[flagship]), row["language"])
        sections = groups.setdefault(flagship, {})
        changed = "changed" if project in known else "new"
        sections.setdefault(_SECTION.get(one["type"], changed), []).append(
            {
                "full": place < IN_FULL,
                "title": data["title"] or project,  # of an erased one the id is left
                "band": data["band"],
                "deadline": data["deadline"],
                "why": " · ".join(words["rules"][rule] for rule in rules),
                "terms": data["why"]["shared_terms"],
                "reasons": data["why"]["reasons"][:MOST_REASONS],
                # What anybody may open, in a browser that has no token: an open project, and nothing of a list.
                "project": None if one["type"] in OVER else address + data["links"]["project"],
            }
        )
    organisation = row["name"] or row["organisation"]
    leave = f"/v1/mail-links/{keys.link('unsubscribe', row['id'], email=row['email'])}"
    return render(
        "digest",
        language=row["language"],
        subject=words["digest_subject"].format(
            count=len(newest), organisation=isolated(organisation, row["language"])
        ),
        leave=leave,
        cap=cap_of(runtime, row),
        organisation=organisation,
        start=_day_there(min(one["made_at"] for one in notices), row["time_zone"]),
        end=_day_there(timestamp(now), row["time_zone"]),
        groups=[
            {
                "flagship": flagship,
                "sections": [
                    {"name": name, "items": sections[name]} for name in SECTIONS if name in sections
                ],
            }
            for flagship, sections in sorted(groups.items(), key=lambda one: (one[0] == "", one[0]))
        ],
        more=more,
        leave_link=address + leave,
    )


def _day_there(moment: str, zone: str) -> str:
    """Return the day (ISO) of a moment where the reader is."""
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).date().isoformat()
