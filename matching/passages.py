"""Where the passages of a project's own text stand among the words of another: one pass, in whole numbers.

What: two kinds of passage. In order: `in_order` of the project's words that follow one another in its text too, whatever
foreign words stand between them here. In any order: a row of the project's words counts up to `any_order`, and each foreign word in it
takes `foreign` off again; it ends where the count is back at nothing. With `foreign` 0 a foreign word ends a passage of
either kind. And a document is an echo as a whole where what stands outside its passages holds more than `share` per mille of a project's different words, or
more than `field` per mille of those of its objectives (or titles, summaries, needs) alone, and at least `any_order` of them, in whatever
order and beside whatever else: then every word of the project in it is a passage. Why: a text that is shuffled, or thinned with foreign words, is
still that text. It must not know points.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, TypeVar

import numba
import numpy as np
import numpy.typing as npt

_W = TypeVar("_W", str, int)
_HALF = 32
_SIEVE = 8_192
_SPREAD = 40_503
_PERHAPS = 1
_QUOTES = 2
_FOREIGN, _SILENT = -1, -2

END = -1
"""Stands after each field among the numbers of a document's words: no passage goes over it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The published numbers; 0 in `in_order` or `any_order` is no passage of that kind."""

    in_order: int
    any_order: int
    foreign: int
    share: int = 0
    field: int = 0

    @classmethod
    def of(cls, quoted: Mapping[str, int]) -> Rule:
        """Take the numbers from the table's `quoted`."""
        return cls(*(quoted[name] for name in ("in_order", "any_order", "foreign", "share", "field")))

    @property
    def shortest(self) -> int:
        """The fewest of the project's words that can be a passage; 0 where none can."""
        return min((most for most in (self.in_order, self.any_order) if most), default=0)

    @property
    def cost(self) -> int:
        """What a foreign word takes off the count in any order."""
        return self.foreign or self.any_order

    def echo(self, words: int, share: int) -> int:
        """How many of so many different words make an echo; 0 where none do."""
        return max(self.any_order, 1 + share * words // 1000) if share and self.any_order else 0


@dataclass(frozen=True, slots=True)
class OwnText(Generic[_W]):
    """A project's words, the strings of `in_order` of them that follow one another in its text, and its echoes.

    `echoes` are sets of its words, each with how many of them in one document make that an echo.
    """

    rule: Rule
    words: frozenset[_W]
    strings: frozenset[tuple[_W, ...]]
    echoes: tuple[tuple[frozenset[_W], int], ...]

    @classmethod
    def of(cls, texts: Sequence[tuple[str, Sequence[_W]]], rule: Rule) -> OwnText[_W]:
        """Take a project's fields, each its language and a row of words."""
        versions: dict[str, frozenset[_W]] = {}
        for language, text in texts:
            versions[language] = versions.get(language, frozenset()).union(text)
        echoes = [(words, rule.echo(len(words), rule.share)) for words in versions.values()]
        fields = (frozenset(text) for _, text in texts)
        echoes += [(words, rule.echo(len(words), rule.field)) for words in fields]
        return cls(
            rule,
            frozenset().union(*versions.values()),
            frozenset(string for _, text in texts for string in _strings(text, rule.in_order)),
            tuple((words, fewest) for words, fewest in echoes if 0 < fewest <= len(words)),
        )

    def echoed(self, document: Iterable[_W]) -> bool:
        """Whether the words of a document that stand outside its passages are an echo."""
        own = self.words.intersection(document)
        return any(len(own & words) >= fewest for words, fewest in self.echoes)

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
    """The same of words as numbers: which of many documents hold a passage or are an echo, found in one pass over all."""

    def __init__(self, own: OwnText[int], silent: Iterable[int] = ()) -> None:
        self._own = own
        self._silent = frozenset(silent)
        self._numbers = np.array(sorted(own.words), np.int32)
        pairs = {pair for string in own.strings for pair in pairwise(string)}
        self._pairs = np.array(sorted((one << _HALF) + other for one, other in pairs), np.int64)
        self._sieve = np.zeros(_SIEVE, np.bool_)
        self._sieve[[(one * _SPREAD ^ other) & (_SIEVE - 1) for one, other in pairs]] = True
        # Row by row, which of the words (in the order of `_numbers`) each echo has.
        self._echoes = np.zeros((len(own.echoes), len(self._numbers)), np.bool_)
        for row, (words, _) in zip(self._echoes, own.echoes, strict=True):
            row[np.searchsorted(self._numbers, np.fromiter(words, np.int32, len(words)))] = True
        self._fewest = np.array([fewest for _, fewest in own.echoes], np.int64)

    def which(self, documents: Sequence[npt.NDArray[np.int32]]) -> list[int]:
        """Return the places of these documents; each ends with END, as each of its fields does."""
        if not documents:
            return []
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        return self.which_of(np.concatenate(documents), np.cumsum(lengths) - lengths, lengths)

    def which_of(
        self, words: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> list[int]:
        """The same of documents that stand among `words`: nearly all are out after one compiled look at each word."""
        if not len(starts) or not len(self._numbers):
            return []
        rule = self._own.rule
        table = np.full(max(int(self._numbers[-1]), *self._silent, 0) + 1, _FOREIGN, np.int32)
        table[self._numbers] = np.arange(len(self._numbers), dtype=np.int32)
        table[list(self._silent)] = _SILENT
        numbers = np.array([rule.any_order, rule.cost, rule.in_order, rule.foreign], np.int64)
        found = _quoting(
            words, starts, lengths, table, self._pairs, self._sieve, self._echoes, self._fewest, numbers
        )
        return [
            place
            for place, how in enumerate(found.tolist())
            if how == _QUOTES
            or (
                how == _PERHAPS
                and self._in_order(words[starts[place] : starts[place] + lengths[place]].tolist())
            )
        ]

    def _in_order(self, words: Iterable[int]) -> bool:
        numbers = (word for word in words if word not in self._silent)
        return any(self._own.passages(field) for field in _fields(numbers))


@numba.njit(cache=True, nogil=True)
def _holds(pairs: Any, sieve: Any, one: Any, other: Any) -> Any:  # pragma: no cover - compiled
    """Whether a pair of words is among the pairs; the sieve says no of nearly all that are not."""
    if not sieve[(one * _SPREAD ^ other) & (_SIEVE - 1)]:
        return False
    pair = (one << _HALF) + other
    place = np.searchsorted(pairs, pair)
    return place < pairs.shape[0] and pairs[place] == pair


@numba.njit(cache=True, nogil=True)
def _fills(echoes: Any, fewest: Any, held: Any, own: Any) -> Any:  # pragma: no cover - compiled
    """Count a word in each echo that has it; whether one is full."""
    full = False
    for echo in range(echoes.shape[0]):
        if echoes[echo, own]:
            held[echo] += 1
            full = full or held[echo] >= fewest[echo]
    return full


@numba.njit(cache=True, nogil=True)
def _quoting(  # pragma: no cover - compiled
    words: Any,
    starts: Any,
    lengths: Any,
    table: Any,
    pairs: Any,
    sieve: Any,
    echoes: Any,
    fewest: Any,
    numbers: Any,
) -> Any:
    """Whether each document has a full count in any order or is an echo (`_QUOTES`), or has only a long row of pairs (`_PERHAPS`)."""
    any_order, cost, in_order, foreign = numbers
    found = np.zeros(lengths.shape[0], np.int8)
    seen = np.full(echoes.shape[1], -1, np.int64)  # the last document that had the word
    for document in range(lengths.shape[0]):
        count = row = 0
        last = -1
        held = np.zeros(echoes.shape[0], np.int64)
        for place in range(starts[document], starts[document] + lengths[document]):
            word = words[place]
            own = table[word] if 0 <= word < table.shape[0] else _FOREIGN
            if own == _SILENT:
                continue
            if word < 0:  # END
                count, last = 0, -1
            elif own >= 0:
                echo = seen[own] != document and _fills(echoes, fewest, held, own)
                seen[own] = document
                count += 1
                row = row + 1 if last >= 0 and _holds(pairs, sieve, np.int64(last), word) else 1
                last = word
                if echo or (any_order and count >= any_order):
                    found[document] = _QUOTES
                    break
                if in_order and row >= in_order:
                    found[document] = _PERHAPS
            else:
                count = max(0, count - cost)
                if not foreign:
                    last = -1
    return found


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
