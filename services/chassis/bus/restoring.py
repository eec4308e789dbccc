"""An owner that speaks again: single aggregates, all of them, or everything after its database was restored.

**Republishing** posts the present state of aggregates to the outbox, under the sequences that they have: a log that
lost a record, or kept a stale one, gets the newest again, and a reader that holds it changes nothing. **Restoring**
follows a backup that was put back: what the own topics say more than the backup is taken back into the tables, the
incarnation rises above everything that the log has seen, and the present state is said anew, so that no reader keeps
what the backup does not know. All of it is one transaction: it stands whole, or nothing was changed.

Nothing is appended here: the relay does that. Whoever restores makes sure that the service does not run meanwhile.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import contracts
from schemas.envelope import EnvelopeError, Event
from schemas.topics import Topic, topics_of
from services.chassis.bus import incarnation, outbox, said
from services.chassis.bus.host import Host
from services.chassis.bus.owner import Owner, Say
from services.chassis.bus.rebuilding import everything
from services.chassis.bus.transport import TopicPartition

_CHUNK = 500


@dataclass(slots=True, kw_only=True)
class Restored:
    """What a restore did: `gone` names what stood on the log and cannot be had from it, `unread` what is no event."""

    incarnation: int = 0
    records: int = 0
    taken_back: int = 0
    posted: int = 0
    unread: int = 0
    gone: list[str] = field(default_factory=list)


async def republish(runtime: Host, owner: Owner, keys: Sequence[str] | None = None) -> int:
    """Post the present state of these aggregates, or of all, a chunk in each transaction; returns how many.

    Raises UnknownKey, and DatabaseBehind or LogReplaced where the database is not that of this log; has posted nothing
    then. All of them may be said on another log than that of before, which is the owner's log from then on.
    """
    ends = await said.verify(runtime, owner, filling=keys is None)
    if keys is not None:
        async with runtime.database.write() as connection:
            return await _say(connection, runtime, owner.say, keys)
    posted, after = 0, ""
    while True:
        async with runtime.database.write() as connection:
            chunk = await owner.keys(connection, after, _CHUNK)
            posted += await _say(connection, runtime, owner.say, chunk)
            if len(chunk) < _CHUNK:
                await said.move_over(runtime, connection, ends)
        if len(chunk) < _CHUNK:
            return posted
        after = chunk[-1]


async def restore(runtime: Host, owner: Owner, *, another_log: bool = False) -> Restored:
    """Bring a database that was put back from a backup up to its own topics, and say all of it in a new life.

    `another_log`: also where this is not the log that it has spoken to, or holds what it said before a life that was begun
    elsewhere; raises LogReplaced otherwise. Raises Overtaken.
    """
    done = Restored()
    if not another_log:
        await said.on_this_log(runtime.transport, runtime.database, runtime.service.name)
    # Entering fences whatever relay of this outbox is left, so that what is read to the end is all there is.
    async with runtime.transport.appender(runtime.service.name), runtime.database.write() as connection:
        life = await incarnation.current(connection)
        if not another_log:
            await said.on_this_branch(runtime.transport, connection, runtime.service.name)
        highest, standing, gone = life, set[str](), set[str]()
        for topic in topics_of(runtime.service.name):
            async for event, data in _events(runtime, topic, done):
                highest = max(highest, event.sequence.incarnation)
                if topic.compacted and not event.tombstone:
                    standing.add(event.key)
                else:
                    standing.discard(event.key)
                found = await owner.take_back(connection, runtime, event, data, life)
                done.taken_back += found == "taken"
                if found == "gone":
                    gone.add(event.key)
                    done.gone.append(f"{event.type} {event.key} {event.sequence}")
        if owner.settle is not None:
            await owner.settle(connection)
        done.incarnation = await incarnation.rise(connection, above=highest)
        after = ""
        while chunk := await owner.keys(connection, after, _CHUNK):
            # Of what the log has more than can be had from it, what stands here is past: the next that is said is newer.
            present = [key for key in chunk if key not in gone]
            done.posted += await _say(connection, runtime, owner.say, present)
            standing.difference_update(chunk)
            after = chunk[-1]
        strangers = sorted(
            standing
        )  # the log says more of them than the database does: they are taken back there
        for begin in range(0, len(strangers), _CHUNK):
            some = strangers[begin : begin + _CHUNK]
            done.posted += await _say(connection, runtime, owner.unsay or owner.say, some)
        went = await said.forgotten(runtime.transport, connection)
        done.gone += [
            f"what tombstones up to {end} of {at} erased, and is said again" for at, end in went.items()
        ]
        await said.know_all(runtime, connection)  # from here on it may be started
    return done


async def _say(connection: AsyncConnection, runtime: Host, say: Say, keys: Sequence[str]) -> int:
    events = await say(connection, runtime, keys)
    await outbox.post_all(connection, events, max_record_bytes=runtime.settings.log.max_record_bytes)
    return len(events)


async def _events(
    runtime: Host, topic: Topic, done: Restored
) -> AsyncIterator[tuple[Event, BaseModel | None]]:
    """Read a topic to its end. What is no event of ours was never said by this owner, and is only counted."""
    for number in range(await runtime.transport.partitions(topic.name)):
        async for record in everything(runtime.transport, TopicPartition(topic.name, number)):
            done.records += 1
            try:
                event = Event.from_record(record)
                data = contracts.read(event)
            except (EnvelopeError, contracts.ContractError):
                done.unread += 1
            else:
                yield event, data
