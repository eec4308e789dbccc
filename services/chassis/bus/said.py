"""How far an owner's own topics are known to its database: kept beside the outbox, moved with it, proved at every start.

A database that was put back from a backup, or lost and made anew, has forgotten what its owner said since. It would say
it again under sequences that the log and every reader hold already, and they would drop it without a word: accepted
writes, gone. So the end of each own partition is kept as a position of a group of its own, moved in the transaction
that deletes from the outbox what the log has. What the log holds beyond it is what a relay appended and could not note
any more: it stands in the outbox, by its id. Anything else was said by a database that is not this one: a loud stop
that names `comity restore`. So is a horizon beyond the position: tombstones went from the log that it has never known.

A position that counts in another log is a loud stop too: what is said on the wrong log is on none that anybody reads
once the right one is back. Only who says *everything* again there (`comity republish --all`, a restore) moves it over.
Where there is no position (a backup of an older release, an empty database) or it is to be moved over, the owner is
asked of each record whether it holds it, as a restore asks, and all that this wrote is rolled back. Without position
*and* without records there is nothing to compare. This module must not mend anything.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import contracts
from schemas.envelope import EnvelopeError, Event
from schemas.topics import topics_of
from services.chassis.bus import incarnation, outbox, positions
from services.chassis.bus.errors import BusError, DatabaseBehind, LogReplaced, PositionMoved
from services.chassis.bus.host import Host
from services.chassis.bus.owner import Owner
from services.chassis.bus.positions import Position
from services.chassis.bus.rebuilding import everything
from services.chassis.bus.transport import Record, TopicPartition, Transport
from services.chassis.database import Database

GROUP = "outbox"
"""The group under which these positions stand among those of the readers; no reader has this name."""

_CHUNK = 500


@dataclass(slots=True)
class Said:
    """Where the log ended when a relay took over, to move its positions from there.

    `cut` are partitions that ended before the position. Nothing is noted of that until something is appended to them:
    the readers stop, and the right log may be put back.
    """

    ends: Mapping[TopicPartition, Position]
    cut: set[TopicPartition]

    async def move(self, connection: AsyncConnection, ends: Mapping[TopicPartition, int]) -> None:
        """Note what an append has reached, in the transaction that deletes it from the outbox. Never backwards."""
        for at, end in ends.items():
            if at in self.cut:
                await positions.put(connection, replace(self.ends[at], next_offset=end))
                self.cut.discard(at)
            else:
                await positions.advance(connection, GROUP, at, log=self.ends[at].log, to=end)


async def verify(
    host: Host, owner: Owner | None, *, filling: bool = False
) -> Mapping[TopicPartition, Position]:
    """Prove that the database knows all that its own topics hold. Raises DatabaseBehind, LogReplaced.

    `filling`: for whoever is about to say everything again, and may so on another log than that of before.
    Returns where the log ends. May be asked by any process, beside a relay at work: what is appended after the ends were
    asked for is left out, so whatever is looked at is either below the position or in the outbox, in one snapshot.
    """
    ends = await _ends(host)
    if not ends:  # it says nothing
        return ends
    strange = []
    async with host.database.read() as connection:
        stored = {one.at: one for one in await positions.all_of(connection, GROUP)}
        for at, end in ends.items():
            held = stored.get(at)
            if held is None or held.log != end.log:
                if held is not None and held.next_offset and not filling:
                    raise _another(host, held, end)
                strange.append((held, end))
            elif held.next_offset < end.next_offset:
                beyond = everything(host.transport, at, begin=held.next_offset, end=end.next_offset)
                await _in_outbox(connection, beyond, partial(_behind, host))
        for at, horizon in (await forgotten(host.transport, connection)).items():
            raise _erased_since(host, at, horizon)
    for held, end in strange:
        if owner is not None and end.next_offset:
            await _holds(host, owner, held, end)
    return ends


async def enter(host: Host, owner: Owner | None) -> Said:
    """Verify for a relay that has just fenced its predecessor, and note where the log ends. Raises DatabaseBehind.

    Noted before anything is appended: the embedded log leaves out what it has, and then nothing would move the position
    beyond that.
    """
    ends = await verify(host, owner)
    async with host.database.write() as connection:
        cut = await _note(connection, ends)
    return Said(ends, cut)


async def move_over(host: Host, connection: AsyncConnection, ends: Mapping[TopicPartition, Position]) -> None:
    """Let positions of another log, or beyond the end of one that was cut, count in this one from here: all has been said again.

    `ends` as verified before that. A relay beside this may be further by now, which is no cut: so the log is asked after the
    positions, and one that moves meanwhile stays.
    """
    stored = {one.at: one for one in await positions.all_of(connection, GROUP)}
    present = await _ends(host)
    for at, end in ends.items():
        held = stored.get(at)
        if held is None or held.log != end.log:
            await positions.put(connection, end)
        elif held.next_offset > present[at].next_offset:
            with suppress(PositionMoved):
                await positions.move(connection, held, present[at])


async def on_this_log(transport: Transport, database: Database, service: str) -> None:
    """Prove that what the database of a service knows to have said counts in this log. Raises LogReplaced.

    For a restore: on another log it would go over to that and raise the incarnation, above which what the right one holds
    looks old. A database without positions (of an older release, or made anew) counts in none.
    """
    async with database.read() as connection:
        stored = await positions.all_of(connection, GROUP)
    topics = {held.at.topic for held in stored}
    logs = {topic: await transport.identity(topic) for topic in topics}
    ends = {topic: await transport.ends(topic) for topic in topics}
    for held in stored:
        log, end = logs[held.at.topic], ends[held.at.topic].get(held.at.partition, 0)
        if held.next_offset and held.log != log:
            this = f"on log {held.log}, but this is log {log}"
        elif held.next_offset > end:
            this = f"on log {log}, but here that ends at {end}: it was cut, or is an older copy"
        else:
            continue
        raise LogReplaced(
            f"The database that is to be restored has said what {service} knows up to {held.next_offset} of {held.at} {this}. "
            "Restored here, it would drop what the right log holds as old, so nothing was changed. If the settings name a wrong "
            "log (data_folder, log.url, kafka.bootstrap_servers, kafka.prefix), name the right one; if the log was replaced, put "
            f"the right one back, or say --another-log where that is lost for good; if {service} was restored there by mistake, put "
            "a backup of before that in place here."
        )


async def on_this_branch(transport: Transport, connection: AsyncConnection, service: str) -> None:
    """Prove that nothing was said here by an earlier life beyond what was known when the present one began. Raises LogReplaced.

    Whoever restores reads the log to its end before it begins a life, so that was done on another log or on an older copy of
    this one. By its sequence the record would be old, and an accepted write lost. What waited then is in the outbox still.
    """
    life = await incarnation.current(connection)
    if life == incarnation.FIRST:
        return
    for held in await positions.all_of(connection, GROUP):
        if held.log == await transport.identity(held.at.topic):
            beyond = everything(transport, held.at, begin=held.next_offset)
            await _in_outbox(connection, beyond, partial(_forked, service, life), before=life)


async def leave_out_what_stands_elsewhere(
    transport: Transport, waiting: dict[str, datetime], stored: Sequence[Position], backup: Database
) -> None:
    """Take out of an outbox's events, by id, what stands in a backup's outbox too, and what the log has.

    `stored` are the positions beside that outbox. What a relay has appended stands in the outbox for a moment more, and for
    good where it was killed in that.
    """
    ids = tuple(waiting)
    async with backup.read() as connection:
        for begin in range(0, len(ids), _CHUNK):
            for event_id in await outbox.standing(connection, ids[begin : begin + _CHUNK]):
                del waiting[event_id]
    for held in stored if waiting else ():
        if held.log == await transport.identity(held.at.topic):
            async for record in everything(transport, held.at, begin=held.next_offset):
                waiting.pop(positions.event_id(record) or "", None)


async def forgotten(transport: Transport, connection: AsyncConnection) -> Mapping[TopicPartition, int]:
    """Return where tombstones went from this log that the database does not know, and up to which offset.

    Only where a log tells its horizons: on Kafka nothing says so.
    """
    gone = {}
    for held in await positions.all_of(connection, GROUP):
        horizon = (await transport.horizons(held.at.topic) or {}).get(held.at.partition, 0)
        if horizon > held.next_offset and held.log == await transport.identity(held.at.topic):
            gone[held.at] = horizon
    return gone


async def know_all(host: Host, connection: AsyncConnection) -> None:
    """Note that the database knows everything on its topics, in the transaction that has just read them to the end."""
    for end in (await _ends(host)).values():
        await positions.put(connection, end)


async def _ends(host: Host) -> dict[TopicPartition, Position]:
    found, now = {}, int(host.clock.now().timestamp() * 1_000_000)
    for topic in topics_of(host.service.name):
        log = await host.transport.identity(topic.name)
        for number, end in (await host.transport.ends(topic.name)).items():
            at = TopicPartition(topic.name, number)
            found[at] = Position(
                group=GROUP, at=at, next_offset=end, log=log, last_offset=None, last_event=None, at_end_on=now
            )
    return found


async def _note(connection: AsyncConnection, ends: Mapping[TopicPartition, Position]) -> set[TopicPartition]:
    """Write where the log ends; returns where it ends before the position, which stays."""
    stored = {one.at: one for one in await positions.all_of(connection, GROUP)}
    cut = set()
    for at, end in ends.items():
        held = stored.get(at)
        if held is None or held.log != end.log or held.next_offset < end.next_offset:
            await positions.put(connection, end)
        elif held.next_offset > end.next_offset:
            cut.add(at)
    return cut


async def _in_outbox(
    connection: AsyncConnection,
    records: AsyncIterator[Record],
    refuse: Callable[[Record], BusError],
    *,
    before: int | None = None,
) -> None:
    """Check that what these records say waits in the outbox, or what was said in a life `before` one; raises what `refuse` makes."""
    waiting: dict[str, Record] = {}
    async for record in records:
        event = _event(record)
        if event is not None and (before is None or event.sequence.incarnation < before):
            waiting[event.id] = record
        if len(waiting) >= _CHUNK:
            await _look(connection, waiting, refuse)
    await _look(connection, waiting, refuse)


async def _look(
    connection: AsyncConnection, waiting: dict[str, Record], refuse: Callable[[Record], BusError]
) -> None:
    there = await outbox.standing(connection, tuple(waiting))
    for event_id, record in waiting.items():
        if event_id not in there:
            raise refuse(record)
    waiting.clear()


async def _holds(host: Host, owner: Owner, held: Position | None, end: Position) -> None:
    """Ask the owner whether it holds each record. What it takes back on the way is rolled back with the error."""
    async with host.database.write() as connection:
        life = await incarnation.current(connection)
        async for record in everything(host.transport, end.at, end=end.next_offset):
            event = _event(record)
            if event is None:
                continue
            found = await owner.take_back(connection, host, event, contracts.read(event), life)
            if found != "known":
                raise _behind(host, record) if held is None else _replaced(host, held, end, record)


def _event(record: Record) -> Event | None:
    """Return the event in a record; None for what this owner never said, which a restore leaves alone too."""
    try:
        event = Event.from_record(record)
        contracts.read(event)
    except (EnvelopeError, contracts.ContractError):
        return None
    return event


def _behind(host: Host, record: Record) -> DatabaseBehind:
    name = host.service.name
    return DatabaseBehind(
        f"The log holds what {name} has said at {record.offset} of {record.topic}/{record.partition}, and the database "
        f"of {name} does not know it: it was put back from a backup, or made anew. What is written now would be dropped "
        f"as old. Stop every process of {name} and run `comity restore {name}`, which takes back what the log holds."
    )


def _erased_since(host: Host, at: TopicPartition, horizon: int) -> DatabaseBehind:
    name = host.service.name
    return DatabaseBehind(
        f"The log has dropped tombstones of {name} up to {horizon} of {at}, and the database of {name} does not know them: it "
        "was put back from a backup of before. What is written now to what they erased would be dropped as old. Stop every "
        f"process of {name} and run `comity restore {name}`, which says it again, and erase anew what was erased since."
    )


def _forked(service: str, life: int, record: Record) -> LogReplaced:
    said_in = Event.from_record(record).sequence.incarnation
    return LogReplaced(
        f"The log holds at {record.offset} of {record.topic}/{record.partition} what {service} said in its incarnation {said_in}, and "
        f"the database to be restored, which does not know that, is in incarnation {life}: it was restored on another log, or on "
        "an older copy of this one. Taken for old, accepted writes would be lost, so nothing was changed. Put a backup of before "
        f"that restore in place (`comity restore {service} --from BACKUP`; on PostgreSQL pg_restore first), or give them up with "
        "--another-log."
    )


def _another(host: Host, held: Position, end: Position) -> LogReplaced:
    name = host.service.name
    return LogReplaced(
        f"{name} has said what it knows up to {held.next_offset} of {held.at} on log {held.log}, but this is log {end.log}. "
        f"The log was replaced. Put the right log back (or name it in the settings); if this is the right one, stop every "
        f"process of {name} and run `comity republish {name} --all`, which says everything again here."
    )


def _replaced(host: Host, held: Position, end: Position, record: Record) -> LogReplaced:
    name = host.service.name
    return LogReplaced(
        f"{name} has said what it knows on log {held.log}, but this is log {end.log}, and what stands at {record.offset} of "
        f"{record.topic}/{record.partition} is unknown to its database. The log was replaced. Put the right log back; if "
        f"this is the right one, the database is that of another time: stop every process of {name} and run "
        f"`comity restore {name} --another-log`."
    )
