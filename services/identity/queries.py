"""Reads of `identity`: who there is, and what a client's token may say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.identity.tables import CLIENTS, PEOPLE, SECRETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a client may have in its token, and the hashes of the secrets that prove it."""

    client: str
    revision: int
    person: str | None
    roles: frozenset[str]
    organisation: str | None
    office: str | None
    hashes: tuple[str, ...]


async def grant_of(connection: AsyncConnection, client_id: str) -> Grant | None:
    """Return what an active client is granted; None if there is none, or its person was removed or is elsewhere now.

    A client that acts for a person has the roles that both have.
    """
    client = (
        (await connection.execute(select(CLIENTS).where(CLIENTS.c.id == client_id))).mappings().one_or_none()
    )
    if client is None or client["state"] != "active":
        return None
    roles = frozenset(client["roles"].split())
    if client["person"] is not None:
        person = (
            (await connection.execute(select(PEOPLE).where(PEOPLE.c.id == client["person"])))
            .mappings()
            .one_or_none()
        )
        if person is None or person["state"] != "active":
            return None
        if any(person[bound] != client[bound] for bound in ("organisation", "office")):
            return None
        roles &= frozenset(person["roles"].split())
    hashes = await connection.execute(select(SECRETS.c.hash).where(SECRETS.c.client == client_id))
    return Grant(
        client=client["id"],
        revision=client["revision"],
        person=client["person"],
        roles=roles,
        organisation=client["organisation"],
        office=client["office"],
        hashes=tuple(hashes.scalars()),
    )


async def revoked_tokens(connection: AsyncConnection, *, since: str) -> dict[str, int]:
    """Return the clients whose tokens were revoked and that changed after `since`, with the first revision that counts."""
    query = select(CLIENTS.c.id, CLIENTS.c.tokens_from).where(
        CLIENTS.c.tokens_from > 1, CLIENTS.c.changed_at > since
    )
    return {row.id: row.tokens_from for row in await connection.execute(query.order_by(CLIENTS.c.id))}


async def find_client(connection: AsyncConnection, client_id: str) -> dict[str, Any] | None:
    """Return a client with its secrets' public parts."""
    row = (
        (await connection.execute(select(CLIENTS).where(CLIENTS.c.id == client_id))).mappings().one_or_none()
    )
    return None if row is None else client_answer(row, await secrets_of(connection, [client_id]))


async def list_clients(
    connection: AsyncConnection, *, organisation: str | None, after: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return up to `limit` clients by id, of one organisation if it is given."""
    rows = (await connection.execute(_page(CLIENTS, organisation, after, limit))).mappings().all()
    secrets = await secrets_of(connection, [row["id"] for row in rows])
    return [client_answer(row, secrets) for row in rows]


async def find_person(connection: AsyncConnection, person_id: str) -> RowMapping | None:
    """Return a person's row."""
    return (await connection.execute(select(PEOPLE).where(PEOPLE.c.id == person_id))).mappings().one_or_none()


async def list_people(
    connection: AsyncConnection, *, organisation: str | None, after: str | None, limit: int
) -> Sequence[RowMapping]:
    """Return up to `limit` people by id, of one organisation if it is given."""
    return list((await connection.execute(_page(PEOPLE, organisation, after, limit))).mappings())


async def secrets_of(connection: AsyncConnection, clients: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the secrets' public parts by client, oldest first."""
    found: dict[str, list[dict[str, Any]]] = {client: [] for client in clients}
    query = select(SECRETS.c.id, SECRETS.c.client, SECRETS.c.created_at).where(SECRETS.c.client.in_(clients))
    for row in await connection.execute(query.order_by(SECRETS.c.created_at, SECRETS.c.id)):
        found[row.client].append({"id": row.id, "created_at": row.created_at})
    return found


def client_answer(
    row: Mapping[str, Any] | RowMapping, secrets: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """Return a client as it is answered."""
    shown = {name: value for name, value in _plain(row).items() if name != "tokens_from"}
    return shown | {"roles": row["roles"].split(), "secrets": secrets[row["id"]]}


def person_answer(row: Mapping[str, Any] | RowMapping, *, named: bool) -> dict[str, Any]:
    """Return a person as it is answered; without name and address unless the reader may see them."""
    hidden = {} if named else {"name": None, "email": None}
    return _plain(row) | {"roles": row["roles"].split()} | hidden


def _plain(row: Mapping[str, Any] | RowMapping) -> dict[str, Any]:
    """Return a row as a dictionary whose keys are plain text, which the column names of a row are not."""
    return {str(name): value for name, value in row.items()}


def _page(table: Any, organisation: str | None, after: str | None, limit: int) -> Select[Any]:
    query = select(table).order_by(table.c.id).limit(limit)
    if organisation is not None:
        query = query.where(table.c.organisation == organisation)
    return query if after is None else query.where(table.c.id > after)
