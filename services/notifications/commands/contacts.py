"""The address that hears when an endpoint fails: named by its organisation, asked by us, forgotten by one click.

*What.* It is written to once it has confirmed, and about this endpoint alone. *Why an address of its own.* An endpoint that
fails cannot be told so itself, and who hears by webhooks alone has no other address that has said yes. *Never:* write to it
before, but to ask; or put it into an event.
"""

from typing import Any

from sqlalchemy import update

from schemas.http.endpoints import EndpointBody
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Unit
from services.chassis.web.problems import InvalidBody
from services.notifications.commands.asking import ask_contact, suppression_fault
from services.notifications.commands.leaving import NO_CONTACT, cancel_mails_to_contact
from services.notifications.queries.reading import Row
from services.notifications.rules.yearly import ASKED_WITHIN
from services.notifications.tables import ENDPOINTS


async def contact_asked(unit: Unit, before: Row | None, row: Row, body: EndpointBody) -> dict[str, Any]:
    """Return an endpoint's contact as it is saved now, with its address asked if it has not said yes.

    Raises InvalidBody for an address that its server had refused, or that was asked often enough within a day.
    """
    held: Row = NO_CONTACT if before is None else before
    if held["contact_email"] != body.contact_email:
        await cancel_mails_to_contact(unit.connection, row["id"], now=timestamp(unit.now))
        held = NO_CONTACT
    if body.contact_email is None:
        return dict(NO_CONTACT)
    contact: dict[str, Any] = {name: held[name] for name in NO_CONTACT}
    contact |= {"contact_email": body.contact_email, "contact_language": body.contact_language}
    asked_at = held["contact_asked_at"]
    stands = asked_at is not None and asked_at > timestamp(unit.now - ASKED_WITHIN)
    if stands or held["contact_confirmed_at"] is not None:
        return contact
    fault = await suppression_fault(unit, body.contact_email, pointer="/contact_email")
    if fault is not None:
        raise InvalidBody(fault["detail"], errors=[fault])
    await cancel_mails_to_contact(unit.connection, row["id"], now=timestamp(unit.now))
    await ask_contact(unit, {**row, **contact})
    return contact | {"contact_asked_at": timestamp(unit.now)}


async def confirm_contact(unit: Unit, row: Row) -> Row:
    """Note that an endpoint's contact wants to hear of it; the endpoint's row is locked."""
    changed = {"contact_confirmed_at": timestamp(unit.now)}
    return await _changed(unit, row, changed, action="endpoint.contact_confirmed")


async def leave_contact(unit: Unit, row: Row) -> Row:
    """Forget an endpoint's contact and drop what was still to be sent to it; the endpoint's row is locked."""
    await cancel_mails_to_contact(unit.connection, row["id"], now=timestamp(unit.now))
    return await _changed(unit, row, NO_CONTACT, action="endpoint.contact_left")


async def _changed(unit: Unit, row: Row, changed: Row, *, action: str) -> Row:
    whole = {**changed, "revision": row["revision"] + 1, "changed_at": timestamp(unit.now)}
    await unit.connection.execute(update(ENDPOINTS).where(ENDPOINTS.c.id == row["id"]).values(whole))
    await unit.audit(action=action, subject=row["id"], before=row["revision"], after=whole["revision"])
    return {**row, **whole}
