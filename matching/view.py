"""A view: the engine pinned at one moment, immutable, safe to rank from another thread while puts go on.

All reading goes through a view, so one answer never mixes two states. It computes; it stores nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matching.explanation import Explanation
from matching.lists import RankedList, Row
from matching.records import Member


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standings:
    """Points of some members on every open project: arrays of shape (members, projects).

    `components` has a third axis in the order of COMPONENTS; `eligible` is False where a hard rule fails.
    """

    members: tuple[str, ...]
    projects: tuple[str, ...]
    points: npt.NDArray[np.int64]
    components: npt.NDArray[np.int64]
    fit: npt.NDArray[np.int32]
    band: npt.NDArray[np.uint8]
    above_floor: npt.NDArray[np.bool_]
    eligible: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.uint32]


class View:
    """A pinned state of an `Engine`; get one with `Engine.pin`."""

    @property
    def epoch(self) -> str:
        """The content hash of the epoch that every number here was computed under."""
        raise NotImplementedError

    @property
    def projects(self) -> tuple[str, ...]:
        """Ids of the projects in the engine, sorted."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Return the number of members in the engine, eligible or not."""
        raise NotImplementedError

    def rank(self, project: str, reference_date: str) -> RankedList:
        """Rank every eligible candidate of a project (KeyError if unknown) at an ISO date. Releases the GIL inside."""
        raise NotImplementedError

    def explain(
        self, project: str, member: str, reference_date: str, *, edited: Member | None = None
    ) -> Explanation:
        """Explain a candidate's points, eligible or not; with `edited`, those of an edited copy of its record."""
        raise NotImplementedError

    def what_if(self, project: str, edited: Member, reference_date: str) -> Row:
        """Give points and place that an edited (or new) record would have, by rescoring it exactly."""
        raise NotImplementedError

    def points_of(self, members: Sequence[str], reference_date: str) -> Standings:
        """Points of some members on every project in the engine, from the projects index; the integers of `rank`."""
        raise NotImplementedError
