"""Comity-Reason: why somebody writes, in their own words, for the audit trail.

What: one optional header of every write, read, decoded and checked like any line of text. Why a header: a reason belongs
to the act and not to the record, so it must not become part of what is published, and a write without a body needs one
most (an erasure, a revocation). It must not ask for one.
"""

from typing import Annotated
from urllib.parse import unquote_to_bytes

from pydantic import AfterValidator, Field, StrictStr, TypeAdapter, ValidationError

from schemas.http.texts import check_characters, check_letters
from services.chassis.web.failures import entry_of
from services.chassis.web.problems import ErrorEntry, InvalidParameter

HEADER = "Comity-Reason"
LONGEST = 500


def _line(text: str) -> str:
    return check_letters(check_characters(text, multiline=False))


_REASON: TypeAdapter[str] = TypeAdapter(
    Annotated[StrictStr, Field(min_length=1, max_length=LONGEST), AfterValidator(_line)]
)


def read_reason(header: str | None) -> str | None:
    """Return the reason that a header's value holds: UTF-8, percent-encoded where it is not ASCII.

    Raises InvalidParameter if it is no line of 1 to 500 characters with at least one letter.
    """
    if header is None:
        return None
    try:
        return _REASON.validate_python(unquote_to_bytes(header.encode("latin-1")).decode())
    except UnicodeDecodeError:
        errors: list[ErrorEntry] = [
            {
                "rule": "utf-8",
                "detail": "It is no UTF-8 text.",
                "fix": "Send UTF-8, percent-encoded where it is not ASCII.",
            }
        ]
    except ValidationError as refused:
        errors = [entry_of(error) for error in refused.errors(include_url=False)]
    raise InvalidParameter(
        f"{HEADER}: {errors[0]['detail']}", errors=[error | {"header": HEADER} for error in errors]
    )
