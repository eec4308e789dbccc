"""What Pydantic refuses, in our own words: one sentence that says what is wrong, one that says what to do.

*Why.* A library's sentence speaks of tuples and dictionaries, which no client sends. *Never:* a sentence of the library's
where we have one of our own; a test sends what is wrong in every way that the shapes know.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from services.chassis.web.problems import ErrorEntry

_SAID: Mapping[str, tuple[str, str]] = {
    "missing": ("It is missing", "Add it."),
    "extra_forbidden": (
        "Nothing of this name belongs here",
        "Remove it, or look for its right name in the API documentation.",
    ),
    "list_type": ("This is no list", "Send a list."),
    "tuple_type": ("This is no list", "Send a list."),
    "model_attributes_type": ("This is no object", "Send an object."),
    "model_type": ("This is no object", "Send an object."),
    "dict_type": ("This is no object", "Send an object."),
    "string_type": ("This is no text", "Send text."),
    "string_unicode": ("This text holds half of a surrogate pair", "Send the whole character."),
    "string_too_short": ("This text is shorter than {min_length} characters", "Write more."),
    "string_too_long": ("This text is longer than {max_length} characters", "Shorten it."),
    "too_long": ("There are more than {max_length} items here", "Send {max_length} or fewer."),
    "too_short": ("There are fewer than {min_length} items here", "Send {min_length} or more."),
    "literal_error": (
        "This is none of the values that are known here: {expected}",
        "Use one of the values named.",
    ),
    "enum": ("This is none of the values that are known here: {expected}", "Use one of the values named."),
    "uuid_parsing": ("This is no UUID", "Send a UUID, such as 019ab3c2-7d4e-7f00-8a11-3c5e9d7b2f60."),
    "uuid_type": ("This is no UUID", "Send a UUID as text."),
    "int_parsing": ("This is no whole number", "Send a whole number."),
    "int_parsing_size": ("This number is too large", "Send a smaller number."),
    "int_from_float": ("This is no whole number", "Send a whole number."),
    "int_type": ("This is no whole number", "Send a whole number."),
    "float_parsing": ("This is no number", "Send a number."),
    "float_type": ("This is no number", "Send a number."),
    "finite_number": ("This is no finite number", "Send a finite number."),
    "bool_parsing": ("This is neither true nor false", "Send true or false."),
    "bool_type": ("This is neither true nor false", "Send true or false."),
    "greater_than": ("This is not more than {gt}", "Send more than {gt}."),
    "greater_than_equal": ("This is less than {ge}", "Send {ge} or more."),
    "less_than": ("This is not less than {lt}", "Send less than {lt}."),
    "less_than_equal": ("This is more than {le}", "Send {le} or less."),
    "date_type": ("This is no date", "Write YYYY-MM-DD, for example 2027-03-31."),
    "date_parsing": ("This is no date", "Write YYYY-MM-DD, for example 2027-03-31."),
    "date_from_datetime_parsing": ("This is no date", "Write YYYY-MM-DD, for example 2027-03-31."),
    "date_from_datetime_inexact": ("This is no date", "Write YYYY-MM-DD, for example 2027-03-31."),
    "union_tag_invalid": (
        "{discriminator} is none of the values that are known here: {expected_tags}",
        "Use one of the values named.",
    ),
    "union_tag_not_found": ("{discriminator} is missing", "Add it."),
    "json_invalid": ("This is no JSON", "Send JSON."),
}
"""By the type of the error: what is wrong and what to do, with the numbers of the bound that is broken."""
_NAMED: Mapping[str, str] = {"tuple_type": "list-type", "string_unicode": "no-lone-surrogates"}
_ELSE = "Look up in the API documentation what belongs here."


def causes_of(errors: Iterable[Any]) -> list[Mapping[str, Any]]:
    """Return each error, and each place of one that names several, without those that only follow from others.

    A list is too short because its items are wrong: the items are told.
    """
    faults = [one for error in errors for one in _places(error)]
    places = [fault["loc"] for fault in faults]
    return [
        fault
        for fault in faults
        if fault["type"] != "too_short"
        or not any(
            len(place) > len(fault["loc"]) and place[: len(fault["loc"])] == fault["loc"] for place in places
        )
    ]


def entry_of(fault: Mapping[str, Any]) -> ErrorEntry:
    """Return what one fault is called, in our words, with what to do about it."""
    context = fault.get("ctx") or {}
    fix = context.get("fix") or _SAID.get(fault["type"], ("", _ELSE))[1].format_map(context)
    rule = _NAMED.get(fault["type"], str(fault["type"]).replace("_", "-"))
    return {"rule": rule, "detail": sentence_of(fault), "fix": str(fix)}


def sentence_of(fault: Mapping[str, Any]) -> str:
    """Return what is wrong, as one sentence that can be sent."""
    said = _SAID.get(fault["type"])
    raw = str(fault["msg"]) if said is None else said[0].format_map(fault.get("ctx") or {})
    sentence = raw.removeprefix("Value error, ").rstrip(".")
    return sentence.encode("utf-8", "backslashreplace").decode().replace("\0", "\\u0000")[:500] + "."


def _places(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    repeats = (error.get("ctx") or {}).get("repeats")
    if not repeats:
        return [error]
    return [{**error, "loc": (*error["loc"], *where), "msg": sentence} for where, sentence in repeats]
