"""The kernel: int32 sums of weight x impact over blocks and heads, compiled; and the same in NumPy, to hold it against.

Sums of integers do not depend on order, so both give the same on every machine. Bounds are the caller's: the weights of
one query and impacts up to 255 (or the other way round) sum to at most 2,000,000,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matching.blocks import Alive, Block, Head

_STRETCH = 256  # sums whose largest is found at once

Ints = npt.NDArray[np.int32]
Asked = tuple[Ints, npt.NDArray[Any]]
"""A query: term numbers, each once, and their weights (or impacts), of equal length."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asks:
    """Queries behind one another, so that a block is called once for all of them; `bounds` part them."""

    terms: Ints
    weights: Ints
    bounds: npt.NDArray[np.int64]

    @classmethod
    def of(cls, queries: Sequence[Asked]) -> Asks:
        """Put queries behind one another."""
        bounds = np.cumsum([0, *(len(terms) for terms, _ in queries)], dtype=np.int64)
        return cls(
            terms=np.concatenate([np.zeros(0, np.int32), *(terms for terms, _ in queries)]),
            weights=np.concatenate([np.zeros(0, np.int32), *(weights for _, weights in queries)]).astype(
                np.int32, copy=False
            ),
            bounds=bounds,
        )

    def each(self) -> list[list[tuple[int, int]]]:
        """Return the queries as (term, weight) pairs."""
        pairs = list(zip(self.terms.tolist(), self.weights.tolist(), strict=True))
        bounds = self.bounds.tolist()
        return [pairs[start:stop] for start, stop in pairwise(bounds)]


@numba.njit(cache=True, nogil=True)
def place_of(terms: Any, term: Any) -> Any:  # pragma: no cover - compiled
    """Return where a number stands among sorted ones, -1 where it does not; for compiled code."""
    low, high = 0, terms.shape[0]
    while low < high:
        middle = (low + high) >> 1
        if terms[middle] < term:
            low = middle + 1
        else:
            high = middle
    return low if low < terms.shape[0] and terms[low] == term else -1


@numba.njit(cache=True, nogil=True)
def _sum_block(  # pragma: no cover - compiled
    terms: Any,
    offsets: Any,
    slots: Any,
    values: Any,
    dense_rows: Any,
    dense: Any,
    entries: Any,
    alive: Any,
    asked: Any,
    weights: Any,
    bounds: Any,
    direct: Any,
    out: Any,
) -> None:
    scratch = np.zeros(0 if direct else entries.shape[0], np.int32)
    for query in range(out.shape[0]):
        sums = out[query][entries[0] : entries[0] + entries.shape[0]] if direct else scratch
        if not direct:
            scratch[:] = 0
        met = False
        for i in range(bounds[query], bounds[query + 1]):
            place = place_of(terms, asked[i])
            if place < 0:
                continue
            met = True
            weight, row = weights[i], dense_rows[place]
            if row >= 0:
                for slot in range(sums.shape[0]):
                    sums[slot] += weight * np.int32(dense[row, slot])
            else:
                postings = slice(offsets[place], offsets[place + 1])
                met_slots, met_values = slots[postings], values[postings]
                for j in range(met_slots.shape[0]):  # from 0, so that no place is looked at for a sign
                    sums[met_slots[j]] += weight * np.int32(met_values[j])
        if met and not direct:
            _scatter(sums, entries, alive, out[query])


@numba.njit(cache=True, nogil=True)
def _scatter(sums: Any, entries: Any, alive: Any, out: Any) -> None:  # pragma: no cover - compiled
    for slot in range(sums.shape[0]):
        if alive[slot]:
            out[entries[slot]] = sums[slot]


@numba.njit(cache=True, nogil=True)
def _sum_head(  # pragma: no cover - compiled
    offsets: Any,
    terms: Any,
    values: Any,
    entries: Any,
    alive: Any,
    asked: Any,
    weights: Any,
    bounds: Any,
    out: Any,
) -> None:
    for query in range(out.shape[0]):
        start, stop = bounds[query], bounds[query + 1]
        width = 256  # so wide that most postings meet an empty place at once
        while width < 16 * (stop - start):
            width *= 2
        keys = np.full(width, -1, np.int32)
        table = np.zeros(width, np.int32)
        for i in range(start, stop):
            place = asked[i] & (width - 1)
            while keys[place] >= 0:
                place = (place + 1) & (width - 1)
            keys[place] = asked[i]
            table[place] = weights[i]
        for document in range(entries.shape[0]):
            if not alive[document]:
                continue
            total = np.int32(0)
            for j in range(offsets[document], offsets[document + 1]):
                place = terms[j] & (width - 1)
                while keys[place] >= 0:
                    if keys[place] == terms[j]:
                        total += table[place] * np.int32(values[j])
                        break
                    place = (place + 1) & (width - 1)
            out[query, entries[document]] = total


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


@numba.njit(cache=True, nogil=True)
def _most(sums: Any) -> Any:  # pragma: no cover - compiled
    most = sums[0]
    for i in range(1, sums.shape[0]):
        most = max(most, sums[i])
    return most


@numba.njit(cache=True, nogil=True)
def _insert(sums: Any, found: Any, count: Any, entry: Any) -> Any:  # pragma: no cover - compiled
    if count == found.shape[0]:
        if sums[entry] <= sums[found[count - 1]]:
            return count
        count -= 1
    place = count
    while place > 0 and sums[found[place - 1]] < sums[entry]:
        found[place] = found[place - 1]
        place -= 1
    found[place] = entry
    return count + 1


@numba.njit(cache=True, nogil=True)
def _largest(sums: Any, found: Any) -> None:  # pragma: no cover - compiled
    """Find what each stretch has at most, many values at a time, and look only into those that reach what the last place needs."""
    most = np.empty((sums.shape[0] + _STRETCH - 1) // _STRETCH, sums.dtype)
    for i in range(most.shape[0]):
        most[i] = _most(sums[i * _STRETCH : (i + 1) * _STRETCH])
    needed, count = most.min(), 0
    if most.shape[0] > found.shape[0]:
        for i in range(most.shape[0]):
            count = _insert(most, found, count, i)
        needed, count = most[found[count - 1]], 0
    for i in range(most.shape[0]):
        if most[i] >= needed:
            for entry in range(i * _STRETCH, min((i + 1) * _STRETCH, sums.shape[0])):
                count = _insert(sums, found, count, entry)


def sum_block(block: Block, alive: Alive, asks: Asks, out: Ints) -> None:
    """Write, for each query (row of `out`) and living entry, the sum over the asked terms of weight x value.

    `out` is 0 where the block's entries have their columns; an entry that meets no term of a query stays so.
    """
    _sum_block(
        block.terms,
        block.offsets,
        block.slots,
        block.values,
        block.dense_rows,
        block.dense,
        block.entries,
        alive,
        asks.terms,
        asks.weights,
        asks.bounds,
        bool(block.in_order and alive.all()),
        out,
    )


def sum_block_numpy(block: Block, alive: Alive, asks: Asks, out: Ints) -> None:
    """Do the same as `sum_block` without compiled code, from the postings alone."""
    for query, asked in enumerate(asks.each()):
        sums = np.zeros(block.size, np.int32)
        for term, weight in asked:
            place = int(np.searchsorted(block.terms, term))
            if place < len(block.terms) and block.terms[place] == term:
                row = slice(block.offsets[place], block.offsets[place + 1])
                sums[block.slots[row]] += np.int32(weight) * block.values[row].astype(np.int32)
        out[query, block.entries[alive]] = sums[alive]


def sum_head(head: Head, alive: Alive, asks: Asks, out: Ints) -> None:
    """Do the same as `sum_block` for documents that are not inverted yet: every posting is looked up in the query."""
    _sum_head(
        head.offsets,
        head.terms,
        head.values,
        head.entries,
        alive,
        asks.terms,
        asks.weights,
        asks.bounds,
        out,
    )


def sum_head_numpy(head: Head, alive: Alive, asks: Asks, out: Ints) -> None:
    """Do the same as `sum_head` without compiled code."""
    for query, asked in enumerate(asks.each()):
        products = np.zeros(len(head.terms), np.int64)
        for term, weight in asked:
            here = head.terms == term
            products[here] = weight * head.values[here].astype(np.int64)
        totals = np.concatenate(([0], np.cumsum(products)))
        sums = (totals[head.offsets[1:]] - totals[head.offsets[:-1]]).astype(np.int32)
        out[query, head.entries[alive]] = sums[alive]


def best_three(points: Ints, owners: Ints, members: int) -> npt.NDArray[np.int32]:
    """Return the three largest item points of each owner (members x 3), zeros where there are fewer."""
    best = np.zeros((members, 3), np.int32)
    _best_three(points, owners, best)
    return best


def largest(sums: Ints, most: int) -> npt.NDArray[np.int64]:
    """Return the places of the `most` largest sums, largest first; among equal ones the lower place stands first."""
    found = np.zeros(min(most, len(sums)), np.int64)
    if len(found):
        _largest(sums, found)
    return found
