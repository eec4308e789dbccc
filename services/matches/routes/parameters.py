"""What the routes of this service take from the address."""

from typing import Annotated, Literal, get_args
from uuid import UUID

from fastapi import Header, Path, Query

from schemas.events.parts import NeedKind
from schemas.http.matches import Category, Language, Scope, Sector
from services.chassis.reference import Reference, Refusal
from services.chassis.runtime import Runtime
from services.chassis.web.languages import best_language
from services.chassis.web.problems import InvalidParameter
from services.matches.queries.filters import Filters

ProjectId = Annotated[
    UUID, Path(description="The project's id.", examples=["018f3c2a-7d10-7000-8000-0000000000aa"])
]
OrganisationId = Annotated[
    UUID, Path(description="The organisation's id.", examples=["018f3c2a-7d10-7000-8000-000000000001"])
]
VersionNumber = Annotated[int, Path(ge=1, le=2**53, description="A version's number, from 1 on.")]
EpochNumber = Annotated[int, Path(ge=0, le=2**31 - 1, description="An epoch's number, from 0 on.")]
TokenText = Annotated[
    str | None,
    Query(
        max_length=120,
        description="The `text` of a write's token, `<topic>:<id>:<incarnation>.<version>`: with `Prefer: wait=5` the answer "
        "waits until the list covers it.",
        json_schema_extra={
            "pattern": r"^(projects|members)\.v1:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9]{1,10}\.[1-9][0-9]{0,17}$"
        },
        examples=["projects.v1:018f3c2a-7d10-7000-8000-0000000000aa:1.2"],
    ),
]
Prefer = Annotated[
    str | None,
    Header(
        max_length=200,
        description="`wait=5` waits at most 5 seconds for `token`, or for the first list (RFC 7240).",
    ),
]


async def filters_in(  # not because it waits: a plain function would be run in a thread
    sector: Annotated[Sector | None, Query(description="Public, private, academic or other.")] = None,
    category: Annotated[Category | None, Query(description="Category of membership.")] = None,
    region: Annotated[str | None, Query(max_length=60, description="ITU region of HQ or operations.")] = None,
    country: Annotated[str | None, Query(max_length=60, description="Country of HQ, alpha-3.")] = None,
    scope: Annotated[Scope | None, Query(description="How near to the project's places.")] = None,
    sme: Annotated[bool | None, Query(description="Small or medium enterprises, or all others.")] = None,
    newcomer: Annotated[bool | None, Query(description="Newcomers, or all others.")] = None,
    ldc: Annotated[bool | None, Query(description="With HQ in a least developed country, or not.")] = None,
    need_kind: Annotated[NeedKind | None, Query(description="Who offers this kind.")] = None,
    min_fit: Annotated[int | None, Query(ge=0, le=1000, description="Least fit, in per mille.")] = None,
    need: Annotated[
        str | None, Query(min_length=1, max_length=64, description="Order by the points on this need.")
    ] = None,
) -> Filters:
    """Read the filters of a list; they choose rows and never re-rank."""
    return Filters(
        sector=sector,
        category=category,
        region=region,
        country=country,
        scope=scope,
        sme=sme,
        newcomer=newcomer,
        ldc=ldc,
        need_kind=need_kind,
        min_fit=min_fit,
        need=need,
    )


async def language_in(  # not because it waits: a plain function would be run in a thread
    language: Annotated[
        Language | None,
        Query(
            description="The language of sentences; without it, the best of `Accept-Language`, or English."
        ),
    ] = None,
    accept_language: Annotated[
        str | None, Header(max_length=1000, description="Used where `language` is not given (RFC 9110).")
    ] = None,
) -> Language:
    """Choose the language that reasons are told in; what is asked for and not spoken here is told in English."""
    if language is not None:
        return language
    return best_language(accept_language or "", get_args(Language), otherwise="en")


def told_in(language: Language) -> dict[str, str]:
    """Return the headers of an answer whose sentences were chosen by `Accept-Language`."""
    return {"Content-Language": language, "Vary": "Authorization, Accept, Accept-Language"}


Eligibility = Annotated[
    Literal["eligible", "excluded"],
    Query(description="`excluded` pages through those whom a hard rule leaves out; it takes no filters."),
]
Include = Annotated[Literal["parts"] | None, Query(description="`parts` adds every exact part to each row.")]


def check_country(runtime: Runtime, country: str | None) -> None:
    """Raise InvalidParameter if a filter names a country that does not exist."""
    reference: Reference = runtime.state["reference"]
    _check("country", None if country is None else reference.check_country(country))


def check_region(runtime: Runtime, region: str | None) -> None:
    """Raise InvalidParameter if a filter names a region that does not exist."""
    reference: Reference = runtime.state["reference"]
    _check("region", None if region is None else reference.check_region(region))


def _check(parameter: str, refusal: Refusal | None) -> None:
    if refusal is not None:
        raise InvalidParameter(
            refusal.detail,
            errors=[
                {
                    "parameter": parameter,
                    "rule": refusal.rule,
                    "detail": refusal.detail,
                    "fix": refusal.fix,
                }
            ],
        )
