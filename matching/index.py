"""The index: a head of new documents, blocks that are inverted once, and marks that tell the living from the dead.

Putting a document appends it to the head and marks its entry's last one dead. What costs more is done by `tend`, when nobody
waits: a head becomes a block, blocks of like size are merged up to 65,536 slots, and one that is a quarter dead is
rewritten. A pinned index shares the arrays; a mark is copied before it changes, so pinning is cheap and a pin never
changes. The index knows terms and entries by number only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.blocks import BLOCK_SLOTS, Alive, Block, Head, inverted, merged
from matching.kernel import Asked, Asks, Ints, sum_block, sum_head

HEAD_DOCUMENTS = 64
"""From how many documents on `tend` inverts the head: below, scanning it costs a query less than another block would."""

MOST_HEAD_DOCUMENTS = 256
"""How many documents the head holds at most: a put that finds it full tends the index itself."""

_NOWHERE, _IN_HEAD = -1, 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PinnedIndex:
    """The index at one moment: blocks and head with their living documents, and how many entry numbers are given out."""

    entries: int
    blocks: tuple[tuple[Block, Alive], ...]
    head: tuple[Head, Alive]

    def sums(self, queries: Sequence[Asked]) -> npt.NDArray[np.int32]:
        """Return, for each query and entry, the int32 sum of weight x value (0 for an entry without a document)."""
        out = np.zeros((len(queries), self.entries), np.int32)
        asks = Asks.of(queries)
        for block, alive in self.blocks:
            sum_block(block, alive, asks, out)
        sum_head(*self.head, asks, out)
        return out


class _Part:
    """A block in the index, with its marks; `shared` says that a pin holds them."""

    __slots__ = ("alive", "block", "living", "shared")

    def __init__(self, block: Block, alive: Alive | None = None) -> None:
        self.block = block
        self.alive = np.ones(block.size, np.bool_) if alive is None else alive
        self.living = int(self.alive.sum())
        self.shared = False

    def bury(self, slot: int) -> None:
        if self.shared:
            self.alive, self.shared = self.alive.copy(), False
        self.alive[slot] = False
        self.living -= 1

    def pinned(self) -> tuple[Block, Alive]:
        self.shared = True
        return self.block, self.alive


class Index:
    """Documents by entry number; `dtype` is that of the values (uint8 impacts, int32 weights)."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._dtype = dtype
        self._parts: dict[int, _Part] = {}
        self._numbered = _IN_HEAD
        self._part_of = np.full(64, _NOWHERE, np.int32)
        self._slot_of = np.zeros(64, np.int32)
        self._entries = 0
        self._free: list[int] = []
        self._pinned: PinnedIndex | None = None
        self._start_head()

    def _start_head(self) -> None:
        self._count = 0
        self._head_entries = np.zeros(MOST_HEAD_DOCUMENTS, np.int32)
        self._head_alive = np.zeros(MOST_HEAD_DOCUMENTS, np.bool_)
        self._head_offsets = np.zeros(MOST_HEAD_DOCUMENTS + 1, np.int64)
        self._head_terms = np.zeros(4096, np.int32)
        self._head_values: npt.NDArray[Any] = np.zeros(4096, self._dtype)

    def new_entry(self) -> int:
        """Reserve an entry number; those of dropped documents are given out again."""
        if self._free:
            return self._free.pop()
        if self._entries == len(self._part_of):
            self._part_of = np.concatenate((self._part_of, np.full(self._entries, _NOWHERE, np.int32)))
            self._slot_of = np.concatenate((self._slot_of, np.zeros(self._entries, np.int32)))
        self._entries += 1
        return self._entries - 1

    def put(self, entry: int, terms: Ints, values: npt.NDArray[Any]) -> None:
        """Set an entry's document, in place of the one it had; each term occurs once."""
        if self._count == MOST_HEAD_DOCUMENTS:
            self.tend()
        self.clear(entry)
        start = int(self._head_offsets[self._count])
        end = start + len(terms)
        while end > len(self._head_terms):
            self._head_terms = np.concatenate((self._head_terms, np.zeros_like(self._head_terms)))
            self._head_values = np.concatenate((self._head_values, np.zeros_like(self._head_values)))
        self._head_terms[start:end] = terms
        self._head_values[start:end] = values
        self._head_entries[self._count] = entry
        self._head_alive[self._count] = True
        self._head_offsets[self._count + 1] = end
        self._part_of[entry], self._slot_of[entry] = _IN_HEAD, self._count
        self._count += 1

    def clear(self, entry: int) -> None:
        """Forget an entry's document; the number stays the entry's."""
        part, slot = int(self._part_of[entry]), int(self._slot_of[entry])
        if part == _IN_HEAD:
            self._head_alive[slot] = False
        elif part != _NOWHERE:
            self._parts[part].bury(slot)
        self._part_of[entry] = _NOWHERE
        self._pinned = None

    def drop(self, entry: int) -> None:
        """Forget an entry's document and give its number back."""
        self.clear(entry)
        self._free.append(entry)

    def pin(self) -> PinnedIndex:
        """Return the index as it is now."""
        if self._pinned is None:
            self._pinned = PinnedIndex(
                entries=self._entries,
                blocks=tuple(part.pinned() for part in self._parts.values()),
                head=(self._head(), self._head_alive[: self._count].copy()),
            )
        return self._pinned

    def tend(self) -> bool:
        """Put the index in order, where that is due; sums stay what they are. False if there was nothing to do."""
        due = False
        if self._count >= HEAD_DOCUMENTS:
            block = inverted(self._head(), self._head_alive[: self._count])
            self._start_head()
            self._replace([], block)
            due = True
        while (parts := self._next_to_merge()) is not None:
            self._replace(parts, merged([(self._parts[one].block, self._parts[one].alive) for one in parts]))
            due = True
        return due

    def _head(self) -> Head:
        end = int(self._head_offsets[self._count])
        return Head(
            entries=self._head_entries[: self._count],
            offsets=self._head_offsets[: self._count + 1],
            terms=self._head_terms[:end],
            values=self._head_values[:end],
        )

    def _next_to_merge(self) -> list[int] | None:
        """Return the smallest two blocks of like size that fit into one, or a block that is a quarter dead."""
        by_size = sorted(self._parts, key=lambda number: self._parts[number].living)
        for place, number in enumerate(by_size):
            part = self._parts[number]
            if 4 * part.living < 3 * part.block.size:
                return [number]
            if place:
                smaller = self._parts[by_size[place - 1]].living
                if part.living <= 2 * smaller and part.living + smaller <= BLOCK_SLOTS:
                    pair = by_size[place - 1 : place + 1]
                    return sorted(pair, key=lambda one: int(self._parts[one].block.entries[0]))
        return None

    def _replace(self, old: Iterable[int], block: Block) -> None:
        """Put a block in the place of those that it was made of; an empty one is left out."""
        for number in old:
            del self._parts[number]
        if block.size:
            self._numbered += 1
            self._parts[self._numbered] = _Part(block)
            self._part_of[block.entries] = self._numbered
            self._slot_of[block.entries] = np.arange(block.size, dtype=np.int32)
        self._pinned = None
