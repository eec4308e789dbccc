"""The tables of the embedded log. They belong to no service: owner `log`, a file or a schema of its own."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

METADATA = MetaData()

IDENTITY = Table(
    "log_identity",
    METADATA,
    Column("only", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("log", Text, nullable=False),  # UUID: another one is another log
)

TOPICS = Table(
    "log_topic",
    METADATA,
    Column("topic", Text, primary_key=True),
    Column("partitions", Integer, nullable=False),
    Column("compacted", Boolean, nullable=False),
)

PARTITIONS = Table(
    "log_partition",
    METADATA,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    Column("horizon", BigInteger, nullable=False),  # tombstones below this offset may be gone
)

RECORDS = Table(
    "log_record",
    METADATA,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("headers", LargeBinary, nullable=False),  # JSON: [[name, value], …] in order
    Column("value", LargeBinary),  # None is a tombstone
    Column("appended_at", BigInteger, nullable=False),  # Unix microseconds
)
Index("log_record_once", RECORDS.c.topic, RECORDS.c.event_id, unique=True)

KEYS = Table(
    "log_key",
    METADATA,
    # What each key said last, apart from the records and never compacted: a record that is not newer is ignored.
    Column("topic", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("incarnation", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("last_offset", BigInteger, nullable=False),
)

APPENDERS = Table(
    "log_appender",
    METADATA,
    # Who may append for an outbox: the highest epoch. Row-locked in the transaction that appends.
    Column("outbox", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
)
