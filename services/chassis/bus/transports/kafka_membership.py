"""One member of a Kafka consumer group, seen from the seam.

What: starts where the listener says, delivers batches in order, gives partitions back in good order, reports positions.
Why apart from the client: everything here is about order and time, and reads better without the client's types. Rules:

- A **fetch is never cancelled** (the client would count as busy for ever) and always has a finite timeout, which is the
  sign of life. During a rebalance the client ignores that timeout, so the fetch runs as a task of its own and the
  caller gets nothing in the meantime, in time.
- `_expected` holds, for each partition whose start is known, the offset that the caller gets next. What is fetched of
  any other partition is thrown away. Where a **seek** or a new start came while a fetch was under way, what it brought
  is thrown away and sought again; so a fetch never delivers from before a seek.
- A partition that is **paused** is not asked for, and the client keeps what it holds of it ready: told to pause, it would
  throw that away and fetch it again, behind whatever fetch is under way by then.
- The client sends no sign of life before "assigned" returns, so the **listener's part runs as a task**; "revoked" waits
  for it first, and then for the listener to finish what is in flight.

It must not decide where to start, nor what to do with a record.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

import structlog

from services.chassis.bus.errors import LogReplaced, Transient
from services.chassis.bus.transport import Batch, Listener, Record, TopicPartition

_SLACK_SECONDS = 0.05
_LOOK_SECONDS = 0.02  # between two looks at what arrives of some partitions while others are paused
_REPORT_SECONDS = 5.0

_log = structlog.get_logger(__name__)


class GroupClient(Protocol):
    """What a membership needs of the client library, in the seam's own terms; errors are the bus's."""

    async def join(self, member: "KafkaMembership") -> None:
        """Join the group; from now on the client calls `assigned` and `revoked` of the member."""
        ...

    async def leave(self) -> None:
        """Leave the group and disconnect, within a bounded time."""
        ...

    def assignment(self) -> frozenset[TopicPartition]:
        """Return the partitions that the group has given to this member."""
        ...

    async def fetch(
        self,
        *,
        timeout: float,  # noqa: ASYNC109
        limit: int,
        of: frozenset[TopicPartition] | None = None,
    ) -> Mapping[TopicPartition, tuple[Record, ...]]:
        """Fetch committed records of the assigned partitions that are not paused, or of some of them; of none is a sign of life."""
        ...

    async def position(self, at: TopicPartition) -> int | None:
        """Return the fetch position of a partition; None if it has just left."""
        ...

    def seek(self, at: TopicPartition, offset: int) -> None:
        """Set the fetch position."""
        ...

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Fetch nothing of these."""
        ...

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Fetch these again."""
        ...

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Store positions in the group."""
        ...


class KafkaMembership:
    """A membership of a consumer group, from entering to leaving."""

    def __init__(self, client: GroupClient, *, group: str, listener: Listener) -> None:
        self._client = client
        self._group = group
        self._listener = listener
        self._expected: dict[TopicPartition, int] = {}
        self._moved: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._room = asyncio.Event()
        self._fetching: asyncio.Task[Mapping[TopicPartition, tuple[Record, ...]]] | None = None
        self._assigning: asyncio.Task[None] | None = None
        self._reporting: asyncio.Task[None] | None = None
        self._to_report: dict[TopicPartition, int] = {}
        self._failure: Exception | None = None

    async def __aenter__(self) -> Self:
        """Join the group."""
        await self._client.join(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give all partitions back, then leave the group."""
        try:
            await self.revoked(self._client.assignment(), reporting=True)
        finally:
            await self._client.leave()
            if self._fetching is not None:
                self._fetching.cancel()  # the member has ended, so how busy it seems does not matter any more
                await asyncio.gather(self._fetching, return_exceptions=True)

    async def fetch(self, *, timeout: float, limit: int) -> Sequence[Batch]:  # noqa: ASYNC109 - the seam's
        """Fetch at most `limit` records; `timeout` holds during a rebalance as well."""
        self._raise_failure()
        if self._fetching is None:
            self._moved.clear()
            self._fetching = asyncio.create_task(self._fetch(timeout, limit))
        await asyncio.wait({self._fetching}, timeout=timeout + _SLACK_SECONDS)
        self._raise_failure()
        if not self._fetching.done():
            return ()
        done, self._fetching = self._fetching, None
        try:
            fetched = done.result()
        except LogReplaced:
            if self._moved or not self._expected:
                return ()  # the client's own idea of where to start, from before the listener had said it
            raise
        return await self._batches(fetched)

    def seek(self, at: TopicPartition, offset: int) -> None:
        """Set the fetch position of an assigned partition; ignored for one that has just left."""
        if at in self._expected and at in self._client.assignment():
            self._expected[at] = offset
            self._moved.add(at)
            self._client.seek(at, offset)

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Fetch nothing more of these until they are resumed or assigned anew."""
        self._paused |= partitions

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Fetch these again."""
        self._paused -= partitions
        self._room.set()

    async def report(self, positions: Mapping[TopicPartition, int]) -> None:
        """Store the positions in the group, in the background; only the newest of each partition matters."""
        self._to_report |= positions
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.create_task(self._report())

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Hear from the client that partitions arrived."""
        self._client.pause(partitions)
        self._assigning = asyncio.create_task(self._start(partitions))

    async def revoked(self, partitions: frozenset[TopicPartition], *, reporting: bool = False) -> None:
        """Hear from the client that partitions leave; `reporting` lets the last report through first."""
        if self._assigning is not None:
            await asyncio.wait({self._assigning})
            self._assigning = None
        self._expected.clear()
        self._paused.clear()
        try:
            await self._listener.revoked(partitions)
        except Exception as error:  # noqa: BLE001 - the client would swallow it; the next fetch raises it
            self._failure = error
        if reporting and self._reporting is not None:
            await asyncio.wait({self._reporting}, timeout=_REPORT_SECONDS)
        self._to_report.clear()

    async def _start(self, partitions: frozenset[TopicPartition]) -> None:
        """Ask the listener where to start, and start there what still is assigned."""
        try:
            starts = await self._listener.assigned(partitions)
        except Exception as error:  # noqa: BLE001 - nobody awaits this task; the next fetch raises it
            self._failure = error
            return
        held = self._client.assignment()
        for at, offset in starts.items():
            if at in held:
                self._expected[at] = offset
                self._moved.add(at)
                self._client.seek(at, offset)
        self._client.resume(held & starts.keys())

    async def _fetch(self, timeout: float, limit: int) -> Mapping[TopicPartition, tuple[Record, ...]]:  # noqa: ASYNC109
        """Fetch; while partitions are paused, only what stands ready of the others, so that none waits that is resumed."""
        assigned = self._client.assignment()
        wanted = assigned - self._paused
        if wanted == assigned:
            return await self._client.fetch(timeout=timeout, limit=limit)
        self._room.clear()
        fetched = await self._client.fetch(timeout=0, limit=limit, of=wanted)
        if not fetched:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), min(timeout, _LOOK_SECONDS) if wanted else timeout)
        return fetched

    async def _batches(self, fetched: Mapping[TopicPartition, tuple[Record, ...]]) -> Sequence[Batch]:
        batches = []
        for at, expected in tuple(self._expected.items()):
            records = fetched.get(at, ())
            if at in self._moved:
                if records:
                    self._client.seek(at, expected)
                continue
            position = records[-1].offset + 1 if records else await self._client.position(at)
            if records or (position is not None and position > expected):
                self._expected[at] = position or expected
                batches.append(
                    Batch(at=at, offset=expected, records=records, next_offset=position or expected)
                )
        return batches

    async def _report(self) -> None:
        while self._to_report:
            positions, self._to_report = self._to_report, {}
            try:
                async with asyncio.timeout(_REPORT_SECONDS):
                    await self._client.commit(positions)
            except (Transient, TimeoutError) as error:
                # A rebalance refuses it. The stored position decides anyway, so nothing is lost but a figure.
                self._listener.report_refused()
                _log.debug("kafka.report_refused", group=self._group, error=str(error))

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
