"""The index: an append-only head, blocks that are inverted once, and stamps that tell the living from the dead.

Putting a document appends it to the head; a full head becomes a block, and blocks of like size are merged up to 65,536
slots, dead documents left out. A pinned index shares the arrays and copies only the stamps, so pinning is cheap and a
pin never changes. The index knows terms and entries by number only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.blocks import BLOCK_SLOTS, Block, Forward, build_block, forward_of, joined
from matching.kernel import sum_block, sum_head

HEAD_DOCUMENTS = 128
"""How many documents are scanned before they are inverted: a scan costs each list, inverting costs each so many-th put."""

Ints = npt.NDArray[np.int32]
Asked = tuple[Ints, npt.NDArray[Any]]
"""A query: term numbers and their weights (or impacts), of equal length."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PinnedIndex:
    """The index at one moment. `current` holds each entry's stamp, or -1 where it has no document."""

    blocks: tuple[Block, ...]
    head: Forward
    current: npt.NDArray[np.int64]

    def sums(self, queries: Sequence[Asked]) -> npt.NDArray[np.int32]:
        """Return, for each query and entry, the int32 sum of weight x value (0 for an entry without a document)."""
        out = np.zeros((len(queries), len(self.current)), np.int32)
        for block in self.blocks:
            alive = block.living(self.current)
            entries = block.entries[alive]
            for row, (asked, weights) in enumerate(queries):
                out[row, entries] = sum_block(block, asked, weights)[alive]
        if len(self.head.entries):
            alive = self.current[self.head.entries] == self.head.stamps
            entries = self.head.entries[alive]
            for row, (asked, weights) in enumerate(queries):
                table = np.zeros(int(asked.max(initial=0)) + 1, np.int32)
                table[asked] = weights
                out[row, entries] = sum_head(self.head.offsets, self.head.terms, self.head.values, table)[
                    alive
                ]
        return out


class Index:
    """Documents by entry number; `dtype` is that of the values (uint8 impacts, int32 weights)."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._dtype = dtype
        self._blocks: tuple[Block, ...] = ()
        self._current = np.full(64, -1, np.int64)
        self._entries = 0
        self._free: list[int] = []
        self._stamp = 0
        self._pinned: PinnedIndex | None = None
        self._start_head()

    def _start_head(self) -> None:
        self._count = 0
        self._head_entries = np.zeros(HEAD_DOCUMENTS, np.int32)
        self._head_stamps = np.zeros(HEAD_DOCUMENTS, np.int64)
        self._head_offsets = np.zeros(HEAD_DOCUMENTS + 1, np.int64)
        self._head_terms = np.zeros(4096, np.int32)
        self._head_values: npt.NDArray[Any] = np.zeros(4096, self._dtype)

    def new_entry(self) -> int:
        """Reserve an entry number; those of dropped documents are given out again."""
        if self._free:
            return self._free.pop()
        if self._entries == len(self._current):
            self._current = np.concatenate((self._current, np.full(self._entries, -1, np.int64)))
        self._entries += 1
        return self._entries - 1

    def put(self, entry: int, terms: Ints, values: npt.NDArray[Any]) -> None:
        """Set an entry's document, in place of the one it had; each term occurs once."""
        if self._count == HEAD_DOCUMENTS:
            self._freeze()
        start = int(self._head_offsets[self._count])
        end = start + len(terms)
        while end > len(self._head_terms):
            self._head_terms = np.concatenate((self._head_terms, np.zeros_like(self._head_terms)))
            self._head_values = np.concatenate((self._head_values, np.zeros_like(self._head_values)))
        self._stamp += 1
        self._head_terms[start:end] = terms
        self._head_values[start:end] = values
        self._head_entries[self._count] = entry
        self._head_stamps[self._count] = self._stamp
        self._head_offsets[self._count + 1] = end
        self._count += 1
        self._current[entry] = self._stamp
        self._pinned = None

    def clear(self, entry: int) -> None:
        """Forget an entry's document; the number stays the entry's."""
        self._current[entry] = -1
        self._pinned = None

    def drop(self, entry: int) -> None:
        """Forget an entry's document and give its number back."""
        self.clear(entry)
        self._free.append(entry)

    def pin(self) -> PinnedIndex:
        """Return the index as it is now."""
        if self._pinned is None:
            self._pinned = PinnedIndex(
                blocks=self._blocks, head=self._head(), current=self._current[: self._entries].copy()
            )
        return self._pinned

    def _head(self) -> Forward:
        end = int(self._head_offsets[self._count])
        return Forward(
            entries=self._head_entries[: self._count],
            stamps=self._head_stamps[: self._count],
            offsets=self._head_offsets[: self._count + 1],
            terms=self._head_terms[:end],
            values=self._head_values[:end],
        )

    def _freeze(self) -> None:
        """Turn the head into a block; merge blocks of like size, and rewrite those that are a quarter dead."""
        parts: list[Forward | Block] = [*self._blocks, self._head()]
        while len(parts) > 1:
            last, before = parts[-1], parts[-2]
            if (
                len(before.entries) > 2 * len(last.entries)
                or len(before.entries) + len(last.entries) > BLOCK_SLOTS
            ):
                break
            parts[-2:] = [joined([self._living(before), self._living(last)])]
        self._blocks = tuple(one for part in parts if (one := self._rebuilt(part)).size)
        self._start_head()

    def _living(self, part: Forward | Block) -> Forward:
        forward = forward_of(part) if isinstance(part, Block) else part
        return forward.kept(self._current[forward.entries] == forward.stamps)

    def _rebuilt(self, part: Forward | Block) -> Block:
        if isinstance(part, Block) and 4 * int(part.living(self._current).sum()) >= 3 * part.size:
            return part
        return build_block(self._living(part))
