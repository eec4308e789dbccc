"""The kernel: int32 sums of weight x impact over one block, compiled; and the same in NumPy, to hold it against.

Sums of integers do not depend on order, so both give the same on every machine. Bounds are the caller's: the weights of
one query and impacts up to 255 (or the other way round) sum to at most 2,000,000,000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matching.blocks import Block

Ints = npt.NDArray[np.int32]


@numba.njit(cache=True, nogil=True)
def _sum_block(  # pragma: no cover - compiled
    terms: Any,
    offsets: Any,
    slots: Any,
    values: Any,
    dense_rows: Any,
    dense: Any,
    asked: Any,
    weights: Any,
    sums: Any,
) -> None:
    for i in range(asked.shape[0]):
        place = np.searchsorted(terms, asked[i])
        if place == terms.shape[0] or terms[place] != asked[i]:
            continue
        weight = np.int32(weights[i])
        row = dense_rows[place]
        if row >= 0:
            for slot in range(sums.shape[0]):
                sums[slot] += weight * np.int32(dense[row, slot])
        else:
            for j in range(offsets[place], offsets[place + 1]):
                sums[slots[j]] += weight * np.int32(values[j])


@numba.njit(cache=True, nogil=True)
def _sum_head(
    offsets: Any, terms: Any, values: Any, table: Any, sums: Any
) -> None:  # pragma: no cover - compiled
    for document in range(sums.shape[0]):
        total = np.int32(0)
        for j in range(offsets[document], offsets[document + 1]):
            term = terms[j]
            if term < table.shape[0]:
                total += np.int32(table[term]) * np.int32(values[j])
        sums[document] = total


@numba.njit(cache=True, nogil=True)
def _best_three(  # pragma: no cover - compiled
    points: Any, owners: Any, best: Any
) -> None:
    for item in range(points.shape[0]):
        value = points[item]
        owner = owners[item]
        if value <= 0 or owner < 0:
            continue
        if value > best[owner, 0]:
            best[owner, 2] = best[owner, 1]
            best[owner, 1] = best[owner, 0]
            best[owner, 0] = value
        elif value > best[owner, 1]:
            best[owner, 2] = best[owner, 1]
            best[owner, 1] = value
        elif value > best[owner, 2]:
            best[owner, 2] = value


def sum_block(block: Block, asked: Ints, weights: npt.NDArray[Any]) -> Ints:
    """Return, for each slot of an inverted block, the sum over the asked terms of weight x value."""
    sums = np.zeros(block.size, np.int32)
    _sum_block(
        block.terms,
        block.offsets,
        block.slots,
        block.values,
        block.dense_rows,
        block.dense,
        asked,
        weights.astype(np.int32, copy=False),
        sums,
    )
    return sums


def sum_block_numpy(block: Block, asked: Ints, weights: npt.NDArray[Any]) -> Ints:
    """Do the same as `sum_block` without compiled code, from the postings alone."""
    sums = np.zeros(block.size, np.int32)
    for term, weight in zip(asked.tolist(), weights.tolist(), strict=True):
        place = int(np.searchsorted(block.terms, term))
        if place < len(block.terms) and block.terms[place] == term:
            row = slice(block.offsets[place], block.offsets[place + 1])
            sums[block.slots[row]] += np.int32(weight) * block.values[row].astype(np.int32)
    return sums


def sum_head(offsets: npt.NDArray[np.int64], terms: Ints, values: npt.NDArray[Any], table: Ints) -> Ints:
    """Return the sums of documents that are not inverted yet; `table` holds the weight of each term by its number."""
    sums = np.zeros(len(offsets) - 1, np.int32)
    _sum_head(offsets, terms, values, table, sums)
    return sums


def sum_head_numpy(
    offsets: npt.NDArray[np.int64], terms: Ints, values: npt.NDArray[Any], table: Ints
) -> Ints:
    """Do the same as `sum_head` without compiled code."""
    padded = np.append(table, np.int32(0))
    products = padded[np.minimum(terms, len(table))] * values.astype(np.int32)
    totals = np.concatenate(([0], np.cumsum(products, dtype=np.int64)))
    sums: Ints = (totals[offsets[1:]] - totals[offsets[:-1]]).astype(np.int32)
    return sums


def best_three(points: Ints, owners: Ints, members: int) -> npt.NDArray[np.int32]:
    """Return the three largest item points of each owner (members x 3), zeros where there are fewer."""
    best = np.zeros((members, 3), np.int32)
    _best_three(points, owners, best)
    return best
