"""Filters of a list: they choose rows and never re-rank, so `rank` stays the rank in the whole list.

*What.* The parameters of `GET …/candidates` as one value, and the mask that it makes of a ranked list. *Never:* look at a
database; every fact that can be filtered by is a column of the list.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import orjson

from matching.lists import LABELS, OFFER_KINDS, SECTORS, RankedList
from services.chassis.web.problems import InvalidParameter

Mask = npt.NDArray[np.bool_]

_ABOVE_ALL_POINTS = 2**31
"""More than any sum of points, so that two of them fit one 64-bit key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the caller asked for; None is no condition. `need` orders by the points on that need."""

    sector: str | None = None
    category: str | None = None
    region: str | None = None
    country: str | None = None
    scope: str | None = None
    sme: bool | None = None
    newcomer: bool | None = None
    ldc: bool | None = None
    need_kind: str | None = None
    min_fit: int | None = None
    need: str | None = None

    @property
    def given(self) -> list[str]:
        """The names of the conditions that were given."""
        return [name for name, value in asdict(self).items() if value is not None]

    def kind(self, project: str) -> str:
        """Return what a cursor is bound to: the list and everything that chooses or orders its rows."""
        return f"candidates {project} {orjson.dumps(asdict(self)).decode()}"

    def mask(self, ranked: RankedList) -> Mask:
        """Return which rows of the list are asked for. Raises InvalidParameter for a region or need it does not know."""
        keep = np.ones(len(ranked), np.bool_)
        if self.sector is not None:
            keep &= ranked.sector == SECTORS.index(self.sector)
        if self.category is not None:
            keep &= ranked.category == self.category
        if self.country is not None:
            keep &= ranked.country == self.country
        if self.region is not None:
            keep &= ((ranked.regions >> _place(self.region, ranked.region_codes, "region")) & 1) == 1
        if self.need_kind is not None:
            keep &= ((ranked.offers >> OFFER_KINDS.index(self.need_kind)) & 1) == 1
        if self.min_fit is not None:
            keep &= ranked.fit >= self.min_fit
        if self.scope is not None:
            keep &= _labelled(ranked, self.scope)
        for name, wanted in (("sme", self.sme), ("newcomer", self.newcomer), ("ldc_entity", self.ldc)):
            if wanted is not None:
                keep &= _labelled(ranked, name) == wanted
        return keep

    def check_need(self, known: Iterable[str]) -> None:
        """Raise InvalidParameter if `need` names none of the project's needs."""
        if self.need is not None:
            _place(self.need, sorted(known), "need")

    def ordering(self, ranked: RankedList) -> npt.NDArray[np.int64] | None:
        """Return what `need` orders by (its points, then all points), None where the list's own order stands."""
        if self.need is None:
            return None
        self.check_need(ranked.need_weights)
        return ranked.need_points(self.need) * _ABOVE_ALL_POINTS + ranked.points


def _labelled(ranked: RankedList, label: str) -> Mask:
    found: Mask = ((ranked.labels >> LABELS.index(label)) & 1) == 1
    return found


def _place(value: str, known: Sequence[str], parameter: str) -> int:
    if value not in known:
        named = ", ".join(known)[:500] or "none"
        sentence = f"{parameter} {value[:60]!r} is not known here."
        raise InvalidParameter(
            sentence,
            errors=[
                {
                    "parameter": parameter,
                    "rule": "unknown-here",
                    "detail": sentence,
                    "fix": f"Use one of {named}.",
                }
            ],
        )
    return known.index(value)
