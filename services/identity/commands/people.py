"""Writes of people. Removing somebody erases name and address and revokes the clients that act for them."""

from typing import Any

from sqlalchemy import insert, select, update

from schemas.http.identity import PersonBody
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import NotFound
from services.identity.commands.clients import REFERENCE, clients_of, revoke, revoke_tokens
from services.identity.queries import find_person, person_answer
from services.identity.rules import AddressInUse, Revoked, check_belongings, check_may_manage
from services.identity.tables import PEOPLE


async def put_person(unit: Unit, *, person_id: str, body: PersonBody) -> Answer:
    """Add a person under this id, or change them."""
    organisation = str(body.organisation) if body.organisation else None
    check_may_manage(unit.principal, roles=body.roles, organisation=organisation)
    check_belongings(
        body.roles,
        organisation=body.organisation,
        office=body.office,
        reference=unit.runtime.state[REFERENCE],
    )
    before = await find_person(unit.connection, person_id)
    if before is not None:
        check_may_manage(unit.principal, roles=before["roles"].split(), organisation=before["organisation"])
    unit.check_match(None if before is None else before["revision"])
    if before is not None and before["state"] != "active":
        raise Revoked
    await _check_address(unit, person_id, body.email.lower())
    now = timestamp(unit.now)
    revision = 1 if before is None else before["revision"] + 1
    row = {
        "id": person_id,
        "revision": revision,
        "state": "active",
        "name": body.name,
        "email": body.email.lower(),
        "roles": " ".join(sorted(body.roles)),
        "organisation": organisation,
        "office": body.office,
        "created_at": now if before is None else before["created_at"],
        "changed_at": now,
    }
    await _write(unit, row, new=before is None)
    details = {}
    if before is not None and any(before[name] != row[name] for name in ("roles", "organisation", "office")):
        revoked = await clients_of(unit, person_id)
        for client in revoked:
            await revoke_tokens(unit, client.id, revision=client.revision + 1)
        details["tokens_revoked"] = [client.id for client in revoked]
    await unit.audit(
        action="person.created" if before is None else "person.changed",
        subject=person_id,
        before=None if before is None else before["revision"],
        after=revision,
        details=details,
    )
    return Answer(
        status=201 if before is None else 200,
        body=person_answer(row, named=True),
        revision=revision,
        headers={"Location": f"/v1/people/{person_id}"} if before is None else {},
    )


async def delete_person(unit: Unit, *, person_id: str) -> Answer:
    """Erase a person's name and address and revoke their clients; the id stays, for the audit trail."""
    before = await find_person(unit.connection, person_id)
    if before is None:
        check_may_manage(unit.principal, roles=(), organisation=unit.principal.organisation)
        raise NotFound
    check_may_manage(unit.principal, roles=before["roles"].split(), organisation=before["organisation"])
    unit.check_match(before["revision"])
    if before["state"] != "active":
        raise Revoked
    after = before["revision"] + 1
    erased = {
        "state": "removed",
        "name": None,
        "email": None,
        "revision": after,
        "changed_at": timestamp(unit.now),
    }
    await unit.connection.execute(update(PEOPLE).where(PEOPLE.c.id == person_id).values(**erased))
    revoked = await clients_of(unit, person_id)
    for client in revoked:
        await revoke(unit, client.id, revision=client.revision + 1)
    await unit.audit(
        action="person.removed",
        subject=person_id,
        before=before["revision"],
        after=after,
        details={"clients_revoked": [client.id for client in revoked]},
    )
    return Answer(status=204)


async def _check_address(unit: Unit, person_id: str, email: str) -> None:
    query = select(PEOPLE.c.id).where(PEOPLE.c.email == email, PEOPLE.c.id != person_id)
    if (await unit.connection.execute(query)).first() is not None:
        raise AddressInUse


async def _write(unit: Unit, row: dict[str, Any], *, new: bool) -> None:
    if new:
        await unit.connection.execute(insert(PEOPLE).values(**row))
    else:
        await unit.connection.execute(update(PEOPLE).where(PEOPLE.c.id == row["id"]).values(**row))
