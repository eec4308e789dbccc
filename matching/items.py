"""Evidence items of one member: near-duplicates, and the best set of at most three that holds none.

The limit and the set are exact. Ties are settled by item ids, so the explanation shows the same items everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from matching.documents import EvidenceDocument

Pairs = frozenset[tuple[int, int]]
"""Pairs (i, j), i < j, of places in the member's list of items that are near-duplicates."""


def near_duplicates(items: Sequence[EvidenceDocument], limit: int) -> Pairs:
    """Return the pairs whose sets of words have an intersection of at least `limit` per mille of their union."""
    found: set[tuple[int, int]] = set()
    for j, one in enumerate(items):
        for i in range(j):
            other = items[i].words
            small, large = sorted((len(one.words), len(other)))
            if small * 1000 < limit * large:
                continue
            if other is one.words:
                found.add((i, j))
                continue
            shared = len(one.words & other)
            if shared * 1000 >= limit * (small + large - shared):
                found.add((i, j))
    return frozenset(found)


def best_items(points: Sequence[int], pairs: Collection[tuple[int, int]], most: int = 3) -> tuple[int, ...]:
    """Return the places of at most `most` items, no two near-duplicates, whose points sum to the most.

    `points` are in the order of item ids. Among equal sums the set found first wins, searching from the item with the
    most points (then the smaller id) downwards. Items without points are never taken.
    """
    order = sorted(
        (place for place, value in enumerate(points) if value > 0), key=lambda place: -points[place]
    )
    best: tuple[int, tuple[int, ...]] = (0, ())

    def extend(start: int, chosen: tuple[int, ...], total: int) -> None:
        nonlocal best
        if total > best[0]:
            best = (total, chosen)
        if len(chosen) == most:
            return
        for place in range(start, len(order)):
            item = order[place]
            if total + points[item] * (most - len(chosen)) <= best[0]:
                return  # the rest have no more points than this one
            if not any((min(item, other), max(item, other)) in pairs for other in chosen):
                extend(place + 1, (*chosen, item), total + points[item])

    extend(0, (), 0)
    return tuple(sorted(best[1], key=lambda place: (-points[place], place)))
