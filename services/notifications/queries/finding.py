"""Rows by id and by page, for those who may see them.

*Never:* write, or say that something of another organisation exists.
"""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.identity.principal import Principal
from services.chassis.web.problems import NotFound, Unauthenticated
from services.notifications.queries.reading import Row
from services.notifications.rules import rights
from services.notifications.tables import ATTEMPTS, ENDPOINTS, SECRETS


async def one(connection: AsyncConnection, table: Table, identifier: str, principal: Principal) -> Row:
    """Return the row of an id, for who may read it. Raises Unauthenticated, NotFound."""
    if principal.is_anonymous:
        raise Unauthenticated
    row = (await connection.execute(select(table).where(table.c.id == identifier))).mappings().first()
    if row is None or not rights.may_read(principal, row["organisation"]):
        raise NotFound
    if table is ENDPOINTS and row["state"] == "deleted":
        raise NotFound
    return cast("Row", row)


async def page(
    connection: AsyncConnection,
    table: Table,
    *conditions: Any,
    after: Any,
    limit: int,
    newest_first: bool = False,
    by: str = "id",
) -> Sequence[Row]:
    """Return up to `limit` rows past an id, in the order of ids, which is that of time where ids are ours; or of a column."""
    column = table.c[by]
    query = select(table).where(*conditions)
    if after is not None:
        query = query.where(column < after if newest_first else column > after)
    order = column.desc() if newest_first else column
    return cast("list[Row]", list((await connection.execute(query.order_by(order).limit(limit))).mappings()))


async def secrets_of(connection: AsyncConnection, endpoint: str, *, now: str) -> Sequence[Row]:
    """Return when the live secrets of an endpoint were made, the newest first."""
    query = select(SECRETS.c.id, SECRETS.c.created_at, SECRETS.c.expires_at).where(
        SECRETS.c.endpoint == endpoint,
        SECRETS.c.expires_at.is_(None) | (SECRETS.c.expires_at > now),
    )
    rows = await connection.execute(query.order_by(SECRETS.c.created_at.desc(), SECRETS.c.id.desc()))
    return cast("list[Row]", list(rows.mappings()))


async def tries_of(connection: AsyncConnection, delivery: str) -> Sequence[Row]:
    """Return every try of a message, in order."""
    query = select(ATTEMPTS).where(ATTEMPTS.c.delivery == delivery).order_by(ATTEMPTS.c.number)
    return cast("list[Row]", list((await connection.execute(query)).mappings()))
