"""Ids under which other registers know a record: each belongs to one record at a time, and may move to another.

*What.* They are written anew as the present records have them. *Why here.* Services that keep such ids keep them alike, in a table beside
their records. *Never:* decide who may have one; the command that wrote the record did.
"""

import orjson
from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.database import insert_for

_CHUNK = 500


async def write_anew(connection: AsyncConnection, ids: Table, *, records: Table, holder: str) -> None:
    """Fill a table of ids (scheme, value, and the column `holder`) from all records (id, and record as JSON; None: erased).

    For who has taken records back one by one: an older one may have taken an id from its present holder.
    """
    await connection.execute(delete(ids))
    kept, after = select(records.c.id, records.c.record).where(records.c.record.is_not(None)), ""
    page = kept.order_by(records.c.id).limit(_CHUNK)
    while found := (await connection.execute(page.where(records.c.id > after))).all():
        rows = [
            {holder: record["id"], "scheme": one["scheme"], "value": one["value"]}
            for record in (orjson.loads(row.record) for row in found)
            for one in record.get("external_ids", ())
        ]
        if rows:  # a log that lost a record may leave one with two: a restore does not fail for that
            await connection.execute(insert_for(connection, ids).on_conflict_do_nothing(), rows)
        after = found[-1].id
