"""Writes of API clients and their secrets."""

from typing import Any

import uuid_utils
from sqlalchemy import delete, insert, select, update

from schemas.http.identity import ClientBody
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import InvalidBody, NotFound
from services.identity.commands.hashing import HASHING, Hashing, new_secret
from services.identity.queries import client_answer, find_client, find_person, secrets_of
from services.identity.rules import MOST_SECRETS, Revoked, TooManySecrets, check_belongings, check_may_manage
from services.identity.tables import CLIENTS, SECRETS

REFERENCE = "identity.reference"


async def post_client(unit: Unit, *, body: ClientBody) -> Answer:
    """Make a client under an id of ours."""
    _check(unit, body)
    made = await create_client(unit, body)
    return _created(made)


async def put_client(unit: Unit, *, client_id: str, body: ClientBody) -> Answer:
    """Make a client under this id, or change it. Its secret is answered once, when it is made."""
    _check(unit, body)
    before = await find_client(unit.connection, client_id)
    if before is None:
        unit.check_match(None)
        return _created(await create_client(unit, body, client_id=client_id))
    check_may_manage(unit.principal, roles=before["roles"], organisation=before["organisation"])
    unit.check_match(before["revision"])
    if before["state"] != "active":
        raise Revoked
    await _check_person(unit, body)
    after = before["revision"] + 1
    row = _row(unit, body) | {"revision": after}
    cut = {"tokens_from": after} if _other_rights(before, row) else {}
    await unit.connection.execute(update(CLIENTS).where(CLIENTS.c.id == client_id).values(**row, **cut))
    await unit.audit(action="client.changed", subject=client_id, before=before["revision"], after=after)
    return Answer(body=before | row | {"roles": sorted(body.roles)}, revision=after)


async def delete_client(unit: Unit, *, client_id: str) -> Answer:
    """Revoke a client for good. Its secrets go now, and its tokens are revoked."""
    before = await _existing(unit, client_id)
    unit.check_match(before["revision"])
    if before["state"] != "active":
        raise Revoked
    await revoke(unit, client_id, revision=before["revision"] + 1)
    await unit.audit(
        action="client.revoked", subject=client_id, before=before["revision"], after=before["revision"] + 1
    )
    return Answer(status=204)


async def post_secret(unit: Unit, *, client_id: str) -> Answer:
    """Add a second secret, so that a program can change over without a gap."""
    before = await _existing(unit, client_id)
    if before["state"] != "active":
        raise Revoked
    if len(before["secrets"]) >= MOST_SECRETS:
        raise TooManySecrets
    secret = await _add_secret(unit, client_id)
    await _touch(unit, client_id, before["revision"] + 1)
    await unit.audit(
        action="client.secret_added",
        subject=client_id,
        before=before["revision"],
        after=before["revision"] + 1,
    )
    return Answer(status=201, body=secret, stored=secret | {"secret": None})


async def delete_secret(unit: Unit, *, client_id: str, secret_id: str) -> Answer:
    """Take a secret out of use, and revoke the client's tokens: nobody knows which of them it got."""
    before = await _existing(unit, client_id)
    if secret_id not in {one["id"] for one in before["secrets"]}:
        raise NotFound
    await unit.connection.execute(delete(SECRETS).where(SECRETS.c.id == secret_id))
    await revoke_tokens(unit, client_id, revision=before["revision"] + 1)
    await unit.audit(
        action="client.secret_deleted",
        subject=client_id,
        before=before["revision"],
        after=before["revision"] + 1,
    )
    return Answer(status=204)


async def create_client(unit: Unit, body: ClientBody, *, client_id: str | None = None) -> dict[str, Any]:
    """Add a client with one secret, and its audit row; return it as it is answered, with the secret."""
    await _check_person(unit, body)
    now = timestamp(unit.now)
    row = _row(unit, body) | {
        "id": client_id or str(uuid_utils.uuid7()),
        "revision": 1,
        "state": "active",
        "tokens_from": 1,
        "created_at": now,
    }
    await unit.connection.execute(insert(CLIENTS).values(**row))
    secret = await _add_secret(unit, str(row["id"]))
    await unit.audit(action="client.created", subject=str(row["id"]), before=None, after=1)
    shown = client_answer(row, await secrets_of(unit.connection, [str(row["id"])]))
    return shown | {"secret": secret["secret"]}


async def revoke(unit: Unit, client_id: str, *, revision: int) -> None:
    """Take a client and its secrets out of use; the caller audits."""
    await unit.connection.execute(delete(SECRETS).where(SECRETS.c.client == client_id))
    await unit.connection.execute(update(CLIENTS).where(CLIENTS.c.id == client_id).values(state="revoked"))
    await revoke_tokens(unit, client_id, revision=revision)


async def revoke_tokens(unit: Unit, client_id: str, *, revision: int) -> None:
    """Give a client a new revision, and revoke the tokens that were issued under earlier ones; the caller audits."""
    await unit.connection.execute(
        update(CLIENTS)
        .where(CLIENTS.c.id == client_id)
        .values(revision=revision, tokens_from=revision, changed_at=timestamp(unit.now))
    )


def _check(unit: Unit, body: ClientBody) -> None:
    organisation = str(body.organisation) if body.organisation else None
    check_may_manage(unit.principal, roles=body.roles, organisation=organisation)
    check_belongings(
        body.roles,
        organisation=body.organisation,
        office=body.office,
        reference=unit.runtime.state[REFERENCE],
    )


async def _check_person(unit: Unit, body: ClientBody) -> None:
    if body.person is None:
        return
    person = await find_person(unit.connection, str(body.person))
    organisation = str(body.organisation) if body.organisation else None
    if person is None or person["state"] != "active":
        raise InvalidBody.at(
            "/person", "person-unknown", detail="There is no such person.", fix="Put the person first."
        )
    if person["organisation"] != organisation or person["office"] != body.office:
        raise InvalidBody.at(
            "/person",
            "person-elsewhere",
            detail="The person belongs to another organisation or office.",
            fix="Name those of the person.",
        )
    check_may_manage(unit.principal, roles=person["roles"].split(), organisation=person["organisation"])


async def _existing(unit: Unit, client_id: str) -> dict[str, Any]:
    found = await find_client(unit.connection, client_id)
    if found is None:
        check_may_manage(unit.principal, roles=(), organisation=unit.principal.organisation)
        raise NotFound
    check_may_manage(unit.principal, roles=found["roles"], organisation=found["organisation"])
    return found


async def _add_secret(unit: Unit, client_id: str) -> dict[str, Any]:
    hashing: Hashing = unit.runtime.state[HASHING]
    secret = new_secret()
    row = {
        "id": str(uuid_utils.uuid7()),
        "client": client_id,
        "hash": await hashing.hash(secret),
        "created_at": timestamp(unit.now),
    }
    await unit.connection.execute(insert(SECRETS).values(**row))
    return {"id": row["id"], "created_at": row["created_at"], "secret": secret}


async def _touch(unit: Unit, client_id: str, revision: int) -> None:
    await unit.connection.execute(
        update(CLIENTS)
        .where(CLIENTS.c.id == client_id)
        .values(revision=revision, changed_at=timestamp(unit.now))
    )


def _other_rights(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether a token of before says anything that is no longer so."""
    bound = ("organisation", "office", "person")
    return before["roles"] != after["roles"].split() or any(before[one] != after[one] for one in bound)


def _row(unit: Unit, body: ClientBody) -> dict[str, Any]:
    return {
        "name": body.name,
        "roles": " ".join(sorted(body.roles)),
        "organisation": str(body.organisation) if body.organisation else None,
        "office": body.office,
        "person": str(body.person) if body.person else None,
        "changed_at": timestamp(unit.now),
    }


def _created(made: dict[str, Any]) -> Answer:
    return Answer(
        status=201,
        body=made,
        stored=made | {"secret": None},
        revision=1,
        headers={"Location": f"/v1/clients/{made['id']}", "Cache-Control": "no-store"},
    )


async def clients_of(unit: Unit, person_id: str) -> list[Any]:
    """Return id and revision of the active clients that act for a person."""
    query = select(CLIENTS.c.id, CLIENTS.c.revision).where(
        CLIENTS.c.person == person_id, CLIENTS.c.state == "active"
    )
    return list((await unit.connection.execute(query)).all())
