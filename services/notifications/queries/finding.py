"""Rows by id and by page, for those who may see them.

*Never:* write, or say that something of another organisation exists.
"""

from collections.abc import Sequence
from typing import Any, cast, get_args

from sqlalchemy import Table, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.http.notifications import DismissalReason
from services.chassis.identity.principal import Principal
from services.chassis.web.problems import NotFound, Unauthenticated
from services.notifications.queries.reading import Row
from services.notifications.rules import rights
from services.notifications.rules.problems import OrganisationErased, OrganisationWithdrawn
from services.notifications.tables import ATTEMPTS, DISMISSALS, ENDPOINTS, ORGANISATIONS, SECRETS

LEAST_IN_A_CELL = 5
"""Organisations that a published count tells of at least, so that it tells of none of them."""


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
    by: str | tuple[str, ...] = "id",
) -> Sequence[Row]:
    """Return up to `limit` rows in the order of ids, or of other columns; past `after`: what the last one has there, a list where columns are several."""
    columns = [table.c[name] for name in ((by,) if isinstance(by, str) else by)]
    query = select(table).where(*conditions)
    if after is not None:
        place: Any = columns[0] if isinstance(by, str) else tuple_(*columns)
        query = query.where(place < after if newest_first else place > after)
    order = [column.desc() if newest_first else column for column in columns]
    return cast("list[Row]", list((await connection.execute(query.order_by(*order).limit(limit))).mappings()))


async def secrets_of(connection: AsyncConnection, endpoint: str, *, now: str) -> Sequence[Row]:
    """Return when the live secrets of an endpoint were made, the newest first."""
    query = select(SECRETS.c.id, SECRETS.c.created_at, SECRETS.c.expires_at).where(
        SECRETS.c.endpoint == endpoint,
        SECRETS.c.expires_at.is_(None) | (SECRETS.c.expires_at > now),
    )
    rows = await connection.execute(query.order_by(SECRETS.c.created_at.desc(), SECRETS.c.id.desc()))
    return cast("list[Row]", list(rows.mappings()))


async def reasons_of(connection: AsyncConnection, project: str) -> Sequence[dict[str, Any]]:
    """Return for each reason how many organisations dismissed a project for it; None for fewer than five."""
    query = (
        select(DISMISSALS.c.reason, func.count().label("organisations"))
        .where(DISMISSALS.c.project == project)
        .group_by(DISMISSALS.c.reason)
        .having(func.count() >= LEAST_IN_A_CELL)
    )
    found = {row.reason: row.organisations for row in await connection.execute(query)}
    return [{"reason": reason, "organisations": found.get(reason)} for reason in get_args(DismissalReason)]


async def name_of(connection: AsyncConnection, organisation: str) -> str:
    """Return an organisation's name, or its id where its record has not been read yet."""
    query = select(ORGANISATIONS.c.name).where(ORGANISATIONS.c.id == organisation)
    return await connection.scalar(query) or organisation


async def require_here(connection: AsyncConnection, organisation: str, *, hold: bool = True) -> None:
    """See that an organisation may have something saved, and hold it, so that it is not erased before the commit.

    Not for who holds a row of it already: an erasure holds the organisation first, and then its rows.
    Raises OrganisationErased, OrganisationWithdrawn. Of one whose record has not been read yet nothing speaks against it.
    """
    query = select(ORGANISATIONS.c.state).where(ORGANISATIONS.c.id == organisation)
    state = await connection.scalar(query.with_for_update(read=True) if hold else query)
    if state == "erased":
        raise OrganisationErased
    if state == "withdrawn":
        raise OrganisationWithdrawn


async def tries_of(connection: AsyncConnection, delivery: str) -> Sequence[Row]:
    """Return every try of a message, in order."""
    query = select(ATTEMPTS).where(ATTEMPTS.c.delivery == delivery).order_by(ATTEMPTS.c.number)
    return cast("list[Row]", list((await connection.execute(query)).mappings()))
