"""Organisations as they are sent to and answered by `/v1/organisations`.

*What.* The closed view of what a client may write (six required fields, every size and count bounded) and the
shapes of the answers. *Why so few required.* A thin profile is matched at once; what is missing lowers the
confidence shown beside a score, never the score. *Never:* a field that could buy rank (fees, contributions,
sponsorship), a person in anything but `contact`, or a rule that needs a clock, a code list or a database.
"""

from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from schemas.events.parts import NeedKind
from schemas.http.parts import (
    ONE_PER_LANGUAGE,
    WHOLE,
    CountryCode,
    Day,
    EmailAddress,
    ExternalId,
    RegionCode,
    Slug,
    Tag,
    WebAddress,
    distinct,
    field_of,
)
from schemas.http.texts import (
    Label,
    Language,
    LocalisedText,
    LongText,
    Name,
    Shape,
    refuse,
)

Category = Literal["member_state", "sector_member", "associate", "academia", "other_entity", "prospect"]
"""How the organisation stands to the Union; a prospect or other entity is a candidate like any member."""

OrganisationType = Literal[
    "10", "11", "15", "21", "22", "23", "24", "30", "40", "60", "70", "71", "72", "73", "80", "90"
]  # fmt: skip
"""IATI organisation type."""

OrganisationState = Literal["active", "dormant", "withdrawn"]
"""`dormant`: the review date passed; `withdrawn`: it left by its own or BDT's word. Writing it anew wakes it."""

MembershipState = Literal["active", "suspended", "ended", "none"]
"""The state of membership on the day of the revision, from the dated terms."""

CONSTANT_FIELDS = frozenset(
    {
        "legal_name",
        "short_name",
        "aliases",
        "category",
        "organisation_type",
        "sme",
        "size_band",
        "study_group",
        "hq_country",
        "operating_countries",
        "willing_countries",
        "willing_regions",
        "descriptions",
        "expertise",
        "offers",
        "seeks",
        "evidence",
        "languages",
        "tags",
        "membership",
        "first_involved_on",
        "involvements",
        "review_by",
        "contact",
    }
)
"""The fields that an import may fill with a constant."""


def _one_study_group(value: Any) -> Any:
    """Refuse a list by the rule it breaks, not as a wrong type: an Associate works in exactly one study group."""
    if isinstance(value, list | tuple):
        raise refuse(
            "single-study-group",
            "An Associate works in exactly one study group and its subordinate groups.",
            "Name one of SG1 and SG2; a change of study group is a new revision.",
        )
    return value


StudyGroup = Annotated[Literal["SG1", "SG2"], BeforeValidator(_one_study_group)]
"""An ITU-D study group."""


class SmeStatus(Shape):
    """Whether the organisation is a small or medium enterprise, and on whose word."""

    flag: StrictBool
    basis: Literal["self_declared", "verified"] = "self_declared"


SizeBand = Literal["micro", "small", "medium", "large"]
"""How large the organisation is, by its own word; a dimension of reports, never an input of ranking."""


class Involvement(Shape):
    """One event on record by which the organisation took part in ITU's work, and where that is recorded.

    Only the date of the first one decides anything (the newcomer label); kind and number are not inputs of ranking.
    """

    kind: Literal["meeting", "project", "contribution", "pledge"]
    on: Day
    source: Label


class Offer(Shape):
    """One thing that the organisation offers, or seeks."""

    kind: NeedKind
    texts: Annotated[tuple[LocalisedText, ...], Field(max_length=20), ONE_PER_LANGUAGE] = ()
    evidence_url: WebAddress | None = None


class EvidenceText(Shape):
    """Title and text of an evidence item in one language."""

    language: Language
    title: Name | None = None
    text: LongText


class Evidence(Shape):
    """One past project, pledge, publication or laboratory; it is matched as a document of its own."""

    id: Slug
    kind: Literal["project", "pledge", "publication", "laboratory"] = "project"
    texts: Annotated[tuple[EvidenceText, ...], Field(min_length=1, max_length=20), ONE_PER_LANGUAGE]
    role: Literal["lead", "partner"] = "partner"
    countries: Annotated[tuple[CountryCode, ...], Field(max_length=250), distinct("The country")] = ()
    tags: Annotated[tuple[Tag, ...], Field(max_length=50)] = ()
    year: Annotated[StrictInt, Field(ge=1900, le=2200), WHOLE] | None = None
    url: WebAddress | None = None


class MembershipTerm(Shape):
    """A dated state of membership, both days included; without `to` it lasts."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True, validate_by_alias=True
    )

    state: Literal["active", "suspended", "ended"]
    start: Annotated[Day, Field(alias="from")]
    end: Annotated[Day | None, Field(alias="to")] = None

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise refuse(
                "term-order",
                "The term ends before it begins.",
                "Set `to` to `from` or a later day.",
                field="to",
            )
        return self


def _terms_apart(terms: tuple[MembershipTerm, ...]) -> tuple[MembershipTerm, ...]:
    for earlier, later in pairwise(sorted(terms, key=lambda term: term.start)):
        if (earlier.end or date.max) >= later.start:
            raise refuse(
                "term-overlap",
                f"Two terms of membership hold on {later.start.isoformat()}.",
                "End the earlier term with `to` before the later one begins.",
            )
    return terms


class Contact(Shape):
    """Whom to write to. Kept apart from the profile, never in an event, emptied by erasure."""

    name: Name
    email: EmailAddress
    role: Label | None = None


class Provenance(Shape):
    """How the record came about: the fields that hold a constant of an import, whose words are never indexed."""

    constants: Annotated[
        tuple[Annotated[StrictStr, field_of("profile", CONSTANT_FIELDS)], ...],
        Field(max_length=30),
        distinct("The field"),
    ] = ()


EXAMPLE: dict[str, Any] = {
    "legal_name": "Mwangaza Community Networks (fictional)",
    "category": "prospect",
    "organisation_type": "22",
    "hq_country": "KEN",
    "willing_countries": ["UGA", "TZA"],
    "descriptions": [
        {
            "language": "en",
            "text": "We plan and run solar-powered community networks for rural schools and clinics.",
        }
    ],
    "offers": [
        {
            "kind": "local_implementation",
            "texts": [{"language": "en", "text": "Crews that put up masts, radio links and solar power."}],
        }
    ],
    "tags": [{"scheme": "sdg", "code": "9"}, {"scheme": "wsis", "code": "C2"}],
    "contact": {"name": "Front desk", "email": "office@mwangaza.example", "role": "reception"},
    "fictional": True,
}
"""A profile that shows the usual fields; used in OpenAPI."""


class OrganisationBody(Shape):
    """An organisation as it is written, whole; a later PUT replaces it whole."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [EXAMPLE]})

    legal_name: Name
    short_name: Name | None = None
    aliases: Annotated[tuple[Name, ...], Field(max_length=20), distinct("The alias")] = ()
    category: Category
    organisation_type: OrganisationType | None = None
    sme: SmeStatus | None = None
    size_band: SizeBand | None = None
    study_group: StudyGroup | None = None
    hq_country: CountryCode
    operating_countries: Annotated[
        tuple[CountryCode, ...], Field(max_length=250), distinct("The country")
    ] = ()
    willing_countries: Annotated[tuple[CountryCode, ...], Field(max_length=250), distinct("The country")] = ()
    willing_regions: Annotated[tuple[RegionCode, ...], Field(max_length=6), distinct("The region")] = ()
    descriptions: Annotated[tuple[LocalisedText, ...], Field(min_length=1, max_length=20), ONE_PER_LANGUAGE]
    expertise: Annotated[tuple[LocalisedText, ...], Field(max_length=50)] = ()
    offers: Annotated[tuple[Offer, ...], Field(min_length=1, max_length=50)]
    seeks: Annotated[tuple[Offer, ...], Field(max_length=50)] = ()
    evidence: Annotated[
        tuple[Evidence, ...], Field(max_length=500), distinct("The evidence id", rule="evidence-id", by="id")
    ] = ()
    languages: Annotated[tuple[Language, ...], Field(max_length=50), distinct("The language")] = ()
    tags: Annotated[tuple[Tag, ...], Field(max_length=100), distinct("The tag")] = ()
    parent: UUID | None = None
    external_ids: Annotated[tuple[ExternalId, ...], Field(max_length=20), distinct("The external id")] = ()
    membership: Annotated[tuple[MembershipTerm, ...], Field(max_length=50), AfterValidator(_terms_apart)] = ()
    first_involved_on: Day | None = None
    involvements: Annotated[tuple[Involvement, ...], Field(max_length=200)] = ()
    review_by: Day | None = None
    contact: Contact
    fictional: StrictBool = False
    provenance: Provenance = Provenance()
