"""From the cells of a row to one value of a body: taking, splitting, translating, turning, wrapping.

What: the steps of a rule, one function each. Why: CSV and JSONL rows are turned by the same steps, so a map does not
care which it reads. It must not know what a field means, and must not guess: what a step cannot turn is an error.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from services.chassis.reference import Reference
from services.chassis.reference.languages import LanguageChecks, load_language_checks
from services.console.mapping.identifiers import identifier_of
from services.console.mapping.language import Rule, Turn

YES = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}

WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
YEAR = re.compile(r"([0-9]{4})(?:[0-9]{4})?(?!\w)")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class ValueFault(ValueError):  # noqa: N818 - the fault is the value's
    """A value that a step cannot turn: `rule` names the step, `fix` says what to do."""

    def __init__(self, sentence: str, *, rule: str, fix: str) -> None:
        super().__init__(sentence)
        self.rule = rule
        self.fix = fix


@dataclass(frozen=True)
class Codes:
    """What the steps look up: countries, languages by words, the scheme in which the source numbers records."""

    reference: Reference
    scheme: str

    @cached_property
    def languages(self) -> LanguageChecks:
        """The checks that a write of a text meets."""
        return load_language_checks()


def value_of(rules: Sequence[Rule], row: Mapping[str, Any], codes: Codes) -> tuple[Any, bool]:
    """Return the value that a field's rules give for a row, and whether a default filled it. None: there is none.

    With several rules the value is the list of what each gives. Raises ValueFault.
    """
    if len(rules) == 1:
        return _one(rules[0], row, codes)
    found: list[Any] = []
    filled = False
    for rule in rules:
        value, default = _one(rule, row, codes)
        filled |= default
        found += value if isinstance(value, list) else [] if value is None else [value]
    return found or None, filled


def id_of(row: Any, path: str) -> str:
    """Return the source's id at a path as text, "" for none. Raises ValueFault for what is neither a text nor a whole number."""
    return _id(next((value for value in _reached(row, path) if not _empty(value)), ""))


def taken(row: Any, path: str) -> list[Any]:
    """Return what stands at a dotted path (`a.b`, `a[].b` for each of a list) without what is empty."""
    found = _reached(row, path)
    flat = [part for value in found for part in (value if isinstance(value, list) else [value])]
    return [part for part in flat if not _empty(part)]


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueFault(
            f"{str(value)[:60]!r} is no id", rule="id-type", fix="Write a text or a whole number."
        )
    text = str(value).strip()
    if not encodes(text):
        raise ValueFault(
            f"{text[:60]!a} holds half a character (a lone surrogate)",
            rule="no-lone-surrogates",
            fix="Write the id as the source does.",
        )
    return text


def encodes(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON may spell halves of characters, which nothing else can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _reached(row: Any, path: str) -> list[Any]:
    found = [row]
    for step in path.split("."):
        name, each = step.removesuffix("[]"), step.endswith("[]")
        found = [value.get(name) for value in found if isinstance(value, Mapping)]
        if each:
            found = [part for value in found if isinstance(value, list) for part in value]
    return found


def cleaned(value: Any) -> Any:
    """Return a row, or a part of one, with texts mended: U+0080 to U+009F read as windows-1252, other controls out."""
    if isinstance(value, str):
        return value if not CONTROLS.search(value) else CONTROLS.sub(_meant, value)
    if isinstance(value, Mapping):
        return {name: cleaned(part) for name, part in value.items()}
    return [cleaned(part) for part in value] if isinstance(value, list) else value


def _meant(found: re.Match[str]) -> str:
    return found[0].encode("latin-1").decode("windows-1252", "ignore") if found[0] > "\x7f" else ""


def _empty(value: Any) -> bool:
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def _one(rule: Rule, row: Mapping[str, Any], codes: Codes) -> tuple[Any, bool]:
    several = rule.split is not None or any("[]" in path for path in rule.source)
    values: list[Any] = []
    for path in rule.source:
        found = taken(row, path)
        several |= len(found) > 1 or any(isinstance(value, list) for value in _reached(row, path))
        values += [part for value in found for part in _split(_plain(value, path, rule), rule)]
    translated = [_kept(_translated(value, rule), rule) for value in values]
    values = [_turned(value, rule, codes) for value in translated if not _empty(value)]
    if not values:
        return rule.default, rule.default is not None
    if rule.join is not None:
        values, several = [rule.join.join(str(value).strip() for value in values)], False
    shaped = [_shaped(_cut(value, rule), rule, row, codes) for value in values]
    if several or rule.language is not None or rule.item is not None:
        return shaped, False
    return shaped[0], False


def _plain(value: Any, path: str, rule: Rule) -> Any:
    """Refuse what has parts where a rule makes a text of it: nobody means the text of an object."""
    if isinstance(value, Mapping | list) and (rule.join is not None or rule.turn is not None):
        raise ValueFault(
            f"{path} holds an object or a list where a text or number is meant",
            rule="shape",
            fix="Compare the row with the map's `from`.",
        )
    return value


def _split(value: Any, rule: Rule) -> list[Any]:
    if rule.split is None or not isinstance(value, str):
        return [value]
    return [part.strip() for part in value.split(rule.split) if part.strip()]


def _translated(value: Any, rule: Rule) -> Any:
    if not rule.values:
        return value
    known = rule.values.get(_written(value))
    return known if known is not None else value if rule.otherwise is None else rule.otherwise


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _kept(value: Any, rule: Rule) -> Any:
    """Return what `only` leaves of a value: all of it, what the pattern's groups hold, or nothing."""
    if rule.only is None or _empty(value):
        return value
    found = rule.only.search(str(value))
    if found is None:
        return None
    return "".join(part or "" for part in found.groups()) if rule.only.groups else value


def _turned(value: Any, rule: Rule, codes: Codes) -> Any:
    match rule.turn:
        case None:
            return value
        case Turn.COUNTRY:
            return _country(str(value).strip(), codes)
        case Turn.INTEGER:
            return _integer(value)
        case Turn.BOOLEAN:
            return value if isinstance(value, bool) else _boolean(str(value).strip())
        case Turn.YEAR:
            return _year(value)
        case Turn.ORGANISATION | Turn.PROJECT:
            return identifier_of(f"{rule.turn.value}s", codes.scheme, _id(value))


def _country(value: str, codes: Codes) -> str:
    known = codes.reference.country_code_of(value)
    if known is None:
        raise ValueFault(
            f"{value[:60]!r} is no country or code of one that Comity knows",
            rule="country-code",
            fix="Translate it in the map's `values`, or correct the row.",
        )
    return known


def _integer(value: Any) -> int:
    """Return a whole number, of digits or as JSON has it. What Python would take besides (True, 3.7, 1_000) is no one's number."""
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    if whole or (isinstance(value, str) and WHOLE.fullmatch(value.strip())):
        return int(value)
    raise ValueFault(f"{str(value)[:60]!r} is no whole number", rule="integer", fix="Write digits only.")


def _year(value: Any) -> int:
    """Return the year of a date that begins with it (2021, 2021-03-04, 20210304)."""
    text = str(_integer(value) if isinstance(value, float) else value).strip()
    found = YEAR.match(text)
    if found is None:
        raise ValueFault(
            f"{text[:60]!r} begins with no year", rule="year", fix="Write the year first, such as 2021-03-04."
        )
    return int(found[1])


def _boolean(value: str) -> bool:
    found = YES.get(value.casefold())
    if found is None:
        raise ValueFault(
            f"{value[:60]!r} is neither yes nor no",
            rule="boolean",
            fix="Write true or false, or translate it in the map's `values`.",
        )
    return found


def _cut(value: Any, rule: Rule) -> Any:
    if rule.cut is None or not isinstance(value, str) or len(value) <= rule.cut:
        return value
    kept = value[: rule.cut - 1]
    return (kept.rpartition(" ")[0] or kept).rstrip() + "…"


def _shaped(value: Any, rule: Rule, row: Mapping[str, Any], codes: Codes) -> Any:
    if rule.language is not None:
        return {"language": _language(value, rule.language, codes), "text": value}
    return value if rule.item is None else _filled(rule.item, value, row)


def _language(value: Any, languages: Sequence[str], codes: Codes) -> str:
    """Return the first language in which a text can stand; the first of all where it can in none, so that it is refused."""
    if len(languages) == 1 or not isinstance(value, str):
        return languages[0]
    standing = (tag for tag in languages if codes.languages.check(value, language=tag) is None)
    return next(standing, languages[0])


def _filled(shape: Any, value: Any, row: Mapping[str, Any]) -> Any:
    """Fill a shape: "{}" is the value, "{path}" what stands at that path of the row (left out where nothing does)."""
    if isinstance(shape, Mapping):
        filled = {name: _filled(part, value, row) for name, part in shape.items()}
        return {name: part for name, part in filled.items() if part is not None}
    if isinstance(shape, list):
        return [_filled(part, value, row) for part in shape]
    if not isinstance(shape, str) or not (shape.startswith("{") and shape.endswith("}")):
        return shape
    return value if shape == "{}" else next(iter(taken(row, shape[1:-1])), None)
