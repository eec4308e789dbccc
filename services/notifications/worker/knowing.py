"""What a subscriber knows of a project by the last word of it, and what another word says that is new.

*What.* A band, with needs and countries; or that it is not what is asked for. *Why looked at again when a word is made ready.* Its figures are
of that moment: the list may be ahead of the log, and a pair moves on while its news waits for a pause or a list to end. A rise
that names a lower band is no reason, and one to the band that is known is no news. *Never:* look at a rank.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import (
    MATCH_PROPOSED,
    MATCH_RESCORED,
    MATCH_WITHDRAWN,
    OPPORTUNITY_UPDATED,
    Rule,
)
from services.notifications.commands.leaving import ARRIVES, NEEDS_REASONS
from services.notifications.rules.conditions import BAND_ORDER, Asked, reaches_band
from services.notifications.tables import NOTICES, SUBSCRIPTIONS
from services.notifications.worker.reasons import Rows
from services.notifications.worker.telling import ENDS, FELL, FIRST, LEFT, MEETS, PROJECT_CHANGED, ROSE

AT_ONCE = 500
"""So many subscriptions are looked up together."""


class Known(NamedTuple):
    """What a reader knows of a project that is open, by the last word of it: another word is news, the same is none."""

    fits: bool
    """It is what is asked for; if not, nothing else of it matters."""
    band: str | None
    facts: str | None
    """Its needs and countries, as a hash; None: before that was kept."""


NOT_ASKED_FOR = Known(fits=False, band=None, facts=None)
UNSURE = Known(fits=True, band=None, facts=None)
"""What a reader knows by a message that was tried and then taken back or given up: it may have been read."""

_OTHER = NOTICES.alias("other")
_THEIRS = and_(_OTHER.c.subscription == NOTICES.c.subscription, _OTHER.c.project == NOTICES.c.project)
TOLD = (
    select(_OTHER.c.id)
    .where(_THEIRS, _OTHER.c.state.in_(("ready", "sent")), _OTHER.c.fits.is_not(None))
    .exists()
)
"""Whether a notice's subscription was told of its project before, or is about to be: it is told on, with whatever confidence."""


def later(*states: str) -> ColumnElement[bool]:
    """Return the condition that a notice's subscription has a later one of the project in one of these states, that says as much.

    A reminder does not say whether the project is asked for.
    """
    says_as_much = or_(_OTHER.c.fits.is_not(None), NOTICES.c.fits.is_(None))
    which = (_THEIRS, _OTHER.c.id > NOTICES.c.id, _OTHER.c.state.in_(states), says_as_much)
    return select(_OTHER.c.id).where(*which).exists()


def known_by(notice: Mapping[Any, Any]) -> Known | None:
    """Return what a notice says of its project; None of an end, or if that is not kept."""
    if notice["type"] in ENDS or (notice["fits"] and notice["band"] is None):
        return None
    return Known(fits=True, band=notice["band"], facts=notice["facts"]) if notice["fits"] else NOT_ASKED_FOR


def same(known: Known, now: Known) -> bool:
    """Whether nothing is another than is known; needs and countries of before they were kept count as known."""
    facts = known.facts is None or now.facts is None or known.facts == now.facts
    return (known.fits, known.band) == (now.fits, now.band) and facts


def what_changed(known: Known, now: Known) -> Rule | None:
    """Return the rule of what is another than is known; None if nothing is, or either is of a project that is not asked for."""
    if not (now.fits and known.fits) or same(known, now):
        return None
    if now.band is None or known.band is None or now.band == known.band:
        return PROJECT_CHANGED
    return ROSE if BAND_ORDER[now.band] > BAND_ORDER[known.band] else FELL


async def last_words(
    connection: AsyncConnection, project: str, waiting: Sequence[Mapping[str, Any]]
) -> dict[str, Known]:
    """Return, by subscription, what is known of a project to those for whom more than the first word of it waits."""
    more = (one for one in waiting if _of_standing(one) and one["rule"] != FIRST)
    asking = sorted({one["subscription"] for one in more})
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
        said = (NOTICES.c.subscription, NOTICES.c.type, NOTICES.c.fits, NOTICES.c.band, NOTICES.c.facts)
        words = select(*said, ARRIVES.label("arrives")).where(NOTICES.c.id.in_(newest))
        for one in (await connection.execute(words)).mappings():
            known = known_by(one)
            if known is not None:
                found[one["subscription"]] = known if one["arrives"] or not known.fits else UNSURE
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
) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Return waiting notices with what they are told as, by the rows of now and what their readers know by then; None: nothing is new.

    One that was tried may have been read, and who has read it reads nothing more under its id: so it is told again as what it said, or, where
    something else is so by now, not at all, and the next word is. Left out is what waits on: list and log have its pair in different
    bands, and what brings them together is on its way.
    """
    last, told = dict(known), dict[str, Mapping[str, Any] | None]()
    for notice in sorted(waiting, key=itemgetter("id")):
        row = rows.get((notice["language"], notice["organisation"]))
        if row is None or row["band"] is None or not _of_standing(notice):
            told[notice["id"]] = notice
        elif row["band"] == notice["standing_band"]:
            now = Known(fits=True, band=row["band"], facts=facts_hash)
            made = _told_as(notice, last.get(notice["subscription"]), now, asked=asked)
            told[notice["id"]] = made
            if made is not None:
                last[notice["subscription"]] = now if made["fits"] else NOT_ASKED_FOR
            elif notice["tried"] and not notice["superseded"]:
                last[notice["subscription"]] = UNSURE
    return [(one, told[one["id"]]) for one in waiting if one["id"] in told]


def _of_standing(notice: Mapping[str, Any]) -> bool:
    """Whether a notice says where a pair stands, or that one fell which stands again."""
    fell = notice["type"] == MATCH_WITHDRAWN
    return notice["type"] in NEEDS_REASONS or (fell and bool(notice["standing"]))


def _told_as(
    notice: Mapping[str, Any], before: Known | None, now: Known, *, asked: Asked
) -> Mapping[str, Any] | None:
    """Return what a notice of a pair that stands is told as; None: nothing is new, or the next word says what it is now.

    Who never heard that it was not what they ask for does not hear that it is again, but what is another; who may have heard nothing, that it is
    what they ask for.
    """
    if not notice["fits"] and asked(bytes(notice["conditions"]), now.band):
        return None
    if notice["tried"]:
        return None if notice["superseded"] else _as_said(notice, now)
    if not notice["fits"]:
        return notice if notice["rule"] == LEFT else _as_fallen(notice, before, now)
    if before == UNSURE and notice["type"] != MATCH_PROPOSED:
        return {**notice, "type": MATCH_PROPOSED, "rule": MEETS}
    if before is None or before.band is None:
        return notice
    return None if same(before, now) else _as_changed(notice, what_changed(before, now))


def _as_fallen(notice: Mapping[str, Any], before: Known | None, now: Known) -> Mapping[str, Any] | None:
    """Return what the fall of a pair is told as that stands and is not what is asked for: that its project left, or the band it has."""
    knew = notice["type"] != MATCH_WITHDRAWN if before is None else before.fits
    left = _as_left(notice, now)
    if not knew or (left["rule"] == FELL and before is not None and same(before, now)):
        return None
    return left


def _as_left(notice: Mapping[str, Any], now: Known) -> Mapping[str, Any]:
    """Return the fall of a pair that stands as what keeps it from what is asked for by now: its project, or its band."""
    if reaches_band(now.band, orjson.loads(notice["conditions"]).get("minimum_band")):
        return {**notice, "type": OPPORTUNITY_UPDATED, "rule": LEFT}
    return {**notice, "type": MATCH_RESCORED, "rule": FELL}


def _as_changed(notice: Mapping[str, Any], rule: Rule | None) -> Mapping[str, Any]:
    """Return an untried notice as one of what is another than its reader knows by now."""
    if rule in {None, notice["rule"]}:
        return notice
    kind = OPPORTUNITY_UPDATED if rule == PROJECT_CHANGED else MATCH_RESCORED
    return {**notice, "type": kind, "rule": rule}


def _as_said(notice: Mapping[str, Any], now: Known) -> Mapping[str, Any] | None:
    """Return what a notice that was tried is told as again: what it said; None: that is not so any more.

    That a pair is not what is asked for is said with the figures of now: whoever has read it knows enough.
    """
    if not notice["fits"]:
        return notice if notice["rule"] == LEFT else _as_left(notice, now)
    said = known_by(notice)
    return notice if said is not None and same(said, now) else None
