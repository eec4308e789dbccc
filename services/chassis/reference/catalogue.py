"""``Reference``: every question about countries, groups, plans and codes, answered from immutable rows.

Why one object: an answer must not depend on when or where it is asked. Dated questions take the date; a list
computed with one ``Reference`` is computed the same way for ever. It must not read a clock, a database or a
setting, and it holds no rule of a service (who may do what stands in that service's ``rules.py``).
"""

from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from typing import Any

from services.chassis.reference import checks
from services.chassis.reference.files import read_rows
from services.chassis.reference.names import names_of, spellings_of, spelt
from services.chassis.reference.rows import (
    Category,
    Code,
    Country,
    CountryAlias,
    CountryName,
    GroupTerm,
    Kind,
    Office,
    OrganisationType,
    PendingChange,
    Plan,
    Refusal,
    Region,
    Scheme,
    StudyGroup,
    StudyGroupRole,
)

LANGUAGES = ("ar", "en", "es", "fr", "ru", "zh")
"""The six official languages of the Union, by BCP 47 tag."""

NAMED_GROUPS = ("ldc", "lldc", "sids", "transition")
"""The four groups that footnote 1 of Resolution 71 names. They are included in, not equal to, the developing countries."""

DEVELOPING_LIST = "developing_list"
"""The chosen list of developing economies, beyond the four named groups."""

GROUPS = (*NAMED_GROUPS, "other_developing")
"""The groups one can ask for; ``other_developing`` is the chosen list without members of the four."""


@dataclass(frozen=True)
class Reference:
    """All reference rows and the questions about them. Built by ``load_reference``; never changed."""

    country_rows: tuple[Country, ...]
    alias_rows: tuple[CountryAlias, ...]
    name_rows: tuple[CountryName, ...]
    regions: tuple[Region, ...]
    offices: tuple[Office, ...]
    group_terms: tuple[GroupTerm, ...]
    pending_changes: tuple[PendingChange, ...]
    plans: tuple[Plan, ...]
    schemes: tuple[Scheme, ...]
    code_rows: tuple[Code, ...]
    kinds: tuple[Kind, ...]
    categories: tuple[Category, ...]
    study_groups: tuple[StudyGroup, ...]
    study_group_roles: tuple[StudyGroupRole, ...]
    organisation_types: tuple[OrganisationType, ...]

    # -- countries -------------------------------------------------------------------------------------------

    @cached_property
    def countries(self) -> dict[str, Country]:
        """Every country and territory by alpha-3 code."""
        return {row.code: row for row in self.country_rows}

    @cached_property
    def country_spellings(self) -> dict[str, str]:
        """Codes and English names in the form of ``names.spelt`` to alpha-3."""
        return spellings_of(self.country_rows, self.alias_rows)

    def country_code_of(self, spelling: str) -> str | None:
        """Return the alpha-3 code for a code of any register (GR, EL) or an English name in use; None if it is none, or two's."""
        return self.country_spellings.get(spelt(spelling))

    @cached_property
    def country_names(self) -> dict[str, dict[str, str]]:
        """Language → alpha-3 → name, for the six languages."""
        return {
            language: names_of(self.country_rows, self.name_rows, language=language) for language in LANGUAGES
        }

    def country_name(self, code: str, language: str = "en") -> str:
        """Return the name of a country in one of the six languages (English for any other).

        Raises KeyError: no country has that code.
        """
        return self.country_names.get(language, self.country_names["en"])[code]

    def region_of(self, country: str) -> str | None:
        """Return the ITU-D region of a country; None for a territory that belongs to no region's list."""
        return self.countries[country].region

    # -- groups ----------------------------------------------------------------------------------------------

    @cached_property
    def _terms(self) -> dict[tuple[str, str], tuple[GroupTerm, ...]]:
        terms: dict[tuple[str, str], tuple[GroupTerm, ...]] = {}
        for term in self.group_terms:
            terms[term.country, term.group] = (*terms.get((term.country, term.group), ()), term)
        return terms

    def in_group(self, country: str, group: str, on: date) -> bool:
        """Whether a country is in a group (``GROUPS``) on a day.

        Raises ValueError: no such group.
        """
        if group == "other_developing":
            listed = self._listed(country, DEVELOPING_LIST, on)
            return listed and not any(self._listed(country, named, on) for named in NAMED_GROUPS)
        if group not in NAMED_GROUPS:
            raise ValueError(f"no country group {group!r}; the groups are {', '.join(GROUPS)}")
        return self._listed(country, group, on)

    def _listed(self, country: str, group: str, on: date) -> bool:
        return any(term.covers(on) for term in self._terms.get((country, group), ()))

    def groups_of(self, country: str, on: date) -> tuple[str, ...]:
        """Return the groups a country is in on a day, in the order of ``GROUPS``."""
        return tuple(group for group in GROUPS if self.in_group(country, group, on))

    def developing(self, country: str, on: date) -> bool:
        """Whether a country counts as developing on a day: in any of the four named groups, or on the chosen list.

        The four groups alone would drop Kenya, India, Brazil and 52 other members of the Union (Resolution 71,
        footnote 1, says that developing countries *include* the four).
        """
        return bool(self.groups_of(country, on))

    # -- codes -----------------------------------------------------------------------------------------------

    @cached_property
    def codes(self) -> dict[tuple[str, str | None], dict[str, Code]]:
        """(scheme, version) → code → row."""
        table: dict[tuple[str, str | None], dict[str, Code]] = {
            (row.scheme, row.version): {} for row in self.schemes
        }
        for row in self.code_rows:
            table[row.scheme, row.version][row.code] = row
        return table

    def versions_of(self, scheme: str) -> tuple[str | None, ...]:
        """Return the versions of a scheme (a single None: its codes do not change); empty if there is no such scheme."""
        return tuple(row.version for row in self.schemes if row.scheme == scheme)

    def default_version(self, scheme: str) -> str | None:
        """Return the version that a tag of this scheme has when it names none (the newest)."""
        versions = self.versions_of(scheme)
        return max((version for version in versions if version is not None), default=None)

    # -- checks: None if the value is known, else why it is refused and what to write -------------------------

    def check_country(self, value: str) -> Refusal | None:
        """Check an alpha-3 country code; ``'EL'`` is told to write ``GRC``."""
        return checks.country(self.countries, self.country_spellings, value)

    def check_region(self, value: str) -> Refusal | None:
        """Check the code of an ITU-D region."""
        return checks.one_of("region", value, [row.code for row in self.regions])

    def check_study_group(self, value: str) -> Refusal | None:
        """Check the code of a study group."""
        return checks.one_of("study group", value, [row.code for row in self.study_groups])

    def check_office(self, value: str) -> Refusal | None:
        """Check the code of an ITU office (its city, for example ``addis_ababa``)."""
        return checks.one_of("office", value, [row.code for row in self.offices])

    def check_tag(self, scheme: str, code: str, *, version: str | None = None) -> Refusal | None:
        """Check a tag: the scheme, its version (the plan's cycle where codes repeat), and the code."""
        return checks.tag(self.schemes, self.codes, scheme=scheme, version=version, code=code)

    # -- what goes into an epoch -----------------------------------------------------------------------------

    def as_json(self) -> dict[str, Any]:
        """Return what ranking needs, as plain JSON in a fixed order: regions, and groups with their dates.

        ``countries``: alpha-3 → region or null. ``groups``: [country, group, valid_from, valid_to], where the group
        is one of the four or ``developing_list``; a country is developing while any of the five holds it.
        """
        terms = sorted(
            (row.country, row.group, _iso(row.valid_from) or "", _iso(row.valid_to) or "")
            for row in self.group_terms
        )
        return {
            "countries": {code: self.countries[code].region for code in sorted(self.countries)},
            "groups": [[country, group, start or None, end or None] for country, group, start, end in terms],
        }


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


@cache
def load_reference() -> Reference:
    """Return the reference data that ship with Comity: read once in a process, for they never change in it."""
    return Reference(
        country_rows=read_rows(Country, "countries.csv"),
        alias_rows=read_rows(CountryAlias, "country_aliases.csv"),
        name_rows=read_rows(CountryName, "country_names.csv"),
        regions=read_rows(Region, "regions.csv"),
        offices=read_rows(Office, "offices.csv"),
        group_terms=read_rows(GroupTerm, "country_groups.csv"),
        pending_changes=read_rows(PendingChange, "pending_changes.csv"),
        plans=read_rows(Plan, "plans.csv"),
        schemes=read_rows(Scheme, "schemes.csv"),
        code_rows=read_rows(Code, "codes.csv"),
        kinds=read_rows(Kind, "kinds.csv"),
        categories=read_rows(Category, "categories.csv"),
        study_groups=read_rows(StudyGroup, "study_groups.csv"),
        study_group_roles=read_rows(StudyGroupRole, "study_group_roles.csv"),
        organisation_types=read_rows(OrganisationType, "organisation_types.csv"),
    )
