"""Asking an address whether it wants mails: once while the question stands, and a bounded number of times a day, by anybody.

*Why bounded.* Whoever saves a subscription or an endpoint names any address, and a question is a mail that nobody there asked
for. *Never:* ask under another address than the one that is saved, or put anything into the question that its asker wrote,
but the organisation's name.
"""

from sqlalchemy import insert, select

from services.chassis.database import insert_for
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Unit
from services.chassis.web.problems import ErrorEntry, InvalidBody
from services.notifications.commands.queueing import delivery_row
from services.notifications.mail.letters import CONFIRMATION, Letter, confirmation_letter, contact_letter
from services.notifications.queries.finding import name_of
from services.notifications.queries.reading import Row
from services.notifications.rules.keys import OF_CONTACT, keys_of
from services.notifications.rules.yearly import ASKED_WITHIN, MOST_QUESTIONS
from services.notifications.tables import DELIVERIES, QUESTIONS, SUPPRESSIONS

_STANDING = ("pending", "sending", "retrying", "delivered", "unconfirmed")


async def question_stands(unit: Unit, before: Row | None, row: Row) -> bool:
    """Whether this address was asked for this subscription lately, and the answer is still waited for."""
    if before is None or before["state"] != "unconfirmed" or before["email"] != row["email"]:
        return False
    asked = select(DELIVERIES.c.id).where(
        DELIVERIES.c.subscription == row["id"],
        DELIVERIES.c.type == CONFIRMATION,
        DELIVERIES.c.state.in_(_STANDING),
        DELIVERIES.c.created_at > timestamp(unit.now - ASKED_WITHIN),
    )
    return (await unit.connection.scalar(asked.limit(1))) is not None


async def ask_for_confirmation(unit: Unit, row: Row) -> None:
    """Ask the address of a subscription. Raises InvalidBody if it was asked often enough within a day."""
    keys, email = keys_of(unit.runtime.state), row["email"]
    letter = confirmation_letter(
        unit.runtime.settings,
        language=row["language"],
        organisation=await name_of(unit.connection, row["organisation"]),
        token=keys.link("confirm", row["id"], email=email),
        refuse=keys.link("refuse", row["id"], email=email),
    )
    await _count(unit, email, pointer="/email")
    await _queue(unit, row["organisation"], letter, subscription=row["id"])


async def ask_contact(unit: Unit, row: Row) -> None:
    """Ask the contact address of an endpoint. Raises InvalidBody if it was asked often enough within a day."""
    keys, email = keys_of(unit.runtime.state), row["contact_email"]
    letter = contact_letter(
        unit.runtime.settings,
        language=row["contact_language"],
        organisation=await name_of(unit.connection, row["organisation"]),
        token=keys.link("confirm" + OF_CONTACT, row["id"], email=email),
        refuse=keys.link("refuse" + OF_CONTACT, row["id"], email=email),
    )
    await _count(unit, email, pointer="/contact_email")
    await _queue(unit, row["organisation"], letter, contact_of=row["id"])


async def suppression_fault(unit: Unit, email: str, *, pointer: str) -> ErrorEntry | None:
    """Return what is wrong with an address that nobody may ask, None if nothing keeps questions from it."""
    hashed = keys_of(unit.runtime.state).address_hash(email)
    suppressed = select(SUPPRESSIONS.c.reason).where(SUPPRESSIONS.c.address_hash == hashed)
    if (await unit.connection.scalar(suppressed)) is None:
        return None
    return {
        "pointer": pointer,
        "rule": "address-suppressed",
        "detail": "Mail to this address was refused by its server, or whoever reads it wants no questions.",
        "fix": "Use another address, or ask BDT's administrator to lift the suppression.",
    }


async def _queue(
    unit: Unit,
    organisation: str,
    letter: Letter,
    *,
    subscription: str | None = None,
    contact_of: str | None = None,
) -> None:
    question = delivery_row(
        organisation=organisation,
        channel="email",
        kind=CONFIRMATION,
        subscription=subscription,
        contact_of=contact_of,
        body=letter.encoded(),
        place="",
        now=unit.now,
    )
    await unit.connection.execute(insert(DELIVERIES).values(question))


async def _count(unit: Unit, email: str, *, pointer: str) -> None:
    hashed = keys_of(unit.runtime.state).address_hash(email)
    query = select(QUESTIONS).where(QUESTIONS.c.address_hash == hashed).with_for_update()
    found = (await unit.connection.execute(query)).mappings().first()
    asked = {"address_hash": hashed, "asked_since": timestamp(unit.now), "times": 1}
    if found is not None and found["asked_since"] > timestamp(unit.now - ASKED_WITHIN):
        if found["times"] >= MOST_QUESTIONS:
            raise InvalidBody.at(
                pointer,
                "address-asked-enough",
                detail=f"This address was asked {MOST_QUESTIONS} times within a day whether it wants mails.",
                fix="Wait for its answer, or for a day.",
            )
        asked |= {"asked_since": found["asked_since"], "times": found["times"] + 1}
    statement = insert_for(unit.connection, QUESTIONS).values(asked)
    await unit.connection.execute(
        statement.on_conflict_do_update(index_elements=["address_hash"], set_=asked)
    )
