"""A ranked list: every eligible candidate with points and place, and those whom a rule leaves out.

The list is computed, never stored pair by pair: it is columns over candidates in rank order. `Row` is one candidate as
an object for those who read a page of it. No texts here and no parts (see `explanation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

COMPONENTS = ("text", "evidence", "needs", "places", "tags", "languages")
"""The score's components in the order of every `components` column and of the packed rows."""

BANDS = ("weak", "possible", "good", "strong")
"""Band names by band number 0..3."""

LABELS = (
    "newcomer",
    "sme",
    "local",
    "regional",
    "international",
    "ldc_entity",
    "developing_entity",
    "non_member",
    "fictional",
)
"""Label names by bit number."""

STEPS = ("below_floor", "parent_cap", "local_minimum", "newcomer_minimum", "made_room")
"""Step names by bit number: marked below the floor; passed over in the head by the parent cap; placed by the local
minimum; placed by the newcomer minimum; left the head to make room for a placed one."""

OFFER_KINDS = (
    "funding",
    "equipment",
    "connectivity",
    "software",
    "expertise",
    "training",
    "research",
    "data",
    "local_implementation",
    "convening",
    "policy_support",
    "in_kind",
)
"""Kinds of needs and offers by bit number of the `offers` column."""

SECTORS = ("public", "private", "academic", "other")
"""Sector names by number of the `sector` column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One candidate's place. `rank` counts from 1 in the whole list; `tie` is the keyed hash that settled ties."""

    rank: int
    member: str
    revision: int
    points: int
    components: Mapping[str, int]
    fit: int
    band: str
    above_floor: bool
    confidence: int
    labels: tuple[str, ...]
    steps: tuple[str, ...]
    tie: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """A candidate whom a hard rule leaves out: the code of the first rule that failed, and all of them."""

    member: str
    code: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankedList:
    """Every eligible candidate of one project in rank order; column i belongs to rank i + 1.

    Columns: `members` (ids), `revisions`, `points` (int64), `components` (n x 6, int64, order of COMPONENTS), `fit`
    (0..1000 per mille of `total_budget`), `band` (0..3), `above_floor`, `confidence` (0..1000), `labels` and `steps`
    (bit sets), `tie` (uint64), and facts for filters: `category`, `sector` (number), `country` (HQ, alpha-3), `regions`
    (bit set over `region_codes`: HQ and operating countries), `offers` (bit set over OFFER_KINDS).
    """

    project: str
    project_revision: int
    epoch: str
    reference_date: str
    total_budget: int
    budgets: Mapping[str, int]
    serves_ldc: bool
    head: int
    members: Sequence[str]
    revisions: npt.NDArray[np.int64]
    points: npt.NDArray[np.int64]
    components: npt.NDArray[np.int64]
    fit: npt.NDArray[np.int32]
    band: npt.NDArray[np.uint8]
    above_floor: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.int32]
    labels: npt.NDArray[np.uint32]
    steps: npt.NDArray[np.uint32]
    tie: npt.NDArray[np.uint64]
    category: npt.NDArray[np.str_]
    sector: npt.NDArray[np.uint8]
    country: npt.NDArray[np.str_]
    regions: npt.NDArray[np.uint8]
    region_codes: tuple[str, ...]
    offers: npt.NDArray[np.uint16]
    excluded: tuple[Excluded, ...]
    places: Mapping[str, int] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.members)

    def position_of(self, member: str) -> int | None:
        """Return the rank (from 1) of an organisation, or None where it is no eligible candidate."""
        raise NotImplementedError

    def row(self, rank: int) -> Row:
        """Return the candidate at a rank (from 1)."""
        raise NotImplementedError

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """Yield the rows [start, stop) counted from 0."""
        raise NotImplementedError

    def packed(self) -> bytes:
        """Return the canonical rows, packed at fixed width (see `digest`)."""
        raise NotImplementedError

    def digest(self) -> str:
        """Return the hex Merkle root (fan-out 256) of header and canonical rows."""
        raise NotImplementedError

    def need_points(self, need: str) -> npt.NDArray[np.int64]:
        """Return the points of each candidate, in rank order, on one need of the project (KeyError if unknown)."""
        raise NotImplementedError

    def to_json(self, start: int = 0, stop: int | None = None) -> list[dict[str, Any]]:
        """Write rows as JSON objects."""
        raise NotImplementedError
