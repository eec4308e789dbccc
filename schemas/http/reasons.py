"""What `POST /v1/lists/{project}/reasons` takes and answers: why these organisations stand on a list, in several languages.

*What.* The shapes of the question and of the answer. *Why apart from a page's rows.* Who tells others of a list needs neither
ranks nor parts, and asks for many at once. *Never:* a rank, a point, or anybody who was not asked about.
"""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from schemas.http.matches import Answered, Band, Described, Language, PerMille
from schemas.http.texts import Shape

MOST_ASKED = 200
"""Organisations in one question."""


class ReasonsBody(Shape):
    """Whom to give reasons of, and in which languages; what is named twice is answered once."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{
        "organisations": ["018f3c2a-7d10-7000-8000-000000000001"], "languages": ["en", "fr"],
    }]})  # fmt: skip

    organisations: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=MOST_ASKED)]
    languages: Annotated[tuple[Language, ...], Field(min_length=1, max_length=6)] = ("en",)


class Said(Answered):
    """Why, in one language: the words that both share, those with most points first, and whole sentences."""

    shared_terms: tuple[str, ...]
    reasons: tuple[str, ...]


class Told(Answered):
    """One organisation above the floor."""

    organisation: UUID
    fit: PerMille
    band: Band
    confidence: PerMille
    said: dict[str, Said] = Field(description="By language.")


class LeftOut(Answered):
    """One organisation that a hard rule leaves out: which, and the project's published reason where it gave one."""

    organisation: UUID
    said: dict[str, tuple[str, ...]] = Field(description="Sentences, by language.")


class ReasonsAnswer(Described):
    """Those of the organisations asked about that stand above the floor of this list now, and whom a rule leaves out, by id."""

    told: tuple[Told, ...]
    excluded: tuple[LeftOut, ...]
