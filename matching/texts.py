"""Texts: the numbered words of all profiles behind one another, so that one look goes over those of many.

Words are only ever added at the end: a revision's stand there too, and what it said before is left behind until more is
left behind than lives. So a pinned state shares the array with the store, and what it reads never changes. It must not
know what the words mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matching.sharing import SharedArray

_FIRST_WORDS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PinnedTexts:
    """The texts at one moment: of each row, where its words stand, since which day (yyyymmdd; 0: unknown) they are on record.

    `added` is the last day on which words were added to a profile that stood before; 0: none were.
    """

    words: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    recorded: npt.NDArray[np.int64]
    added: npt.NDArray[np.int64]


class Texts:
    """Takes the words of rows in and forgets them."""

    def __init__(self) -> None:
        self._words = np.empty(_FIRST_WORDS, np.int32)
        self._used = self._living = 0
        self._rows = 0  # up to which row something was put
        self._starts, self._lengths, self._recorded, self._added = (SharedArray(np.int64) for _ in range(4))

    def put(self, row: int, words: npt.NDArray[np.int32], *, recorded: int, added: int = 0) -> None:
        """Take a row's words in, in place of those that were here."""
        self._rows = max(self._rows, row + 1)
        self._living -= int(self._lengths[row])
        if self._used + len(words) > len(self._words):
            self._lengths.set(row, 0)
            self._make_room(len(words))
        self._words[self._used : self._used + len(words)] = words
        self._starts.set(row, self._used)
        self._lengths.set(row, len(words))
        self._recorded.set(row, recorded)
        self._added.set(row, added)
        self._used += len(words)
        self._living += len(words)

    def clear(self, row: int) -> None:
        """Forget a row's words."""
        if row < self._rows:
            self._living -= int(self._lengths[row])
            for column in (self._starts, self._lengths, self._recorded, self._added):
                column.set(row, 0)

    def pin(self, rows: int) -> PinnedTexts:
        """Return the texts of the first so many rows as they are now."""
        return PinnedTexts(
            words=self._words,
            starts=self._starts.pin(rows),
            lengths=self._lengths.pin(rows),
            recorded=self._recorded.pin(rows),
            added=self._added.pin(rows),
        )

    def _make_room(self, more: int) -> None:
        """Move what lives into a new array, which has room for as much again."""
        moved = np.empty(max(_FIRST_WORDS, 2 * (self._living + more)), np.int32)
        used = 0
        for row in range(self._rows):
            length = int(self._lengths[row])
            if length:
                start = int(self._starts[row])
                moved[used : used + length] = self._words[start : start + length]
                self._starts.set(row, used)
                used += length
        self._words, self._used = moved, used
