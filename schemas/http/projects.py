"""Projects and flagships as they are sent to and answered by `/v1/projects` and `/v1/flagships`.

*What.* The closed view of what a client may write (every size and count is bounded) and the shapes of the
answers. *Why.* A draft may be unfinished, so hardly anything is required here; whether a project may be
*published* is a question that the `projects` service answers, naming all missing points at once.
*Never:* a field that names one partner before others, or a rule that needs a clock, a code list or a database.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from babel import Locale
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)
from pydantic_core import PydanticKnownError

from schemas.events.parts import NeedKind
from schemas.http.parts import (
    ONE_PER_LANGUAGE,
    WHOLE,
    CountryCode,
    Day,
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
    LocalisedName,
    LocalisedText,
    Name,
    Shape,
    ShortText,
    refuse,
)

Level = Literal["global", "regional", "national"]
"""The three levels of Resolution 71, resolves 5 ii."""

ProjectState = Literal["draft", "published", "dormant", "closed", "withdrawn"]
"""Only a published project is open; `dormant` is one whose review date passed; the last two are final."""

CURRENCY_PATTERN = r"^[A-Z]{3}$"


def _quantity(value: Any) -> Any:
    """Keep a bare whole number as the words it stands for; `true` is none."""
    return (
        str(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15
        else value
    )


MOST_MONEY = 10**15


def _number(value: Any) -> Any:
    """Refuse what is no number before its kinds are tried: the answer names the field, not a kind of it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticKnownError("float_type")
    return value


CURRENCIES = frozenset(Locale("en").currencies)
"""The ISO 4217 codes that CLDR knows."""


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise refuse(
            "currency", f"No currency has the code {value!r}.", "Use an ISO 4217 code such as USD or CHF."
        )
    return value


class Need(Shape):
    """One thing that the project needs; `importance` 5 is the greatest."""

    id: Slug
    kind: NeedKind
    importance: Annotated[StrictInt, Field(ge=1, le=5), WHOLE] = 3
    texts: Annotated[tuple[LocalisedText, ...], Field(max_length=20), ONE_PER_LANGUAGE] = ()
    quantity: Annotated[Label, BeforeValidator(_quantity)] | None = None


class PresenceRequired(Shape):
    """Whether candidates must be present in (or willing to work in) the project's places, and why.

    Whoever names no headquarters, operations or willingness there is left out, and is shown the reason. A region in which an
    organisation is willing to work stands for each country of it.
    """

    required: StrictBool = False
    reason: ShortText | None = None


LEAST_EMPHASIS, MOST_EMPHASIS = 500, 2000
"""As in the published table of weights, which has the last word when a list is ranked."""

Emphasised = Annotated[StrictInt, Field(ge=LEAST_EMPHASIS, le=MOST_EMPHASIS), WHOLE]


class Emphasis(Shape):
    """What counts more and what less for this project: per mille of a component's published budget, 1000 where left out.

    The total stays; it is divided otherwise, the same for every candidate, and stands in the list as `budgets`. Evidence never
    has more than half of it.
    """

    text: Emphasised | None = None
    evidence: Emphasised | None = None
    needs: Emphasised | None = None
    places: Emphasised | None = None
    tags: Emphasised | None = None
    languages: Emphasised | None = None


class Period(Shape):
    """The days on which the project starts and ends."""

    start: Day
    end: Day


class Amount(Shape):
    """The money sought: shown and reported, never scored."""

    amount: Annotated[
        StrictInt | StrictFloat,
        Field(ge=0, le=MOST_MONEY),
        BeforeValidator(_number),
        WithJsonSchema({"type": "number", "minimum": 0, "maximum": MOST_MONEY}),
    ]
    currency: Annotated[
        StrictStr,
        Field(min_length=3, max_length=3, json_schema_extra={"pattern": CURRENCY_PATTERN}),
        AfterValidator(_currency),
    ]


class Document(Shape):
    """A document about the project. All documents are listed for everybody; `members` ones open for members only."""

    title: Name
    url: WebAddress
    language: Language
    access: Literal["public", "members"] = "public"


CONSTANT_FIELDS = frozenset(
    {
        "titles",
        "summaries",
        "objectives",
        "needs",
        "level",
        "regions",
        "countries",
        "presence_required",
        "languages",
        "tags",
        "period",
        "deadline",
        "review_by",
        "owner",
        "office",
        "contact_role",
        "amount_sought",
        "documents",
    }
)
"""The fields that an import may fill with a constant."""


class ProjectProvenance(Shape):
    """How the record came about: the fields that hold a constant of an import, whose words are never indexed."""

    constants: Annotated[
        tuple[Annotated[StrictStr, field_of("project", CONSTANT_FIELDS)], ...],
        Field(max_length=30),
        distinct("The field"),
    ] = ()


class ProjectBody(Shape):
    """A project as its owner writes it. A draft may leave out nearly everything; publication asks for it."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "titles": [{"language": "en", "text": "Solar links for forty rural schools"}],
                    "summaries": [
                        {
                            "language": "en",
                            "text": "Connect forty schools of two counties by solar-powered radio links.",
                        }
                    ],
                    "needs": [
                        {
                            "id": "n1",
                            "kind": "connectivity",
                            "importance": 5,
                            "texts": [
                                {"language": "en", "text": "Last-mile radio links and backhaul capacity."}
                            ],
                        }
                    ],
                    "level": "national",
                    "countries": ["KEN"],
                    "tags": [{"scheme": "sdg", "code": "9"}],
                    "period": {"start": "2027-01-01", "end": "2029-12-31"},
                    "deadline": "2027-06-30",
                    "owner": "018f3c2a-7d10-7000-8000-000000000001",
                }
            ]
        },
    )

    titles: Annotated[tuple[LocalisedName, ...], Field(max_length=20), ONE_PER_LANGUAGE] = ()
    summaries: Annotated[tuple[LocalisedText, ...], Field(max_length=20), ONE_PER_LANGUAGE] = ()
    objectives: Annotated[tuple[LocalisedText, ...], Field(max_length=50)] = ()
    needs: Annotated[
        tuple[Need, ...], Field(max_length=50), distinct("The need id", rule="need-id", by="id")
    ] = ()
    level: Level | None = None
    regions: Annotated[tuple[RegionCode, ...], Field(max_length=6), distinct("The region")] = ()
    countries: Annotated[tuple[CountryCode, ...], Field(max_length=250), distinct("The country")] = ()
    presence_required: PresenceRequired = PresenceRequired()
    languages: Annotated[tuple[Language, ...], Field(max_length=20), distinct("The language")] = ()
    tags: Annotated[tuple[Tag, ...], Field(max_length=100), distinct("The tag")] = ()
    period: Period | None = None
    deadline: Day | None = None
    review_by: Day | None = None
    owner: UUID
    office: Annotated[StrictStr, Field(min_length=1, max_length=60, examples=["addis_ababa"])] | None = None
    contact_role: Label | None = None
    flagship: UUID | None = None
    amount_sought: Amount | None = None
    documents: Annotated[tuple[Document, ...], Field(max_length=100)] = ()
    external_ids: Annotated[tuple[ExternalId, ...], Field(max_length=20), distinct("The external id")] = ()
    fictional: StrictBool = False
    emphasis: Emphasis | None = None
    provenance: ProjectProvenance = ProjectProvenance()


class FlagshipBody(Shape):
    """A flagship initiative as a BDT editor declares it, with the published reason."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "titles": [{"language": "en", "text": "Schools online"}],
                    "level": "global",
                    "reason": {"language": "en", "text": "Declared to gather the national school projects."},
                }
            ]
        },
    )

    titles: Annotated[tuple[LocalisedName, ...], Field(min_length=1, max_length=20), ONE_PER_LANGUAGE]
    summaries: Annotated[tuple[LocalisedText, ...], Field(max_length=20), ONE_PER_LANGUAGE] = ()
    level: Level
    regions: Annotated[tuple[RegionCode, ...], Field(max_length=6), distinct("The region")] = ()
    countries: Annotated[tuple[CountryCode, ...], Field(max_length=250), distinct("The country")] = ()
    reason: LocalisedText
    ends_on: Day | None = None
    tags: Annotated[tuple[Tag, ...], Field(max_length=100), distinct("The tag")] = ()
    documents: Annotated[tuple[Document, ...], Field(max_length=100)] = ()
    fictional: StrictBool = False


class ClosingBody(Shape):
    """Why a project is closed or withdrawn: for whoever may still read it or its last list."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "The partners that were sought have been found."}]}
    )

    reason: ShortText
