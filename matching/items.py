"""Evidence items of one member: near-duplicates, and the best set of at most three that holds none.

The limit and the set are exact. Ties are settled by item ids, so the explanation shows the same items everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Pairs = frozenset[tuple[int, int]]
"""Pairs (i, j), i < j, of places in the member's list of items that are near-duplicates."""


def near_duplicates(items: Sequence[frozenset[Any]], limit: int) -> Pairs:
    """Return the pairs of items whose sets of words have an intersection of at least `limit` per mille of their union."""
    found: set[tuple[int, int]] = set()
    for j, one in enumerate(items):
        for i in range(j):
            other = items[i]
            small, large = sorted((len(one), len(other)))
            if small * 1000 < limit * large:
                continue
            if other is one:
                found.add((i, j))
                continue
            shared = len(one & other)
            if shared * 1000 >= limit * (small + large - shared):
                found.add((i, j))
    return frozenset(found)


def best_items(points: Sequence[int], pairs: Collection[tuple[int, int]], most: int = 3) -> tuple[int, ...]:
    """Return the places of at most `most` (1 to 3) items, no two near-duplicates, whose points sum to the most.

    `points` are in the order of item ids. Among equal sums the set found first wins, searching from the item with the
    most points (then the smaller id) downwards. Items without points are never taken. Exact, and bounded by the number
    of pairs whatever the near-duplicates are: for two items, the third is the first that is free of both.
    """
    order = sorted(
        (place for place, value in enumerate(points) if value > 0), key=lambda place: -points[place]
    )
    if not pairs:
        return tuple(order[:most])
    worth = np.array([points[place] for place in order], np.int64)
    apart = _apart(order, pairs)
    best, chosen = 0, tuple[int, ...]()
    for first in range(len(order)):
        if int(worth[first : first + most].sum()) <= best:
            break  # no set that begins here or later has more
        found = _best_from(first, worth, apart, most)
        total = int(worth[list(found)].sum())
        if total > best:
            best, chosen = total, found
    return tuple(order[place] for place in chosen)


def _apart(order: Sequence[int], pairs: Collection[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Return which later items are no near-duplicate of each item; both axes are in order."""
    at = {item: place for place, item in enumerate(order)}
    apart = np.triu(np.ones((len(order), len(order)), np.bool_), k=1)
    for a, b in pairs:
        if a in at and b in at:
            apart[min(at[a], at[b]), max(at[a], at[b])] = False
    return apart


def _best_from(
    first: int, worth: npt.NDArray[np.int64], apart: npt.NDArray[np.bool_], most: int
) -> tuple[int, ...]:
    """Return the best set whose dearest item is the first: every second is tried with the dearest third free of both."""
    seconds = np.flatnonzero(apart[first])
    if most == 1 or not len(seconds):
        return (first,)
    if most == 2:
        return (first, int(seconds[0]))
    both: npt.NDArray[np.bool_] = apart[np.ix_(seconds, seconds)]
    thirds = seconds[both.argmax(axis=1)]
    some = np.logical_or.reduce(both, axis=1)
    pick = int(np.argmax(worth[seconds] + np.where(some, worth[thirds], 0)))
    return (first, int(seconds[pick]), *((int(thirds[pick]),) if some[pick] else ()))
