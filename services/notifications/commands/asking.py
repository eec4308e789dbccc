"""Asking an address whether it wants mails: once while the question stands, and a bounded number of times a day, by anybody.

*Why bounded.* Whoever saves a subscription names any address, and a question is a mail that nobody there asked for.
*Never:* ask under another address than the one that is saved.
"""

from sqlalchemy import insert, select

from services.chassis.database import insert_for
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Unit
from services.chassis.web.problems import InvalidBody
from services.notifications.commands.queueing import delivery_row
from services.notifications.mail.letters import CONFIRMATION, confirmation_letter
from services.notifications.queries.reading import Row
from services.notifications.rules.keys import keys_of
from services.notifications.rules.yearly import ASKED_WITHIN, MOST_QUESTIONS
from services.notifications.tables import DELIVERIES, ORGANISATIONS, QUESTIONS

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
    """Queue the question. Raises InvalidBody if the address was asked often enough within a day."""
    keys = keys_of(unit.runtime.state)
    await _count(unit, keys.address_hash(row["email"]))
    name = await unit.connection.scalar(
        select(ORGANISATIONS.c.name).where(ORGANISATIONS.c.id == row["organisation"])
    )
    letter = confirmation_letter(
        unit.runtime.settings,
        language=row["language"],
        organisation=name or row["organisation"],
        token=keys.link("confirm", row["id"], email=row["email"]),
    )
    await unit.connection.execute(
        insert(DELIVERIES).values(
            delivery_row(
                organisation=row["organisation"],
                channel="email",
                kind=CONFIRMATION,
                subscription=row["id"],
                body=letter.encoded(),
                place="",
                now=unit.now,
            )
        )
    )


async def _count(unit: Unit, hashed: str) -> None:
    query = select(QUESTIONS).where(QUESTIONS.c.address_hash == hashed).with_for_update()
    found = (await unit.connection.execute(query)).mappings().first()
    asked = {"address_hash": hashed, "asked_since": timestamp(unit.now), "times": 1}
    if found is not None and found["asked_since"] > timestamp(unit.now - ASKED_WITHIN):
        if found["times"] >= MOST_QUESTIONS:
            raise InvalidBody.at(
                "/email",
                "address-asked-enough",
                detail=f"This address was asked {MOST_QUESTIONS} times within a day whether it wants mails.",
                fix="Wait for its answer, or for a day.",
            )
        asked |= {"asked_since": found["asked_since"], "times": found["times"] + 1}
    statement = insert_for(unit.connection, QUESTIONS).values(asked)
    await unit.connection.execute(
        statement.on_conflict_do_update(index_elements=["address_hash"], set_=asked)
    )
