"""Where the passages of a project's own text stand among the words of another: one pass, in whole numbers.

What: two kinds of passage. In order: `in_order` of the project's words that follow one another in its text too, whatever
foreign words stand between them here. In any order: a row of the project's words counts up to `any_order`, and each foreign word in it
takes `foreign` off again; it ends where the count is back at nothing. With `foreign` 0 a foreign word ends a passage of
either kind. Why: a text that is thinned with foreign words is still that text. It must not know documents or points.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

_W = TypeVar("_W", str, int)
_HALF = 32

END = -1
"""Stands after each field among the numbers of a document's words: no passage goes over it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The published numbers; 0 in `in_order` or `any_order` is no passage of that kind."""

    in_order: int
    any_order: int
    foreign: int

    @classmethod
    def of(cls, quoted: Mapping[str, int]) -> Rule:
        """Take the numbers from the table's `quoted`."""
        return cls(quoted["in_order"], quoted["any_order"], quoted["foreign"])

    @property
    def shortest(self) -> int:
        """The fewest of the project's words that can be a passage; 0 where none can."""
        return min((most for most in (self.in_order, self.any_order) if most), default=0)

    @property
    def cost(self) -> int:
        """What a foreign word takes off the count in any order."""
        return self.foreign or self.any_order


@dataclass(frozen=True, slots=True)
class OwnText(Generic[_W]):
    """A project's words, and the strings of `in_order` of them that follow one another in its text."""

    rule: Rule
    words: frozenset[_W]
    strings: frozenset[tuple[_W, ...]]

    @classmethod
    def of(cls, texts: Sequence[Sequence[_W]], rule: Rule) -> OwnText[_W]:
        """Take a project's texts, each a row of words."""
        words = frozenset(word for text in texts for word in text)
        return cls(
            rule, words, frozenset(string for text in texts for string in _strings(text, rule.in_order))
        )

    def passages(self, field: Sequence[_W]) -> list[tuple[int, int]]:
        """Return (start, stop) of each passage in the words of one field: no two of them touch."""
        own: list[bool] = [word in self.words for word in field]
        joined = list[tuple[int, int]]()
        for start, stop in sorted((*self._in_order(field, own), *self._any_order(own))):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
            else:
                joined.append((start, stop))
        return joined

    def _in_order(self, field: Sequence[_W], own: Sequence[bool]) -> Iterator[tuple[int, int]]:
        length = self.rule.in_order
        places = [place for place, ours in enumerate(own) if ours]
        for first, string in enumerate(_strings([field[place] for place in places], length)):
            start, stop = places[first], places[first + length - 1] + 1
            if string in self.strings and (self.rule.foreign or stop - start == length):
                yield start, stop

    def _any_order(self, own: Sequence[bool]) -> Iterator[tuple[int, int]]:
        """The count goes no higher than `any_order`: a long passage buys no foreign words after it."""
        full, cost = self.rule.any_order, self.rule.cost
        count = start = 0
        for place, ours in enumerate(own if full else ()):
            if not ours:
                count = max(0, count - cost)
                continue
            if not count:
                start = place
            count = min(full, count + 1)
            if count == full:
                yield start, place + 1


class NumberedText:
    """The same of words as numbers, and which of many documents hold a passage, found in one pass over all."""

    def __init__(self, own: OwnText[int]) -> None:
        self._own = own
        self._numbers = np.array(sorted(own.words), np.int32)
        pairs = {pair for string in own.strings for pair in pairwise(string)}
        self._pairs = np.array(sorted((one << _HALF) + other for one, other in pairs), np.int64)

    def which(self, documents: Sequence[npt.NDArray[np.int32]]) -> list[int]:
        """Return the places of the documents that hold a passage; each ends with END, as each of its fields does."""
        if not documents or not len(self._numbers):
            return []
        words = np.concatenate(documents)
        table = np.zeros(max(int(words.max(initial=0)), int(self._numbers[-1])) + 2, np.bool_)
        table[self._numbers] = True  # the last place stays False: it is that of the ends of fields
        own, ends = table[words], words == END
        bounds = np.cumsum([len(document) for document in documents])
        found = set(np.searchsorted(bounds, self._full(own, ends), side="right").tolist())
        likely = np.searchsorted(bounds, self._following(words, own, ends), side="right").tolist()
        found.update(place for place in set(likely) - found if self._holds(documents[place].tolist()))
        return sorted(found)

    def _full(self, own: npt.NDArray[np.bool_], ends: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Where the count in any order is full: a sum less the least that it has been, so never below nothing."""
        rule = self._own.rule
        if not rule.any_order:
            return np.zeros(0, np.int64)
        steps = np.where(own, 1, np.where(ends, -len(own), -rule.cost)).astype(np.int64)
        sums = np.cumsum(steps)
        return np.flatnonzero(sums - np.minimum(np.minimum.accumulate(sums), 0) >= rule.any_order)

    def _following(
        self, words: npt.NDArray[np.int32], own: npt.NDArray[np.bool_], ends: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.int64]:
        """Where so many words in a row each follow the one before in the project's text: no string of it is elsewhere."""
        rule = self._own.rule
        if not rule.in_order:
            return np.zeros(0, np.int64)
        places = np.flatnonzero(own | ends) if rule.foreign else np.arange(len(words))
        numbers = words[places].astype(np.int64)
        follows = np.isin((numbers[:-1] << _HALF) + numbers[1:], self._pairs)
        breaks = np.flatnonzero(np.append(~follows, True))
        rows = np.diff(breaks, prepend=-1)  # so many words, the one before the break with them
        return places[breaks[rows >= rule.in_order]]

    def _holds(self, numbers: Sequence[int]) -> bool:
        return any(self._own.passages(field) for field in _fields(numbers))


def _fields(numbers: Iterable[int]) -> Iterator[list[int]]:
    field = list[int]()
    for number in numbers:
        if number == END:
            yield field
            field = []
        else:
            field.append(number)


def _strings(words: Sequence[_W], length: int) -> Iterator[tuple[_W, ...]]:
    """Yield each string of so many words; none for length 0."""
    for start in range(len(words) - length + 1 if length else 0):
        yield tuple(words[start : start + length])
