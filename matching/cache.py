"""A bounded cache that a putting thread and a ranking one may share; the oldest entry makes room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Values by key, at most `most`; a value is a pure function of its key, so who computes it does not matter."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: dict[K, V] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """Return what is kept, or None."""
        return self._values.get(key)

    def keep(self, key: K, value: V) -> V:
        """Keep a value and return it."""
        if self._most:
            with self._lock:
                if len(self._values) >= self._most:
                    del self._values[next(iter(self._values))]
                self._values[key] = value
        return value

    def reading(self) -> Cache[K, V]:
        """Return the same values for one who adds none."""
        found: Cache[K, V] = Cache(0)
        found._values = self._values
        return found

    def drop(self, key: K) -> None:
        """Keep this no longer."""
        with self._lock:
            self._values.pop(key, None)

    def drop_all(self, of: Callable[[K], bool]) -> None:
        """Keep no longer what has one of these keys."""
        with self._lock:
            for key in [key for key in self._values if of(key)]:
                del self._values[key]
