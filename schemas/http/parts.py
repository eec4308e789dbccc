"""Pieces of a body that several services share: days, addresses, codes, tags, kinds, external ids.

*What.* Pydantic types with their bounds and the checks that need nothing but the value. *Why here.* A date or a
tag that means one thing in a project and another in a profile would be matched wrongly. *Never:* a code list
that changes with the reference data (those are checked by the services), a clock, a database.
"""

import re
from collections.abc import Collection, Hashable
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr
from pydantic_core import PydanticCustomError

from schemas.http.texts import Label, Shape, check_characters, formed, refuse


def _day(value: Any) -> Any:
    """Read a date from its one form; a number of seconds or a time of day is no date."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
        raise refuse("date", "This is no date.", "Write YYYY-MM-DD, for example 2027-03-31.")
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise refuse(
            "date", f"{value} is no day of the calendar.", "Write an existing day, YYYY-MM-DD."
        ) from error
    if not 1900 <= day.year <= 2200:
        raise refuse("date", f"{value} is not between 1900 and 2200.", "Write a day of those years.")
    return day


def _url(value: str) -> str:
    check_characters(value, multiline=False)
    if not re.fullmatch(r"https?://[^\s/?#@]+\.[^\s/?#@]+([/?#]\S*)?", value):
        raise refuse(
            "url",
            "This is no web address.",
            "Write a full address that starts with https:// and names a host.",
        )
    return value


def distinct(noun: str, *, rule: str = "no-repeats", by: str = "") -> AfterValidator:
    """Return the check of a list in which nothing stands twice; `by` is the member of its items that is compared.

    It raises an error with a place and a sentence for each repeat (`repeats`), from which an answer names them all.
    """

    def check(items: tuple[Any, ...]) -> tuple[Any, ...]:
        seen: set[Hashable] = set()
        repeats = []
        for place, item in enumerate(items):
            value = getattr(item, by) if by else item
            if value in seen:
                where = (place, by) if by else (place,)
                repeats.append((where, f"{noun} {value} stands here twice."))
            seen.add(value)
        if repeats:
            told = {"sentence": repeats[0][1], "fix": "Keep one of them.", "repeats": repeats}
            raise PydanticCustomError(rule, "{sentence}", told)
        return items

    return AfterValidator(check)


def field_of(record: str, fields: Collection[str]) -> AfterValidator:
    """Return the check of a name that is one of the fields of this record, which a constant of an import can fill."""

    def check(name: str) -> str:
        if name not in fields:
            raise refuse(
                "constant-field",
                f"{name[:60]!r} is no field that a constant can fill.",
                f"Use names of the {record}'s fields: {', '.join(sorted(fields))}.",
            )
        return name

    return AfterValidator(check)


ONE_PER_LANGUAGE = distinct("The language", rule="one-per-language", by="language")
"""Put it after a list of texts: none has two in the same language."""


DAY_PATTERN = r"^(19[0-9]{2}|2[01][0-9]{2}|2200)-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"

Day = Annotated[
    date,
    BeforeValidator(_day),
    Field(json_schema_extra={"pattern": DAY_PATTERN}, examples=["2027-03-31"]),
]
"""A day, YYYY-MM-DD, between 1900 and 2200."""


def _whole(value: Any) -> Any:
    """Read 3.0 as 3, for JSON does not tell them apart; a text or a truth value is no number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Put it after the bounds of a whole number, so that the schema keeps them: `Annotated[StrictInt, Field(ge=1), WHOLE]`."""

EMAIL_PATTERN = (
    r"^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,120}[A-Za-z0-9])?"
    r"\.(?:[A-Za-z]{2,63}|[Xx][Nn]--[A-Za-z0-9-]{0,58}[A-Za-z0-9])$"
)
"""One address, its domain in ASCII letters; whether it is read by anybody, only a message can tell."""


def _email(value: str) -> str:
    if not re.fullmatch(EMAIL_PATTERN, value):
        fix = "Write one address such as office@example.org"
        if not value.rpartition("@")[2].isascii():
            fix += ", its domain in ASCII letters (xn--…)"
        raise refuse("email", "This is no e-mail address.", f"{fix}.")
    return value


EmailAddress = Annotated[
    StrictStr,
    Field(max_length=254, json_schema_extra={"pattern": EMAIL_PATTERN}, examples=["office@example.org"]),
    AfterValidator(_email),
]
"""An e-mail address."""

WebAddress = Annotated[
    StrictStr, Field(max_length=2_000, json_schema_extra={"format": "uri"}), AfterValidator(_url)
]
"""An http or https address."""

CountryCode = Annotated[StrictStr, Field(min_length=2, max_length=60, examples=["KEN"])]
"""ISO 3166-1 alpha-3; whether it exists is checked against the reference data, which names the right code."""

RegionCode = Annotated[StrictStr, Field(min_length=1, max_length=60, examples=["AFR"])]
"""An ITU-D region: AFR, AMS, ARB, ASP, CIS or EUR."""

Slug = Annotated[
    StrictStr,
    Field(examples=["n1"]),
    *formed(
        r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        "This is no short name.",
        "Use 1 to 64 letters, digits, full stops, low lines and hyphens; begin with a letter or a digit.",
    ),
]
"""A short name given by the client."""


class Tag(Shape):
    """A policy tag. Codes repeat in every plan cycle, so a tag is (scheme, version, code), never a code alone."""

    scheme: Annotated[StrictStr, Field(min_length=1, max_length=40, examples=["bap"])]
    version: Annotated[StrictStr, Field(min_length=1, max_length=40, examples=["2026-2029"])] | None = None
    code: Label

    def __str__(self) -> str:
        return f"{self.scheme}:{self.version or ''}:{self.code}"


Scheme = Annotated[
    StrictStr,
    Field(examples=["ror"]),
    *formed(
        r"^[a-z0-9][a-z0-9._-]{0,63}$",
        "This is no short name of a register.",
        "Use 1 to 64 small letters, digits, full stops, low lines and hyphens; begin with a letter or a digit.",
    ),
]
"""The short name of a register."""


class ExternalId(Shape):
    """The number of the same record in another register."""

    scheme: Scheme
    value: Label

    def __str__(self) -> str:
        return f"{self.scheme}:{self.value}"
