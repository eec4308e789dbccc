"""What the links of mails do, without a login: confirm an address, end what it is written to for, or have it asked no more.

*What.* A link is about a subscription, or about the contact of an endpoint, and speaks for the address that it was sent to;
its token says which that was. *Why.* The address has to say yes: what was given another one meanwhile waits for that one's
answer, and is not ended by the earlier one's. A refusal is about the address, whatever has become of what it was asked for.
*Never:* act on what was only opened, for scanners open every link.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.http.notifications import LinkAction, SubscriptionState
from services.chassis.database import insert_for
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Answer, Unit
from services.notifications.commands.contacts import confirm_contact, leave_contact
from services.notifications.commands.leaving import put_back
from services.notifications.commands.narrowing import look_again, take_back_unasked
from services.notifications.commands.subscriptions import end, first_digest, holds_news
from services.notifications.queries.reading import Row
from services.notifications.rules.keys import OF_CONTACT, Keys, keys_of
from services.notifications.rules.problems import LinkInvalid
from services.notifications.rules.yearly import NO_QUESTIONS, waits_for_answer
from services.notifications.tables import ENDPOINTS, NOTICES, SUBSCRIPTIONS, SUPPRESSIONS

_SENTENCES: Mapping[tuple[LinkAction, bool, bool], str] = MappingProxyType(
    {  # action, of a contact, done
        ("confirm", False, False): "Send this as POST to confirm that this address wants these mails.",
        ("confirm", False, True): "The address is confirmed; mails come at the hours that were chosen.",
        (
            "unsubscribe",
            False,
            False,
        ): "Send this as POST to end the subscription; opening it changes nothing.",
        ("unsubscribe", False, True): "The subscription has ended. No further mail is sent for it.",
        (
            "refuse",
            False,
            False,
        ): "Send this as POST to have this address asked no more; opening it changes nothing.",
        (
            "refuse",
            False,
            True,
        ): "This address is asked no more whether it wants mails, whoever names it; what it has confirmed goes on, and is asked about yearly.",
        (
            "confirm",
            True,
            False,
        ): "Send this as POST to confirm that this address wants to hear of this endpoint.",
        (
            "confirm",
            True,
            True,
        ): "The address is confirmed; it hears when this endpoint fails or was disabled.",
        (
            "unsubscribe",
            True,
            False,
        ): "Send this as POST to hear no more of this endpoint; opening it changes nothing.",
        (
            "unsubscribe",
            True,
            True,
        ): "The address is forgotten. No further mail about this endpoint is sent to it.",
    }
)


_NOT_WRITTEN_TO = "No further mail about this is sent to this address; nothing was changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What a link is about, as it stands: the row of a subscription, or of the endpoint whose contact it is.

    `moved` says that another address than the link's, `address`, is written to by now; `refused` that nobody may ask it.
    """

    action: LinkAction
    of_contact: bool
    row: Row
    address: str | None
    moved: bool
    refused: bool

    @property
    def state(self) -> SubscriptionState:
        """Return how it stands for the link's address, in the words of subscriptions."""
        if self.moved:
            return "ended"
        if not self.of_contact:
            state: SubscriptionState = self.row["state"]
            return state
        if self.row["contact_email"] is None:
            return "ended"
        return "unconfirmed" if self.row["contact_confirmed_at"] is None else "active"

    @property
    def language(self) -> str:
        """Return the language of its mails; English where nothing tells it any more."""
        return str(self.row["contact_language"] or "en") if self.of_contact else str(self.row["language"])

    @property
    def waits(self) -> bool:
        """Whether following the link would change anything."""
        return self.changes or (self.action == "refuse" and not self.refused)

    @property
    def changes(self) -> bool:
        """Whether following the link would change what it is about."""
        if self.action != "confirm":
            return self.state != "ended"
        return self.state == "unconfirmed" if self.of_contact else waits_for_answer(self.row)


async def follow_link(unit: Unit, *, token: str) -> Answer:
    """Do what a link of a mail says: confirm its address, or end what it is about. Raises LinkInvalid."""
    found = await linked(unit.connection, keys_of(unit.runtime.state), token, lock=True)
    if found.action == "refuse" and found.address is not None:
        await _ask_no_more(unit, found.address)
    if found.changes:
        row = await _ACTS[found.action, found.of_contact](unit, found.row)
    else:
        row, revision = found.row, found.row["revision"]
        noun = "endpoint" if found.of_contact else "subscription"
        await unit.audit(action=f"{noun}.link_followed", subject=row["id"], before=revision, after=revision)
    return Answer(body=link_json(replace(found, row=row), done=True))


async def _confirm(unit: Unit, row: Row) -> Row:
    state: SubscriptionState = "active"
    now = timestamp(unit.now)
    held = await holds_news(unit, row["id"])
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
    if row["state"] == "paused":
        reference = unit.runtime.state["reference"]
        asked_for = await take_back_unasked(unit.connection, row, reference, now=unit.now)
        await look_again(unit, row, asked_for)
        await put_back(unit.connection, NOTICES.c.subscription == row["id"], now=now)
    await unit.audit(
        action="subscription.confirmed", subject=row["id"], before=row["revision"], after=changed["revision"]
    )
    return {**row, **changed}


async def _leave(unit: Unit, row: Row) -> Row:
    await end(unit, row, action="subscription.left")
    return {**row, "state": "ended"}


async def _ask_no_more(unit: Unit, address: str) -> None:
    suppressed = {
        "address_hash": address,
        "reason": NO_QUESTIONS,
        "suppressed_at": timestamp(unit.now),
    }
    statement = insert_for(unit.connection, SUPPRESSIONS).values(suppressed)
    await unit.connection.execute(statement.on_conflict_do_nothing(index_elements=["address_hash"]))


_ACTS: Mapping[tuple[LinkAction, bool], Callable[[Unit, Row], Awaitable[Row]]] = MappingProxyType(
    {
        ("confirm", False): _confirm,
        ("unsubscribe", False): _leave,
        ("confirm", True): confirm_contact,
        ("unsubscribe", True): leave_contact,
        ("refuse", False): _leave,
        ("refuse", True): leave_contact,
    }
)


def link_json(found: Linked, *, done: bool) -> dict[str, Any]:
    """Return what a link has done, or would do."""
    about_contact = found.of_contact and found.action != "refuse"  # which is about the address alone
    sentence = _SENTENCES[found.action, about_contact, done]
    if found.action == "confirm" and done and found.state != "active":
        sentence = "This subscription is not waiting for a confirmation; nothing was changed."
    if found.action == "unsubscribe" and found.moved:
        sentence = _NOT_WRITTEN_TO
    return {
        "subscription": None if found.of_contact else found.row["id"],
        "endpoint": found.row["id"] if found.of_contact else None,
        "action": found.action,
        "done": done,
        "state": found.state,
        "sentence": sentence,
    }


async def linked(connection: AsyncConnection, keys: Keys, token: str, *, lock: bool = False) -> Linked:
    """Return what a link is about and what it does; `lock` for who will change it.

    Raises LinkInvalid, also for one that confirms and was sent to an address that is another now.
    """
    link = keys.follow(token)
    if link is None:
        raise LinkInvalid
    of_contact = link.action.endswith(OF_CONTACT)
    action = cast("LinkAction", link.action.removesuffix(OF_CONTACT))
    table = ENDPOINTS if of_contact else SUBSCRIPTIONS
    query = select(table).where(table.c.id == link.about)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().first()
    if row is None:
        raise LinkInvalid
    email = row["contact_email" if of_contact else "email"]
    speaks = email is not None and keys.address_hash(email) == link.address
    if action == "confirm" and not speaks:
        raise LinkInvalid
    suppressed = select(SUPPRESSIONS.c.address_hash).where(SUPPRESSIONS.c.address_hash == link.address)
    return Linked(
        action=action,
        of_contact=of_contact,
        row=dict(row),
        address=link.address,
        moved=email is not None and link.address is not None and not speaks,
        refused=action == "refuse" and (await connection.scalar(suppressed)) is not None,
    )
