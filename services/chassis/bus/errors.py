# ruff: noqa: N818 - the plain noun is what people read in a log line
"""What can go wrong on the way of an event, as one small tree.

Each error carries what the HTTP edge needs to answer with a problem (`status`, `code`, a sentence), so that the
web can map them without this package knowing the web.
"""

from typing import ClassVar


class BusError(Exception):
    """The way of an event is broken here. `detail` is a sentence for people."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    @property
    def detail(self) -> str:
        """The sentence that the error was raised with."""
        return str(self)


class RecordTooLarge(BusError):
    """The event is larger than the log accepts; it is refused before anything is written."""

    status = 413
    code = "record-too-large"


class InvalidEvent(BusError):
    """The event does not meet its schema, or stands on a topic where its type has no place."""


class Fenced(BusError):
    """Another relay has taken over this outbox; this one must stop and append nothing more."""


class LogReplaced(BusError):
    """A stored position does not belong to this log: it was replaced or cut. Nothing is skipped silently."""


class DatabaseBehind(BusError):
    """The log holds what this owner's database does not know, so what it says next would be dropped as old."""


class RebuildNeeded(BusError):
    """Tombstones above a stored position may be gone, so what was erased since would never be learnt."""


class Overtaken(BusError):
    """Compaction has overtaken who reads the log from its beginning: what it took would never be learnt. Begin anew."""


class PositionMoved(BusError):
    """Somebody else moved this position: the partition has another owner, and this transaction must fail."""


class TopicMismatch(BusError):
    """A topic is missing from the log, or stands there in another shape than the catalogue says."""


class UnknownKey(BusError):
    """Nothing of this key was ever said here, so it cannot be said again."""


class GroupBusy(BusError):
    """The SQL log has one member per group, and this group has it already."""


class LogBusy(BusError):
    """Another process serves this SQL log, and it serves exactly one."""


class Transient(BusError):
    """Raised by a handler for a dependency that is away: the same record is tried again, in place."""

    status = 503
    code = "unavailable"
