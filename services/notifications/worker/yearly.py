"""Once a year a subscription by e-mail is asked whether it is still wanted; without an answer in time it is paused.

*What.* The question is a mail with the link that confirms; until the answer's time is over, digests go on. *Why.* People
change posts, and a mail that nobody wants any more is no restraint; who forgets loses nothing but mails, and one click has
them again. Nobody is asked at an address that its server refuses; once the year and the time for an answer are over, that is
silence too. *Never:* pause anybody else whose question has not left, or left too late for an answer; or ask for an organisation
that has withdrawn.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.leaving import hold_unsent
from services.notifications.commands.queueing import delivery_row
from services.notifications.mail.letters import yearly_letter
from services.notifications.rules.identifiers import identifier_of
from services.notifications.rules.keys import keys_of
from services.notifications.rules.yearly import ANSWER_WITHIN, ASK_AFTER
from services.notifications.tables import DELIVERIES, ORGANISATIONS, SUBSCRIPTIONS
from services.notifications.worker.cycles import listening

YEARLY = "yearly-confirmation"
AT_ONCE = 100


async def step(runtime: Runtime) -> int:
    """Ask who is to be asked and pause who has not answered; returns how many that were."""
    if runtime.settings.mail.host is None:
        return 0  # no question can leave, so nobody owes an answer
    now = runtime.clock.now()
    asked = (
        select(SUBSCRIPTIONS.c.id)
        .outerjoin(ORGANISATIONS, ORGANISATIONS.c.id == SUBSCRIPTIONS.c.organisation)
        .where(
            listening(),
            SUBSCRIPTIONS.c.state == "active",
            SUBSCRIPTIONS.c.channel == "email",
            SUBSCRIPTIONS.c.confirm_by.is_(None),
            SUBSCRIPTIONS.c.refused_at.is_(None),
            SUBSCRIPTIONS.c.confirmed_at <= timestamp(now - ASK_AFTER),
        )
        .limit(AT_ONCE)
    )
    silent = (
        select(SUBSCRIPTIONS.c.id)
        .where(
            SUBSCRIPTIONS.c.state == "active",
            _time_is_over(now),
            ~select(DELIVERIES.c.id)
            .where(
                DELIVERIES.c.subscription == SUBSCRIPTIONS.c.id,
                DELIVERIES.c.type == YEARLY,
                or_(DELIVERIES.c.ended_at.is_(None), DELIVERIES.c.ended_at > timestamp(now - ANSWER_WITHIN)),
            )
            .exists(),
        )
        .limit(AT_ONCE)
    )
    async with runtime.database.read() as connection:
        to_ask = (await connection.scalars(asked)).all()
        to_pause = (await connection.scalars(silent)).all()
    for subscription in to_ask:
        async with runtime.database.write() as connection:
            await _ask(runtime, connection, subscription, now=now)
    for subscription in to_pause:
        async with runtime.database.write() as connection:
            await _pause(connection, subscription, now=now)
    if to_ask:
        runtime.signals.notify("notifications.due")
    return len(to_ask) + len(to_pause)


def _time_is_over(now: datetime) -> ColumnElement[bool]:
    """Return the SQL condition of a subscription whose answer is not waited for any more."""
    return or_(
        SUBSCRIPTIONS.c.confirm_by <= timestamp(now),
        and_(
            SUBSCRIPTIONS.c.refused_at <= timestamp(now - ANSWER_WITHIN),
            SUBSCRIPTIONS.c.confirmed_at <= timestamp(now - ASK_AFTER - ANSWER_WITHIN),
        ),
    )


async def _ask(runtime: Runtime, connection: AsyncConnection, subscription: str, *, now: datetime) -> None:
    query = (
        select(SUBSCRIPTIONS, ORGANISATIONS.c.name)
        .outerjoin(ORGANISATIONS, ORGANISATIONS.c.id == SUBSCRIPTIONS.c.organisation)
        .where(SUBSCRIPTIONS.c.id == subscription, listening())
        .with_for_update(of=SUBSCRIPTIONS)
    )
    row = (await connection.execute(query)).mappings().first()
    if row is None or row["state"] != "active" or row["confirm_by"] or row["refused_at"]:
        return  # another process was first, or somebody ended it
    said = row["confirmed_at"]
    if said is None or said > timestamp(now - ASK_AFTER):
        return
    keys = keys_of(runtime.state)
    answer_by = now + ANSWER_WITHIN
    letter = yearly_letter(
        runtime.settings,
        language=row["language"],
        organisation=row["name"] or row["organisation"],
        day=answer_by.date(),
        confirm=keys.link("confirm", subscription, email=row["email"]),
        leave=keys.link("unsubscribe", subscription, email=row["email"]),
    )
    await connection.execute(
        insert(DELIVERIES).values(
            delivery_row(
                organisation=row["organisation"],
                channel="email",
                kind=YEARLY,
                subscription=subscription,
                body=letter.encoded(),
                place=keys.place(YEARLY, subscription),
                now=now,
                identifier=identifier_of(YEARLY, subscription, str(row["revision"])),
            )
        )
    )
    await connection.execute(
        update(SUBSCRIPTIONS)
        .where(SUBSCRIPTIONS.c.id == subscription)
        .values(confirm_by=timestamp(answer_by), revision=row["revision"] + 1, changed_at=timestamp(now))
    )


async def _pause(connection: AsyncConnection, subscription: str, *, now: datetime) -> None:
    moment = timestamp(now)
    paused = await connection.execute(
        update(SUBSCRIPTIONS)
        .where(
            SUBSCRIPTIONS.c.id == subscription,
            SUBSCRIPTIONS.c.state == "active",
            _time_is_over(now),
        )
        .values(
            state="paused",
            lapsed_at=moment,
            confirm_by=None,
            confirmed_at=None,
            next_digest_at=None,
            revision=SUBSCRIPTIONS.c.revision + 1,
            changed_at=moment,
        )
    )
    if paused.rowcount:
        await hold_unsent(connection, subscription=subscription, now=moment)
