"""The outbox: events that a transaction has decided on and the log does not have yet.

A command writes its aggregate's row first and posts the event after it, in the same transaction. The row lock
on the aggregate then makes the order of `position`, which the database assigns, the order of the commits of
that aggregate; the relay appends by it, never by id or time. Rows are deleted once appended, so the table stays
small and no cursor exists that could run past a slow transaction.

Everything that the log could refuse (schema, topic, size) is refused here, while the caller can still be told.
The columns are those that Debezium's outbox router expects, plus what completes the CloudEvent.
This module must not append to the log: only the relay does.
"""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event


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


async def post(connection: AsyncConnection, event: Event, *, max_record_bytes: int) -> None:
    """Add an event to the outbox of the transaction's own database, after the aggregate's row.

    Raises InvalidEvent if its data does not meet its schema, RecordTooLarge if the record (key, headers and
    data) is larger than `max_record_bytes`. The transaction's owner commits; nothing is sent before that.
    """
    raise NotImplementedError
