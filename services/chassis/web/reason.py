"""Comity-Reason: why somebody writes, in their own words, for the audit trail.

What: one optional header of every write, read, decoded and checked like any line of text. Why a header: a reason belongs
to the act and not to the record, so it must not become part of what is published, and a write without a body needs one
most (an erasure, a revocation). It must not ask for one.
"""

from urllib.parse import unquote_to_bytes

from pydantic_core import PydanticCustomError

from schemas.http.texts import check_characters, check_letters, refuse
from services.chassis.web.problems import InvalidParameter

HEADER = "Comity-Reason"
LONGEST = 500


def read_reason(header: str | None) -> str | None:
    """Return the reason that a header's value holds: UTF-8, percent-encoded where it is not ASCII.

    Raises InvalidParameter if it is no line of 1 to 500 characters with at least one letter.
    """
    if header is None:
        return None
    try:
        return check_letters(check_characters(_decoded(header), multiline=False))
    except PydanticCustomError as refused:
        context = refused.context or {}
        detail, fix = str(context["sentence"]), str(context["fix"])
        raise InvalidParameter(
            f"{HEADER}: {detail}",
            errors=[{"header": HEADER, "rule": refused.type, "detail": detail, "fix": fix}],
        ) from None


def _decoded(header: str) -> str:
    try:
        text = unquote_to_bytes(header.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise refuse(
            "utf-8", "It is no UTF-8 text.", "Send UTF-8, percent-encoded where it is not ASCII."
        ) from None
    if len(text) > LONGEST:
        raise refuse("reason-too-long", f"It has {len(text)} characters.", f"Send {LONGEST} or fewer.")
    return text
