"""The rows of the reference lists, as frozen dataclasses.

Every row names its ``source`` and how sure it is (``status``: ``verified`` was read in the source, ``memory``
and ``unknown`` were not, ``ours`` is our own choice). The rows hold facts only; questions are answered by
``catalogue.Reference``.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

ItuStatus = Literal["member_state", "resolution_99", "territory", "user_assigned"]
Sector = Literal["public", "private", "academic", "other"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value is refused: the rule it breaks, one human sentence, and what to write instead."""

    rule: str
    detail: str
    fix: str


@dataclass(frozen=True, slots=True)
class Country:
    """A country or territory; ``code`` is ISO 3166-1 alpha-3, ``region`` the ITU-D region of a member."""

    code: str
    alpha2: str
    name: str
    region: str | None
    itu_status: ItuStatus
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class Region:
    """One of the six ITU-D regions (not to be confused with the radio Regions 1 to 3)."""

    code: str
    name: str
    member_states: int
    note: str
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class Office:
    """A regional, area or coordination office; ``serves`` is empty where its countries are not confirmed."""

    code: str
    kind: str
    region: str
    city: str
    country: str
    serves: tuple[str, ...]
    opened: date | None
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class GroupTerm:
    """A country's time in a group: from ``valid_from`` (None: since before our records) up to, not including, ``valid_to``."""

    country: str
    group: str
    valid_from: date | None
    valid_to: date | None
    source: str
    status: str

    def covers(self, on: date) -> bool:
        """Whether the term holds on that day; the day of leaving is outside it."""
        return (self.valid_from is None or self.valid_from <= on) and (
            self.valid_to is None or on < self.valid_to
        )


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change of a group that is scheduled or reported but not confirmed. It is shown and never applied."""

    country: str
    group: str
    change: str
    expected_on: date
    source: str
    status: str
    note: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A development action plan; it holds from ``valid_from`` up to, not including, ``valid_to``."""

    code: str
    scheme: str
    name: str
    cycle: str
    valid_from: date
    valid_to: date
    cited_by_resolution: bool
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class Scheme:
    """A tag scheme; ``version`` is the plan cycle where codes repeat every cycle, ``free`` takes any code."""

    scheme: str
    version: str | None
    title: str
    free: bool
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a tag scheme. ``title`` is None where no source confirmed it: it is never guessed."""

    scheme: str
    version: str | None
    code: str
    title: str | None
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of need and of offer; projects and organisations share the list, so that one can meet the other."""

    code: str
    title: str
    meaning: str
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class Category:
    """A category of organisation; ``member`` says whether it is a membership of ITU."""

    code: str
    title: str
    member: bool
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class StudyGroup:
    """An ITU-D study group."""

    code: str
    title: str
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class StudyGroupRole:
    """A role in a study group, and whether an Associate may hold it (in its one study group)."""

    code: str
    title: str
    associate: bool
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class OrganisationType:
    """An IATI organisation type with the sector we read from it."""

    code: str
    title: str
    sector: Sector
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class CountryAlias:
    """A code of other registers for a country, not its ISO alpha-3 code, or an English name in use that is neither ours nor in CLDR."""

    alias: str
    code: str
    source: str
    status: str


@dataclass(frozen=True, slots=True)
class CountryName:
    """A name that stands in the place of the one in CLDR, because the United Nations use another."""

    code: str
    language: str
    name: str
    source: str
    status: str
