"""Who is shown and who is not, by groups of organisations: pure sums, and which of them may be told to whom.

*What.* Organisations with their groups and the record's sums in; cells out. *Why.* Lists that show the same few must be
seen to do so, and a table of small groups would tell of single organisations. *Never:* tell a cell of fewer than
`FEWEST` organisations to those who may not see every row anyway, or one that could be had by subtraction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from matching.exposure import Sums, gini

GROUPINGS = ("category", "region", "sme", "ldc", "newcomer")
"""By what organisations are grouped; see `services.matches.queries.exposure` for what each means."""

FEWEST = 5
"""The least organisations of a cell that everybody may see."""

View = Literal["every_cell", "cells_of_five"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Some organisations: how many, of these above a floor, shown, and among first rows; places in heads; attention."""

    codes: tuple[str, ...]
    organisations: int
    fitting: int
    shown: int
    shown_first: int
    places: int
    given: int
    deserved: int

    def __add__(self, other: "Cell") -> "Cell":
        sums = {name: getattr(self, name) + getattr(other, name) for name in _NUMBERS}
        return Cell(codes=tuple(sorted((*self.codes, *other.codes))), **sums)

    def to_json(self, whole: "Cell") -> dict[str, Any]:
        """Write it with its shares of the whole in per mille, rounded down."""
        return {
            "codes": list(self.codes),
            "organisations": self.organisations,
            "fitting": self.fitting,
            "shown": self.shown,
            "shown_first": self.shown_first,
            "places": self.places,
            "places_share": per_mille(self.places, whole.places),
            "given_share": per_mille(self.given, whole.given),
            "deserved_share": per_mille(self.deserved, whole.deserved),
        }


_NUMBERS = ("organisations", "fitting", "shown", "shown_first", "places", "given", "deserved")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """All organisations as one cell, the cells of each grouping, and how evenly attention is given."""

    whole: Cell
    groups: Mapping[str, Sequence[Cell]]
    gini: int
    gini_first: int


def counted(facts: Mapping[bytes, Sequence[str]], sums: Sums) -> Counted:
    """Count organisations, given with a code for each of `GROUPINGS`; those of the sums that are not among them are left out.

    The Gini coefficients are those of attention given among organisations that are above a floor or shown: with the
    lane, and of the first rows alone.
    """
    order = {one: number for number, one in enumerate(facts)}
    known = [(order[one], place) for place, one in enumerate(sums.ids) if one in order]
    at, places = np.array(known, np.int64).reshape(-1, 2).T
    given = sums.first[places] + sums.lane[places]
    columns = np.zeros((len(facts), len(_NUMBERS)), np.int64)
    columns[:, 0] = 1
    columns[at, 1:] = np.stack(
        (
            sums.fits[places] > 0,
            given > 0,
            sums.first[places] > 0,
            sums.head[places],
            given,
            sums.deserved[places],
        ),
        axis=1,
    )
    codes = np.array(list(facts.values()), str).reshape(-1, len(GROUPINGS))
    return Counted(
        whole=_cell((), columns.sum(axis=0)),
        groups={name: _grouped(codes[:, number], columns) for number, name in enumerate(GROUPINGS)},
        gini=gini(given.tolist()),
        gini_first=gini(sums.first[places].tolist()),
    )


def told(cells: Iterable[Cell], view: View) -> list[Cell]:
    """Return the cells that a view may see; for `cells_of_five` the smallest are put together until none is too small.

    Where all of them together are too few, there is none.
    """
    found = sorted(cells, key=lambda cell: (cell.organisations, cell.codes))
    if view == "cells_of_five":
        while len(found) > 1 and found[0].organisations < FEWEST:
            smallest, second, *rest = found
            found = sorted((smallest + second, *rest), key=lambda cell: (cell.organisations, cell.codes))
        found = [cell for cell in found if cell.organisations >= FEWEST]
    return sorted(found, key=lambda cell: cell.codes)


def per_mille(part: int, whole: int) -> int:
    """Return a part in per mille of the whole, rounded down; of nothing, nothing."""
    return part * 1000 // whole if whole else 0


def _grouped(codes: npt.NDArray[np.str_], columns: npt.NDArray[np.int64]) -> list[Cell]:
    names, places = np.unique(codes, return_inverse=True)
    added = np.zeros((len(names), columns.shape[1]), np.int64)
    np.add.at(added, places, columns)
    return [_cell((name,), row) for name, row in zip(names.tolist(), added, strict=True)]


def _cell(codes: tuple[str, ...], row: npt.NDArray[np.int64]) -> Cell:
    return Cell(codes=codes, **dict(zip(_NUMBERS, row.tolist(), strict=True)))
