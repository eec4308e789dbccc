"""The seam: what a log must be able to do, and nothing else.

A log is a set of topics; a topic is a fixed number of partitions; a partition is a sequence of records, each at
an offset. Three kinds of offset matter, and every one of them is *the next* one, never the last:

- the **end** of a partition is the offset that the next stable record will get (on Kafka the last stable offset,
  which transaction markers push on, so that it can be larger than "last record + 1");
- the **fetch position** of a member is where its next fetch reads; *caught up* means that it has reached the end;
- the **stored position** of a group is a row in the consumer's own database, moved in the same transaction as
  the effects (`positions`). What a member *reports* of it to the log is for the eyes of operators, and keeps
  tombstones in the embedded log until they are committed.

Offsets rise; compaction and markers leave gaps, so nobody may count with them. Records of one key stand in one
partition in the order of their sequences. Nothing is promised across partitions.

Semantics (who may append, what is retried, what is parked) are decided above the seam and are the same on
every transport; one conformance suite runs against all of them. A transport must not open transactions in a
service's database and must not look into an event's data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from schemas.envelope import Event
from schemas.topics import Topic

BATCH_BYTES = 4_000_000
"""Of values: a batch ends with the record that reaches as many. What waits in memory is bounded by it."""


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class Record(NamedTuple):
    """One record as the log holds it. `value` None is a tombstone, b"" is not. `appended_at`: Unix microseconds.

    A tuple, because one is made of every record that is read: it costs a third of a frozen dataclass.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
    appended_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive records of one partition, where they were asked for from, and where to read on.

    `offset` is the fetch position that the batch was read at, so that a reader can tell a gap in the log (fine)
    from a batch that belongs to an earlier assignment (not fine). `next_offset` is at least "last record + 1"; it is larger where compaction or markers leave a gap. A batch
    without records still moves the fetch position. `horizon` is the offset below which tombstones may have been gone as it was
    read, if it begins at 0 or has a gap (else 0: nothing is missing in it); None where the log cannot tell (Kafka).
    """

    at: TopicPartition
    offset: int
    records: tuple[Record, ...]
    next_offset: int
    horizon: int | None = None

    def lacks(self, begun: int) -> bool:
        """Whether tombstones that would be learnt from it may be gone, of what was read before it; not for one read at 0.

        `begun`: the horizon when offset 0 was read (what tombstones below that erased was gone by then as well), or up to
        where a rebuild has read; else 0.
        """
        return (self.horizon or 0) > max(self.offset, begun)

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return sum(len(record.value or b"") for record in self.records)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What an existing topic has otherwise than the catalogue and the settings say. `means` says what hangs on it.

    `mend` is the sentence that says how it is mended; `settable` whether the log lets us do so.
    """

    topic: str
    what: str
    found: str
    wanted: str
    means: str
    mend: str
    settable: bool

    def __str__(self) -> str:
        there = f"The topic {self.topic} has {self.what} = {self.found}, not {self.wanted}"
        return f"{there} ({self.means}). {self.mend}"


class Appender(Protocol):
    """The right to append what one outbox holds.

    Entering takes the right from whoever had it (fencing); from then on the predecessor's `append` raises
    Fenced and nothing of it becomes readable. Whatever a new attempt may cure is raised as Transient (or
    DatabaseAway). Any error leaves the appender unusable: leave it, enter a
    new one, read the outbox again. Appending the same event twice is harmless: the SQL log ignores it, readers
    of Kafka ignore it.
    """

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    async def append(self, events: Sequence[Event]) -> Mapping[TopicPartition, int]:
        """Append all or none, in this order, durably. The partition follows from `partitionkey` (murmur2).

        Returns the offset after the last of them in each partition, without those where the log had all of them.
        """
        ...


class Listener(Protocol):
    """Whom a membership tells about its partitions. The first two calls are awaited; none raises."""

    async def assigned(self, partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Partitions arrive; answer with the offset to read each from. One left out is not fetched. None arriving is told too."""
        ...

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Partitions leave; finish what is in flight (within a deadline of the listener's own) and return."""
        ...

    def report_refused(self) -> None:
        """The log took no report of positions, as during a rebalance; nothing depends on it but a figure."""
        ...


class Membership(Protocol):
    """One member of a consumer group. Entering joins the group, leaving revokes everything and leaves it."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    async def fetch(self, *, timeout: float, limit: int) -> Sequence[Batch]:  # noqa: ASYNC109 - the log waits, not us
        """Fetch from the assigned partitions that are not paused, at most `limit` records and BATCH_BYTES in each batch.

        Waits at most `timeout` seconds when there is nothing, and is always called with a finite one, assigned
        or not, because it is also the sign of life. Moves the fetch position. Must not be cancelled.
        """
        ...

    def seek(self, at: TopicPartition, offset: int) -> None:
        """Set the fetch position of an assigned partition; ignored for one that has just left."""
        ...

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Fetch nothing more of these until they are resumed or assigned anew."""
        ...

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Fetch these again."""
        ...

    async def report(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell the log the stored positions. Best effort: never raises, and moves nobody.

        The listener hears of a report that was refused.
        """
        ...


class Transport(Protocol):
    """A log, opened by one process."""

    async def open(self) -> None:
        """Connect; raises LogBusy where one process is the limit and has come already."""
        ...

    async def close(self) -> None:
        """Disconnect; safe to call twice."""
        ...

    async def create_topics(self, topics: Sequence[Topic]) -> None:
        """Create what is missing, with its identity; refuse a partition count that differs from the log's."""
        ...

    async def drift(self, topics: Sequence[Topic]) -> Sequence[Drift]:
        """Tell where existing topics have other settings than they would be created with; none where a log keeps none.

        Raises TopicMismatch where `create_topics` would, or where a topic is missing.
        """
        ...

    async def set_topics(self, drifts: Sequence[Drift]) -> None:
        """Give topics the wanted settings, those that are settable; nothing else of them changes."""
        ...

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""
        ...

    async def identity(self, topic: str) -> str:
        """Return the incarnation marker of this topic in this log: another one means another log."""
        ...

    async def ends(self, topic: str) -> Mapping[int, int]:
        """Partition → its end (see above), asked of the log now."""
        ...

    async def horizons(self, topic: str) -> Mapping[int, int] | None:
        """Partition → the offset below which tombstones may be gone; None where the log cannot tell (Kafka)."""
        ...

    async def read(self, topic: str, partition: int, *, offset: int, limit: int) -> Batch:
        """Up to `limit` stable records and BATCH_BYTES from `offset` on, outside any group; at the end, none, at once."""
        ...

    def appender(self, outbox: str) -> Appender:
        """Return the right to append for one outbox; construct and enter it in one go."""
        ...

    def membership(self, group: str, topics: Sequence[str], listener: Listener) -> Membership:
        """Return a membership of a group over topics; construct and enter it in one go."""
        ...
