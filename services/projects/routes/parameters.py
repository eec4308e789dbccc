"""What the routes of this service take from the address."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request

from schemas.http.texts import MISLEADING, formed
from services.chassis.reference import Reference
from services.chassis.reference.faults import Codebook
from services.chassis.reference.rows import Refusal
from services.chassis.web.faults import codebook_of
from services.chassis.web.problems import ErrorEntry, InvalidParameter
from services.chassis.web.runtime import runtime_in

ProjectId = Annotated[
    UUID,
    Path(
        description="The project's id, a UUID that its creator chose.",
        examples=["018f3c2a-7d10-7000-8000-0000000000aa"],
    ),
]
FlagshipId = Annotated[
    UUID,
    Path(
        description="The flagship's id, a UUID that its creator chose.",
        examples=["018f3c2a-7d10-7000-8000-0000000000ff"],
    ),
]
RevisionNumber = Annotated[int, Path(ge=1, le=2**53, description="A revision's number, from 1 on.")]
TeamMember = Annotated[
    UUID,
    Path(description="The id of a person or an API client: `sub` of the tokens that act for them."),
]
Region = Annotated[
    str | None, Query(max_length=60, description="ITU region; countries count for their region.")
]
Country = Annotated[str | None, Query(max_length=60, description="ISO 3166-1 alpha-3 code.")]
TagFilter = Annotated[
    Annotated[
        str,
        *formed(
            rf"^[^:{MISLEADING}]+(:[^:{MISLEADING}]+){{1,2}}$",
            "This is no tag.",
            "Write scheme:code or scheme:version:code, such as sdg:9.",
        ),
    ]
    | None,
    Query(
        max_length=300,
        description="`scheme:code` or `scheme:version:code`.",
    ),
]


def codebook_in(request: Request) -> Codebook:
    """Return the published lists of this process."""
    return codebook_of(runtime_in(request))


def _check_tag(reference: Reference, tag: str) -> Refusal | None:
    """Check `scheme[:version]:code`; without a version a code of any plan will do, for projects of all of them are kept."""
    scheme, *version, code = tag.split(":")
    versions: list[str | None] = [*version]
    if not versions:
        versions = [None, *(row.version for row in reference.schemes if row.scheme == scheme)]
    refusals = [reference.check_tag(scheme, code, version=one) for one in versions]
    return None if None in refusals else refusals[0]


def check_codes(
    codebook: Codebook, *, region: str | None, country: str | None, tag: str | None = None
) -> None:
    """Raise InvalidParameter if a filter names a region, a country or a tag that does not exist."""
    reference = codebook.reference
    refusals = (
        ("region", None if region is None else reference.check_region(region)),
        ("country", None if country is None else reference.check_country(country)),
        ("tag", None if tag is None else _check_tag(reference, tag)),
    )
    errors: list[ErrorEntry] = [
        {"parameter": name, "rule": refusal.rule, "detail": refusal.detail, "fix": refusal.fix}
        for name, refusal in refusals
        if refusal is not None
    ]
    if errors:
        raise InvalidParameter(errors[0]["detail"], errors=errors)
