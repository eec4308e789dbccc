"""Which entries of the match feed a reader gets: those that the roles allow, and of these what was asked for.

*What.* The two questions as values, each with one answer about an entry (`queries.feeds` asks the database the same). *Why.*
An entry is one organisation's pair or a whole list's head; competitors' pairs and heads are not for competitors.
*Never:* look at a database, or read more of an entry than its columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from services.chassis.identity.principal import Principal
from services.chassis.reference import Reference
from services.matches.rules.rights import READ_EVERY_LIST, speaks_for


class Placed(Protocol):
    """What an entry is asked about; regions as in " AFR ASP "."""

    @property
    def type(self) -> str:
        """The event's type."""
        ...

    @property
    def project(self) -> str:
        """The project whose list it is about."""
        ...

    @property
    def organisation(self) -> str | None:
        """The organisation of the pair; None for a list version."""
        ...

    @property
    def flagship(self) -> str | None:
        """The flagship whose followers the entry is for: the project's."""
        ...

    @property
    def level(self) -> str | None:
        """The level whose followers the entry is for: the project's."""
        ...

    @property
    def regions(self) -> str:
        """The regions whose followers the entry is for: the project's."""
        ...

    @property
    def moved(self) -> bool:
        """Whether it says only that the project has left these, or come to them; or is hidden, or open again."""
        ...

    @property
    def hidden(self) -> bool:
        """Whether the project is its own people's alone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who reads: everything, or the pairs of one organisation and whatever concerns the projects of one's teams.

    Of a project that is hidden (`rules.rights`) an organisation is not told, as it does not see its list.
    """

    whole: bool = False
    organisation: str | None = None
    projects: frozenset[str] = frozenset()

    def sees(self, entry: Placed) -> bool:
        """Whether the roles allow this entry."""
        return (
            self.whole
            or entry.project in self.projects
            or (
                self.organisation is not None and entry.organisation == self.organisation and not entry.hidden
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the reader wants of it; None is no condition."""

    types: frozenset[str] | None = None
    project: str | None = None
    flagship: str | None = None
    region: str | None = None
    level: str | None = None

    @property
    def placed(self) -> bool:
        """Whether it depends on where a project lies: then what comes there and what leaves it is news."""
        return not (self.flagship is self.region is self.level is None)

    def takes(self, entry: Placed) -> bool:
        """Whether the entry was asked for."""
        return (
            (self.types is None or entry.type in self.types)
            and self.project in {None, entry.project}
            and self.flagship in {None, entry.flagship}
            and self.level in {None, entry.level}
            and (self.region is None or f" {self.region} " in entry.regions)
        )


def is_for(entry: Placed, viewer: Viewer, asked: Asked) -> bool:
    """Whether an entry is for this reader: allowed, asked for, and not a mere move to who reads everything wherever it lies."""
    return viewer.sees(entry) and asked.takes(entry) and (not entry.moved or moves(viewer, asked))


def moves(viewer: Viewer, asked: Asked) -> bool:
    """Whether a move may change what this reader has."""
    return asked.placed or not viewer.whole


def reads_everything(principal: Principal) -> bool:
    """Whether every entry is for this principal, so that nobody has to look up teams."""
    return principal.has(*READ_EVERY_LIST)


def viewer_of(principal: Principal, teams: frozenset[str]) -> Viewer:
    """Return what a named principal may read; `teams` are the projects whose team they are in now."""
    if reads_everything(principal):
        return Viewer(whole=True)
    return Viewer(organisation=speaks_for(principal), projects=teams)


def regions_of(project: Mapping[str, Any], reference: Reference) -> frozenset[str]:
    """Return the regions that a project's record lies in: those it names, and those of its countries."""
    lies = {*project.get("regions", ()), *(reference.region_of(one) for one in project.get("countries", ()))}
    return frozenset(region for region in lies if region)
