"""Exposure: the attention that lists give to organisations and that these deserve, and the lane beside a list.

*Given* is what a list gives by its places: the first rows, by the published table of `weights.attention`. *Deserved* is the
same sum divided among the candidates above the floor in proportion to their points. Both follow from one ranked list
alone, in integers. The lane names some who fit a project too and are seldom among the first rows of other lists. Source:
amortised fairness of attention (Biega, Gummadi and Weikum 2018), with the correction in a lane of its own. Nothing here
moves a row of a list, or gives a point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.lists import RankedList
from matching.weights import Weights

ROW = np.dtype(
    [("organisation", "V16"), ("rank", ">u4"), ("given", ">u4"), ("deserved", ">u4"), ("lane", "?")]
)
"""One organisation on one list, big-endian: 29 bytes. `given` is that of the lane where `lane` is set."""

Rows = npt.NDArray[Any]
"""Rows of `ROW`: those of a list that are above the floor or among its first, in rank order."""


def attention_of(ranked: RankedList, weights: Weights) -> Rows:
    """Return what a list gives and what its candidates deserve; no row where the table gives no attention at all."""
    table = np.array([weights.attention[str(rank + 1)] for rank in range(len(weights.attention))], np.int64)
    given = np.zeros(len(ranked), np.int64)
    given[: len(table)] = table[: len(ranked)]
    counted = np.flatnonzero((ranked.above_floor | (given > 0)) & bool(len(table)))
    points = np.where(ranked.above_floor, ranked.points, 0)
    rows = np.zeros(len(counted), ROW)
    rows["organisation"] = ranked.ids[counted].astype(">u8").view("V16").ravel()
    rows["rank"] = counted + 1
    rows["given"] = given[counted]
    rows["deserved"] = given.sum() * points[counted] // max(int(points.sum()), 1)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One of a lane: its rank in the list, and what other lists gave it and it deserved when it was chosen.

    `share` is the first in per mille of the second, what it deserves on this list included, rounded down.
    """

    member: str
    rank: int
    given: int
    deserved: int
    share: int

    def to_json(self) -> dict[str, Any]:
        """Write it as a version keeps it."""
        return {
            "organisation": self.member,
            "rank": self.rank,
            "given": self.given,
            "deserved": self.deserved,
            "share": self.share,
        }


class Exposure:
    """What the lists that stand now give and owe to each organisation, replaced list by list."""

    def __init__(self) -> None:
        self._lists: dict[str, tuple[npt.NDArray[np.int64], Rows]] = {}
        self._places: dict[bytes, int] = {}
        self._given = np.zeros(0, np.int64)
        self._deserved = np.zeros(0, np.int64)

    @property
    def lists(self) -> Mapping[str, Rows]:
        """The rows of each list, by project."""
        return {project: rows for project, (_, rows) in self._lists.items()}

    def put(self, project: str, rows: Rows) -> None:
        """Take a list as it stands now, in the place of what stood before."""
        self.drop(project)
        places = self._places_of(rows)
        self._lists[project] = places, rows
        self._given[places] += rows["given"]
        self._deserved[places] += rows["deserved"]

    def drop(self, project: str) -> None:
        """Let a list go that stands no more."""
        places, rows = self._lists.pop(project, (np.zeros(0, np.int64), np.zeros(0, ROW)))
        self._given[places] -= rows["given"]
        self._deserved[places] -= rows["deserved"]

    def lane(
        self, ranked: RankedList, rows: Rows, weights: Weights, *, root: Callable[[str], str]
    ) -> tuple[Chosen, ...]:
        """Choose who stands in the lane of a list: above the floor, not among its first rows, one of a family (`root`).

        The least share first: attention that all *other* lists here give, of what an organisation deserves on them
        and on this one. Equal shares are settled by the list's keyed hash of project and organisation, then by the id.
        """
        able = rows[(rows["rank"] > len(weights.attention)) & (rows["deserved"] > 0)]
        given, deserved = self._elsewhere(ranked.project, able)
        deserved = deserved + able["deserved"]
        shares = given * 1000 // np.maximum(deserved, 1)
        at = able["rank"].astype(np.int64) - 1
        ids = ranked.ids[at]
        chosen: list[Chosen] = []
        families: set[str] = set()
        for place in np.lexsort((ids[:, 1], ids[:, 0], ranked.tie[at], shares)).tolist():
            if len(chosen) == weights.lane:
                break
            member = ranked.members[at[place]]
            if (family := root(member)) in families:
                continue
            families.add(family)
            chosen.append(
                Chosen(
                    member=member,
                    rank=int(able["rank"][place]),
                    given=int(given[place]),
                    deserved=int(deserved[place]),
                    share=int(shares[place]),
                )
            )
        return tuple(chosen)

    def _elsewhere(self, project: str, rows: Rows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return what lists other than the project's give to, and owe, the organisations of these rows."""
        places = self._places_of(rows)
        own, before = self._lists.get(project, (np.zeros(0, np.int64), np.zeros(0, ROW)))
        given, deserved = self._given.copy(), self._deserved.copy()
        given[own] -= before["given"]
        deserved[own] -= before["deserved"]
        return given[places], deserved[places]

    def _places_of(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Return the places of organisations in the sums; new ones get the next."""
        ids = rows["organisation"].tolist()
        try:
            places = list(map(self._places.__getitem__, ids))  # nearly everybody has one
        except KeyError:
            places = [self._places.setdefault(one, len(self._places)) for one in ids]
        missing = len(self._places) - len(self._given)
        if missing:
            self._given = np.concatenate((self._given, np.zeros(missing, np.int64)))
            self._deserved = np.concatenate((self._deserved, np.zeros(missing, np.int64)))
        return np.array(places, np.int64)


def with_lane(rows: Rows, chosen: Iterable[Chosen], weights: Weights) -> Rows:
    """Return the rows with those of the lane marked: each is given what the last of the first rows is."""
    marked = rows.copy()
    ranks = [one.rank for one in chosen]
    places = np.isin(marked["rank"], ranks)
    marked["lane"][places] = True
    marked["given"][places] = weights.attention[str(len(weights.attention))] if ranks else 0
    return marked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """Columns, one row for each organisation (`ids`, 16 bytes each) above a floor or among first rows somewhere.

    `first` and `lane` are the attention given by first rows and by lanes, `deserved` what is deserved, `head` in how
    many heads it stands, `fits` on how many lists it is above the floor.
    """

    ids: tuple[bytes, ...]
    first: npt.NDArray[np.int64]
    lane: npt.NDArray[np.int64]
    deserved: npt.NDArray[np.int64]
    head: npt.NDArray[np.int64]
    fits: npt.NDArray[np.int64]


def summed(lists: Iterable[Rows], *, head: int) -> Sums:
    """Add up lists by organisation; `head` is how many first rows are the head."""
    rows = np.concatenate([np.zeros(0, ROW), *lists])
    ids, places = np.unique(rows["organisation"].view("S16"), return_inverse=True)

    def added(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        found = np.zeros(len(ids), np.int64)
        np.add.at(found, places, values.astype(np.int64))
        return found

    return Sums(
        ids=tuple(one.ljust(16, b"\0") for one in ids.tolist()),
        first=added(np.where(rows["lane"], 0, rows["given"])),
        lane=added(np.where(rows["lane"], rows["given"], 0)),
        deserved=added(rows["deserved"]),
        head=added(rows["rank"] <= head),
        fits=added(rows["deserved"] > 0),
    )


def gini(values: Iterable[int]) -> int:
    """Return the Gini coefficient of whole numbers in per mille, rounded down: 0 all have the same, near 1000 one has all."""
    ordered = sorted(values)
    total, count = sum(ordered), len(ordered)
    if not total:
        return 0
    weighted = sum(place * value for place, value in enumerate(ordered, 1))
    return (2 * weighted - (count + 1) * total) * 1000 // (count * total)
