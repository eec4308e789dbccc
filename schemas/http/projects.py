"""Projects and flagships as they are sent to and answered by `/v1/projects` and `/v1/flagships`.

*What.* The closed view of what a client may write (every size and count is bounded) and the shapes of the
answers. *Why.* A draft may be unfinished, so hardly anything is required here; whether a project may be
*published* is a question that the `projects` service answers, naming all missing points at once.
*Never:* a field that names one partner before others, or a rule that needs a clock, a code list or a database.
"""

import re
from collections.abc import Hashable, Iterable
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, TypeVar
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
    model_validator,
)

from schemas.http.texts import (
    Label,
    Language,
    LocalisedName,
    LocalisedText,
    Name,
    Shape,
    ShortText,
    check_characters,
    refuse,
)

NeedKind = Literal[
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
]
"""What a project can need and an organisation can offer: one list for both, so that one can meet the other."""

Level = Literal["global", "regional", "national"]
"""The three levels of Resolution 71, resolves 5 ii."""

ProjectState = Literal["draft", "published", "dormant", "closed", "withdrawn"]
"""Only a published project is open; `dormant` is one whose review date passed; the last two are final."""

CURRENCY_PATTERN = r"^[A-Z]{3}$"


def _day(value: Any) -> Any:
    """Read a date from its one form; a number of seconds or a time of day is no date."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
        raise refuse("date", "This is no date.", "Write YYYY-MM-DD, for example 2027-03-31.")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise refuse(
            "date", f"{value} is no day of the calendar.", "Write an existing day, YYYY-MM-DD."
        ) from error


def _quantity(value: Any) -> Any:
    """Keep a bare whole number as the words it stands for; `true` is none."""
    return (
        str(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15
        else value
    )


def _url(value: str) -> str:
    check_characters(value, multiline=False)
    if not re.fullmatch(r"https?://[^\s/?#@]+\.[^\s/?#@]+([/?#]\S*)?", value):
        raise refuse(
            "url",
            "This is no web address.",
            "Write a full address that starts with https:// and names a host.",
        )
    return value


CURRENCIES = frozenset(Locale("en").currencies)
"""The ISO 4217 codes that CLDR knows."""


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise refuse(
            "currency", f"No currency has the code {value!r}.", "Use an ISO 4217 code such as USD or CHF."
        )
    return value


def _distinct(items: Iterable[Hashable], *, rule: str, noun: str) -> None:
    seen: set[Hashable] = set()
    for item in items:
        if item in seen:
            raise refuse(rule, f"{noun} {item} stands here twice.", "Keep one of them.")
        seen.add(item)


Texts = TypeVar("Texts", tuple[LocalisedName, ...], tuple[LocalisedText, ...])


def _one_per_language(texts: Texts) -> Texts:
    _distinct((text.language for text in texts), rule="one-per-language", noun="The language")
    return texts


Day = Annotated[
    date, BeforeValidator(_day), Field(ge=date(1900, 1, 1), le=date(2200, 12, 31), examples=["2027-03-31"])
]
"""A day, YYYY-MM-DD, between 1900 and 2200."""

WebAddress = Annotated[
    StrictStr, Field(max_length=2_000, json_schema_extra={"format": "uri"}), AfterValidator(_url)
]
"""An http or https address."""

CountryCode = Annotated[StrictStr, Field(min_length=2, max_length=60, examples=["KEN"])]
"""ISO 3166-1 alpha-3; whether it exists is checked against the reference data, which names the right code."""

RegionCode = Annotated[StrictStr, Field(min_length=1, max_length=60, examples=["AFR"])]
"""An ITU-D region: AFR, AMS, ARB, ASP, CIS or EUR."""

Slug = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["n1"])]
"""A short name given by the client."""


class Tag(Shape):
    """A policy tag. Codes repeat in every plan cycle, so a tag is (scheme, version, code), never a code alone."""

    scheme: Annotated[StrictStr, Field(min_length=1, max_length=40, examples=["bap"])]
    version: Annotated[StrictStr, Field(min_length=1, max_length=40, examples=["2026-2029"])] | None = None
    code: Label


class ExternalId(Shape):
    """The project's number in another register."""

    scheme: Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", examples=["itu-project"])]
    value: Label


class Need(Shape):
    """One thing that the project needs; `importance` 5 is the greatest."""

    id: Slug
    kind: NeedKind
    importance: Annotated[StrictInt, Field(ge=1, le=5)] = 3
    texts: Annotated[tuple[LocalisedText, ...], Field(max_length=20), AfterValidator(_one_per_language)] = ()
    quantity: Annotated[Label, BeforeValidator(_quantity)] | None = None


class PresenceRequired(Shape):
    """Whether candidates must be present in (or willing to work in) the project's places, and why."""

    required: StrictBool = False
    reason: ShortText | None = None


class Period(Shape):
    """The days on which the project starts and ends."""

    start: Day
    end: Day


class Amount(Shape):
    """The money sought: shown and reported, never scored."""

    amount: Annotated[StrictInt, Field(ge=0, le=10**15)] | Annotated[StrictFloat, Field(ge=0, le=1e15)]
    currency: Annotated[
        StrictStr, Field(min_length=3, max_length=3, pattern=CURRENCY_PATTERN), AfterValidator(_currency)
    ]


class Document(Shape):
    """A document about the project. All documents are listed for everybody; `members` ones open for members only."""

    title: Name
    url: WebAddress
    language: Language
    access: Literal["public", "members"] = "public"


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

    titles: Annotated[tuple[LocalisedName, ...], Field(max_length=20), AfterValidator(_one_per_language)] = ()
    summaries: Annotated[
        tuple[LocalisedText, ...], Field(max_length=20), AfterValidator(_one_per_language)
    ] = ()
    objectives: Annotated[tuple[LocalisedText, ...], Field(max_length=50)] = ()
    needs: Annotated[tuple[Need, ...], Field(max_length=50)] = ()
    level: Level | None = None
    regions: Annotated[tuple[RegionCode, ...], Field(max_length=6)] = ()
    countries: Annotated[tuple[CountryCode, ...], Field(max_length=250)] = ()
    presence_required: PresenceRequired = PresenceRequired()
    languages: Annotated[tuple[Language, ...], Field(max_length=20)] = ()
    tags: Annotated[tuple[Tag, ...], Field(max_length=100)] = ()
    period: Period | None = None
    deadline: Day | None = None
    review_by: Day | None = None
    owner: UUID
    office: Annotated[StrictStr, Field(min_length=1, max_length=60, examples=["addis_ababa"])] | None = None
    flagship: UUID | None = None
    amount_sought: Amount | None = None
    documents: Annotated[tuple[Document, ...], Field(max_length=100)] = ()
    external_ids: Annotated[tuple[ExternalId, ...], Field(max_length=20)] = ()
    fictional: StrictBool = False

    @model_validator(mode="after")
    def _no_repeats(self) -> Self:
        _distinct((need.id for need in self.needs), rule="need-id", noun="The need id")
        _distinct(self.regions, rule="no-repeats", noun="The region")
        _distinct(self.countries, rule="no-repeats", noun="The country")
        _distinct(self.languages, rule="no-repeats", noun="The language")
        _distinct(
            (f"{tag.scheme}:{tag.version or ''}:{tag.code}" for tag in self.tags),
            rule="no-repeats",
            noun="The tag",
        )
        _distinct(
            (f"{one.scheme}:{one.value}" for one in self.external_ids),
            rule="no-repeats",
            noun="The external id",
        )
        return self


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

    titles: Annotated[
        tuple[LocalisedName, ...], Field(min_length=1, max_length=20), AfterValidator(_one_per_language)
    ]
    summaries: Annotated[
        tuple[LocalisedText, ...], Field(max_length=20), AfterValidator(_one_per_language)
    ] = ()
    level: Level
    regions: Annotated[tuple[RegionCode, ...], Field(max_length=6)] = ()
    countries: Annotated[tuple[CountryCode, ...], Field(max_length=250)] = ()
    reason: LocalisedText
    ends_on: Day | None = None
    tags: Annotated[tuple[Tag, ...], Field(max_length=100)] = ()
    documents: Annotated[tuple[Document, ...], Field(max_length=100)] = ()
    fictional: StrictBool = False

    @model_validator(mode="after")
    def _no_repeats(self) -> Self:
        _distinct(self.regions, rule="no-repeats", noun="The region")
        _distinct(self.countries, rule="no-repeats", noun="The country")
        return self


class ClosingBody(Shape):
    """Why a project is closed or withdrawn; published with it."""

    reason: ShortText
