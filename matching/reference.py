"""Reference data inside an epoch: which region a country is in, and which dated groups it belongs to.

Passed in as data; every membership is resolved at a reference date, never "now".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matching.cache import Cache

MOST_COUNTRIES = 256
"""How many countries there are at most, those of profiles and projects among them: sets of countries are four words of 64 bits."""

MOST_REGIONS = 8
"""How many regions there are at most: a set of regions is one byte."""

_KEPT = 256
_COUNTRY = re.compile(r"[A-Z]{3}")
_NAME = re.compile(r"\w+")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

DEVELOPING = ("ldc", "lldc", "sids", "transition", "developing")
"""A country is developing if it is in any of these on the day (``developing`` = other developing, by chosen list)."""


@dataclass(frozen=True, kw_only=True)
class Membership:
    """A country's stay in a group: ISO dates, both inclusive; an open end is None."""

    country: str
    group: str
    since: str | None = None
    until: str | None = None

    def covers(self, day: str) -> bool:
        """Whether `day` (ISO) lies in it."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


@dataclass(frozen=True, kw_only=True)
class ReferenceData:
    """`regions`: alpha-3 -> region code (AFR, AMS, ARB, ASP, CIS, EUR); `groups`: dated memberships."""

    regions: Mapping[str, str]
    groups: Sequence[Membership] = ()

    @cached_property
    def region_codes(self) -> tuple[str, ...]:
        """The regions' codes, sorted."""
        return tuple(sorted(set(self.regions.values())))

    @cached_property
    def _on(self) -> Cache[tuple[str, str], frozenset[str]]:
        """Groups already resolved at a day; every ranking asks for a few of them at the same day."""
        return Cache(_KEPT)

    def members_of(self, group: str, day: str) -> frozenset[str]:
        """Countries in a group on a day."""
        found = self._on.get((group, day))
        if found is None:
            inside = (one.country for one in self.groups if one.group == group and one.covers(day))
            found = self._on.keep((group, day), frozenset(inside))
        return found

    def developing(self, day: str) -> frozenset[str]:
        """Countries that count as developing on a day (Resolution 71, footnote 1)."""
        return frozenset().union(*(self.members_of(group, day) for group in DEVELOPING))

    def to_json(self) -> dict[str, Any]:
        """Write it in canonical order."""
        groups = [[one.group, one.country, one.since, one.until] for one in self.groups]
        return {
            "regions": dict(sorted(self.regions.items())),
            "groups": sorted(groups, key=lambda one: [value or "" for value in one]),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ReferenceData:
        """Read what `to_json` wrote; ValueError where a code or a day is none, or where there are more than sets can hold."""
        regions = dict(body["regions"])
        for country, region in regions.items():
            _refuse_other(country, _COUNTRY, "a country's code")
            _refuse_other(region, _NAME, f"the region of {country}")
        if len(regions) > MOST_COUNTRIES or len(set(regions.values())) > MOST_REGIONS:
            raise ValueError(f"there are more than {MOST_COUNTRIES} countries or {MOST_REGIONS} regions")
        for group, country, *days in body["groups"]:
            _refuse_other(group, _NAME, "a group's name")
            _refuse_other(country, _COUNTRY, f"a country's code in the group {group}")
            for day in days:
                if day is not None:
                    _refuse_other(day, _DAY, f"a day of {country} in the group {group}")
        groups = (
            Membership(country=country, group=group, since=since, until=until)
            for group, country, since, until in body["groups"]
        )
        return cls(regions=regions, groups=tuple(groups))


def _refuse_other(said: Any, form: re.Pattern[str], name: str) -> None:
    if type(said) is not str or not form.fullmatch(said):
        raise ValueError(f"{name} is {said!r}, which is none")
