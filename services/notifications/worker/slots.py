"""The tries under way in one process: who hangs makes room for the others, and gets a bounded part of it together.

*What.* A try that lasts longer than `SLOW_AFTER` leaves the places of the quick ones, and an endpoint hangs while it has such a
try, or if its last one timed out; those that hang begin no more than a part of the tries together. *Why not first come first
served.* A few receivers that hang hold every place for as long as a try may last, whoever else waits. *Never:* end a try
before its time; or count over processes, `pacing` does that for one endpoint.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

SLOW_AFTER = 2.0
"""Seconds after which a try is one of the slow."""
HANGING_PART = 4
"""Endpoints that hang have one of so many places together."""
MOST_TIMES = 4
"""So many times its places a process may have under way, slow tries included."""
MOST_REMEMBERED = 1_000
"""So many endpoints that timed out are known, the latest."""
Try = tuple[str, int]
"""A message and the number of its try."""
MAILS = "mails"
"""What all mails count as: one receiver, their server."""


@dataclass(slots=True)
class Slots:
    """The tries under way of one process; seconds are those of a clock that only goes forward."""

    places: int
    _under_way: dict[Try, tuple[str, float]] = field(default_factory=dict)
    _timed_out: dict[str, None] = field(default_factory=dict)  # the latest last

    @property
    def messages(self) -> set[str]:
        """The messages that are being tried."""
        return {message for message, _ in self._under_way}

    def begin(self, one: Try, receiver: str | None, *, now: float) -> None:
        """A try begins; `receiver` is its endpoint, None for a mail."""
        self._under_way[one] = (receiver or MAILS, now)

    def end(self, one: Try, *, timed_out: bool) -> None:
        """It has ended, however that was."""
        receiver, _ = self._under_way.pop(one)
        self._timed_out.pop(receiver, None)
        if timed_out:
            self._timed_out[receiver] = None
            if len(self._timed_out) > MOST_REMEMBERED:
                del self._timed_out[next(iter(self._timed_out))]

    def room(self, *, now: float) -> int:
        """Return how many tries may begin."""
        quick = sum(now - begun < SLOW_AFTER for _, begun in self._under_way.values())
        return min(self.places - quick, MOST_TIMES * self.places - len(self._under_way))

    def hanging(self, *, now: float) -> "Hanging":
        """Return which receivers hang, and how many tries they may still begin together."""
        slow = {receiver for receiver, begun in self._under_way.values() if now - begun >= SLOW_AFTER}
        receivers = frozenset(slow | self._timed_out.keys())
        theirs = sum(receiver in receivers for receiver, _ in self._under_way.values())
        return Hanging(receivers, max(1, self.places // HANGING_PART) - theirs)


@dataclass(slots=True)
class Hanging:
    """The receivers that hang while one claim is made, and their room."""

    receivers: frozenset[str]
    room: int

    def take(self, receiver: str | None) -> bool:
        """Whether a try there may begin, and if so count it."""
        if (receiver or MAILS) not in self.receivers:
            return True
        self.room -= 1
        return self.room >= 0

    @property
    def out(self) -> Iterable[str]:
        """Those that may begin none."""
        return self.receivers if self.room <= 0 else ()
