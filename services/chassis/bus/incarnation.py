"""Which life of its database an owner speaks from: the first half of every sequence that it gives out.

A database that was restored from a backup has forgotten what it said since, and would say it again under versions
that readers hold already. So a restore raises the incarnation, and whatever is said afterwards outranks what was said
before, whatever its version. One row, or none for the first life. This module must not decide when it rises.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    Table,
    bindparam,
    column,
    delete,
    insert,
    select,
    table,
)
from sqlalchemy.ext.asyncio import AsyncConnection

FIRST = 1

_ROWS = table("incarnation", column("single", Integer), column("number", BigInteger))
_NUMBER = select(_ROWS.c.number)
_FORGET = delete(_ROWS)
_SET = insert(_ROWS).values(single=1, number=bindparam("to"))


def attach(metadata: MetaData) -> Table:
    """Add the table of the incarnation to an owner's tables."""
    return Table(
        "incarnation",
        metadata,
        Column("single", Integer, primary_key=True),
        Column("number", BigInteger, nullable=False),
    )


async def current(connection: AsyncConnection) -> int:
    """Return the incarnation of this owner."""
    number: int | None = await connection.scalar(_NUMBER)
    return FIRST if number is None else number


async def rise(connection: AsyncConnection, *, above: int) -> int:
    """Begin a new life, above the present one and above what the log has seen; returns its number."""
    number = max(await current(connection), above) + 1
    await connection.execute(_FORGET)
    await connection.execute(_SET, {"to": number})
    return number
