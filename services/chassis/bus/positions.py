"""How far a group has come, stored beside the effects and moved with them.

A position says which offset is next, and remembers three things to be found out by: the identity of the log it
counts in, the id of the last event before it, and below which horizon its reading began. It is moved by compare-and-set inside the transaction that
holds the effects, so whoever does not find it where it left it has lost the partition and changes nothing. That
one statement makes effects exactly-once and fences zombies, on any log.

`verify` never guesses. If the record at the very offset of the last event is still there, it must be that event;
if compaction took it, identity and end of the log decide. Anything else is a loud stop, never a skip.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

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
    insert,
    select,
    table,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import EnvelopeError, Event
from schemas.topics import TOPICS
from services.chassis.bus.errors import LogReplaced, PositionMoved, RebuildNeeded
from services.chassis.bus.transport import Record, TopicPartition, Transport

_MICROSECONDS_A_DAY = 86_400_000_000

_ROWS = table(
    "positions",
    column("group_name", Text),
    column("topic", Text),
    column("partition", Integer),
    column("next_offset", BigInteger),
    column("log", Text),
    column("last_offset", BigInteger),
    column("last_event", Text),
    column("at_end_on", BigInteger),
    column("begun", BigInteger),
)
_THIS = (
    (_ROWS.c.group_name == bindparam("this_group"))
    & (_ROWS.c.topic == bindparam("this_topic"))
    & (_ROWS.c.partition == bindparam("this_partition"))
)
_LOAD = select(_ROWS).where(_THIS)
_ALL = (
    select(_ROWS)
    .where(_ROWS.c.group_name == bindparam("this_group"))
    .order_by(_ROWS.c.topic, _ROWS.c.partition)
)
_INSERT = insert(_ROWS)
_DROP = delete(_ROWS).where(_THIS)
_MOVE = (
    update(_ROWS)
    .where(_THIS & (_ROWS.c.next_offset == bindparam("from_offset")) & (_ROWS.c.log == bindparam("this_log")))
    .values(
        next_offset=bindparam("to_offset"),
        last_offset=bindparam("new_last_offset"),
        last_event=bindparam("new_last_event"),
        at_end_on=bindparam("new_at_end_on"),
        begun=bindparam("new_begun"),
    )
)

_ADVANCE = (
    update(_ROWS)
    .where(_THIS & (_ROWS.c.log == bindparam("this_log")) & (_ROWS.c.next_offset < bindparam("to_offset")))
    .values(next_offset=bindparam("to_offset"))
)


def attach(metadata: MetaData) -> Table:
    """Add the positions table to a service's tables."""
    return Table(
        "positions",
        metadata,
        Column("group_name", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("next_offset", BigInteger, nullable=False),
        Column("log", Text, nullable=False),  # identity of the log that the offsets count in
        Column("last_offset", BigInteger),  # of the last event before the position; None before the first
        Column("last_event", Text),
        Column(
            "at_end_on", BigInteger, nullable=False
        ),  # Unix microseconds when the end was last seen, to the day
        Column(
            "begun", BigInteger, nullable=False, server_default="0"
        ),  # the horizon when the group read offset 0, or the end that a rebuild has read to
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The stored position of one group on one partition."""

    group: str
    at: TopicPartition
    next_offset: int
    log: str
    last_offset: int | None
    last_event: str | None
    at_end_on: int
    begun: int = 0

    def past(self, record: Record, event_id: str | None) -> "Position":
        """Return the position just after a record."""
        return replace(self, next_offset=record.offset + 1, last_offset=record.offset, last_event=event_id)

    def seen_at_end(self, now: int) -> "Position":
        """Return the position with the day on which the end was seen; changes once a day at most.

        A note from a clock that was ahead is put right too: it would hide that tombstones may be gone.
        """
        return replace(self, at_end_on=now) if abs(now - self.at_end_on) >= _MICROSECONDS_A_DAY else self


async def take(
    connection: AsyncConnection, group: str, at: TopicPartition, *, log: str, now: int, begin: int = 0
) -> Position:
    """Load the group's position, or begin one at the offset `begin` of this log."""
    this = {"this_group": group, "this_topic": at.topic, "this_partition": at.partition}
    row = (await connection.execute(_LOAD, this)).mappings().one_or_none()
    if row is not None:
        return _position(row)
    fresh = Position(
        group=group, at=at, next_offset=begin, log=log, last_offset=None, last_event=None, at_end_on=now
    )
    await connection.execute(_INSERT, _row(fresh))
    return fresh


async def put(connection: AsyncConnection, position: Position) -> None:
    """Write a position whatever stood there, for who has read the log anew from the beginning."""
    at = position.at
    await connection.execute(
        _DROP, {"this_group": position.group, "this_topic": at.topic, "this_partition": at.partition}
    )
    await connection.execute(_INSERT, _row(position))


async def all_of(connection: AsyncConnection, group: str) -> tuple[Position, ...]:
    """Every stored position of a group: how far it has committed, as any process can see."""
    rows = await connection.execute(_ALL, {"this_group": group})
    return tuple(_position(row) for row in rows.mappings())


async def hold(connection: AsyncConnection, group: str, at: TopicPartition) -> Position | None:
    """Lock the stored position until the transaction ends, so that the consumer commits nothing meanwhile."""
    this = {"this_group": group, "this_topic": at.topic, "this_partition": at.partition}
    row = (await connection.execute(_LOAD.with_for_update(), this)).mappings().one_or_none()
    return None if row is None else _position(row)


async def move(connection: AsyncConnection, before: Position, after: Position) -> None:
    """Compare-and-set, as the first statement of a consumer transaction. Raises PositionMoved."""
    moved = await connection.execute(
        _MOVE,
        {
            "this_group": before.group,
            "this_topic": before.at.topic,
            "this_partition": before.at.partition,
            "this_log": before.log,
            "from_offset": before.next_offset,
            "to_offset": after.next_offset,
            "new_last_offset": after.last_offset,
            "new_last_event": after.last_event,
            "new_at_end_on": after.at_end_on,
            "new_begun": after.begun,
        },
    )
    if moved.rowcount != 1:
        raise PositionMoved(f"{before.group} is not at {before.next_offset} of {before.at} any more.")


async def advance(connection: AsyncConnection, group: str, at: TopicPartition, *, log: str, to: int) -> None:
    """Move a position of an owner on its own topic forward; one that is as far, or counts in another log, stays."""
    this = {"this_group": group, "this_topic": at.topic, "this_partition": at.partition}
    await connection.execute(_ADVANCE, this | {"this_log": log, "to_offset": to})


async def verify(
    transport: Transport, position: Position, *, now: int, compacted: bool, tombstone_seconds: int
) -> None:
    """Prove that a stored position belongs to this log. Raises LogReplaced or RebuildNeeded.

    `tombstone_seconds`: how long a state topic keeps a tombstone, for logs that have no horizon to compare with.
    """
    at = position.at
    identity = await transport.identity(at.topic)
    if identity != position.log:
        raise LogReplaced(
            f"{position.group} stands at {position.next_offset} of {at} in log {position.log}, but this is log "
            f"{identity}. The log was replaced. {_told(at)}"
        )
    end = (await transport.ends(at.topic)).get(at.partition, 0)
    if end < position.next_offset:
        raise LogReplaced(
            f"{position.group} stands at {position.next_offset} of {at}, but the log ends at {end}. "
            f"The log was cut. {_told(at)}"
        )
    await _verify_last(transport, position)
    if compacted:
        await verify_tombstones(transport, position, now=now, tombstone_seconds=tombstone_seconds)


async def _verify_last(transport: Transport, position: Position) -> None:
    """Check that the record at the very offset of the last event, if one stands there, is that event."""
    if position.last_offset is None or position.last_event is None:
        return
    at = position.at
    batch = await transport.read(at.topic, at.partition, offset=position.last_offset, limit=1)
    if not batch.records or batch.records[0].offset != position.last_offset:
        return  # compacted away; identity and end have decided
    found = event_id(batch.records[0])
    if found != position.last_event:
        raise LogReplaced(
            f"{position.group} has seen event {position.last_event} at {position.last_offset} of {at}, but "
            f"{found} stands there. The log was cut and written anew. {_told(at)}"
        )


async def verify_tombstones(
    transport: Transport, position: Position, *, now: int, tombstone_seconds: int
) -> None:
    """Check the absence: a group that was away longer than tombstones are kept may never learn what was erased.

    Of tombstones below `begun` it has missed none; see `Batch.lacks`. Raises RebuildNeeded.
    """
    if position.next_offset == 0:  # it has nothing that could have been erased
        return
    horizons = await transport.horizons(position.at.topic)
    if horizons is None:
        gone = now - position.at_end_on > tombstone_seconds * 1_000_000
    else:
        gone = horizons.get(position.at.partition, 0) > max(position.next_offset, position.begun)
    if gone:
        clock = ";" if horizons is not None else _clocks(position, now)
        raise RebuildNeeded(
            f"{position.group} was away from {position.at} for so long that tombstones may be gone{clock} "
            "stop every process of the service that reads and run `comity rebuild` for it."
        )


def _clocks(position: Position, now: int) -> str:
    """Say what was compared: a clock that is far ahead looks the same as a long absence."""
    then, here = (datetime.fromtimestamp(one / 1e6, UTC).date() for one in (position.at_end_on, now))
    return f". It was at the end on {then}, and the clock of this process says {here}: if that is wrong, put it right and start again. Else"


def _told(at: TopicPartition) -> str:
    """Say what brings a reader and a log together again: the right log, or this one filled and read from its beginning."""
    owner = TOPICS[at.topic].owner
    return (
        f"Put the right log back; or stop everything, run `comity republish {owner} --all` and the relay of {owner} until "
        "its outbox is empty, then `comity rebuild` for the service that reads."
    )


def event_id(record: Record) -> str | None:
    """Return the id of the event in a record, or None where the record is no event of ours."""
    try:
        return Event.from_record(record).id
    except EnvelopeError:
        return None


def _row(position: Position) -> dict[str, object]:
    return {
        "group_name": position.group,
        "topic": position.at.topic,
        "partition": position.at.partition,
        "next_offset": position.next_offset,
        "log": position.log,
        "last_offset": position.last_offset,
        "last_event": position.last_event,
        "at_end_on": position.at_end_on,
        "begun": position.begun,
    }


def _position(row: RowMapping) -> Position:
    return Position(
        group=row["group_name"],
        at=TopicPartition(row["topic"], row["partition"]),
        next_offset=row["next_offset"],
        log=row["log"],
        last_offset=row["last_offset"],
        last_event=row["last_event"],
        at_end_on=row["at_end_on"],
        begun=row["begun"],
    )
