"""Dead letters: records that a consumer could not apply, kept in its own database, in order, to be decided on.

A record that is wrong, or on which the handler fails again and again, is buried in the transaction that moves the
position past it. Its key is then **parked**: later records of that key are set aside behind it, in order, while
all other keys flow. Replaying hands them to the same handler in that order and opens the key again.

A tombstone is never parked: it erases what was set aside for its key, and is delivered. Letters are never
edited. This module must not decide what is buried; the consumer does.
"""

import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    RowMapping,
    Table,
    Text,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    table,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.bus import limits, positions
from services.chassis.bus.failures import classify, printable
from services.chassis.bus.transport import Record, TopicPartition

_ROWS = table(
    "dead_letters",
    column("id", BigInteger),
    column("group_name", Text),
    column("topic", Text),
    column("partition", Integer),
    column("offset", BigInteger),
    column("key", Text),
    column("state", Text),
    column("headers", LargeBinary),
    column("value", LargeBinary),
    column("appended_at", BigInteger),
    column("kind", Text),
    column("reason", Text),
    column("stack", Text),
    column("attempts", Integer),
    column("buried_at", BigInteger),
)
_GROUP = _ROWS.c.group_name == bindparam("this_group")
_KEY = _GROUP & (_ROWS.c.topic == bindparam("this_topic")) & (_ROWS.c.key == bindparam("this_key"))
_INSERT = insert(_ROWS)
_ESCAPED = re.compile(rb"\\x((?:[0-9a-f]{2})?)")
_PARKED_KEYS = (
    select(_ROWS.c.key)
    .where(
        _GROUP
        & (_ROWS.c.topic == bindparam("this_topic"))
        & (_ROWS.c.partition == bindparam("this_partition"))
    )
    .distinct()
)
_CLEAR = delete(_ROWS).where(_KEY)
_FORGET = delete(_ROWS).where(_GROUP)
_OF_KEY = select(_ROWS).where(_KEY).order_by(_ROWS.c.id)
_ONE = select(_ROWS).where(_ROWS.c.id == bindparam("this_id"))
_DISCARD = delete(_ROWS).where(_ROWS.c.id == bindparam("this_id"))
_PARKED = select(_ROWS.c.group_name, _ROWS.c.topic, _ROWS.c.key).distinct().subquery()
_STANDING = select(
    select(func.count()).select_from(_PARKED).scalar_subquery().label("keys_"),
    select(func.min(_ROWS.c.buried_at)).scalar_subquery().label("since"),
)
_COUNTS = select(_ROWS.c.state, func.count().label("letters")).group_by(_ROWS.c.state)


def attach(metadata: MetaData) -> Table:
    """Add the dead letters' table to a service's tables, and the counts that limit them."""
    limits.attach(metadata)
    letters = Table(
        "dead_letters",
        metadata,
        Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
        Column("group_name", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("key", Text, nullable=False),
        Column("state", Text, nullable=False),  # "dead", or "parked" behind a dead one of its key
        Column("headers", LargeBinary, nullable=False),  # JSON: [[name, value as Latin-1], …]
        Column("value", LargeBinary),
        Column("appended_at", BigInteger, nullable=False),
        Column("kind", Text, nullable=False),  # how the failure was classified; "" if parked
        Column("reason", Text, nullable=False),
        Column("stack", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("buried_at", BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    Index("dead_letters_by_key", letters.c.group_name, letters.c.topic, letters.c.partition, letters.c.key)
    return letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One record set aside: the record itself, where it stood, and why."""

    id: int
    group: str
    key: str
    state: str
    record: Record
    kind: str
    reason: str
    stack: str
    attempts: int
    buried_at: int


def key_of(record: Record) -> str:
    r"""Return the key as text, whatever its bytes are: what is not UTF-8, NUL and a backslash become \xHH.

    A record without a key has the key "", one with an empty key "\x": no two keys are one text.
    """
    if record.key is None:
        return ""
    escaped = record.key.replace(b"\\", rb"\x5c").replace(b"\0", rb"\x00")
    return escaped.decode(errors="backslashreplace") or r"\x"


def _key_from(text: str) -> bytes | None:
    """Return the key that `key_of` made a text of."""
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), text.encode()) if text else None


async def bury(
    connection: AsyncConnection, group: str, record: Record, *, error: BaseException, attempts: int, now: int
) -> None:
    """Set a record aside as dead, with the reason; its key is parked from now on."""
    stack = printable("".join(traceback.format_exception(error)))[-8_000:]
    reason = printable(f"{type(error).__name__}: {error}")[:2_000]
    row = _row(group, record, now) | {
        "state": "dead",
        "kind": classify(error),
        "reason": reason,
        "stack": stack,
    }
    await connection.execute(_INSERT, row | {"attempts": attempts})


async def park(connection: AsyncConnection, group: str, record: Record, *, now: int) -> None:
    """Set a record aside behind the dead one of its key."""
    row = _row(group, record, now) | {"state": "parked", "kind": "", "reason": "", "stack": "", "attempts": 0}
    await connection.execute(_INSERT, row)


async def parked_keys(connection: AsyncConnection, group: str, at: TopicPartition) -> set[str]:
    """Return the keys of a partition that are not let through."""
    this = {"this_group": group, "this_topic": at.topic, "this_partition": at.partition}
    return set((await connection.execute(_PARKED_KEYS, this)).scalars())


async def clear(connection: AsyncConnection, group: str, topic: str, key: str) -> int:
    """Erase what was set aside for a key and let it through again; returns how many letters went."""
    this = {"this_group": group, "this_topic": topic, "this_key": key}
    return (await connection.execute(_CLEAR, this)).rowcount


async def forget(connection: AsyncConnection, group: str) -> int:
    """Drop every letter of a group that reads the log anew from the beginning; returns how many there were."""
    return (await connection.execute(_FORGET, {"this_group": group})).rowcount


async def of_key(connection: AsyncConnection, group: str, topic: str, key: str) -> Sequence[Letter]:
    """Return the letters of a key in the order of the log."""
    rows = await connection.execute(_OF_KEY, {"this_group": group, "this_topic": topic, "this_key": key})
    return [_letter(row) for row in rows.mappings()]


async def listed(
    connection: AsyncConnection, *, after: int = 0, limit: int = 50, **wanted: str | None
) -> Sequence[Letter]:
    """Return a page of all letters, oldest first, from after the letter with this id.

    `wanted` keeps those alone whose `group`, `topic`, `key` or `state` is the one named.
    """
    query = select(_ROWS).where(_ROWS.c.id > after).order_by(_ROWS.c.id).limit(limit)
    for name, value in wanted.items():
        if value is not None:
            query = query.where(_ROWS.c["group_name" if name == "group" else name] == value)
    return [_letter(row) for row in (await connection.execute(query)).mappings()]


async def one(connection: AsyncConnection, letter_id: int) -> Letter | None:
    """Return the letter with this id, None if there is none."""
    row = (await connection.execute(_ONE, {"this_id": letter_id})).mappings().one_or_none()
    return None if row is None else _letter(row)


async def discard(connection: AsyncConnection, letter: Letter) -> int | None:
    """Give a letter up for good; returns how many of its key still wait, None if the letter has gone meanwhile.

    What is parked behind it stays parked. The position is held until the commit, so that no record more is.
    """
    record = letter.record
    await positions.hold(connection, letter.group, TopicPartition(record.topic, record.partition))
    if (await connection.execute(_DISCARD, {"this_id": letter.id})).rowcount != 1:
        return None
    return len(await of_key(connection, letter.group, record.topic, letter.key))


async def counts(connection: AsyncConnection, group: str | None = None) -> dict[str, int]:
    """Return how many letters a group has, or all groups of the service together, by state."""
    query = _COUNTS if group is None else _COUNTS.where(_ROWS.c.group_name == group)
    rows = await connection.execute(query)
    return {"dead": 0, "parked": 0} | {row.state: row.letters for row in rows}


async def standing(connection: AsyncConnection) -> tuple[int, int | None]:
    """Return how many keys are not let through, and since when the oldest letter waits (Unix microseconds)."""
    row = (await connection.execute(_STANDING)).one()
    return row.keys_, row.since


def _row(group: str, record: Record, now: int) -> dict[str, object]:
    # Headers of a broken record may be any bytes; Latin-1 maps every byte to a character and back.
    headers = [(name, value.decode("latin-1")) for name, value in record.headers]
    return {
        "group_name": group,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": key_of(record),
        "headers": orjson.dumps(headers),
        "value": record.value,
        "appended_at": record.appended_at,
        "buried_at": now,
    }


def _letter(row: RowMapping) -> Letter:
    headers = tuple((name, value.encode("latin-1")) for name, value in orjson.loads(row["headers"]))
    record = Record(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        key=_key_from(row["key"]),
        headers=headers,
        value=row["value"],
        appended_at=row["appended_at"],
    )
    return Letter(
        id=row["id"],
        group=row["group_name"],
        key=row["key"],
        state=row["state"],
        record=record,
        kind=row["kind"],
        reason=row["reason"],
        stack=row["stack"],
        attempts=row["attempts"],
        buried_at=row["buried_at"],
    )
