"""The log read once more, beside the consumer or in its place: replay of a range, and rebuild of a projection.

A **replay** is a throw-away reader: it hands a range of a partition to the same handler, below the stored position,
which it does not move; the handler's own gate decides what is news. Parked keys are left out, for their order is the
dead letters' to keep. A **rebuild** forgets what the handler projects and reads everything from the beginning, in one
transaction with the positions: it stands whole, or nothing was changed. It is strict: a record that cannot be applied
stops it, because a projection that lacks something is no rebuild.

Neither joins the group. Whoever rebuilds makes sure that nobody consumes meanwhile.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.topics import TOPICS
from services.chassis.bus import deadletters, limits, positions
from services.chassis.bus.delivery import deliver, microseconds
from services.chassis.bus.errors import BusError, Overtaken
from services.chassis.bus.failures import classify
from services.chassis.bus.host import Host
from services.chassis.bus.positions import Position
from services.chassis.bus.reader import Reader
from services.chassis.bus.transport import Record, TopicPartition, Transport

_BATCH = 500


class NotApplied(BusError):  # noqa: N818 - what happened
    """A record could not be applied; the sentence names its place. Nothing of its transaction was changed."""


class AbsentFromLog(BusError):  # noqa: N818 - what is the matter
    """Something is kept here that the log does not hold: erased long ago, or the log is not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay did: records handed over, and those left out because their key is parked."""

    records: int = 0
    parked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did."""

    records: int
    letters: int
    erased: tuple[str, ...]


async def replay_range(
    runtime: Host, reader: Reader, at: TopicPartition, *, begin: int = 0, end: int | None = None
) -> Replayed:
    """Hand the records from offset `begin` up to `end` (not with it) to the handler again.

    No further than the stored position, whatever `end` says: what lies above is the consumer's. Raises NotApplied.
    """
    done, offset = Replayed(), begin
    while True:
        async with runtime.database.write() as connection:
            held = await positions.hold(connection, reader.group, at)
            last = min(held.next_offset if held else 0, end if end is not None else 1 << 62)
            if offset >= last:
                return done
            batch = await runtime.transport.read(at.topic, at.partition, offset=offset, limit=_BATCH)
            records = [record for record in batch.records if record.offset < last]
            parked = await deadletters.parked_keys(connection, reader.group, at)
            free = [record for record in records if deadletters.key_of(record) not in parked]
            for record in free:
                await _apply(connection, runtime, reader, record, late=True)
        done = Replayed(records=done.records + len(free), parked=done.parked + len(records) - len(free))
        offset = batch.next_offset


async def rebuild(runtime: Host, reader: Reader, *, erase_absent: bool = False) -> Rebuilt:
    """Read everything from the beginning into an empty projection; positions and dead letters are set accordingly.

    Raises NotApplied, Overtaken; AbsentFromLog unless `erase_absent` says that what the log does not hold was erased.
    """
    ends = {topic: await runtime.transport.ends(topic) for topic in reader.topics}
    records = 0
    async with runtime.database.write() as connection:
        places = [TopicPartition(topic, number) for topic, found in ends.items() for number in sorted(found)]
        logs = {topic: await runtime.transport.identity(topic) for topic in reader.topics}
        passed: dict[TopicPartition, int] = {}  # where this same log had been read to
        replaced = []
        for at in places:
            held = await positions.hold(connection, reader.group, at)
            if held is not None and held.log == logs[at.topic]:
                passed[at] = held.next_offset
            elif held is not None:
                replaced.append(at.topic)
        if replaced:
            await reader.replaced(connection, tuple(dict.fromkeys(replaced)))
        await reader.forget(connection)
        letters = await deadletters.forget(connection, reader.group)
        for at in places:
            reached = await _begin(connection, runtime, reader, at)
            async for record in everything(runtime.transport, at, end=ends[at.topic][at.partition]):
                late = record.offset < passed.get(at, 0)
                await _apply(connection, runtime, reader, record, late=late)
                reached = reached.past(record, positions.event_id(record))
                records += 1
            # Behind the last record tombstones may have stood, and then the horizon lies behind it.
            await positions.put(connection, replace(reached, begun=ends[at.topic][at.partition]))
        absent = tuple(await reader.absent(connection))
        if absent and not erase_absent:
            owners = sorted({TOPICS[topic].owner for topic in reader.topics})
            again = " and ".join(f"`comity republish {owner} --all`" for owner in owners)
            raise AbsentFromLog(
                f"{len(absent)} keys are kept here and are not on the log, such as {', '.join(absent[:3])}. Either they "
                "were erased longer ago than tombstones are kept: then say --erase-absent. Or the log is not whole: "
                f"then run {again} first. Nothing was changed."
            )
        await reader.erase(connection, absent)
    return Rebuilt(records=records, letters=letters, erased=absent)


async def everything(
    transport: Transport, at: TopicPartition, *, begin: int = 0, end: int | None = None
) -> AsyncIterator[Record]:
    """Yield the records of a partition from `begin` up to `end`, or to the end of the log as it is now.

    Raises Overtaken where it begins at 0 and tombstones of what it has yielded went before it came to them.
    """
    last = end if end is not None else (await transport.ends(at.topic)).get(at.partition, 0)
    offset, begun = begin, 0
    while offset < last:
        batch = await transport.read(at.topic, at.partition, offset=offset, limit=_BATCH)
        if offset == 0:
            begun = batch.horizon or 0
        elif begin == 0 and batch.lacks(begun):
            raise Overtaken(
                f"The log was compacted while {at} was read from its beginning: what is erased may not be learnt beyond "
                f"{offset}. Nothing was changed; run it again."
            )
        for record in batch.records:
            if record.offset < last:
                yield record
        offset = batch.next_offset


async def offset_at(transport: Transport, at: TopicPartition, moment: datetime) -> int:
    """Return an offset from which the first record was appended at `moment` or later; none follows if there is none.

    By halves, because records stand in the order in which they were appended; compaction's gaps do not matter.
    """
    wanted = int(moment.timestamp() * 1_000_000)
    low, high = 0, (await transport.ends(at.topic)).get(at.partition, 0)
    while low < high:
        middle = (low + high) // 2
        batch = await transport.read(at.topic, at.partition, offset=middle, limit=1)
        if not batch.records or batch.records[0].offset >= high or batch.records[0].appended_at >= wanted:
            high = middle
        else:
            low = batch.records[0].offset + 1
    return low


async def _begin(connection: AsyncConnection, runtime: Host, reader: Reader, at: TopicPartition) -> Position:
    now = microseconds(runtime)
    log = await runtime.transport.identity(at.topic)
    held = await positions.take(connection, reader.group, at, log=log, now=now)
    await limits.forget(connection, reader.group, at)
    return replace(held, next_offset=0, log=log, last_offset=None, last_event=None, at_end_on=now, begun=0)


async def _apply(
    connection: AsyncConnection, runtime: Host, reader: Reader, record: Record, *, late: bool
) -> None:
    try:
        await deliver(
            connection,
            record,
            runtime=runtime,
            group=reader.group,
            handle=reader.handle,
            parked=set(),
            late=late,
        )
    except Exception as error:
        if classify(error) == "transient":
            raise
        raise NotApplied(
            f"{reader.group} cannot apply the record at {record.offset} of {record.topic}/{record.partition}: "
            f"{type(error).__name__}: {error}"
        ) from error
