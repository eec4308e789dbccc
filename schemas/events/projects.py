"""The data of `projects.v1`: current projects and flagship initiatives, each record the full state."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from schemas.events.parts import (
    Country,
    Currency,
    ExternalId,
    Identifier,
    Language,
    LocalisedText,
    NeedKind,
    Part,
    Period,
    Provenance,
    Region,
    Stamp,
    Tag,
    Text,
)

ProjectState = Literal["draft", "published", "dormant", "closed", "withdrawn"]
Level = Literal["global", "regional", "national"]
ClosedCode = Literal["owner_decision", "deadline_passed", "withdrawn"]


class Need(Part):
    """One thing that the project lacks."""

    id: Text
    kind: NeedKind
    importance: Annotated[int, Field(ge=1, le=5)] = 3
    texts: tuple[LocalisedText, ...]
    quantity: Text | None = None


class Presence(Part):
    """Whether a candidate must be present in the project's countries; a hard rule has a reason."""

    required: bool
    reason: Text | None = None


class Emphasis(Part):
    """What the project makes of each component's published budget, per mille of it; what is left out is 1000."""

    text: Annotated[int, Field(ge=1)] | None = None
    evidence: Annotated[int, Field(ge=1)] | None = None
    needs: Annotated[int, Field(ge=1)] | None = None
    places: Annotated[int, Field(ge=1)] | None = None
    tags: Annotated[int, Field(ge=1)] | None = None
    languages: Annotated[int, Field(ge=1)] | None = None


class Amount(Part):
    """Money sought, in whole or fractional units of an ISO 4217 currency."""

    amount: Annotated[float, Field(ge=0)]
    currency: Currency


class Document(Part):
    """A paper about the project, by its address."""

    title: Text
    url: Text
    language: Language
    access: Literal["public", "members"]


class Project(Part):
    """One revision of a project: `org.comity.project.revised.v1`. The sequence's version is `revision`."""

    id: Identifier
    revision: Annotated[int, Field(ge=1)]
    state: ProjectState
    titles: tuple[LocalisedText, ...]
    summaries: tuple[LocalisedText, ...] = ()
    objectives: tuple[LocalisedText, ...] = ()
    needs: tuple[Need, ...] = ()
    level: Level | None = None
    """Only a draft may be without a level."""
    regions: tuple[Region, ...] = ()
    countries: tuple[Country, ...] = ()
    presence_required: Presence
    languages: tuple[Language, ...] = ()
    tags: tuple[Tag, ...] = ()
    period: Period | None = None
    deadline: date | None = None
    review_by: date | None = None
    owner: Identifier
    office: Text | None = None
    contact_role: Text | None = None
    """Whom to write to at the owner, as a role such as "project desk"; never a person."""
    flagship: Identifier | None = None
    amount_sought: Amount | None = None
    documents: tuple[Document, ...] = ()
    external_ids: tuple[ExternalId, ...] = ()
    fictional: bool = False
    team: tuple[Text, ...] = ()
    """Ids of the principals who may see the full list; opaque, no names."""
    published_at: Stamp | None = None
    closed_at: Stamp | None = None
    closed_reason: Text | None = None
    closed_code: ClosedCode | None = None
    emphasis: Emphasis | None = None
    provenance: Provenance = Provenance()


class Flagship(Part):
    """One revision of a flagship initiative: `org.comity.flagship.revised.v1`. It is public from its first revision."""

    id: Identifier
    revision: Annotated[int, Field(ge=1)]
    titles: tuple[LocalisedText, ...]
    summaries: tuple[LocalisedText, ...] = ()
    level: Level
    regions: tuple[Region, ...] = ()
    countries: tuple[Country, ...] = ()
    reason: LocalisedText
    """Why it was declared a flagship; published with it."""
    declared_by: Text
    """The id of the BDT editor who declared it; opaque, no name."""
    declared_at: Stamp
    ends_on: date | None = None
    tags: tuple[Tag, ...] = ()
    documents: tuple[Document, ...] = ()
    fictional: bool = False
    provenance: Provenance = Provenance()
