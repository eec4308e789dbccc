"""JSON as the standard means it, refused where lenient readers would each understand something else.

Refused: invalid UTF-8 and byte order marks, duplicate keys, NaN and Infinity, numbers beyond what a double or 64 bits
hold, nesting deeper than the bound, lone surrogates and NUL in any text. Every refusal names the place.
"""

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

from services.chassis.web.problems import InvalidBody, MalformedBody

_MAYBE_BAD_TEXT = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)|\x00")
_LARGEST = 2**63 - 1
_HOLDERS = (dict, list)


def parse(body: bytes, *, max_depth: int) -> Any:
    """Return the value of a JSON body. Raises MalformedBody, or InvalidBody for characters that no text may hold."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    if text.startswith("\ufeff"):
        raise MalformedBody("The body begins with a byte order mark. Send JSON as UTF-8 without one.")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=double_of,
            parse_int=whole_number_of,
        )
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    if _is_deeper(value, max_depth):
        raise _too_deep(max_depth)
    if _MAYBE_BAD_TEXT.search(body) is not None:
        _check_texts(value)
    return value


def pointer_to(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a place."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise MalformedBody(
            f"The key {_shown(twice)} stands twice in one object; which value counts is undefined."
        )
    return value


def _constant(name: str) -> NoReturn:
    raise MalformedBody(f"{name} is not JSON. Leave the field out, or send null where it is allowed.")


def double_of(literal: str) -> float:
    """Read a number with a fraction or an exponent. Raises MalformedBody if no double holds it."""
    value = float(literal)
    if math.isinf(value):
        raise _too_large(literal, "no double holds it")
    return value


def whole_number_of(literal: str) -> int:
    """Read a whole number. Raises MalformedBody if 64 bits do not hold it."""
    if len(literal) > 20 or abs(int(literal)) > _LARGEST:
        raise _too_large(literal, "at most 64 bits are read")
    return int(literal)


def _is_deeper(value: Any, most: int) -> bool:
    """Whether objects and lists stand in more than `most` of each other; one level after the other, without recursion."""
    level = [value] if isinstance(value, _HOLDERS) else []
    depth = 0
    while level:
        depth += 1
        if depth > most:
            return True
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, _HOLDERS)
        ]
    return False


def _check_texts(value: Any) -> None:
    """Walk all texts, names too, without recursion. Raises InvalidBody for one that holds what none may."""
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while waiting:
        item, place = waiting.pop()
        if isinstance(item, str):
            _check_text(item, place)
        elif isinstance(item, dict):
            for name in item:
                _check_text(name, place)
            waiting += [(child, (*place, name)) for name, child in item.items()]
        elif isinstance(item, list):
            waiting += [(child, (*place, index)) for index, child in enumerate(item)]


def _check_text(text: str, place: tuple[str | int, ...]) -> None:
    bad = next(
        (character for character in text if character == "\0" or "\ud800" <= character <= "\udfff"), None
    )
    if bad is not None:
        noun = "the character NUL" if bad == "\0" else "half of a surrogate pair"
        shown = pointer_to(*(_shown(part) if isinstance(part, str) else part for part in place))
        rule = "no-nul" if bad == "\0" else "no-lone-surrogates"
        raise InvalidBody.at(
            shown, rule, detail=f"A text here holds {noun} (U+{ord(bad):04X}).", fix="Remove it."
        )


def _too_large(literal: str, why: str) -> MalformedBody:
    detail = f"The number {literal[:40]} is too large; {why}."
    return MalformedBody.at("", "number-range", detail=detail, fix="Send a smaller number, or a text.")


def _too_deep(max_depth: int) -> MalformedBody:
    return MalformedBody(f"The body is nested more than {max_depth} levels deep.")


def _shown(name: str) -> str:
    return name[:80].encode("utf-8", "backslashreplace").decode().replace("\0", "\\u0000")
