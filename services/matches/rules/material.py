"""When a list has changed enough to be a new version: pure decisions over what was said and what is computed.

What: compares the state that the last version left (`Kept`) with a ranked list, and finds which projects a changed
member can touch. Why: a version is what people and feeds are told; smaller changes are visible in the computed list at
once and join the next version. It must not read a table or a clock. Source: DESIGN §4 *Lists*, *Workers*.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.lists import BANDS, LABELS, RankedList
from matching.standings import Standings

HEAD_ROWS = 50
"""How many first rows are stored with a version, and whose order or membership is material."""

_SEEN_LABELS = sum(1 << LABELS.index(name) for name in ("local", "newcomer"))


@dataclass(slots=True, kw_only=True)
class Kept:
    """What the last version of a list said, and how the last pass left its head."""

    number: int = 0
    project_revision: int = 0
    epoch: str = ""
    head: tuple[str, ...] = ()
    standing: dict[str, str] = field(default_factory=dict)  # organisation above the floor → band
    passed: frozenset[str] = frozenset()  # the first rows of the last pass, version or not
    cut: int = 0  # points at the last of those rows; 0 while the list is shorter
    final: bool = False  # the project is closed and its last version is written: nothing follows
    erased: bool = (
        False  # nobody owned it when the project was erased: its list is shown still, and has to go
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """The first rows against those of the version before."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[tuple[str, int, int], ...]  # organisation, rank before, rank after

    def to_json(self) -> dict[str, Any]:
        """Write it as a version keeps it, and as its event says it."""
        return {
            "added": list(self.added),
            "removed": list(self.removed),
            "moved": [{"organisation": m, "before": old, "after": new} for m, old, new in self.moved],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """Pairs that crossed the floor or a band: those that stand now (organisation → band), and those that fell."""

    standing: Mapping[str, str]
    changed: Mapping[str, str]
    lost: tuple[str, ...]


def head_of(ranked: RankedList) -> tuple[str, ...]:
    """Return the organisations of the first rows."""
    return tuple(ranked.members[:HEAD_ROWS])


def crossings(kept: Kept, ranked: RankedList) -> Crossings:
    """Compare who stands above the floor, and in which band, with what the last version said."""
    above = np.flatnonzero(ranked.above_floor)
    standing = {ranked.members[int(i)]: BANDS[int(ranked.band[i])] for i in above}
    return Crossings(
        standing=standing,
        changed={member: band for member, band in standing.items() if kept.standing.get(member) != band},
        lost=tuple(sorted(set(kept.standing) - set(standing))),
    )


def delta_of(before: tuple[str, ...], after: tuple[str, ...]) -> Delta:
    """Return who entered, left and moved within the first rows."""
    old = {member: rank for rank, member in enumerate(before, 1)}
    new = {member: rank for rank, member in enumerate(after, 1)}
    return Delta(
        added=tuple(member for member in after if member not in old),
        removed=tuple(member for member in before if member not in new),
        moved=tuple((m, old[m], rank) for m, rank in new.items() if m in old and old[m] != rank),
    )


def material(kept: Kept, ranked: RankedList, crossed: Crossings, *, closing: bool) -> tuple[str, ...]:
    """Return the codes of what makes this list a new version; empty if nothing does. Same input twice makes none."""
    if kept.final:
        return ()
    if kept.number == 0:
        return ("first", "closed") if closing else ("first",)
    reasons = []
    if head_of(ranked) != kept.head:
        reasons.append("head")
    lost_or_new = set(crossed.lost) | (set(crossed.changed) - set(kept.standing))
    if lost_or_new:
        reasons.append("floor")
    if set(crossed.changed) & set(kept.standing):
        reasons.append("band")
    if ranked.project_revision != kept.project_revision:
        reasons.append("project")
    if ranked.epoch != kept.epoch:
        reasons.append("epoch")
    if closing:
        reasons.append("closed")
    return tuple(reasons)


def touched(kept: Mapping[str, Kept], before: Standings, after: Standings) -> set[str]:
    """Return the projects whose first rows, floor or bands these changed members may have moved.

    A member touches a project where it stands in the first rows (before) and its points changed, where its points reach
    the last of them, where it crosses the floor or a band, or where it is a local or newcomer above the floor whose
    points changed (it may place, or free, a placed row). That is a superset of what is material: ranking once too often
    costs time, once too seldom costs the promise.
    """
    columns = [column for column, project in enumerate(after.projects) if project in kept]
    if not columns:
        return set()
    projects = [after.projects[column] for column in columns]
    cuts = np.array([kept[project].cut for project in projects], dtype=np.int64)
    rows_before = {member: row for row, member in enumerate(before.members)}
    columns_before = {project: column for column, project in enumerate(before.projects)}
    aligned = np.array([columns_before.get(project, -1) for project in projects])
    found: set[str] = set()
    for row, member in enumerate(after.members):
        now = _places(after, row, np.array(columns))
        was = _places(before, rows_before.get(member), aligned)
        changed = np.any(now != was, axis=0)
        placeable = ((now[1] | was[1]) > 0) & (((now[3] | was[3]) & _SEEN_LABELS) > 0)
        crossed = (now[1] != was[1]) | ((now[1] > 0) & (now[2] != was[2]))
        sure = changed & ((now[0] >= np.maximum(cuts, 0)) | crossed | placeable)
        found |= {projects[i] for i in np.flatnonzero(sure)}
        found |= {projects[i] for i in np.flatnonzero(changed & ~sure) if member in kept[projects[i]].passed}
    return found


def gone(kept: Mapping[str, Kept], members: Iterable[str]) -> set[str]:
    """Return the projects on whose list a member that is no longer known stood."""
    missing = set(members)
    return {project for project, known in kept.items() if missing & (known.passed | known.standing.keys())}


def _places(standings: Standings, row: int | None, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return points (−1 where not eligible), above the floor, band and labels of one member, a column a project."""
    if row is None:
        return np.array([[-1], [0], [-1], [0]]).repeat(len(columns), axis=1)
    places = np.stack(
        [
            standings.points[row, columns],
            standings.above_floor[row, columns].astype(np.int64),
            standings.band[row, columns].astype(np.int64),
            standings.labels[row, columns].astype(np.int64),
        ]
    )
    out = ~standings.eligible[row, columns] | (columns < 0)
    places[:, out] = np.array([[-1], [0], [-1], [0]])
    return places
