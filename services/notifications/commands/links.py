"""What the links of mails do: confirm an address, or end a subscription, without a login.

*What.* A link that confirms speaks for the address that it was sent to, and its token says which that was. *Why.* The
address has to say yes: a subscription that was given another one meanwhile waits for that one's answer. *Never:* act on
what was only opened, for scanners open every link.
"""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.http.notifications import SubscriptionState
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Answer, Unit
from services.notifications.commands.subscriptions import end, first_digest
from services.notifications.queries.reading import Row
from services.notifications.rules.keys import Keys, keys_of
from services.notifications.rules.problems import LinkInvalid
from services.notifications.rules.yearly import waits_for_answer
from services.notifications.tables import NOTICES, SUBSCRIPTIONS


async def follow_link(unit: Unit, *, token: str) -> Answer:
    """Do what a link of a mail says: confirm its address, or end its subscription. Raises LinkInvalid."""
    row, action = await linked(unit.connection, keys_of(unit.runtime.state), token, lock=True)
    if action == "confirm" and waits_for_answer(row):
        state: SubscriptionState = "active"
        now = timestamp(unit.now)
        ready = select(NOTICES.c.id).where(NOTICES.c.subscription == row["id"], NOTICES.c.state == "ready")
        held = (await unit.connection.scalar(ready.limit(1))) is not None
        changed = {
            "state": state,
            "confirmed_at": now,
            "confirm_by": None,
            "lapsed_at": None,
            "changed_at": now,
            "revision": row["revision"] + 1,
            "next_digest_at": row["next_digest_at"]
            if row["state"] == state
            else first_digest(unit, row, held=held),
        }
        await unit.connection.execute(
            update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == row["id"]).values(changed)
        )
        await unit.audit(
            action="subscription.confirmed",
            subject=row["id"],
            before=row["revision"],
            after=row["revision"] + 1,
        )
        row = {**row, **changed}
    elif action == "unsubscribe" and row["state"] != "ended":
        await end(unit, row, action="subscription.left")
        row = {**row, "state": "ended"}
    else:
        await unit.audit(
            action="subscription.link_followed",
            subject=row["id"],
            before=row["revision"],
            after=row["revision"],
        )
    return Answer(body=link_json(row, action, done=True))


def link_json(row: Row, action: str, *, done: bool) -> dict[str, Any]:
    """Return what a link has done, or would do."""
    sentences = {
        ("confirm", False): "Send this as POST to confirm that this address wants these mails.",
        ("confirm", True): "The address is confirmed; mails come at the hours that were chosen.",
        ("unsubscribe", False): "Send this as POST to end the subscription; opening it changes nothing.",
        ("unsubscribe", True): "The subscription has ended. No further mail is sent for it.",
    }
    sentence = sentences[action, done]
    if action == "confirm" and done and row["state"] != "active":
        sentence = "This subscription is not waiting for a confirmation; nothing was changed."
    return {
        "subscription": row["id"],
        "action": action,
        "done": done,
        "state": row["state"],
        "sentence": sentence,
    }


async def linked(
    connection: AsyncConnection, keys: Keys, token: str, *, lock: bool = False
) -> tuple[Row, str]:
    """Return the subscription that a link is about, and the link's action; `lock` for who will change it.

    Raises LinkInvalid, also for a confirmation that was sent to an address that the subscription does not have now.
    """
    link = keys.follow(token)
    if link is None:
        raise LinkInvalid
    query = select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == link.subscription)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().first()
    if row is None:
        raise LinkInvalid
    if link.action == "confirm" and (row["email"] is None or keys.address_hash(row["email"]) != link.address):
        raise LinkInvalid
    return dict(row), link.action
