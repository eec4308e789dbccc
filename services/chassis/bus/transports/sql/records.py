"""Rows of the log ↔ records of the seam, and the one query that reads them."""

import orjson
from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.bus.transport import BATCH_BYTES, Batch, Record, TopicPartition
from services.chassis.bus.transports.sql.tables import PARTITIONS, RECORDS

_END = select(PARTITIONS.c.next_offset).where(
    (PARTITIONS.c.topic == bindparam("topic")) & (PARTITIONS.c.partition == bindparam("partition"))
)
_HORIZON = select(PARTITIONS.c.horizon).where(
    (PARTITIONS.c.topic == bindparam("topic")) & (PARTITIONS.c.partition == bindparam("partition"))
)
# The bytes of the values before each record are summed up by the database, so what is too much is never read.
_SIZE = func.coalesce(func.length(RECORDS.c.value), 0)
_CHOSEN = (
    select(
        RECORDS.c.offset,
        RECORDS.c.key,
        RECORDS.c.headers,
        RECORDS.c.value,
        RECORDS.c.appended_at,
        (func.sum(_SIZE).over(order_by=RECORDS.c.offset, rows=(None, 0)) - _SIZE).label("before"),
    )
    .where(
        (RECORDS.c.topic == bindparam("topic"))
        & (RECORDS.c.partition == bindparam("partition"))
        & (RECORDS.c.offset >= bindparam("from_offset"))
        & (RECORDS.c.offset < bindparam("end"))
    )
    .order_by(RECORDS.c.offset)
    .limit(bindparam("limit"))
    .subquery()
)
_FROM = (
    select(_CHOSEN.c.offset, _CHOSEN.c.key, _CHOSEN.c.headers, _CHOSEN.c.value, _CHOSEN.c.appended_at)
    .where(_CHOSEN.c.before < BATCH_BYTES)
    .order_by(_CHOSEN.c.offset)
)


async def end_of(connection: AsyncConnection, at: TopicPartition) -> int:
    """Read the end of a partition."""
    return (await connection.scalar(_END, {"topic": at.topic, "partition": at.partition})) or 0


async def read_batch(
    connection: AsyncConnection, at: TopicPartition, *, offset: int, limit: int, end: int
) -> Batch:
    """Read up to `limit` records and BATCH_BYTES below `end`; the batch that reaches it reads on there, over any gap.

    The end must have been known before this transaction began, or be read in it first. The horizon is that of the moment
    at which the records stood so: a read transaction sees one snapshot.
    """
    here = {"topic": at.topic, "partition": at.partition}
    rows = await connection.execute(_FROM, {**here, "from_offset": offset, "end": end, "limit": limit})
    records = tuple(
        Record(
            topic=at.topic,
            partition=at.partition,
            offset=place,
            key=key.encode(),
            headers=decode_headers(headers),
            value=value,
            appended_at=appended_at,
        )
        for place, key, headers, value, appended_at in rows
    )
    full = len(records) == limit or sum(len(record.value or b"") for record in records) >= BATCH_BYTES
    reached = records[-1].offset + 1 if full else max(end, offset)
    gap = len(records) < reached - offset
    horizon = await connection.scalar(_HORIZON, here) if gap or offset == 0 else 0
    return Batch(at=at, offset=offset, records=records, next_offset=reached, horizon=horizon)


def encode_headers(headers: tuple[tuple[str, bytes], ...]) -> bytes:
    """Store headers as JSON: every value is UTF-8 text, since an event's attributes are."""
    return orjson.dumps([(name, value.decode()) for name, value in headers])


def decode_headers(stored: bytes) -> tuple[tuple[str, bytes], ...]:
    """Give back exactly what `encode_headers` was given."""
    return tuple((name, value.encode()) for name, value in orjson.loads(stored))
