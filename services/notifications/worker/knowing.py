"""What a subscriber knows of a project by the last word of it, and what another word says that is new.

*What.* A band, with needs and countries; or that it is not what is asked for. *Why looked at again when a word is made ready.* Its figures are
of that moment: the list may be ahead of the log, and a pair moves on while its news waits for a pause or a list to end. A rise
that names a lower band is no reason, and one to the band that is known is no news. *Never:* look at a rank.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import MATCH_PROPOSED, MATCH_RESCORED, OPPORTUNITY_UPDATED, Rule
from services.notifications.commands.leaving import NEEDS_REASONS
from services.notifications.rules.conditions import BAND_ORDER, Asked, reaches_band
from services.notifications.tables import NOTICES, SUBSCRIPTIONS
from services.notifications.worker.reasons import Rows
from services.notifications.worker.telling import ENDS, FELL, LEFT, MEETS, PROJECT_CHANGED, ROSE

AT_ONCE = 500
"""So many subscriptions are looked up together, and what they were told is parsed before anything else has its turn."""


class Known(NamedTuple):
    """What a reader knows of a project that is open, by the last word of it: another word is news, the same is none."""

    fits: bool
    """It is what is asked for; if not, nothing else of it matters."""
    band: str | None
    facts: str | None
    """Its needs and countries, as a hash; None: before that was kept."""


NOT_ASKED_FOR = Known(fits=False, band=None, facts=None)


def parsed(notice: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a notice with its data read."""
    return {**notice, "data": None if notice["data"] is None else orjson.loads(notice["data"])}


def known_by(notice: Mapping[str, Any]) -> Known | None:
    """Return what a notice, `parsed`, says of its project; None of an end, or if that is not kept."""
    if notice["type"] in ENDS or notice["data"] is None:
        return None
    if not notice["fits"]:
        return NOT_ASKED_FOR
    return Known(fits=True, band=notice["data"]["band"], facts=notice["facts"])


def what_changed(known: Known, now: Known) -> Rule | None:
    """Return the rule of what is another than is known; None if either is of a project that is not asked for."""
    if not (now.fits and known.fits):
        return None
    if now.band is None or known.band is None or now.band == known.band:
        return PROJECT_CHANGED
    return ROSE if BAND_ORDER[now.band] > BAND_ORDER[known.band] else FELL


async def last_words(
    connection: AsyncConnection, project: str, waiting: Sequence[Mapping[str, Any]]
) -> dict[str, Known]:
    """Return, by subscription, what is known of a project to those for whom news waits that a pair moved."""
    asking = sorted({one["subscription"] for one in waiting if one["type"] == MATCH_RESCORED})
    found: dict[str, Known] = {}
    for start in range(0, len(asking), AT_ONCE):
        newest = (
            select(func.max(NOTICES.c.id))
            .where(
                NOTICES.c.project == project,
                NOTICES.c.subscription.in_(asking[start : start + AT_ONCE]),
                NOTICES.c.state.in_(("ready", "sent")),
                NOTICES.c.fits.is_not(None),
            )
            .group_by(NOTICES.c.subscription)
        )
        words = (
            select(NOTICES.c.subscription, NOTICES.c.type, NOTICES.c.fits, NOTICES.c.data, NOTICES.c.facts)
            .where(NOTICES.c.id.in_(newest))
        )  # fmt: skip
        for one in (await connection.execute(words)).mappings():
            known = known_by(parsed(one))
            if known is not None:
                found[one["subscription"]] = known
    return found


async def terms_told(
    connection: AsyncConnection, project: str, waiting: Sequence[Mapping[str, Any]]
) -> Mapping[str, list[str]]:
    """Return, by subscription, the shared terms of what was told of a project last, where a notice asks for none anew.

    Of all that was told the newest is read alone, of some subscriptions at a time: who waits may be thousands.
    """
    asking = sorted({one["subscription"] for one in waiting if one["type"] not in NEEDS_REASONS})
    newest = (
        select(NOTICES.c.data)
        .where(
            NOTICES.c.subscription == SUBSCRIPTIONS.c.id,
            NOTICES.c.project == project,
            NOTICES.c.state.in_(("ready", "sent")),
            NOTICES.c.data.is_not(None),
        )
        .order_by(NOTICES.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = {}
    for start in range(0, len(asking), AT_ONCE):
        some = asking[start : start + AT_ONCE]
        told = select(SUBSCRIPTIONS.c.id, newest.label("data")).where(SUBSCRIPTIONS.c.id.in_(some))
        for row in await connection.execute(told):
            if row.data is not None:
                found[row.id] = orjson.loads(row.data)["why"]["shared_terms"]
    return found


def moves(
    waiting: Sequence[Mapping[str, Any]],
    rows: Rows,
    known: Mapping[str, Known],
    *,
    facts_hash: str,
    asked: Asked,
) -> dict[str, Mapping[str, Any] | None]:
    """Return, by id, what news that a pair stands is told as, by its row of now and what its reader knows by then; None: nothing is new.

    One that was tried may have been read: it is told in any case, as what has moved since it was made.
    """
    last, found = dict(known), dict[str, Mapping[str, Any] | None]()
    for notice in sorted(waiting, key=itemgetter("id")):
        row = rows.get((notice["language"], notice["organisation"]))
        if notice["type"] not in NEEDS_REASONS or row is None or row["band"] is None:
            continue
        now = Known(fits=True, band=row["band"], facts=facts_hash)
        if notice["tried"]:
            told: Mapping[str, Any] | None = _tried_as(notice, now)
        else:
            told = _told_as(notice, last.get(notice["subscription"]), now, asked=asked)
        found[notice["id"]] = told
        if told is not None:
            last[notice["subscription"]] = now if notice["fits"] else NOT_ASKED_FOR
    return found


def _tried_as(notice: Mapping[str, Any], now: Known) -> Mapping[str, Any]:
    before = known_by(parsed(notice))
    rule = None if before is None else what_changed(before, now)
    return {**notice, "rule": rule} if notice["type"] == MATCH_RESCORED and rule in {ROSE, FELL} else notice


def _told_as(
    notice: Mapping[str, Any], before: Known | None, now: Known, *, asked: Asked
) -> Mapping[str, Any] | None:
    """Return what a notice is told as to whom it is the first word of its news; None: nothing is new.

    A fall out of what was asked for is none once the pair is back, and if its project left meanwhile, that is what keeps it
    away. Who never heard that it was not what they ask for does not hear that it is again, but what is another.
    """
    kind, fits = notice["type"], notice["fits"]
    if kind == MATCH_RESCORED and not fits:
        conditions = bytes(notice["conditions"])
        if asked(conditions, now.band):
            return None
        if reaches_band(now.band, orjson.loads(conditions).get("minimum_band")):
            return {**notice, "type": OPPORTUNITY_UPDATED, "rule": LEFT}
    elif kind == MATCH_PROPOSED or not fits:
        return notice
    if before == now:
        return None
    rule = None if before is None else what_changed(before, now)
    as_it_is = kind != MATCH_RESCORED and notice["rule"] != MEETS
    if rule is None or as_it_is or (rule == PROJECT_CHANGED and not fits):
        return notice
    return {
        **notice,
        "type": OPPORTUNITY_UPDATED if rule == PROJECT_CHANGED else MATCH_RESCORED,
        "rule": rule,
    }
