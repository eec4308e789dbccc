"""Blocks: up to 65,536 documents inverted once and never changed; made of a few new ones, or of other blocks.

Postings are 16-bit slots and values (8-bit impacts of members, 32-bit weights of projects). A term in more than a sixth
of the slots also gets a dense row. Merging copies postings from block to block, dead documents left out, so that a document
is turned over once. A block knows nothing of names: entries are the index's numbers of documents.
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

Alive = npt.NDArray[np.bool_]
"""Which slots of a block, or documents of a head, hold their entry's present document."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Inverted postings: `terms` sorted, `offsets` into `slots` and `values`; `entries` names each slot's document.

    `dense_rows[i]` is the row of `dense` that holds term i over all slots, or -1; `in_order`: the entries are consecutive
    numbers, as those of documents are that came one after the other. Both follow from the rest.
    """

    entries: npt.NDArray[np.int32]
    terms: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    slots: npt.NDArray[np.uint16]
    values: npt.NDArray[Any]
    dense_rows: npt.NDArray[np.int32]
    dense: npt.NDArray[Any]
    in_order: bool

    @property
    def size(self) -> int:
        """How many slots it has, dead ones included."""
        return len(self.entries)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """Documents that are not inverted yet, behind one another: `offsets` part their terms and values."""

    entries: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    terms: npt.NDArray[np.int32]
    values: npt.NDArray[Any]


def block_of(
    *,
    entries: npt.NDArray[np.int32],
    terms: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    slots: npt.NDArray[np.uint16],
    values: npt.NDArray[Any],
) -> Block:
    """Make a block of its postings: lay out the dense rows, see whether the entries are in order."""
    size = len(entries)
    frequent = np.flatnonzero(np.diff(offsets) * _DENSE_SHARE > size)
    if size < _DENSE_FROM:
        frequent = frequent[:0]
    dense_rows = np.full(len(terms), -1, np.int32)
    dense_rows[frequent] = np.arange(len(frequent), dtype=np.int32)
    dense = np.zeros((len(frequent), size), values.dtype)
    _lay(offsets, slots, values, frequent, dense)
    return Block(
        entries=entries,
        terms=terms,
        offsets=offsets,
        slots=slots,
        values=values,
        dense_rows=dense_rows,
        dense=dense,
        in_order=bool(size and (np.diff(entries) == 1).all()),
    )


def inverted(head: Head, alive: Alive) -> Block:
    """Invert the living documents of a head."""
    _refuse_too_many(alive)
    counts = np.zeros(int(head.terms.max(initial=-1)) + 1, np.int64)
    _count_terms(head.offsets, head.terms, alive, counts)
    ends = np.cumsum(counts)
    slots = np.empty(int(ends[-1]) if len(ends) else 0, np.uint16)
    values = np.empty(len(slots), head.values.dtype)
    _turn(head.offsets, head.terms, head.values, alive, ends - counts, slots, values)
    terms = np.flatnonzero(counts)
    return block_of(
        entries=head.entries[alive],
        terms=terms.astype(np.int32),
        offsets=np.append(0, ends[terms]),
        slots=slots,
        values=values,
    )


def merged(parts: Sequence[tuple[Block, Alive]]) -> Block:
    """Put the living documents of some blocks into one, in their order."""
    living = np.concatenate([alive for _, alive in parts])
    _refuse_too_many(living)
    new_slots = np.split(np.cumsum(living) - 1, np.cumsum([block.size for block, _ in parts])[:-1])
    terms = np.sort(np.concatenate([block.terms for block, _ in parts]), kind="stable")
    terms = terms[np.diff(terms, prepend=-1) != 0]
    places = [np.searchsorted(terms, block.terms) for block, _ in parts]
    counts = np.zeros(len(terms), np.int64)
    for (block, alive), at in zip(parts, places, strict=True):
        _count(block.offsets, block.slots, alive, at, counts)
    ends = np.cumsum(counts)
    cursors = ends - counts
    slots = np.empty(int(ends[-1]) if len(ends) else 0, np.uint16)
    values = np.empty(len(slots), parts[0][0].values.dtype)
    for (block, alive), at, moved in zip(parts, places, new_slots, strict=True):
        _copy(block.offsets, block.slots, block.values, alive, at, moved, cursors, slots, values)
    kept = counts > 0
    return block_of(
        entries=np.concatenate([block.entries for block, _ in parts])[living],
        terms=terms[kept],
        offsets=np.append(0, ends[kept]).astype(np.int64),
        slots=slots,
        values=values,
    )


def _refuse_too_many(alive: Alive) -> None:
    size = int(alive.sum())
    if size > BLOCK_SLOTS:
        raise ValueError(f"a block holds {BLOCK_SLOTS} documents, not {size}")


@numba.njit(cache=True, nogil=True)
def _lay(offsets: Any, slots: Any, values: Any, terms: Any, dense: Any) -> None:  # pragma: no cover
    """Write the postings of each of some terms into its row."""
    for row in range(terms.shape[0]):
        for j in range(offsets[terms[row]], offsets[terms[row] + 1]):
            dense[row, slots[j]] = values[j]


@numba.njit(cache=True, nogil=True)
def _count_terms(offsets: Any, terms: Any, alive: Any, counts: Any) -> None:  # pragma: no cover
    for document in range(alive.shape[0]):
        if alive[document]:
            for j in range(offsets[document], offsets[document + 1]):
                counts[terms[j]] += 1


@numba.njit(cache=True, nogil=True)
def _turn(
    offsets: Any, terms: Any, values: Any, alive: Any, cursors: Any, new_slots: Any, new_values: Any
) -> None:  # pragma: no cover
    """Copy the postings of living documents to their terms' places; `cursors` says where each term's begin."""
    slot = 0
    for document in range(alive.shape[0]):
        if alive[document]:
            for j in range(offsets[document], offsets[document + 1]):
                cursor = cursors[terms[j]]
                new_slots[cursor] = slot
                new_values[cursor] = values[j]
                cursors[terms[j]] = cursor + 1
            slot += 1


@numba.njit(cache=True, nogil=True)
def _count(offsets: Any, slots: Any, alive: Any, places: Any, counts: Any) -> None:  # pragma: no cover
    for term in range(places.shape[0]):
        living = 0
        for j in range(offsets[term], offsets[term + 1]):
            living += alive[slots[j]]
        counts[places[term]] += living


@numba.njit(cache=True, nogil=True)
def _copy(
    offsets: Any,
    slots: Any,
    values: Any,
    alive: Any,
    places: Any,
    moved: Any,
    cursors: Any,
    new_slots: Any,
    new_values: Any,
) -> None:  # pragma: no cover
    for term in range(places.shape[0]):
        cursor = cursors[places[term]]
        for j in range(offsets[term], offsets[term + 1]):
            slot = slots[j]
            if alive[slot]:
                new_slots[cursor] = moved[slot]
                new_values[cursor] = values[j]
                cursor += 1
        cursors[places[term]] = cursor
