"""The data of `members.v1`: current organisations with their profiles; contacts are never in an event."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from schemas.events.parts import (
    Country,
    ExternalId,
    Identifier,
    Language,
    LocalisedText,
    NeedKind,
    Part,
    Provenance,
    Region,
    Stamp,
    Tag,
    Text,
)

Category = Literal["member_state", "sector_member", "associate", "academia", "other_entity", "prospect"]
OrganisationState = Literal["active", "dormant", "withdrawn"]


class SmeStatus(Part):
    """Whether it is a small or medium enterprise, and who says so."""

    flag: bool
    basis: Literal["self_declared", "verified"]


class Involvement(Part):
    """One event on record by which the organisation took part in ITU's work."""

    kind: Literal["meeting", "project", "contribution", "pledge"]
    on: date
    source: Text


class Offer(Part):
    """One thing that the organisation offers, or seeks."""

    kind: NeedKind
    texts: tuple[LocalisedText, ...] = ()
    evidence_url: Text | None = None


class EvidenceText(Part):
    """Title and text of an evidence item in one language."""

    language: Language
    title: Text | None = None
    text: Text


class Evidence(Part):
    """One past project, pledge, publication or laboratory."""

    id: Text
    kind: Literal["project", "pledge", "publication", "laboratory"]
    texts: tuple[EvidenceText, ...]
    role: Literal["lead", "partner"]
    countries: tuple[Country, ...] = ()
    tags: tuple[Tag, ...] = ()
    year: int | None = None
    url: Text | None = None


class MembershipTerm(Part):
    """A dated state of membership; without `to` it lasts."""

    state: Literal["active", "suspended", "ended"]
    start: Annotated[date, Field(alias="from")]
    end: Annotated[date | None, Field(alias="to")] = None


class Addition(Part):
    """Words that were added to a profile that stood before, in one of its lists and one language on one day.

    `text` has them as they stand, a line for each row of words between which nothing older stands.
    """

    field: Literal["descriptions", "expertise", "offers"]
    language: Language
    on: date
    text: Text


class Recorded(Part):
    """Since which days (UTC) the texts are on record as they stand; what is not named is unknown.

    A day is this service's, not the organisation's word: a text keeps it for as long as every revision has it.
    """

    since: date | None = None
    """The day of the first revision: what of the profile was not added later is on record since then."""
    texts: date | None = None
    """The profile's: descriptions, expertise and the texts of offers; the day of the last one that was not there before."""
    evidence: dict[Text, date] = Field(default_factory=dict)
    """Each evidence item's, by its id."""
    added: tuple[Addition, ...] | None = None
    """What came into the profile after its first revision and is there still; absent: nothing is known to."""


class Organisation(Part):
    """One revision of an organisation: `org.comity.organisation.revised.v1`. The sequence's version is `revision`."""

    id: Identifier
    revision: Annotated[int, Field(ge=1)]
    state: OrganisationState
    legal_name: Text
    short_name: Text | None = None
    aliases: tuple[Text, ...] = ()
    category: Category
    organisation_type: Annotated[Text | None, Field(pattern=r"^\d\d$")] = None
    """IATI organisation type."""
    sme: SmeStatus | None = None
    size_band: Literal["micro", "small", "medium", "large"] | None = None
    study_group: Literal["SG1", "SG2"] | None = None
    hq_country: Country
    operating_countries: tuple[Country, ...] = ()
    willing_countries: tuple[Country, ...] = ()
    willing_regions: tuple[Region, ...] = ()
    descriptions: tuple[LocalisedText, ...]
    expertise: tuple[LocalisedText, ...] = ()
    offers: tuple[Offer, ...]
    seeks: tuple[Offer, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    languages: tuple[Language, ...] = ()
    tags: tuple[Tag, ...] = ()
    parent: Identifier | None = None
    external_ids: tuple[ExternalId, ...] = ()
    membership: tuple[MembershipTerm, ...] = ()
    first_involved_on: date | None = None
    involvements: tuple[Involvement, ...] = ()
    review_by: date | None = None
    fictional: bool = False
    published_at: Stamp | None = None
    recorded: Recorded | None = None
    provenance: Provenance = Provenance()
