"""The consumer: events of a group's partitions become effects in a service's database, exactly once.

One transaction is *compare-and-set of the position + effects + next outbox rows*. Whatever is killed, redelivered
or run twice, the position row decides: a transaction that does not find it where it left it changes nothing.

The handler adds rows and posts events; it never commits, never produces, never performs an effect outside its
database (it writes a delivery row for that). It gates on `event.sequence`: what is not newer than what it
holds changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from services.chassis.bus.host import Host
from services.chassis.bus.transport import TopicPartition


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a record stands in the log."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event handed to a handler, inside the transaction that moves the position past it.

    `data` is the event's data, validated by its reader's model; None for a tombstone.
    """

    connection: AsyncConnection
    event: Event
    data: BaseModel | None
    at: Coordinates
    runtime: Any

    async def post(self, event: Event) -> None:
        """Add an event to this service's outbox, in this transaction."""
        raise NotImplementedError


Handler = Callable[[Delivery], Awaitable[None]]
PartitionsHook = Callable[[frozenset[TopicPartition]], Awaitable[None]]


class Consumer:
    """One member of a group, for one handler.

    `on_assigned` is awaited before the first delivery of newly assigned partitions, `on_revoked` after the last
    one of those that leave. After every commit the signal `consumed:<group>` is given.
    """

    def __init__(
        self,
        runtime: Host,
        *,
        group: str,
        topics: Sequence[str],
        handle: Handler,
        on_assigned: PartitionsHook | None = None,
        on_revoked: PartitionsHook | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def assigned(self) -> frozenset[TopicPartition]:
        """The partitions that this member owns now."""
        raise NotImplementedError

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; then finish what is in flight and leave the group.

        Raises LogReplaced, RebuildNeeded or TooManyDeadLetters: a person has to decide.
        """
        raise NotImplementedError

    async def progress(self) -> dict[str, Any]:
        """Tell, per partition: stored position, end of the log, lag, dead and parked; for readiness and `/progress`."""
        raise NotImplementedError
