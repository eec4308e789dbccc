"""Columns: the facts of members and projects that rules, labels and filters read, one fixed-width row each.

Names (of organisations, owners, parents) and countries are numbers here, given out once by `Numbers`. No points here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.cache import Cache
from matching.documents import given
from matching.lists import COMPONENTS, OFFER_KINDS, SECTORS
from matching.queries import Query
from matching.records import Member, Project
from matching.reference import MOST_COUNTRIES, ReferenceData
from matching.sharing import SharedArray
from matching.ties import id_bytes

CATEGORIES = ("member_state", "sector_member", "associate", "academia", "other_entity", "prospect")
"""Categories by number; any other is 255."""

NON_MEMBERS = ("other_entity", "prospect")

_WORDS = MOST_COUNTRIES // 64
_ONES = (1 << 64) - 1
_KEPT = 4_096

MEMBER_ROW = np.dtype(
    [
        ("present", "?"),
        ("revision", "i8"),
        ("number", "i8"),
        ("words", "u8", 2),
        ("order", "u8", 2),
        ("withdrawn", "?"),
        ("dormant", "?"),
        ("hq", "i4"),
        ("hq_bits", "u8", _WORDS),
        ("hq_region", "u1"),
        ("countries", "u8", _WORDS),
        ("regions", "u1"),
        ("reach", "u8", _WORDS),
        ("reach_regions", "u1"),
        ("first_involved", "i4"),
        ("recorded", "i4"),
        ("sme", "?"),
        ("fictional", "?"),
        ("category", "u1"),
        ("sector", "u1"),
        ("offers", "u2"),
        ("dated", "?"),
        ("has_data", "?", 6),
    ]
)
"""One member. `words` feed the tie hash, `order` sorts by id; country sets are bit sets; dates are yyyymmdd, 0 = none.

`countries` and `regions` are where it is; `reach` and `reach_regions` also where it is willing to work, if that counts.
"""

PROJECT_ROW = np.dtype(
    [
        ("owner", "i8"),
        ("presence_required", "?"),
        ("has_countries", "?"),
        ("countries", "u8", _WORDS),
        ("regions", "u1"),
        ("all_regions", "u1"),
        ("published", "i4"),
        ("budgets", "i8", 6),
        ("total", "i8"),
    ]
)
"""One project. `regions` are those listed, `all_regions` those of its countries too."""


_SECTOR_OF_TYPE = {"1": "public", "7": "private", "8": "academic"}
"""By the first digit of IATI's types: 10 to 15 are public bodies, 70 to 73 private ones, 80 academic ones."""

_SECTOR_OF_CATEGORY = {
    "member_state": "public",
    "sector_member": "private",
    "associate": "private",
    "academia": "academic",
}


class Numbers:
    """Numbers for names, given out in the order of asking and never changed. They decide nothing but equality."""

    def __init__(self, most: int | None = None) -> None:
        self._numbers: dict[str, int] = {}
        self._most = most
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> int:
        with self._lock:  # a view in another thread may ask while the engine puts
            number = self._numbers.setdefault(name, len(self._numbers))
        if self._most is not None and number >= self._most:
            raise ValueError(f"more than {self._most} different codes; {name!r} has no place")
        return number

    @property
    def names(self) -> tuple[str, ...]:
        """All names by number."""
        return tuple(self._numbers)


class MemberColumns:
    """Members' facts at one moment, one contiguous array for each field of MEMBER_ROW, so that a list reads only what it needs."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._arrays = dict(arrays)

    def __len__(self) -> int:
        return len(self._arrays["present"])

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._arrays[name]

    def at(self, row: int) -> dict[str, Any]:
        """Return one member's facts by name."""
        return {name: column[row] for name, column in self._arrays.items()}

    def taken(self, rows: npt.NDArray[np.int64]) -> MemberColumns:
        """Return some rows, apart from these."""
        return MemberColumns({name: column[rows] for name, column in self._arrays.items()})


class MemberRows:
    """Members' facts as they come and go; a revision costs a pin only the columns that it changes."""

    def __init__(self) -> None:
        kinds = (MEMBER_ROW[name] for name in MEMBER_ROW.names or ())
        self._columns = {
            name: SharedArray(kind.base, shape=kind.shape)
            for name, kind in zip(MEMBER_ROW.names or (), kinds, strict=True)
        }

    def __getitem__(self, name: str) -> SharedArray:
        return self._columns[name]

    def set(self, row: int, facts: Mapping[str, Any]) -> None:
        """Write one member's facts by name."""
        for name, fact in facts.items():
            self._columns[name].set(row, fact)

    def clear(self, row: int) -> None:
        """Make one member absent."""
        for name, column in self._columns.items():
            column.set(row, np.zeros(MEMBER_ROW[name].shape, MEMBER_ROW[name].base))

    def pin(self, rows: int) -> MemberColumns:
        """Return the first so many rows as they are now."""
        return MemberColumns({name: column.pin(rows) for name, column in self._columns.items()})


class Geography:
    """Countries by number and regions by bit, of one engine."""

    def __init__(self, reference: ReferenceData) -> None:
        self._region_of = reference.regions
        self._lying_in: dict[str, list[str]] = {}
        for country, region in reference.regions.items():
            self._lying_in.setdefault(region, []).append(country)
        self._bits: Cache[tuple[str, ...], npt.NDArray[np.uint64]] = Cache(_KEPT)
        self._region_bits: Cache[tuple[tuple[str, ...], tuple[str, ...]], int] = Cache(_KEPT)
        self.countries = Numbers(MOST_COUNTRIES)
        self.region_codes = reference.region_codes
        for country in sorted(reference.regions):
            self.countries[country]

    def bits(self, countries: Iterable[str]) -> npt.NDArray[np.uint64]:
        """Return countries as a bit set; many organisations share one, and it is not to be changed."""
        asked = tuple(countries)
        found = self._bits.get(asked)
        if found is None:
            bits = 0
            for country in asked:
                bits |= 1 << self.countries[country]
            words = [bits >> 64 * word & _ONES for word in range(_WORDS)]
            found = self._bits.keep(asked, np.array(words, np.uint64))
        return found

    def lying_in(self, regions: Iterable[str]) -> tuple[str, ...]:
        """Return the countries of regions."""
        return tuple(country for region in regions for country in self._lying_in.get(region, ()))

    def region_bits(self, countries: Iterable[str], regions: Iterable[str] = ()) -> int:
        """Return the regions of countries, and regions, as a bit set; an unknown code has no bit."""
        asked = (tuple(countries), tuple(regions))
        found = self._region_bits.get(asked)
        if found is None:
            codes = {self._region_of.get(country) for country in asked[0]} | set(asked[1])
            bits = sum(1 << bit for bit, code in enumerate(self.region_codes) if code in codes)
            found = self._region_bits.keep(asked, bits)
        return found


def day_number(day: str | None) -> int:
    """Return an ISO date as yyyymmdd, 0 for none."""
    return int(day[:10].replace("-", "")) if day else 0


def sector_of(category: str, organisation_type: str | None) -> int:
    """Return the sector's number: from the IATI organisation type, without one from the category."""
    if organisation_type:
        name = _SECTOR_OF_TYPE.get(organisation_type[:1], "other")
    else:
        name = _SECTOR_OF_CATEGORY.get(category, "other")
    return SECTORS.index(name)


def facts_of(
    member: Member,
    *,
    has_data: tuple[bool, ...],
    number: int,
    geography: Geography,
    willing_reaches: bool,
) -> dict[str, Any]:
    """Return a member's facts by the names of MEMBER_ROW; a field that an import filled with a constant counts as not given.

    `willing_reaches`: where it is willing to work is within its reach, a region standing for each country of it.
    """
    hq = given(member, "hq_country", (member.hq_country,) if member.hq_country else ())
    operating = (*hq, *given(member, "operating_countries", member.operating_countries))
    willing = given(member, "willing_countries", member.willing_countries) if willing_reaches else ()
    regions = given(member, "willing_regions", member.willing_regions) if willing_reaches else ()
    reach = (*operating, *willing, *geography.lying_in(regions))
    kinds = {offer.kind for offer in given(member, "offers", member.offers)}
    content = id_bytes(member.id)
    first, second = content[:8], content[8:]  # words as `ties.id_words` reads them
    return {
        "present": True,
        "revision": member.revision,
        "number": number,
        "words": (int.from_bytes(first, "little"), int.from_bytes(second, "little")),
        "order": (int.from_bytes(first, "big"), int.from_bytes(second, "big")),
        "withdrawn": member.state == "withdrawn",
        "dormant": member.state == "dormant",
        "hq": geography.countries[hq[0]] if hq else -1,
        "hq_bits": geography.bits(hq),
        "hq_region": geography.region_bits(hq),
        "countries": geography.bits(operating),
        "regions": geography.region_bits(operating),
        "reach": geography.bits(reach),
        "reach_regions": geography.region_bits(reach, regions),
        "first_involved": day_number(member.first_involved_on),
        "recorded": day_number(member.recorded.last),
        "sme": member.sme and "sme" not in member.constants,
        "fictional": member.fictional,
        "category": CATEGORIES.index(member.category) if member.category in CATEGORIES else 255,
        "sector": sector_of(member.category, member.organisation_type),
        "offers": sum(1 << bit for bit, kind in enumerate(OFFER_KINDS) if kind in kinds),
        "dated": bool(member.membership),
        "has_data": has_data,
    }


def fill_project(
    row: npt.NDArray[Any], project: Project, query: Query, *, owner: int, geography: Geography
) -> None:
    """Write a project's facts into its row; a field that an import filled with a constant counts as not given."""
    countries = given(project, "countries", project.countries)
    regions = given(project, "regions", project.regions)
    row["owner"] = owner
    row["presence_required"] = project.presence_required
    row["has_countries"] = bool(countries)
    row["countries"] = geography.bits(countries)
    row["regions"] = geography.region_bits((), regions)
    row["all_regions"] = geography.region_bits(countries, regions)
    row["published"] = day_number(project.published_on)
    row["budgets"] = [query.budgets[name] for name in COMPONENTS]
    row["total"] = query.total
