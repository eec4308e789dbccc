"""The outbox: events that a transaction has decided on and the log does not have yet.

A command writes its aggregate's row first and posts the event after it, in the same transaction. The row lock
on the aggregate then makes the order of `position`, which the database assigns, the order of the commits of
that aggregate; the relay appends by it, never by id or time. Rows are deleted once appended, so the table stays
small and no cursor exists that could run past a slow transaction.

Everything that the log could refuse (schema, topic, size) is refused here, while the caller can still be told.
The columns are those that Debezium's outbox router expects, plus what completes the CloudEvent.
This module must not append to the log: only the relay does.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Executable,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    any_,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    table,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import contracts, envelope
from services.chassis.bus.errors import InvalidEvent, RecordTooLarge
from services.chassis.bus.failpoints import reach
from services.chassis.bus.transport import BATCH_BYTES
from services.chassis.database import note_post, put_rows

# The rows by shape, without a MetaData: every service attaches a table of its own.
_ROWS = table(
    "outbox",
    column("position", BigInteger),
    column("id", Text),
    column("aggregatetype", Text),
    column("aggregateid", Text),
    column("type", Text),
    column("payload", LargeBinary),
    column("sequence", Text),
    column("source", Text),
    column("subject", Text),
    column("time", Text),
    column("dataschema", Text),
    column("partitionkey", Text),
    column("traceparent", Text),
)
_INSERT = insert(_ROWS)
_SIZE = func.coalesce(func.length(_ROWS.c.payload), 0)
_CHOSEN = (
    select(_ROWS, (func.sum(_SIZE).over(order_by=_ROWS.c.position, rows=(None, 0)) - _SIZE).label("before"))
    .order_by(_ROWS.c.position)
    .limit(bindparam("limit"))
    .subquery()
)
_OLDEST = select(_CHOSEN).where(_CHOSEN.c.before < BATCH_BYTES).order_by(_CHOSEN.c.position)
_NAMES = 500
"""Bytes of all header names, and of those values that are the same in every record or have a bound; no fewer."""
_STANDING = select(_ROWS.c.id).where(_ROWS.c.id.in_(bindparam("ids", expanding=True)))
_WAITING = select(func.count()).select_from(_ROWS)
_TIMES = select(_ROWS.c.id, _ROWS.c.time).order_by(_ROWS.c.position)
_OLDEST_TIME = select(_ROWS.c.time).order_by(_ROWS.c.position).limit(1)
_DELETE = delete(_ROWS).returning(_ROWS.c.position)
_DELETE_IN: Mapping[str, Executable] = {
    "sqlite": _DELETE.where(_ROWS.c.position.in_(bindparam("positions", expanding=True))),
    # One parameter, however many positions: a statement of thousands is slow to write and to plan.
    "postgresql": _DELETE.where(_ROWS.c.position == any_(bindparam("positions", type_=ARRAY(BigInteger)))),
}


def attach(metadata: MetaData) -> Table:
    """Add the outbox table to a service's tables."""
    return Table(
        "outbox",
        metadata,
        Column(
            "position", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
        Column("id", Text, nullable=False, unique=True),
        Column("aggregatetype", Text, nullable=False),  # the topic
        Column("aggregateid", Text, nullable=False),  # the key
        Column("type", Text, nullable=False),
        Column("payload", LargeBinary),  # None is a tombstone
        Column("sequence", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("time", Text, nullable=False),
        Column("dataschema", Text),
        Column("partitionkey", Text, nullable=False),
        Column("traceparent", Text),
        sqlite_autoincrement=True,  # a deleted position is never given out again
    )


async def post(connection: AsyncConnection, event: envelope.Event, *, max_record_bytes: int) -> None:
    """Add an event to the outbox of the transaction's own database, after the aggregate's row; see `post_all`."""
    await post_all(connection, [event], max_record_bytes=max_record_bytes)


async def post_all(
    connection: AsyncConnection, events: Sequence[envelope.Event], *, max_record_bytes: int
) -> None:
    """Add events in this order, in one statement.

    Raises InvalidEvent if the data of one does not meet its schema, RecordTooLarge if a record (key, headers and
    data) is larger than `max_record_bytes`. The transaction's owner commits; nothing is sent before that.
    """
    for event in events:
        _check(event, max_record_bytes)
    if events:
        await put_rows(connection, _INSERT, [_row(event) for event in events])
        note_post(connection)
        await reach("outbox.posted")


def _check(event: envelope.Event, max_record_bytes: int) -> None:
    try:
        contracts.written(event)
    except contracts.ContractError as error:
        raise InvalidEvent(str(error)) from error
    size = _at_most(event)
    if size > max_record_bytes and (size := record_bytes(event)) > max_record_bytes:
        raise RecordTooLarge(
            f"The record of {event.subject} would be {size:,} bytes; the log takes {max_record_bytes:,}. "
            "Shorten its texts or lists."
        )


def record_bytes(event: envelope.Event) -> int:
    """Tell how large the record is on the log: key, header names and values, data; without the log's own framing."""
    headers = sum(len(name) + len(value) for name, value in event.headers())
    return len(event.key.encode()) + headers + len(event.data or b"")


def _at_most(event: envelope.Event) -> int:
    """Tell how large the record is at most, without writing its headers; nearly every one is far below the bound."""
    texts = (event.key, event.id, event.source, event.type, event.subject, event.time, event.partitionkey)
    named = (event.dataschema or "", event.traceparent or "")
    return _NAMES + 4 * sum(map(len, (*texts, *named))) + len(event.data or b"")


async def oldest(connection: AsyncConnection, *, limit: int) -> Sequence[tuple[int, envelope.Event]]:
    """Read what stands in the outbox, by position: (position, event), at most `limit` of them and BATCH_BYTES of data."""
    rows = (await connection.execute(_OLDEST, {"limit": limit})).all()
    return [(row[0], _event(row)) for row in rows]


async def standing(connection: AsyncConnection, ids: Sequence[str]) -> frozenset[str]:
    """Return those of these events that stand in the outbox, by their ids."""
    return frozenset((await connection.execute(_STANDING, {"ids": list(ids)})).scalars())


async def waiting(connection: AsyncConnection) -> tuple[int, datetime | None]:
    """Return how many events wait, and the time of the oldest."""
    count: int = (await connection.execute(_WAITING)).scalar_one()
    time = await connection.scalar(_OLDEST_TIME) if count else None
    return count, None if time is None else datetime.fromisoformat(time)


async def times(connection: AsyncConnection) -> dict[str, datetime]:
    """Return the id of every event that waits, oldest first, with its time."""
    return {row.id: datetime.fromisoformat(row.time) for row in await connection.execute(_TIMES)}


async def remove(connection: AsyncConnection, positions: Sequence[int]) -> frozenset[int]:
    """Delete what the log has now; returns what this very transaction deleted, for a predecessor may be late."""
    statement = _DELETE_IN[connection.dialect.name]
    return frozenset((await connection.execute(statement, {"positions": list(positions)})).scalars())


def _row(event: envelope.Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "aggregatetype": event.topic,
        "aggregateid": event.key,
        "type": event.type,
        "payload": event.data,
        "sequence": event.sequence.sortable(),
        "source": event.source,
        "subject": event.subject,
        "time": event.time,
        "dataschema": event.dataschema,
        "partitionkey": event.partitionkey,
        "traceparent": event.traceparent,
    }


def _event(row: Sequence[Any]) -> envelope.Event:
    """Read a row by the order of `_ROWS`: names cost as much as everything else here."""
    _, event_id, topic, key, event_type, data, sequence, source, subject, time, schema, place, trace, *_ = row
    return envelope.Event(
        id=event_id,
        source=source,
        type=event_type,
        subject=subject,
        time=time,
        dataschema=schema,
        sequence=envelope.Sequence.parse(sequence),
        partitionkey=place,
        topic=topic,
        key=key,
        traceparent=trace,
        data=data,
    )
