"""A ranked list: every eligible candidate with points and place, and those whom a rule leaves out.

The list is computed, never stored pair by pair: it is columns over candidates in rank order. `Row` is one candidate as
an object for those who read a page of it. No texts here and no parts (see `explanation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from matching import ledger_rows
from matching.rules import codes_of

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
    "edited_after_publication",
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

    Columns: `members` (ids) and `ids` (n x 2, uint64: their 16 bytes as two big-endian numbers), `revisions`, `points` (int64), `components` (n x 6, int64, order of COMPONENTS), `fit`
    (0..1000 per mille of `total_budget`), `band` (0..3), `above_floor`, `confidence` (0..1000), `labels` and `steps`
    (bit sets), `tie` (uint64), and facts for filters: `category`, `sector` (number), `country` (HQ, alpha-3), `regions`
    (bit set over `region_codes`: HQ and operating countries), `offers` (bit set over OFFER_KINDS). `head` is the number
    of rows that the placement steps arranged; `need_weights` gives each need's kind and the points of meeting it.
    """

    project: str
    project_revision: int
    epoch: str
    reference_date: str
    total_budget: int
    budgets: Mapping[str, int]
    serves_ldc: bool
    head: int
    members: list[str]
    ids: npt.NDArray[np.uint64]
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
    category: npt.NDArray[np.object_]
    sector: npt.NDArray[np.uint8]
    country: npt.NDArray[np.object_]
    regions: npt.NDArray[np.uint8]
    region_codes: tuple[str, ...]
    offers: npt.NDArray[np.uint16]
    need_weights: Mapping[str, tuple[str, int]]
    excluded_members: Sequence[str]
    excluded_rules: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.members)

    @property
    def excluded(self) -> tuple[Excluded, ...]:
        """Those whom a hard rule leaves out, by id, each with its codes."""
        pairs = zip(self.excluded_members, self.excluded_rules.tolist(), strict=True)
        coded = ((member, codes_of(bits)) for member, bits in pairs)
        return tuple(Excluded(member=member, code=codes[0], codes=codes) for member, codes in coded)

    def position_of(self, member: str) -> int | None:
        """Return the rank (from 1) of an organisation, or None where it is no eligible candidate."""
        try:
            return self.members.index(member) + 1
        except ValueError:
            return None

    def row(self, rank: int) -> Row:
        """Return the candidate at a rank (from 1); IndexError beyond the list."""
        place = rank - 1
        if not 0 <= place < len(self):
            raise IndexError(f"rank {rank} of {len(self)}")
        return next(self.rows_at([place]))

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """Yield the rows [start, stop) counted from 0."""
        return self.rows_at(range(*slice(start, stop).indices(len(self))))

    def rows_at(self, places: Sequence[int]) -> Iterator[Row]:
        """Yield the rows at these places, counted from 0."""
        chosen = np.asarray(places, np.int64)
        columns = zip(
            places,
            *(
                column[chosen].tolist()
                for column in (
                    self.revisions,
                    self.points,
                    self.components,
                    self.fit,
                    self.band,
                    self.above_floor,
                    self.confidence,
                    self.labels,
                    self.steps,
                    self.tie,
                )
            ),
            strict=True,
        )
        for (
            place,
            revision,
            points,
            parts,
            fit,
            band,
            above,
            confidence,
            labels,
            steps,
            tie,
        ) in columns:
            yield Row(
                rank=place + 1,
                member=self.members[place],
                revision=revision,
                points=points,
                components=dict(zip(COMPONENTS, parts, strict=True)),
                fit=fit,
                band=BANDS[band],
                above_floor=above,
                confidence=confidence,
                labels=names_of(labels, LABELS),
                steps=names_of(steps, STEPS),
                tie=tie,
            )

    def tie_groups(self, places: Sequence[int]) -> list[tuple[int, int] | None]:
        """Return, for rows at these places, first and last rank of the neighbours with the same fit; None for who has none.

        Fit is in whole per mille: within a group the order says next to nothing.
        """
        edges = np.flatnonzero(np.diff(self.fit)) + 1
        bounds = np.concatenate(([0], edges, [len(self)]))
        groups = np.searchsorted(edges, np.asarray(places, np.int64), side="right")
        firsts, lasts = bounds[groups].tolist(), bounds[groups + 1].tolist()
        return [
            (first + 1, last) if last - first > 1 else None for first, last in zip(firsts, lasts, strict=True)
        ]

    def packed(self) -> bytes:
        """Return the canonical rows: 92 bytes each, see `ledger_rows.ROW`."""
        return ledger_rows.pack(self)

    def header(self) -> bytes:
        """Return the canonical header of the list."""
        return ledger_rows.header(
            project=self.project, revision=self.project_revision, epoch=self.epoch, day=self.reference_date
        )

    def digest(self) -> str:
        """Return the hex Merkle root (fan-out 256) of header and canonical rows."""
        return ledger_rows.root(self.header(), self.packed())

    def need_points(self, need: str) -> npt.NDArray[np.int64]:
        """Return what offers give each candidate, in rank order, on one need of the project (KeyError if unknown).

        That is before anything is taken off that no text bears out (`backing`).
        """
        kind, weight = self.need_weights[need]
        offered = (self.offers >> OFFER_KINDS.index(kind)) & 1
        return offered.astype(np.int64) * weight


@lru_cache(maxsize=4_096)
def names_of(bits: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the bits that are set."""
    return tuple(name for bit, name in enumerate(names) if bits >> bit & 1)
