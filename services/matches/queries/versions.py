"""List versions as they were told: numbers, inputs, figures, digest, head and delta. They are stored and never rebuilt.

*Never:* recompute a version, or show a list's rows beyond the stored head (the list itself is paged elsewhere).
"""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.http.suggestion import SUGGESTION
from services.chassis.web.problems import NotFound
from services.matches.queries.archive import organisations_of
from services.matches.queries.listing import version_line
from services.matches.tables import LIST_VERSIONS

_WHOLE = {"rows", "excluded", "attention"}
_LINE = [column for column in LIST_VERSIONS.c if column.name not in _WHOLE | {"head", "delta", "lane"}]


async def list_versions(
    connection: AsyncConnection, project: str, *, before: int | None, limit: int
) -> Sequence[Any]:
    """Return up to `limit` versions of a list, the newest first, with a number below `before`."""
    query = select(*_LINE).where(LIST_VERSIONS.c.project == project)
    if before is not None:
        query = query.where(LIST_VERSIONS.c.number < before)
    return (await connection.execute(query.order_by(LIST_VERSIONS.c.number.desc()).limit(limit))).all()


async def lists_under(connection: AsyncConnection, epoch: str) -> frozenset[str]:
    """Return the projects whose newest list version names this epoch."""
    newest = (
        select(LIST_VERSIONS.c.project, func.max(LIST_VERSIONS.c.number).label("number"))
        .group_by(LIST_VERSIONS.c.project)
        .subquery()
    )
    same = (LIST_VERSIONS.c.project == newest.c.project) & (LIST_VERSIONS.c.number == newest.c.number)
    query = select(LIST_VERSIONS.c.project).join(newest, same).where(LIST_VERSIONS.c.epoch == epoch)
    return frozenset(await connection.scalars(query))


async def version_of(connection: AsyncConnection, project: str, number: int) -> dict[str, Any]:
    """Return one version whole, the rows of its head with names. Raises NotFound."""
    row = (
        await connection.execute(
            select(*(column for column in LIST_VERSIONS.c if column.name not in _WHOLE)).where(
                LIST_VERSIONS.c.project == project, LIST_VERSIONS.c.number == number
            )
        )
    ).first()
    if row is None:
        raise NotFound("The list has no version of this number.")
    head, lane = orjson.loads(row.head), orjson.loads(row.lane or "[]")
    records = await organisations_of(connection, [one["organisation"] for one in (*head, *lane)])
    for one in (*head, *lane):
        record = records.get(one["organisation"])
        one["name"] = None if record is None else record["legal_name"]
    return version_line(row) | {
        "statement": SUGGESTION,
        "coverage": orjson.loads(row.coverage),
        "head": head,
        "lane": lane,
        "delta": orjson.loads(row.delta),
    }
