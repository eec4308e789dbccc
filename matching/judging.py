"""Judging: what follows from points and facts for one pair, as columns: rules, labels, fit, floor, band, confidence.

Every function broadcasts, so the same lines judge all members of one project and all projects of one member. All integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.columns import CATEGORIES, NON_MEMBERS, day_number
from matching.lists import COMPONENTS, LABELS
from matching.reference import ReferenceData
from matching.rules import BITS
from matching.weights import Weights

Rows = Any
"""Facts by name: a record array, one record, or `MemberColumns`; and plain arrays of numbers."""

Bools = npt.NDArray[np.bool_]

_LABEL = {name: np.uint32(1 << bit) for bit, name in enumerate(LABELS)}
_NON_MEMBERS = tuple(CATEGORIES.index(name) for name in NON_MEMBERS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Day:
    """The reference date resolved: which countries (by number) are LDC and developing, and who is a member then."""

    number: int
    ldc: Bools
    developing: Bools


def resolve_day(day: str, reference: ReferenceData, countries: tuple[str, ...]) -> Day:
    """Resolve the dated groups at a day for countries by number; the extra last place stands for no country."""
    ldc, developing = reference.members_of("ldc", day), reference.developing(day)
    return Day(
        number=day_number(day),
        ldc=np.array([*(country in ldc for country in countries), False]),
        developing=np.array([*(country in developing for country in countries), False]),
    )


def present(members: Rows, projects: Rows) -> Bools:
    """Whether a member has headquarters or operations in a country (without any: a region) of the project."""
    return _meet(members["countries"], members["regions"], projects)


def within_reach(members: Rows, projects: Rows) -> Bools:
    """Whether a member is present there or, where the weights let that count, willing to work there."""
    return _meet(members["reach"], members["reach_regions"], projects)


def _meet(countries: npt.NDArray[np.uint64], regions: npt.NDArray[np.uint8], projects: Rows) -> Bools:
    in_country = ((countries & projects["countries"]) != 0).any(axis=-1)
    found: Bools = np.where(projects["has_countries"], in_country, (regions & projects["regions"]) != 0)
    return found


def failed_rules(members: Rows, projects: Rows, *, roots: Rows, owner_roots: Rows) -> npt.NDArray[np.uint8]:
    """Return the bits of the hard rules (see `rules`) that each pair fails."""
    own = members["number"] == projects["owner"]
    bits = members["withdrawn"].astype(np.uint8) << BITS["withdrawn"]
    bits = bits | (members["dormant"].astype(np.uint8) << BITS["dormant"])
    bits = bits | (own.astype(np.uint8) << BITS["owner"])
    bits = bits | (((roots == owner_roots) & ~own).astype(np.uint8) << BITS["affiliate_of_owner"])
    somewhere = projects["has_countries"] | (projects["regions"] != 0)
    absent = projects["presence_required"] & somewhere & ~within_reach(members, projects)
    found: npt.NDArray[np.uint8] = (bits | (absent.astype(np.uint8) << BITS["presence_required"])).astype(
        np.uint8
    )
    return found


def labels_of(members: Rows, projects: Rows, *, day: Day, enrolled: Bools) -> npt.NDArray[np.uint32]:
    """Return label bits. `enrolled`: an active term of membership on the day, for members whose terms are dated."""
    published = np.where(projects["published"] == 0, day.number, projects["published"])
    first = members["first_involved"]
    newcomer = (first == 0) | (first >= published)
    local_country = ((members["hq_bits"] & projects["countries"]) != 0).any(axis=-1)
    local_region = (members["hq_region"] & projects["regions"]) != 0
    local = np.where(projects["has_countries"], local_country, local_region)
    near = ((members["hq_region"] & projects["all_regions"]) != 0) | present(members, projects)
    outside = np.isin(members["category"], _NON_MEMBERS) | (members["dated"] & ~enrolled)
    found = np.zeros(np.broadcast(newcomer, local).shape, np.uint32)
    for name, holds in (
        ("newcomer", newcomer),
        ("sme", members["sme"]),
        ("local", local),
        ("regional", near & ~local),
        ("international", ~near & ~local),
        ("ldc_entity", day.ldc[members["hq"]]),
        ("developing_entity", day.developing[members["hq"]]),
        ("non_member", outside),
        ("fictional", members["fictional"]),
        (
            "edited_after_publication",
            (projects["published"] != 0) & (members["recorded"] > projects["published"]),
        ),
    ):
        found |= np.where(holds, _LABEL[name], np.uint32(0))
    return found


def has_label(labels: npt.NDArray[np.uint32], name: str) -> Bools:
    """Whether label bits hold a label."""
    found: Bools = (labels & _LABEL[name]) != 0
    return found


def fits(points: npt.NDArray[np.int64], projects: Rows) -> npt.NDArray[np.int32]:
    """Return points per mille of the project's total budget, rounded down."""
    found: npt.NDArray[np.int32] = (points * 1000 // np.maximum(projects["total"], 1)).astype(np.int32)
    return found


def above_floor(components: npt.NDArray[np.int64], projects: Rows, weights: Weights) -> Bools:
    """Whether text points or evidence points reach the published part of their budget; nothing else counts."""
    reached: Bools = np.zeros(components.shape[:-1], np.bool_)
    for name, floor in weights.floors.items():
        place = COMPONENTS.index(name)
        budget = projects["budgets"][..., place]
        reached |= (budget > 0) & (components[..., place] * 1000 >= floor * budget)
    return reached


def bands(fit: npt.NDArray[np.int32], bounds: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Return the number of the band (0 weak .. 3 strong) that a fit lies in."""
    return np.searchsorted(np.array(bounds), fit, side="right").astype(np.uint8)


def confidences(members: Rows, projects: Rows) -> npt.NDArray[np.int32]:
    """Return, per mille, the part of the project's budgets on which the profile says anything at all."""
    known = (members["has_data"] * projects["budgets"]).sum(axis=-1)
    found: npt.NDArray[np.int32] = (known * 1000 // np.maximum(projects["total"], 1)).astype(np.int32)
    return found


def enrolled_rows(intervals: Mapping[int, tuple[tuple[int, int], ...]], size: int, day: int) -> Bools:
    """Return which rows have an active term on a day; `intervals` gives (first, last) days of the active terms."""
    found: Bools = np.zeros(size, np.bool_)
    for row, terms in intervals.items():
        found[row] = any(first <= day <= last for first, last in terms)
    return found
