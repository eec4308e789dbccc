"""Term numbers: a process's own names for index terms. They differ between runs and decide nothing."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt


class Vocabulary:
    """Gives each term a number on first sight; numbers are never taken back."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._terms: list[str] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    def since(self, number: int) -> list[str]:
        """Return the terms that were numbered from `number` on, in that order; any thread may ask."""
        return list(islice(self._numbers, number, None))

    def number(self, term: str) -> int:
        """Return a term's number."""
        return self._numbers.setdefault(term, len(self._numbers))

    def term(self, number: int) -> str:
        """Return the term of a number; any thread may ask."""
        if number >= len(self._terms):
            with self._lock:
                self._terms += self.since(len(self._terms))
        return self._terms[number]

    def interned(
        self, values: Mapping[str, int], dtype: type[np.generic]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
        """Return term numbers and values as arrays of one length; terms without a value are left out."""
        numbers = self._numbers
        kept = np.fromiter(values.values(), dtype, len(values))
        if not kept.all():
            return self.interned({term: value for term, value in values.items() if value}, dtype)
        try:
            terms = list(
                map(numbers.__getitem__, values)
            )  # nearly every term is known: no Python for each of them
        except KeyError:
            terms = [numbers.setdefault(term, len(numbers)) for term in values]
        return np.array(terms, np.int32), kept
