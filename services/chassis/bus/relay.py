"""The relay: takes what stands in one outbox, appends it to the log, deletes it.

There is no cursor: it reads whatever is there in the order of `position`, so a transaction that commits late is
never overtaken. It is fenced at the log: when another relay of the same outbox starts, this one's appends are
refused and it stops. Once it has fenced the one before it, it proves that its database knows what the log holds of it,
and sends nothing from one that does not (`said`). A crash between append and delete appends again; same id, same sequence, no effect.

It wakes at every commit in its own process that posts, and polls for those of other processes, faster after work than
after silence. Where nobody waits for a service's events, it lingers a moment after it was woken, so that a burst shares
one append and whoever waits for the commit itself goes first. What it has appended it deletes a moment later, or when there is
more to relay, so that the readers of this process go before it. This module must not decide what is worth sending: whatever stands in the outbox was checked there.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from services.chassis import tracing
from services.chassis.bus import outbox, said
from services.chassis.bus.failpoints import reach
from services.chassis.bus.failures import TRANSIENT
from services.chassis.bus.host import Host
from services.chassis.bus.owner import Owner
from services.chassis.bus.said import Said
from services.chassis.bus.transport import BATCH_BYTES, Appender

_SHORTEST_POLL = 0.05
_LONGEST_POLL = 1.0
_LONGEST_RETRY = 5.0
_PATIENCE = 0.05
"""How long what was appended stays in the outbox where nothing else is to be relayed: whoever waits for it goes first."""

Relayed = Callable[[AsyncConnection, Sequence[Event]], Awaitable[None]]

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RelayFigures:
    """What the relay did so far, and why it stands still if it does."""

    appended: int = 0
    batches: int = 0
    failures: int = 0
    trouble: str | None = None


class Relay:
    """The one active relay of a service's outbox."""

    def __init__(
        self,
        runtime: Host,
        *,
        owner: Owner | None = None,
        batch: int = 2_000,
        linger: float = 0.0,
        relayed: Relayed | None = None,
    ) -> None:
        self._runtime = runtime
        self._owner = owner
        self._relayed = relayed
        self._batch = batch
        self._linger = linger  # seconds between being woken and looking
        self._wake = asyncio.Event()
        self._said: Said | None = None
        self._more = False  # whether the last batch was full, so that others may wait behind it
        self.figures = RelayFigures()

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set. Raises Fenced when another relay took over, DatabaseBehind."""
        posts = self._runtime.database.after_post
        posts.append(self._wake.set)
        stopping = asyncio.create_task(self._wake_at(stop))
        try:
            retry = _SHORTEST_POLL
            while not stop.is_set():
                try:
                    async with self._runtime.transport.appender(self._runtime.service.name) as appender:
                        await self.prove()
                        began = self._runtime.metrics.relay_began.labels(self._runtime.service.name)
                        began.set(self._runtime.clock.now().timestamp())
                        await self._relay(appender, stop)
                    retry = _SHORTEST_POLL
                except TRANSIENT as error:
                    # Whatever broke, the rows are still there; only a new appender is certain to be sound.
                    await self._trouble(error, retry)
                    retry = min(retry * 2, _LONGEST_RETRY)
        finally:
            stopping.cancel()
            posts.remove(self._wake.set)

    async def prove(self) -> None:
        """Prove, once the right to append is had, that the database knows what its log holds. Raises DatabaseBehind."""
        self._said = await said.enter(self._runtime, self._owner)

    async def step(self, appender: Appender, *, patience: float = 0.0) -> int:
        """Relay one batch; returns the number of events that left the outbox.

        They leave it so many seconds after they were appended, or as soon as others are committed.
        """
        async with self._runtime.database.read() as connection:
            rows = await outbox.oldest(connection, limit=self._batch)
        if not rows:
            return 0
        await reach("relay.read")
        metrics, name = self._runtime.metrics, self._runtime.service.name
        events = [event for _, event in rows]
        self._more = (
            len(rows) == self._batch or sum(len(event.data or b"") for event in events) >= BATCH_BYTES
        )
        with (
            metrics.relay_seconds.labels(name).time(),
            tracing.span(
                f"publish {name}",
                tracing.SpanKind.PRODUCER,
                traceparent=events[0].traceparent,
                also=(event.traceparent for event in events),
                attributes=tracing.destination(events[0].topic, events=len(events)),
            ),
        ):
            ends = await appender.append(events)
        metrics.relay_batch.labels(name).observe(len(rows))
        await reach("relay.appended")
        if patience and self._relayed is None and not self._more:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), patience)
        async with self._runtime.database.write() as connection:
            removed = await outbox.remove(connection, [position for position, _ in rows])
            if self._said is not None:
                await self._said.move(connection, ends)
            if self._relayed is not None:
                await self._relayed(connection, [event for position, event in rows if position in removed])
        self._runtime.signals.notify(f"relayed:{self._runtime.service.name}")
        self.figures.appended += len(rows)
        self.figures.batches += 1
        self.figures.trouble = None
        return len(rows)

    async def _relay(self, appender: Appender, stop: asyncio.Event) -> None:
        poll = _SHORTEST_POLL
        while not stop.is_set():
            # Cleared before reading: a commit during the read sets it again, and nothing waits for a poll.
            self._wake.clear()
            moved = await self.step(appender, patience=_PATIENCE)
            if moved:
                poll = _SHORTEST_POLL
            if moved and self._more:
                continue
            try:
                await asyncio.wait_for(self._wake.wait(), poll)
            except TimeoutError:
                poll = min(poll * 2, _LONGEST_POLL)
            else:
                await asyncio.sleep(self._linger)

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _trouble(self, error: Exception, seconds: float) -> None:
        self.figures.failures += 1
        self._runtime.metrics.relay_failures.labels(self._runtime.service.name).inc()
        self.figures.trouble = f"{type(error).__name__}: {error}"
        _log.warning(
            "relay.retry", outbox=self._runtime.service.name, error=self.figures.trouble, seconds=seconds
        )
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), seconds * random.uniform(0.5, 1.0))
        except TimeoutError:
            return
