"""Paging through a list that changes meanwhile: nobody unchanged is missed or shown twice.

*What.* A list has two segments: the head, which placement steps arranged, and everyone else in sorted order. A cursor
holds the segment, the key of the last row (points, tie hash, id) and the ids of the head that were served; the second
segment skips exactly those. *Why keys and not ranks.* A rank means another row once somebody enters above; a key of an
unchanged candidate never changes (its score depends on nobody else). Somebody who enters the head above the last row
served is therefore shown with everyone else. *Never:* re-rank.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from matching.ties import sorted_order
from services.matches.queries.computed import Computed

Key = tuple[int, int, str]
Points = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page ended. `key` None is the beginning of the segment; `as_of` is the digest of the rows at page 1."""

    segment: Literal["head", "rest"]
    key: Key | None
    as_of: str
    head: tuple[str, ...]

    def to_json(self) -> list[Any]:
        """Write it for a cursor."""
        return [self.segment, self.key, self.as_of, self.head]

    @classmethod
    def from_json(cls, payload: Sequence[Any]) -> "Place":
        """Read what `to_json` wrote."""
        segment, key, as_of, head = payload
        return cls(segment=segment, key=tuple(key) if key else None, as_of=as_of, head=tuple(head))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Places of the rows on this page (rank − 1), and where the next page begins; None after the last."""

    places: tuple[int, ...]
    following: Place | None


def page(
    computed: Computed,
    mask: npt.NDArray[np.bool_],
    *,
    after: Place | None,
    limit: int,
    by: Points | None = None,
) -> Page:
    """Return the next `limit` rows of those in `mask`; `by` replaces points as the order (one segment, no head)."""
    ranked = computed.ranked
    start = after or Place(
        segment="head" if by is None else "rest", key=None, as_of=computed.rows_digest, head=()
    )
    found = list(islice(_rows(computed, mask, start=start, by=by), limit + 1))
    taken = found[:limit]
    served = list(start.head)
    segment, key = start.segment, start.key
    for kind, place in taken:
        if kind == "head":
            served.append(ranked.members[place])
        segment, key = kind, _key(computed, place, by)
    following = None
    if len(found) > limit:
        following = Place(segment=segment, key=key, as_of=start.as_of, head=tuple(served))
    return Page(places=tuple(place for _, place in taken), following=following)


def _rows(
    computed: Computed, mask: npt.NDArray[np.bool_], *, start: Place, by: Points | None
) -> Iterator[tuple[Literal["head", "rest"], int]]:
    """Yield what is left: the rest of the head, then everyone else who was not served with it."""
    ranked = computed.ranked
    served = set(start.head)
    if start.segment == "head":
        # The head never serves more rows than it has places, however it changes between pages.
        room = ranked.head - len(served)
        for place in np.flatnonzero(mask[: ranked.head]).tolist():
            if room <= 0:
                break
            if ranked.members[place] in served or not _is_after(_key(computed, place, None), start.key):
                continue
            room -= 1
            served.add(ranked.members[place])
            yield "head", place
    order = computed.order if by is None else sorted_order(by, ranked.tie, ranked.ids)
    points = ranked.points if by is None else by
    order = order[mask[order]]
    if start.segment == "rest" and start.key is not None:
        first, tie, _ = start.key
        order = order[
            (points[order] < first) | ((points[order] == first) & (ranked.tie[order] >= np.uint64(tie)))
        ]
    for place in order.tolist():
        if ranked.members[place] in served:
            continue
        if start.segment == "rest" and not _is_after(_key(computed, place, by), start.key):
            continue
        yield "rest", place


def _key(computed: Computed, place: int, by: Points | None) -> Key:
    ranked = computed.ranked
    points = ranked.points if by is None else by
    return int(points[place]), int(ranked.tie[place]), ranked.members[place]


def _is_after(key: Key, last: Key | None) -> bool:
    return last is None or (-key[0], key[1], key[2]) > (-last[0], last[1], last[2])
