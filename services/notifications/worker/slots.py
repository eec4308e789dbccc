"""The tries under way in one process: who hangs makes room for the others, and who had a try just now lets the others go first.

*What.* A try that lasts longer than `SLOW_AFTER` leaves the places of the quick ones, and an endpoint hangs while it has such a
try, or if its last one timed out; those that hang begin no more than a part of the tries together. An endpoint that has a try
under way, or had one that took its time just now, is served: a place goes to whoever is not. Mails are one receiver, their
server, which takes so many at once. *Why not first come first served.* A few receivers that hang, or that take their time over a
long backlog, hold every place, whoever else waits. *Never:* end a try before its time; or count over processes, `pacing` does
that for one endpoint.
"""

from dataclasses import dataclass, field

SLOW_AFTER = 2.0
"""Seconds after which a try is one of the slow."""
HANGING_PART = 4
"""Endpoints that hang have one of so many places together."""
TAKES_ITS_TIME = 0.25
"""Seconds of a try after which its endpoint counts as served for `SLOW_AFTER` more."""
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
    mails: int  # so many of them at once
    _under_way: dict[Try, tuple[str, float]] = field(default_factory=dict)
    _timed_out: dict[str, None] = field(default_factory=dict)  # the latest last
    _served: dict[str, float] = field(default_factory=dict)  # until when

    @property
    def messages(self) -> set[str]:
        """The messages that are being tried."""
        return {message for message, _ in self._under_way}

    def begin(self, one: Try, receiver: str | None, *, now: float) -> None:
        """A try begins; `receiver` is its endpoint, None for a mail."""
        self._under_way[one] = (receiver or MAILS, now)

    def end(self, one: Try, *, timed_out: bool, now: float) -> None:
        """It has ended, however that was."""
        receiver, begun = self._under_way.pop(one)
        self._timed_out.pop(receiver, None)
        if timed_out:
            self._timed_out[receiver] = None
            if len(self._timed_out) > MOST_REMEMBERED:
                del self._timed_out[next(iter(self._timed_out))]
        if now - begun > TAKES_ITS_TIME:
            self._served[receiver] = now + SLOW_AFTER

    def room(self, *, now: float) -> int:
        """Return how many tries may begin."""
        quick = sum(now - begun < SLOW_AFTER for _, begun in self._under_way.values())
        return min(self.places - quick, MOST_TIMES * self.places - len(self._under_way))

    def parts(self, *, now: float) -> "Parts":
        """Return what may begin where, for one claim."""
        self._served = {receiver: until for receiver, until in self._served.items() if until > now}
        receivers = [receiver for receiver, _ in self._under_way.values()]
        slow = {receiver for receiver, begun in self._under_way.values() if now - begun >= SLOW_AFTER}
        hanging = frozenset(slow | self._timed_out.keys())
        theirs = sum(receiver in hanging for receiver in receivers)
        return Parts(
            served=frozenset({*receivers, *self._served} - {MAILS}),
            hanging=hanging,
            for_hanging=max(1, self.places // HANGING_PART) - theirs,
            for_mails=self.mails - receivers.count(MAILS),
        )


@dataclass(slots=True, kw_only=True)
class Parts:
    """Who goes last while one claim is made, and the room that is left for those that hang and for mails."""

    served: frozenset[str]
    hanging: frozenset[str]
    for_hanging: int
    for_mails: int

    def take(self, receiver: str | None) -> bool:
        """Whether a try there may begin, and if so count it."""
        name = receiver or MAILS
        if name in self.out:
            return False
        self.for_hanging -= name in self.hanging
        self.for_mails -= name == MAILS
        return True

    @property
    def out(self) -> frozenset[str]:
        """The receivers that may begin none."""
        hanging = self.hanging if self.for_hanging <= 0 else frozenset()
        return hanging if self.for_mails > 0 else hanging | {MAILS}
