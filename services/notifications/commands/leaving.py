"""What ends, or waits: all that an erased organisation had here, and what was not told yet of what is over, dismissed, unsubscribed or paused.

*Why not told beats told late.* News of a project that has closed or was dismissed meanwhile is no news; whoever heard
nothing of it needs no word of its end either. *Never:* delete the audit trail, which holds ids and no words.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, and_, delete, func, literal, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks.notifications import (
    ENDPOINT_PINGED,
    MATCH_PROPOSED,
    MATCH_RESCORED,
    OPPORTUNITY_CLOSED,
    OPPORTUNITY_CLOSING_SOON,
    OPPORTUNITY_UPDATED,
    OPPORTUNITY_WITHDRAWN,
)
from services.chassis.web import idempotency
from services.notifications.mail.letters import CONFIRMATION
from services.notifications.tables import (
    ATTEMPTS,
    DELIVERIES,
    DISMISSALS,
    ENDPOINTS,
    LISTS,
    NOTICES,
    ORGANISATIONS,
    PROJECTS,
    SECRETS,
    SUBSCRIPTIONS,
)

RESTING = NOTICES.c.project.in_(select(PROJECTS.c.id).where(PROJECTS.c.state == "dormant"))
"""Whether a notice is of a project that rests: its readers may not read it, so nothing of it is told until it is open again."""

DISMISSED = (
    select(DISMISSALS.c.project)
    .where(
        DISMISSALS.c.organisation == NOTICES.c.organisation,
        DISMISSALS.c.project == NOTICES.c.project,
        ~DISMISSALS.c.lifted,
    )
    .exists()
)
"""Whether a notice is of a project that its organisation does not want to hear of."""

NO_CONTACT: Mapping[str, None] = MappingProxyType(
    dict.fromkeys(("contact_email", "contact_language", "contact_asked_at", "contact_confirmed_at"))
)
"""An endpoint that has nobody to tell when it fails."""

OUTDATED = (
    select(PROJECTS.c.id)
    .where(
        PROJECTS.c.id == NOTICES.c.project,
        NOTICES.c.deadline != func.coalesce(PROJECTS.c.deadline, literal("")),
    )
    .exists()
)
"""Whether a notice names a deadline that has been moved since."""

_NEVER_TRIED = (
    select(DELIVERIES.c.id)
    .where(
        DELIVERIES.c.id == NOTICES.c.delivery,
        DELIVERIES.c.state == "cancelled",
        or_(DELIVERIES.c.channel == "email", DELIVERIES.c.attempts == 0),
    )
    .exists()
)
"""Whether a notice's message was cancelled before anybody could have read it: a webhook that was not tried, a mail that no server took."""

TRIED = (
    select(DELIVERIES.c.id).where(DELIVERIES.c.id == NOTICES.c.delivery, DELIVERIES.c.attempts > 0).exists()
)
"""Whether somebody may have read the webhook of a notice: it stays told, also where it was put back since."""

UNREAD = and_(
    DELIVERIES.c.channel == "webhook",
    DELIVERIES.c.attempts == 0,
    DELIVERIES.c.state.in_(("pending", "cancelled")),
    DELIVERIES.c.body.is_not(None),
)
"""Whether a webhook is one that nobody could read yet: it waits for its hour or its endpoint, or was cancelled with that and is there for `recover`."""

ARRIVES = ~NOTICES.c.unsure & ~(
    select(DELIVERIES.c.id)
    .where(
        DELIVERIES.c.id == NOTICES.c.delivery,
        DELIVERIES.c.state.in_(("cancelled", "exhausted")),
        not_(UNREAD),
    )
    .exists()
)
"""Whether the message of a notice that was told has arrived, or is still to; one that was tried and taken back, or given up, may not have."""

NEEDS_REASONS = frozenset({MATCH_PROPOSED, MATCH_RESCORED, OPPORTUNITY_UPDATED})
"""Types of news that somebody stands on a list, with reasons asked anew; the others tell of an end or a date."""

OVER = frozenset({OPPORTUNITY_CLOSED, OPPORTUNITY_WITHDRAWN})
"""Types of news that a project has ended."""

WITHDRAWN = NOTICES.c.organisation.in_(select(ORGANISATIONS.c.id).where(ORGANISATIONS.c.state == "withdrawn"))
"""Whether a notice is for an organisation that has withdrawn: it is told nothing unless it comes back."""

PAUSED = NOTICES.c.subscription.in_(select(SUBSCRIPTIONS.c.id).where(SUBSCRIPTIONS.c.state == "paused"))
"""Whether a notice's subscription is paused: what was not told when that began waits until it is taken up."""

HELD = or_(RESTING, DISMISSED, PAUSED, and_(WITHDRAWN, NOTICES.c.type.in_(NEEDS_REASONS)))
"""Whether a notice that was not told yet waits, and for its reasons of then."""

ERASED: Final = "project-erased"
"""The rule of the last that is told of an erased project: ids alone."""

UNENDED = ("pending", "sending", "retrying")
"""The states of a message that may still be sent."""


async def forget_organisation(connection: AsyncConnection, organisation: str, *, now: str) -> None:
    """End everything that an erased organisation had here, and empty what it said."""
    endpoints = select(ENDPOINTS.c.id).where(ENDPOINTS.c.organisation == organisation)
    await connection.execute(delete(SECRETS).where(SECRETS.c.endpoint.in_(endpoints)))
    await connection.execute(
        update(ENDPOINTS)
        .where(ENDPOINTS.c.organisation == organisation)
        .values(
            state="deleted",
            url="",
            description=None,
            changed_at=now,
            revision=ENDPOINTS.c.revision + 1,
            **NO_CONTACT,
        )
    )
    await connection.execute(
        update(SUBSCRIPTIONS)
        .where(SUBSCRIPTIONS.c.organisation == organisation)
        .values(
            state="ended",
            email=None,
            conditions=b"{}",
            next_digest_at=None,
            changed_at=now,
            revision=SUBSCRIPTIONS.c.revision + 1,
        )
    )
    await connection.execute(
        update(NOTICES).where(NOTICES.c.organisation == organisation).values(data=None, state="dropped")
    )
    await connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.organisation == organisation, DELIVERIES.c.state.in_(UNENDED))
        .values(state="cancelled", ended_at=now)
    )
    await connection.execute(
        update(DELIVERIES).where(DELIVERIES.c.organisation == organisation).values(body=None)
    )
    await forget_responses(connection, DELIVERIES.c.organisation == organisation)
    await connection.execute(delete(DISMISSALS).where(DISMISSALS.c.organisation == organisation))
    await idempotency.forget_naming(connection, organisation)


async def silence_organisation(
    connection: AsyncConnection, organisation: str, *, made_by: str, now: str
) -> None:
    """Tell an organisation that has withdrawn nothing of what was made by then: of no project, no address, none of its endpoints.

    What it has here stays, for it may be back: then it hears of where it stands still, and of no end or date that it had missed.
    Its subscriptions are held first, as `silence` does.
    """
    await _hold_subscriptions(connection, organisation)
    await take_back(
        connection,
        organisations=[organisation],
        made_by=made_by,
        but=NEEDS_REASONS,
        states=("waiting", "ready"),
        now=now,
    )
    stands = NOTICES.c.type.in_(NEEDS_REASONS) & (NOTICES.c.made_at <= made_by)
    await put_back(connection, (NOTICES.c.organisation == organisation) & stands, now=now)
    theirs = and_(DELIVERIES.c.organisation == organisation, DELIVERIES.c.created_at <= made_by)
    unended = select(DELIVERIES.c.id).where(theirs, DELIVERIES.c.state.in_(UNENDED))
    await connection.execute(unended.order_by(DELIVERIES.c.id).with_for_update())
    await connection.execute(
        update(DELIVERIES)
        .where(theirs, DELIVERIES.c.state.in_(("pending", "retrying")))
        .values(state="cancelled", ended_at=now)
    )
    await connection.execute(
        update(DELIVERIES).where(theirs, DELIVERIES.c.state == "sending").values(body=None)
    )


async def forget_project(connection: AsyncConnection, project: str, *, now: str) -> None:
    """Empty what was said of an erased project; what has not been sent yet is not sent.

    What was told stays told until the end is: `ending` of its row has a cycle do that. Once it is, there is nothing left to empty.
    """
    ended = select(NOTICES.c.id).where(NOTICES.c.project == project, NOTICES.c.rule == ERASED).limit(1)
    if await connection.scalar(ended) is not None:
        return
    about = DELIVERIES.c.id.in_(
        select(NOTICES.c.delivery).where(NOTICES.c.project == project, NOTICES.c.delivery.is_not(None))
    )
    await connection.execute(update(DELIVERIES).where(about).values(body=None))
    await forget_responses(connection, about)
    states = ("waiting", "ready")
    await take_back(connection, project=project, states=states, now=now)  # a digest of it has news of others
    await connection.execute(
        update(NOTICES)
        .where(NOTICES.c.project == project)
        .values(data=None, deadline=None, facts=None, band=None)
    )
    await connection.execute(update(LISTS).where(LISTS.c.project == project).values(told_asked=None))


async def forget_responses(connection: AsyncConnection, about: ColumnElement[bool]) -> None:
    """Empty what was answered to those of these messages that were emptied: receivers like to repeat what they were sent."""
    emptied = select(DELIVERIES.c.id).where(about, DELIVERIES.c.body.is_(None))
    await connection.execute(
        update(ATTEMPTS)
        .where(ATTEMPTS.c.delivery.in_(emptied), ATTEMPTS.c.response.is_not(None))
        .values(response=None)
    )


async def cancel_unwanted(connection: AsyncConnection, deliveries: Sequence[str], *, now: str) -> None:
    """Cancel, of messages that were under way and are to be tried again, those that nobody may be sent any more.

    Whoever ends a subscription, gives an endpoint up, or takes news back finds what waits; this finds what was out meanwhile.
    What is to wait, as its project came to rest or was dismissed, its subscription was paused, or its organisation withdrew, is put back, and so is what names a
    deadline that was moved, or is in a language that was chosen no more. A digest of which something was taken back is made anew.
    """
    if not deliveries:
        return
    spoken = await _in_another_language(connection, deliveries)
    anew = or_(HELD, OUTDATED, NOTICES.c.id.in_(spoken))
    await put_back(connection, NOTICES.c.delivery.in_(deliveries) & anew, now=now)
    given_up = select(ENDPOINTS.c.id).where(ENDPOINTS.c.state == "disabled")
    silent = select(SUBSCRIPTIONS.c.id).where(SUBSCRIPTIONS.c.state != "active")
    asked = select(SUBSCRIPTIONS.c.id).where(SUBSCRIPTIONS.c.state == "unconfirmed")
    await connection.execute(
        update(DELIVERIES)
        .where(
            DELIVERIES.c.id.in_(deliveries),
            DELIVERIES.c.state == "retrying",
            or_(
                DELIVERIES.c.endpoint.in_(given_up) & (DELIVERIES.c.type != ENDPOINT_PINGED),
                DELIVERIES.c.subscription.in_(silent)
                & ~(DELIVERIES.c.subscription.in_(asked) & (DELIVERIES.c.type == CONFIRMATION)),
                DELIVERIES.c.body.is_(None) & DELIVERIES.c.period.is_(None),
            ),
        )
        .values(state="cancelled", ended_at=now)
    )
    await open_digests(connection, DELIVERIES.c.id.in_(deliveries) & DELIVERIES.c.body.is_(None), now=now)


async def _in_another_language(connection: AsyncConnection, deliveries: Sequence[str]) -> list[str]:
    """Return which notices of these webhooks, not taken back, are in another language than their subscription, saved since, has now."""
    saved = (
        select(NOTICES.c.id, NOTICES.c.data, SUBSCRIPTIONS.c.language)
        .join(DELIVERIES, DELIVERIES.c.id == NOTICES.c.delivery)
        .join(SUBSCRIPTIONS, SUBSCRIPTIONS.c.id == NOTICES.c.subscription)
        .where(
            DELIVERIES.c.id.in_(deliveries),
            DELIVERIES.c.channel == "webhook",
            DELIVERIES.c.body.is_not(None),
            SUBSCRIPTIONS.c.changed_at >= DELIVERIES.c.created_at,
            NOTICES.c.data.is_not(None),
        )
    )
    rows = (await connection.execute(saved)).all()
    return [row.id for row in rows if orjson.loads(row.data)["language"] != row.language]


async def cancel_unsent(connection: AsyncConnection, *, subscription: str, now: str) -> None:
    """Take back what a subscription that has ended, or was opted out of, has not been sent yet: it is not sent again, also if its id is saved anew."""
    await cancel_messages(connection, subscription=subscription, now=now)
    await take_back(connection, subscriptions=[subscription], states=("waiting", "ready"), now=now)


async def hold_unsent(connection: AsyncConnection, *, subscription: str, now: str) -> None:
    """Have what a subscription that is paused has not been sent yet wait until it is taken up; its questions are not sent.

    No reminder waits: of a date that is near then it is reminded anew, and once.
    """
    await put_back(connection, NOTICES.c.subscription == subscription, now=now)
    reminders = (
        NOTICES.c.subscription == subscription,
        NOTICES.c.state == "waiting",
        NOTICES.c.type == OPPORTUNITY_CLOSING_SOON,
    )
    await connection.execute(update(NOTICES).where(*reminders).values(state="dropped"))
    await cancel_messages(connection, subscription=subscription, now=now)


async def cancel_messages(connection: AsyncConnection, *, subscription: str, now: str) -> None:
    """Cancel the messages of a subscription that wait; news that has no message yet stays what it is.

    A question that is out is not tried again: its links speak for the address that was asked, and may be another's by then.
    """
    theirs = DELIVERIES.c.subscription == subscription
    await connection.execute(
        update(DELIVERIES)
        .where(theirs, DELIVERIES.c.state.in_(("pending", "retrying")))
        .values(state="cancelled", ended_at=now)
    )
    await connection.execute(
        update(DELIVERIES)
        .where(theirs, DELIVERIES.c.state == "sending", DELIVERIES.c.type == CONFIRMATION)
        .values(body=None)
    )


async def cancel_mails_to_contact(connection: AsyncConnection, endpoint: str, *, now: str) -> None:
    """Cancel the mails to the contact of an endpoint; one that is out is not tried again, for it is another's by then."""
    await connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.contact_of == endpoint, DELIVERIES.c.state.in_(UNENDED))
        .values(state="cancelled", body=None, ended_at=now)
    )


async def take_back(
    connection: AsyncConnection,
    *,
    now: str,
    project: str | None = None,
    organisations: Any = None,
    subscriptions: Collection[str] | None = None,
    made_by: str | None = None,
    but: Collection[str] = (),
    states: tuple[str, ...] = ("waiting",),
) -> Sequence[str]:
    """Take back what was not told yet of a project or of any, to everybody or to these organisations (SQL or a list) or subscriptions.

    A webhook that has not arrived, be it given up, is not sent any more, by nobody's recovery either. One that was tried may
    have arrived: its notice stays told, also if it was put back since. A digest that has not left is made anew. What is out has
    no body any more, so that it is not tried again: `cancel_unwanted` does the same with it once its try has failed. Notices in one of `states` have no message yet.
    News of the types in `but` stays.

    Returns the organisations that something was taken back from, and that may have heard nothing.
    """
    whose: list[ColumnElement[bool]] = []
    if project is not None:
        whose.append(NOTICES.c.project == project)
    if organisations is not None:
        whose.append(NOTICES.c.organisation.in_(organisations))
    if subscriptions is not None:
        whose.append(NOTICES.c.subscription.in_(subscriptions))
    if but:
        whose.append(NOTICES.c.type.not_in(but))
    if made_by is not None:
        whose.append(NOTICES.c.made_at <= made_by)
    about = DELIVERIES.c.id.in_(select(NOTICES.c.delivery).where(*whose, NOTICES.c.delivery.is_not(None)))
    not_arrived = and_(about, DELIVERIES.c.state.in_((*UNENDED, "cancelled", "exhausted")))
    held = select(DELIVERIES.c.id).where(not_arrived).order_by(DELIVERIES.c.id)
    await connection.execute(held.with_for_update())  # in the order in which tries are written down
    await connection.execute(update(DELIVERIES).where(not_arrived).values(body=None))
    await open_digests(connection, about, now=now)
    await connection.execute(
        update(DELIVERIES)
        .where(about, DELIVERIES.c.channel == "webhook", DELIVERIES.c.state.in_(("pending", "retrying")))
        .values(state="cancelled", ended_at=now)
    )
    await keep_told(connection, *whose)
    dropped = await connection.scalars(
        update(NOTICES)
        .where(*whose, or_(NOTICES.c.state.in_(states), _NEVER_TRIED & (NOTICES.c.state != "dropped")))
        .values(state="dropped")
        .returning(NOTICES.c.organisation)
    )
    return sorted(set(dropped))


async def keep_told(connection: AsyncConnection, *whose: ColumnElement[bool]) -> None:
    """Let what waits again after it was tried count as told: its end is told, and it is not proposed a second time."""
    await connection.execute(
        update(NOTICES).where(*whose, NOTICES.c.state == "waiting", TRIED).values(state="sent")
    )


async def drop_waiting(connection: AsyncConnection, *whose: ColumnElement[bool]) -> None:
    """Drop what waits of these; what was tried stays told."""
    await keep_told(connection, *whose)
    await connection.execute(
        update(NOTICES).where(*whose, NOTICES.c.state == "waiting").values(state="dropped")
    )


async def put_back(connection: AsyncConnection, whose: ColumnElement[bool], *, now: str) -> None:
    """Have, of these notices, what has not arrived wait, to be made anew from what holds when it is told.

    That is when its project is open again, its dismissal taken back, its subscription taken up, or its organisation back; at once where
    its deadline was moved, or its language is another. A webhook that was
    tried comes under the same id, for it may have been read; one that nobody could read yet, be its endpoint disabled, as well. A digest that has not left is made anew. A webhook that is out is
    put back once its try has failed, if it is still to wait then.
    """
    about = DELIVERIES.c.id.in_(select(NOTICES.c.delivery).where(whose, NOTICES.c.delivery.is_not(None)))
    held = select(DELIVERIES.c.id).where(about, or_(DELIVERIES.c.state.in_(UNENDED), UNREAD))
    await connection.execute(held.order_by(DELIVERIES.c.id).with_for_update())
    out = and_(about, DELIVERIES.c.period.is_not(None), DELIVERIES.c.state == "sending")
    await connection.execute(update(DELIVERIES).where(out).values(body=None))
    await open_digests(connection, about, now=now)
    waiting = and_(DELIVERIES.c.channel == "webhook", DELIVERIES.c.state.in_(("pending", "retrying")))
    to_be_sent = or_(waiting, UNREAD)
    waits = select(DELIVERIES.c.id).where(DELIVERIES.c.id == NOTICES.c.delivery, to_be_sent).exists()
    await connection.execute(
        update(NOTICES)
        .where(whose, or_(NOTICES.c.state == "ready", (NOTICES.c.state == "sent") & waits))
        .values(state="waiting")
    )
    again = select(NOTICES.c.delivery).where(whose, NOTICES.c.state == "waiting")
    await connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.id.in_(again), to_be_sent)
        .values(state="cancelled", body=None, ended_at=now)
    )


async def silence(connection: AsyncConnection, *, organisation: str, project: str, now: str) -> None:
    """Tell an organisation nothing more of a project it dismissed; what was not told yet waits, for that may be taken back.

    Its subscriptions are held first: whoever makes a message for one of them now is done, and what was made is found.
    """
    await _hold_subscriptions(connection, organisation)
    theirs = (NOTICES.c.organisation == organisation) & (NOTICES.c.project == project)
    await put_back(connection, theirs, now=now)


async def _hold_subscriptions(connection: AsyncConnection, organisation: str) -> None:
    listening = select(SUBSCRIPTIONS.c.id).where(SUBSCRIPTIONS.c.organisation == organisation)
    await connection.execute(listening.order_by(SUBSCRIPTIONS.c.id).with_for_update(key_share=True))


async def open_digests(connection: AsyncConnection, about: ColumnElement[bool], *, now: str) -> Sequence[str]:
    """Cancel the digests among these that have not left, also between two tries: their news is ready, for a digest due now.

    Returns their subscriptions.
    """
    cancelled = await connection.execute(
        update(DELIVERIES)
        .where(
            about,
            DELIVERIES.c.channel == "email",
            DELIVERIES.c.period.is_not(None),
            DELIVERIES.c.state.in_(("pending", "retrying")),
        )
        .values(state="cancelled", body=None, ended_at=now)
        .returning(DELIVERIES.c.id, DELIVERIES.c.subscription)
    )
    opened = cancelled.all()
    for digest in opened:
        await connection.execute(
            update(NOTICES)
            .where(NOTICES.c.delivery == digest.id, NOTICES.c.state == "sent")
            .values(state="ready", delivery=None)
        )
        await connection.execute(
            update(SUBSCRIPTIONS)
            .where(
                SUBSCRIPTIONS.c.id == digest.subscription,
                SUBSCRIPTIONS.c.state == "active",
                SUBSCRIPTIONS.c.channel == "email",
            )
            .values(next_digest_at=now)
        )
    return [digest.subscription for digest in opened]
