"""Following the match feed while something else is done: what `comity demo` shows of it.

What: a reader of the feed in a thread of its own, which waits for entries (long polls), keeps the newest of each subject,
and at the end holds it against `/current`. Why: a feed is best seen by one who only reads it. It must not look anywhere else for
what it has missed.
"""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import typer

from services.console.connection import Connection
from services.console.exits import Exit, stop

FEED, CURRENT = "/v1/feeds/matches", "/v1/feeds/matches/current"
_WAIT_MILLISECONDS = 2_000
_PATIENCE_SECONDS = 30.0


@dataclass(kw_only=True)
class Followed:
    """What a reader has: how many entries in how many batches, the newest of each subject, and the last id."""

    entries: int = 0
    batches: int = 0
    kept: dict[str, Any] = field(default_factory=dict)
    last: str | None = None

    def apply(self, batch: list[dict[str, Any]]) -> None:
        """Take entries in: a deletion drops its subject."""
        self.entries += len(batch)
        self.batches += bool(batch)
        for entry in batch:
            self.last = entry["id"]
            if entry.get("method") == "DELETE":
                self.kept.pop(entry["subject"], None)
            else:
                self.kept[entry["subject"]] = entry

    @property
    def lists(self) -> int:
        """How many lists it knows."""
        return sum("/" not in subject for subject in self.kept)

    @property
    def pairs(self) -> int:
        """How many pairs above the floor it knows."""
        return len(self.kept) - self.lists

    def read(self, connection: Connection, path: str, **asked: Any) -> bool:
        """Read the next batch from where this reader is; whether there was one."""
        query = {**asked, **({"lastEventId": self.last} if self.last else {})}
        batch = connection.read(path + "?" + "&".join(f"{name}={value}" for name, value in query.items()))
        self.apply(batch)
        return bool(batch)


class Follower:
    """Follows the feed from its beginning, until it is told that nothing more will come."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self.followed = Followed()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def finish(self) -> Followed:
        """Read to the end, check that what was followed is what `/current` says, and return it."""
        self._over.set()
        self._thread.join()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            while self.followed.read(self._connection, FEED):
                pass
            current = Followed()
            while current.read(self._connection, CURRENT):
                pass
            if current.kept == self.followed.kept:
                return self.followed
            if time.monotonic() > deadline:
                stop(Exit.FAILED, "What was followed in the match feed is not what it says at the end.")
            time.sleep(0.2)  # an entry may have come between the two

    def _run(self) -> None:
        # Whoever cannot be reached ends the reading; `finish` asks again, and says so where it can be heard.
        with suppress(typer.Exit):
            while not self._over.is_set():
                self.followed.read(self._connection, FEED, timeout=_WAIT_MILLISECONDS)
