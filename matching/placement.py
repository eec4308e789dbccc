"""Placement: who stands in the head. Sorted order, parent cap, local minimum, newcomer minimum; nothing touches points.

Every step is published and recorded per row. The steps move places inside the first K only and remove nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matching.lists import STEPS
from matching.weights import Weights

STEP_BITS = {name: 1 << bit for bit, name in enumerate(STEPS)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """`order`: candidate numbers in rank order; `head`: how many of them are the head; `steps`: bits by candidate."""

    order: npt.NDArray[np.int64]
    head: int
    steps: npt.NDArray[np.uint32]


@dataclass(kw_only=True, eq=False)
class _Head:
    """The head while it is being made; candidates are numbers in sorted order, so a smaller number is a better one."""

    roots: npt.NDArray[np.int64]
    cap: int
    chosen: list[int]

    def of_root(self, candidate: int) -> list[int]:
        """Those in the head with the candidate's root organisation."""
        return [one for one in self.chosen if self.roots[one] == self.roots[candidate]]

    def place(self, candidate: int, movable: list[int]) -> int | None:
        """Put a candidate in for the lowest movable one, of its own root where that is full; None if none can go."""
        same = self.of_root(candidate)
        if len(same) >= self.cap:
            movable = [one for one in movable if one in same]
        if not movable:
            return None
        leaving = max(movable)
        self.chosen[self.chosen.index(leaving)] = candidate
        return leaving


def place(
    roots: npt.NDArray[np.int64],
    *,
    above_floor: npt.NDArray[np.bool_],
    local: npt.NDArray[np.bool_],
    newcomer: npt.NDArray[np.bool_],
    weights: Weights,
) -> Placed:
    """Make the head of candidates that are given in sorted order (columns of one length); everyone else follows."""
    steps = np.where(above_floor, np.uint32(0), np.uint32(STEP_BITS["below_floor"])).astype(np.uint32)
    head = _Head(roots=roots, cap=weights.parent_cap, chosen=[])
    for candidate in range(len(roots)):
        if len(head.chosen) == weights.head:
            break
        if len(head.of_root(candidate)) >= head.cap:
            steps[candidate] |= STEP_BITS["parent_cap"]
        else:
            head.chosen.append(candidate)
    kept: set[int] = set()
    for name, minimum, group in (
        ("local_minimum", weights.local_minimum, local),
        ("newcomer_minimum", weights.newcomer_minimum, newcomer),
    ):
        needed = _needed_locals(head.chosen, local, weights) if name == "newcomer_minimum" else set()
        for candidate in np.flatnonzero(group & above_floor).tolist():
            if sum(bool(group[one]) for one in head.chosen) >= minimum:
                break
            if candidate in head.chosen:
                continue
            movable = [one for one in head.chosen if not group[one] and one not in kept and one not in needed]
            leaving = head.place(candidate, movable)
            if leaving is not None:
                kept.add(candidate)
                steps[candidate] |= STEP_BITS[name]
                steps[leaving] |= STEP_BITS["made_room"]
    first = np.array(sorted(head.chosen), np.int64)
    rest = np.ones(len(roots), np.bool_)
    rest[first] = False
    # A row says how it came to stand where it stands, not what a later step undid.
    steps[first] &= ~np.uint32(STEP_BITS["parent_cap"] | STEP_BITS["made_room"])
    steps[rest] &= ~np.uint32(STEP_BITS["local_minimum"] | STEP_BITS["newcomer_minimum"])
    order = np.concatenate((first, np.flatnonzero(rest))).astype(np.int64)
    return Placed(order=order, head=len(first), steps=steps)


def _needed_locals(chosen: list[int], local: npt.NDArray[np.bool_], weights: Weights) -> set[int]:
    """The best locals of the head, as many as the local minimum needs: they must not be displaced."""
    return set(sorted(one for one in chosen if local[one])[: weights.local_minimum])
