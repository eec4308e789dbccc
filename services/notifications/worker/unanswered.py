"""What nobody answered in time ends: an address that never said yes is not kept.

*What.* Subscriptions and contacts of endpoints whose question left thirty days ago and more. *Why.* Whoever saves one names
any address, and it is personal data of somebody who agreed to nothing. *Never:* end what has said yes once, which is
asked yearly (`yearly`); or anything whose question has not left.
"""

from sqlalchemy import ColumnElement, or_, select, update

from services.chassis.runtime import Runtime, timestamp
from services.notifications.commands.leaving import NO_CONTACT, cancel_mails_to_contact, cancel_unsent
from services.notifications.mail.letters import CONFIRMATION
from services.notifications.rules.yearly import ANSWER_WITHIN
from services.notifications.tables import DELIVERIES, ENDPOINTS, SUBSCRIPTIONS

AT_ONCE = 100


async def step(runtime: Runtime) -> int:
    """End what waited for an answer for too long; returns how many that were."""
    if runtime.settings.mail.host is None:
        return 0
    now = runtime.clock.now()
    before, moment = timestamp(now - ANSWER_WITHIN), timestamp(now)
    subscriptions = (
        select(SUBSCRIPTIONS.c.id)
        .where(
            SUBSCRIPTIONS.c.state == "unconfirmed",
            SUBSCRIPTIONS.c.changed_at <= before,
            ~_asked_since(before, DELIVERIES.c.subscription == SUBSCRIPTIONS.c.id),
        )
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    contacts = (
        select(ENDPOINTS.c.id)
        .where(
            ENDPOINTS.c.contact_asked_at <= before,
            ENDPOINTS.c.contact_confirmed_at.is_(None),
            ~_asked_since(before, DELIVERIES.c.contact_of == ENDPOINTS.c.id),
        )
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    async with runtime.database.write() as connection:
        silent = (await connection.scalars(subscriptions)).all()
        for one in silent:
            await cancel_unsent(connection, subscription=one, now=moment)
        ended = {"state": "ended", "email": None, "next_digest_at": None, "changed_at": moment}
        await connection.execute(
            update(SUBSCRIPTIONS)
            .where(SUBSCRIPTIONS.c.id.in_(silent))
            .values(revision=SUBSCRIPTIONS.c.revision + 1, **ended)
        )
        unknown = (await connection.scalars(contacts)).all()
        for one in unknown:
            await cancel_mails_to_contact(connection, one, now=moment)
        await connection.execute(
            update(ENDPOINTS)
            .where(ENDPOINTS.c.id.in_(unknown))
            .values(revision=ENDPOINTS.c.revision + 1, changed_at=moment, **NO_CONTACT)
        )
    return len(silent) + len(unknown)


def _asked_since(moment: str, about: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a question has left since this moment, or is still to leave."""
    left = or_(DELIVERIES.c.ended_at.is_(None), DELIVERIES.c.ended_at > moment)
    return select(DELIVERIES.c.id).where(about, DELIVERIES.c.type == CONFIRMATION, left).exists()
