"""Mails that no server took in all their tries: their news comes with the next digest, their question is asked anew.

*What.* In the transaction that records the last try, notices of a digest are ready again, a yearly question counts as not
asked, and the first question to an address begins its schedule anew, a day later. *Why.* A mail server that was away for days has lost nobody's news; and as nothing was handed over, what comes later
is no second copy. Where nobody is at the address the news waits, and the subscription says so. *Never:* make a mail to such an
address due, or take up what was refused for itself; that was an answer.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.runtime import timestamp
from services.notifications.mail.letters import CONFIRMATION
from services.notifications.queries.reading import quiet_of
from services.notifications.rules.cadence import next_digest
from services.notifications.rules.schedule import LONGEST_WAIT
from services.notifications.tables import DELIVERIES, ENDPOINTS, NOTICES, SUBSCRIPTIONS
from services.notifications.worker.digests import DIGEST
from services.notifications.worker.yearly import YEARLY

_KEPT_FOR = ("active", "unconfirmed", "paused")
"""The states of a subscription for which untaken news is kept: at once, once its address has said yes, once it is taken up."""


async def take_up_again(connection: AsyncConnection, deliveries: Sequence[str], *, now: datetime) -> None:
    """Take up what these mails had to say, of subscriptions that somebody asks for; one told at once has it the next morning."""
    if not deliveries:
        return
    await _ask_again(connection, deliveries, now=now)
    untaken = (
        select(DELIVERIES.c.id.label("delivery"), DELIVERIES.c.type.label("kind"), SUBSCRIPTIONS)
        .join(SUBSCRIPTIONS, SUBSCRIPTIONS.c.id == DELIVERIES.c.subscription)
        .where(
            DELIVERIES.c.id.in_(deliveries),
            DELIVERIES.c.state == "exhausted",
            SUBSCRIPTIONS.c.state.in_(_KEPT_FOR),
        )
        .with_for_update(of=SUBSCRIPTIONS)
    )
    for row in [dict(one) for one in (await connection.execute(untaken)).mappings()]:
        whose = update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == row["id"])
        if row["kind"] == YEARLY:
            changed = {"revision": row["revision"] + 1, "changed_at": timestamp(now)}
            await connection.execute(whose.values(confirm_by=None, **changed))
        if row["kind"] != DIGEST:
            continue
        await connection.execute(
            update(NOTICES)
            .where(NOTICES.c.delivery == row["delivery"], NOTICES.c.state == "sent")
            .values(state="ready", delivery=None)
        )
        if row["next_digest_at"] is None and row["state"] != "paused":
            due = next_digest(now, "daily", quiet_of(row), row["time_zone"])
            await connection.execute(whose.values(next_digest_at=timestamp(due)))


async def keep_news(connection: AsyncConnection, refused: Mapping[str, str], *, now: datetime) -> None:
    """Have the news of these mails, by id with the address at which nobody is, wait until that is lifted or the address is another.

    Where it has become another while the mail was out, nothing speaks against that one: its next digest has the news.
    """
    if not refused:
        return
    to = (
        select(DELIVERIES.c.id, DELIVERIES.c.subscription, DELIVERIES.c.type, SUBSCRIPTIONS.c.email)
        .join(SUBSCRIPTIONS, SUBSCRIPTIONS.c.id == DELIVERIES.c.subscription)
        .where(DELIVERIES.c.id.in_(refused), SUBSCRIPTIONS.c.state.in_(_KEPT_FOR))
        .order_by(SUBSCRIPTIONS.c.id)
        .with_for_update(of=SUBSCRIPTIONS)
    )
    found = (await connection.execute(to)).all()
    moved = [one.id for one in found if one.email != refused[one.id] and one.type == DIGEST]
    await take_up_again(connection, moved, now=now)
    theirs = [one for one in found if one.email == refused[one.id]]
    moment = timestamp(now)
    await connection.execute(
        update(SUBSCRIPTIONS)
        .where(
            SUBSCRIPTIONS.c.id.in_([one.subscription for one in theirs]), SUBSCRIPTIONS.c.refused_at.is_(None)
        )
        .values(
            refused_at=moment,
            next_digest_at=None,
            confirm_by=None,  # a question that did not leave owes nobody an answer
            changed_at=moment,
            revision=SUBSCRIPTIONS.c.revision + 1,
        )
    )
    await connection.execute(
        update(NOTICES)
        .where(NOTICES.c.delivery.in_([one.id for one in theirs]), NOTICES.c.state == "sent")
        .values(state="ready", delivery=None)
    )


async def _ask_again(connection: AsyncConnection, deliveries: Sequence[str], *, now: datetime) -> None:
    """Have the questions among these sent again, of what still waits for its answer and has not asked another address since."""
    unconfirmed = select(SUBSCRIPTIONS.c.id).where(SUBSCRIPTIONS.c.state == "unconfirmed")
    contacts = select(ENDPOINTS.c.id).where(
        ENDPOINTS.c.contact_email.is_not(None), ENDPOINTS.c.contact_confirmed_at.is_(None)
    )
    later = DELIVERIES.alias("later")
    asked_since = select(later.c.id).where(
        or_(later.c.subscription == DELIVERIES.c.subscription, later.c.contact_of == DELIVERIES.c.contact_of),
        later.c.type == CONFIRMATION,
        later.c.id > DELIVERIES.c.id,
    )
    await connection.execute(
        update(DELIVERIES)
        .where(
            DELIVERIES.c.id.in_(deliveries),
            DELIVERIES.c.type == CONFIRMATION,
            DELIVERIES.c.state == "exhausted",
            DELIVERIES.c.body.is_not(None),
            or_(DELIVERIES.c.subscription.in_(unconfirmed), DELIVERIES.c.contact_of.in_(contacts)),
            ~asked_since.exists(),
        )
        .values(
            state="pending",
            earlier=DELIVERIES.c.attempts,
            due_at=timestamp(now + LONGEST_WAIT),
            ended_at=None,
        )
    )
