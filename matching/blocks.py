"""Blocks: up to 65,536 documents inverted once and never changed, with their forward store beside.

Postings are 16-bit slots and values (8-bit impacts of members, 32-bit weights of projects). A term in more than a sixth
of the slots also gets a dense row. A block knows nothing of names: entries are the index's numbers of documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

BLOCK_SLOTS = 65_536
_DENSE_SHARE = 6
_DENSE_FROM = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Inverted postings (`terms` sorted, `offsets` into `slots` and `values`) and the forward store that made them.

    `dense_rows[i]` is the row of `dense` that holds term i over all slots, or -1. `entries` and `stamps` name each
    slot's document and its revision in the index.
    """

    entries: npt.NDArray[np.int32]
    stamps: npt.NDArray[np.int64]
    terms: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    slots: npt.NDArray[np.uint16]
    values: npt.NDArray[Any]
    dense_rows: npt.NDArray[np.int32]
    dense: npt.NDArray[Any]
    forward_offsets: npt.NDArray[np.int64]
    forward_terms: npt.NDArray[np.int32]
    forward_values: npt.NDArray[Any]

    @property
    def size(self) -> int:
        """How many slots it has, dead ones included."""
        return len(self.entries)

    def living(self, current: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which slots hold their entry's current revision, by the index's stamps."""
        alive: npt.NDArray[np.bool_] = current[self.entries] == self.stamps
        return alive


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forward:
    """Documents in forward form: the part of a block that does not follow from the rest."""

    entries: npt.NDArray[np.int32]
    stamps: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    terms: npt.NDArray[np.int32]
    values: npt.NDArray[Any]

    def kept(self, alive: npt.NDArray[np.bool_]) -> Forward:
        """Return the documents of the living slots alone, in the same order."""
        lengths = np.diff(self.offsets)
        postings = np.repeat(alive, lengths)
        return Forward(
            entries=self.entries[alive],
            stamps=self.stamps[alive],
            offsets=np.concatenate(([0], np.cumsum(lengths[alive]))).astype(np.int64),
            terms=self.terms[postings],
            values=self.values[postings],
        )


def forward_of(block: Block) -> Forward:
    """Return a block's forward store."""
    return Forward(
        entries=block.entries,
        stamps=block.stamps,
        offsets=block.forward_offsets,
        terms=block.forward_terms,
        values=block.forward_values,
    )


def joined(parts: Sequence[Forward]) -> Forward:
    """Put forward stores behind one another."""
    shifts = np.cumsum([0, *(len(part.terms) for part in parts[:-1])])
    offsets = [part.offsets[:-1] + shift for part, shift in zip(parts, shifts, strict=True)]
    end = sum(len(part.terms) for part in parts)
    return Forward(
        entries=np.concatenate([part.entries for part in parts]),
        stamps=np.concatenate([part.stamps for part in parts]),
        offsets=np.concatenate([*offsets, [end]]).astype(np.int64),
        terms=np.concatenate([part.terms for part in parts]),
        values=np.concatenate([part.values for part in parts]),
    )


@numba.njit(cache=True, nogil=True)
def _invert(
    offsets: Any, terms: Any, values: Any, starts: Any, slots: Any, sorted_values: Any
) -> None:  # pragma: no cover
    for slot in range(offsets.shape[0] - 1):
        for j in range(offsets[slot], offsets[slot + 1]):
            place = starts[terms[j]]
            starts[terms[j]] = place + 1
            slots[place] = slot
            sorted_values[place] = values[j]


def build_block(forward: Forward) -> Block:
    """Invert at most 65,536 documents."""
    size = len(forward.entries)
    if size > BLOCK_SLOTS:
        raise ValueError(f"a block holds {BLOCK_SLOTS} documents, not {size}")
    counts = np.bincount(forward.terms, minlength=1)
    terms = np.flatnonzero(counts).astype(np.int32)
    offsets = np.concatenate(([0], np.cumsum(counts[terms]))).astype(np.int64)
    starts = np.zeros(len(counts), np.int64)
    starts[terms] = offsets[:-1]
    slots = np.zeros(len(forward.terms), np.uint16)
    values = np.zeros(len(forward.terms), forward.values.dtype)
    _invert(forward.offsets, forward.terms, forward.values, starts, slots, values)
    frequent = (
        np.flatnonzero(np.diff(offsets) * _DENSE_SHARE > size)
        if size >= _DENSE_FROM
        else np.zeros(0, np.int64)
    )
    dense_rows = np.full(len(terms), -1, np.int32)
    dense_rows[frequent] = np.arange(len(frequent), dtype=np.int32)
    dense = np.zeros((len(frequent), size), forward.values.dtype)
    for row, place in enumerate(frequent.tolist()):
        part = slice(offsets[place], offsets[place + 1])
        dense[row, slots[part]] = values[part]
    return Block(
        entries=forward.entries,
        stamps=forward.stamps,
        terms=terms,
        offsets=offsets,
        slots=slots,
        values=values,
        dense_rows=dense_rows,
        dense=dense,
        forward_offsets=forward.offsets,
        forward_terms=forward.terms,
        forward_values=forward.values,
    )
