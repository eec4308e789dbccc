"""An epoch: the frozen statistics, lexicon, weights and reference data that every score is computed under.

All integers; canonical JSON; named by the SHA-256 of its bytes. `fit_epoch` (module `fitting`) makes one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Epoch:
    """Read-only; `hash` is the hex SHA-256 of `dumps()`."""

    @classmethod
    def loads(cls, content: bytes) -> Epoch:
        """Read an epoch from its canonical JSON; ValueError if it is malformed or not canonical."""
        raise NotImplementedError

    def dumps(self) -> bytes:
        """Return the canonical JSON."""
        raise NotImplementedError

    @property
    def hash(self) -> str:
        """The epoch's name: hex SHA-256 of the canonical JSON."""
        raise NotImplementedError
