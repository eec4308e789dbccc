"""One event in the hands of a handler, and the step that puts it there.

A handler adds rows and posts events inside the transaction that it is given; it never commits, never produces, and
performs no effect outside its database (it writes a row for that, which somebody else acts on). It gates on
`event.sequence`: what is not newer than what it holds changes nothing.
"""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel
from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import contracts
from schemas.envelope import Event
from services.chassis import tracing
from services.chassis.bus import deadletters, outbox, positions
from services.chassis.bus.host import Host
from services.chassis.bus.transport import Record, TopicPartition
from services.chassis.telemetry import bound, unbound

_T = TypeVar("_T")


class Coordinates(NamedTuple):
    """Where a record stands in the log."""

    topic: str
    partition: int
    offset: int


class Together:
    """What the handlers of one transaction do once for all its events.

    Rows that they write by the same statement are written together before the commit; what they have to know of every
    event is looked up at the first one, for all the `records` that the transaction may come to.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._rows: dict[Executable, list[Mapping[str, Any]]] = {}
        self._looked: dict[str, Any] = {}
        self.records = records
        self.keys: set[str] = set()  # of the events whose rows wait

    async def once(self, name: str, look: Callable[[Sequence[Record]], Awaitable[_T]]) -> _T:
        """Return what `look` finds for the records; it is asked once, and who changes what it found keeps that true."""
        if name not in self._looked:
            self._looked[name] = await look(self.records)
        found: _T = self._looked[name]
        return found

    def add(self, statement: Executable, row: Mapping[str, Any], *, key: str) -> None:
        """Add a row behind those that the statement has; it must be the same object each time."""
        self._rows.setdefault(statement, []).append(row)
        self.keys.add(key)

    async def write(self, connection: AsyncConnection) -> None:
        """Execute what was added, each statement's rows in their order."""
        for statement, rows in self._rows.items():
            await connection.execute(statement, rows)
        self._rows.clear()
        self.keys.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event handed to a handler, inside the transaction that moves the position past it.

    `data` is the event's data, validated by its reader's model; None for a tombstone. `runtime` is the service's.
    `late` marks a record that the position had passed already: it comes from the dead letters, or is replayed.
    `made` is what the consumer's `Ahead` made of the record, None where it made nothing.
    """

    connection: AsyncConnection
    event: Event
    data: BaseModel | None
    at: Coordinates
    runtime: Any
    group: str
    late: bool = False
    together: Together | None = None
    made: Any = None

    async def put(self, statement: Executable, row: Mapping[str, Any]) -> None:
        """Write a row by a statement that is built once: at once, or together with those of the transaction's other events.

        Many events of one batch then cost one statement. A handler that reads such rows again calls `settle` before.
        """
        if self.together is None:
            await self.connection.execute(statement, row)
        else:
            self.together.add(statement, row, key=self.event.key)

    async def settle(self) -> None:
        """Write what was put for earlier events of the same key, so that it can be read."""
        if self.together is not None and self.event.key in self.together.keys:
            await self.together.write(self.connection)

    def stale(self) -> None:
        """Note that the record says less than what is held, so that nothing was changed."""
        self.runtime.metrics.stale.labels(self.group).inc()

    async def post(self, event: Event) -> None:
        """Add an event to this service's outbox, in this transaction and trace. Raises InvalidEvent, RecordTooLarge."""
        if event.traceparent is None:
            event = replace(event, traceparent=self.event.traceparent)
        await outbox.post(self.connection, event, max_record_bytes=self.runtime.settings.log.max_record_bytes)


Handler = Callable[[Delivery], Awaitable[None]]

Ahead = Callable[[Any, Sequence[Record]], Awaitable[Mapping[int, Any]]]
"""Makes of records, before their transaction begins, what needs none; given the runtime, it returns by offset what it made.

Whatever fails with one record is left out, and the handler meets the fault where faults are borne. It must not write.
"""


async def deliver(
    connection: AsyncConnection,
    record: Record,
    *,
    runtime: Host,
    group: str,
    handle: Handler,
    parked: set[str],
    late: bool = False,
    together: Together | None = None,
    made: Any = None,
) -> Event | None:
    """Hand one record to the handler and return its event, or set it aside if its key is parked and return None.

    A tombstone opens its key and drops what was set aside for it: nothing of an erased aggregate is kept. What is given as
    `together` the caller writes before the commit.
    """
    key = deadletters.key_of(record)
    if key in parked and record.value is not None:
        await deadletters.park(connection, group, record, now=microseconds(runtime))
        return None
    event = Event.from_record(record)
    data = contracts.read(event)
    if key in parked:
        await deadletters.clear(connection, group, record.topic, key)
        parked.discard(key)
    given = Delivery(
        connection=connection,
        event=event,
        data=data,
        at=Coordinates(record.topic, record.partition, record.offset),
        runtime=runtime,
        group=group,
        late=late,
        together=together,
        made=made,
    )
    began = time.perf_counter()
    try:
        if event.traceparent is None:
            await handle(given)
        else:
            with _traced(given, event.traceparent):
                await handle(given)
    finally:
        runtime.metrics.handled(group, event.type).observe(time.perf_counter() - began)
    return event


@contextmanager
def _traced(given: Delivery, traceparent: str) -> Iterator[None]:
    """Go on with the trace that the event came from, in spans and in log lines."""
    at = given.at
    attributes = tracing.handled(given.group, at.topic, partition=at.partition, offset=at.offset)
    lines = bound(trace_id=tracing.trace_id_of(traceparent))
    try:
        with tracing.span(
            f"process {at.topic}", tracing.SpanKind.CONSUMER, traceparent=traceparent, attributes=attributes
        ):
            yield
    finally:
        unbound(lines)


async def replay(
    connection: AsyncConnection, runtime: Host, *, group: str, topic: str, key: str, handle: Handler
) -> int:
    """Hand the letters of one key to the handler again, in order, in this transaction; returns how many there were.

    Positions are not moved, but held until the commit, so that no later record of the key is parked meanwhile. What
    fails raises, and the transaction must be rolled back: every letter is then where it was.
    """
    for partition in sorted({one.record.partition for one in await _letters(connection, group, topic, key)}):
        await positions.hold(connection, group, TopicPartition(topic, partition))
    letters = await _letters(connection, group, topic, key)
    await deadletters.clear(connection, group, topic, key)
    for letter in letters:
        await deliver(
            connection, letter.record, runtime=runtime, group=group, handle=handle, parked=set(), late=True
        )
    return len(letters)


async def _letters(
    connection: AsyncConnection, group: str, topic: str, key: str
) -> Sequence[deadletters.Letter]:
    return await deadletters.of_key(connection, group, topic, key)


def microseconds(runtime: Host) -> int:
    """Return the wall time in Unix microseconds, for stamps only."""
    return int(runtime.clock.now().timestamp() * 1_000_000)
