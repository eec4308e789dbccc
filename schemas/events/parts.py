"""The building blocks that the records of several owners share.

Only what every reader may rely on stands here: shapes, closed code sets, patterns. Bounds of length and rules
that need other records are the owning service's business, checked before an event exists.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(min_length=1)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Stamp = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]
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


class Part(BaseModel):
    """What every piece of event data is: frozen, readable by field name or by its name on the wire."""

    model_config = ConfigDict(
        frozen=True, populate_by_name=True, extra="ignore", use_attribute_docstrings=True
    )


class LocalisedText(Part):
    """A text in one language."""

    language: Language
    text: Text


class Tag(Part):
    """A code of a published vocabulary; `version` is the plan cycle for schemes that have cycles."""

    scheme: Text
    version: Text | None = None
    code: Text


class ExternalId(Part):
    """The id that another system knows this record by."""

    scheme: Text
    value: Text


class Period(Part):
    """From one day to another, both included."""

    start: date
    end: date


class Provenance(Part):
    """How the record came about: the names of fields that hold an import's constant, which are never indexed."""

    constants: tuple[Text, ...] = Field(default=())
