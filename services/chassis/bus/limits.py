"""When burying ends: a partition halts instead of emptying its topic into the dead letters.

One poison key must never stop the others, and one bad deployment must never dead-letter the world. So burying is
borne up to two limits: so many records in a row without one that was applied, or so large a share of the last
records. At either the partition **halts**: its position stays before the record at fault, other partitions go on.

Both are counted in the consumer's own database, in the transaction that buries, so a restart forgets nothing: it
tries the halted record again, and goes on if that is applied now (a mended handler), or halts at once. Whoever
accepts the losses resumes the partition: the count begins anew at the record at fault. This module must not bury.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
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
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.bus.transport import TopicPartition

_ROWS = table(
    "burials",
    column("group_name", Text),
    column("topic", Text),
    column("partition", Integer),
    column("in_a_row", Integer),
    column("counted_from", BigInteger),
    column("halted_offset", BigInteger),
    column("halted_at", BigInteger),
    column("reason", Text),
)
_LETTERS = table(
    "dead_letters",
    column("group_name", Text),
    column("topic", Text),
    column("partition", Integer),
    column("offset", BigInteger),
    column("state", Text),
)
_THIS = (
    (_ROWS.c.group_name == bindparam("this_group"))
    & (_ROWS.c.topic == bindparam("this_topic"))
    & (_ROWS.c.partition == bindparam("this_partition"))
)
_LOAD = select(_ROWS).where(_THIS)
_FORGET = delete(_ROWS).where(_THIS)
_INSERT = insert(_ROWS)
_APPLIED = update(_ROWS).where(_THIS).values(in_a_row=0, halted_offset=None, halted_at=None, reason="")
_RESUME = (
    update(_ROWS)
    .where(_THIS & _ROWS.c.halted_offset.is_not(None))
    .values(in_a_row=0, counted_from=_ROWS.c.halted_offset, halted_offset=None, halted_at=None, reason="")
)
_HALTED = (
    select(_ROWS)
    .where(_ROWS.c.halted_offset.is_not(None))
    .order_by(_ROWS.c.group_name, _ROWS.c.topic, _ROWS.c.partition)
)
_DEAD_SINCE = (
    select(func.count())
    .select_from(_LETTERS)
    .where(
        (_LETTERS.c.group_name == bindparam("this_group"))
        & (_LETTERS.c.topic == bindparam("this_topic"))
        & (_LETTERS.c.partition == bindparam("this_partition"))
        & (_LETTERS.c.state == "dead")
        & (_LETTERS.c.offset >= bindparam("begin"))
    )
)


def attach(metadata: MetaData) -> Table:
    """Add the table of burials to a service's tables."""
    return Table(
        "burials",
        metadata,
        Column("group_name", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("in_a_row", Integer, nullable=False),  # buried since a record of the partition was applied
        Column("counted_from", BigInteger, nullable=False),  # letters below this offset were accepted
        Column("halted_offset", BigInteger),  # of the record at fault; None while the partition flows
        Column("halted_at", BigInteger),  # Unix microseconds
        Column("reason", Text, nullable=False),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much burying is borne. `share` of `window` offsets; a young partition counts as a full window."""

    in_a_row: int = 50
    share: float = 0.1
    window: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Burials:
    """What one group has buried of one partition; `halted_offset` is that of the record at fault, None if it flows."""

    group: str
    at: TopicPartition
    in_a_row: int = 0
    counted_from: int = 0
    halted_offset: int | None = None
    halted_at: int | None = None
    reason: str = ""


async def load(connection: AsyncConnection, group: str, at: TopicPartition) -> Burials:
    """Return what is counted of a partition."""
    row = (await connection.execute(_LOAD, _this(group, at))).mappings().one_or_none()
    return Burials(group=group, at=at) if row is None else _burials(row)


async def reached(
    connection: AsyncConnection, limits: Limits, burials: Burials, *, offset: int
) -> str | None:
    """Return the limit that burying the record at `offset` would pass, as a sentence; None if it may be buried."""
    if burials.in_a_row >= limits.in_a_row:
        return f"{burials.in_a_row} records in a row could not be applied"
    begin = max(burials.counted_from, offset - limits.window)
    dead = await connection.scalar(_DEAD_SINCE, _this(burials.group, burials.at) | {"begin": begin}) or 0
    if dead >= limits.share * limits.window:
        return f"{dead} of the last {limits.window:,} records could not be applied"
    return None


async def store(connection: AsyncConnection, burials: Burials) -> None:
    """Write what is counted, in the transaction that buries or that halts."""
    await connection.execute(_FORGET, _this(burials.group, burials.at))
    await connection.execute(
        _INSERT,
        {
            "group_name": burials.group,
            "topic": burials.at.topic,
            "partition": burials.at.partition,
            "in_a_row": burials.in_a_row,
            "counted_from": burials.counted_from,
            "halted_offset": burials.halted_offset,
            "halted_at": burials.halted_at,
            "reason": burials.reason[:2_000],
        },
    )


async def applied(connection: AsyncConnection, group: str, at: TopicPartition) -> None:
    """Note that a record was applied after burials, in its transaction: the row of burials ends, a halt with it."""
    await connection.execute(_APPLIED, _this(group, at))


async def resume(connection: AsyncConnection, group: str, at: TopicPartition) -> bool:
    """Let a halted partition bury again, counting from the record at fault on; False if it is not halted."""
    return (await connection.execute(_RESUME, _this(group, at))).rowcount == 1


async def forget(connection: AsyncConnection, group: str, at: TopicPartition) -> None:
    """Forget the counts of a partition that is read anew from the beginning."""
    await connection.execute(_FORGET, _this(group, at))


async def halted(connection: AsyncConnection) -> Sequence[Burials]:
    """Return every halted partition of every group of this service."""
    return [_burials(row) for row in (await connection.execute(_HALTED)).mappings()]


def _this(group: str, at: TopicPartition) -> dict[str, object]:
    return {"this_group": group, "this_topic": at.topic, "this_partition": at.partition}


def _burials(row: RowMapping) -> Burials:
    found: dict[str, Any] = {**row}
    at = TopicPartition(found.pop("topic"), found.pop("partition"))
    return Burials(group=found.pop("group_name"), at=at, **found)
