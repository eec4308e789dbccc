"""The language of maps: a TOML file that says where each field of a body comes from.

What: the shape of a map and how it is read. Why: a source is described once, in words that a person who knows the source
can check, and the same map serves `comity import` and `comity evaluate`. It must not look at a row.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from services.console.mapping.targets import unknown_evidence_targets, unknown_targets

SHIPPED = Path(__file__).resolve().parents[1] / "maps"
"""The maps of public formats that ship with Comity; `--map` takes one by its name."""


class MapError(ValueError):
    """The map itself is wrong; the message is one sentence that names the place."""


class Part(BaseModel):
    """A table of a map: unknown names are refused, for a misspelt rule would be a field silently lost."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Turn(StrEnum):
    """What a value is turned into."""

    COUNTRY = "country"  # alpha-2, EL, UK, alpha-3 or an English name in use → alpha-3
    INTEGER = "integer"
    BOOLEAN = "boolean"  # true/false, yes/no, y/n, 1/0
    YEAR = "year"  # the first four digits of a date
    ORGANISATION = "organisation"  # the source's id of an organisation → our id of it
    PROJECT = "project"


def _paths(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Rule(Part):
    """Where the value of one field comes from, and what is done with it; the steps are applied in this order."""

    source: Annotated[tuple[str, ...], BeforeValidator(_paths), Field(alias="from", min_length=1)]
    optional: bool = False  # the column may be missing from the file
    split: str | None = None  # a text cell → a list
    values: Mapping[str, Any] = {}  # the source's codes → ours
    otherwise: Any = None  # for a value that `values` does not have; without it the value stays
    only: re.Pattern[str] | None = (
        None  # values in which it is not found are dropped; its groups, joined, are what is kept
    )
    turn: Annotated[Turn | None, Field(alias="as")] = None
    join: str | None = None  # several values → one text
    cut: Annotated[int | None, Field(ge=1)] = None  # most characters, ended at a word
    # A text → {language, text}; of several languages the first in which the text can stand, as a write of it is checked.
    language: Annotated[tuple[str, ...] | None, BeforeValidator(_paths), Field(min_length=1)] = None
    item: Any = None  # each value → this shape, "{}" standing for the value, "{path}" for another of the row
    default: Any = None  # where the source has nothing; recorded as a constant of that row


def _rules(value: Any) -> Any:
    """Read a text as a rule that only names its source; one rule is a list of one."""
    if isinstance(value, str):
        value = {"from": value}
    return [value] if isinstance(value, Mapping) else value


Rules = Annotated[tuple[Rule, ...], BeforeValidator(_rules), Field(min_length=1)]


class Skip(Part):
    """Rows that are no records of ours: the value of a column is empty, or one of a list."""

    source: Annotated[str, Field(alias="from")]
    equals: tuple[str, ...] = ()
    empty: bool = False
    why: str

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if bool(self.equals) == self.empty:
            raise ValueError("give either `equals` or `empty = true`")
        return self


class EvidenceJoin(Part):
    """How an organisation's past projects become its evidence: `each` entry of a list names one by `key`.

    In `fields`, paths lead into the past project; those that begin with `entry.` into the organisation's entry.
    """

    each: str
    key: str
    id: str
    fields: Mapping[str, Rules]
    constants: Mapping[str, Any] = {}

    def columns(self) -> frozenset[str]:
        """Return the columns of the projects' file that any rule reads."""
        rules = [rule for rules in self.fields.values() for rule in rules]
        paths = [path for rule in rules for path in (*rule.source, *_placeholders(rule.item))]
        return frozenset(_column(path) for path in [self.id, *paths])


class MapFile(Part):
    """A whole map."""

    kind: Literal["organisations", "projects"]
    title: str = ""
    scheme: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    id: str
    clean: bool = False  # mend control characters that a wrong decoding left in texts
    fields: Mapping[str, Rules]
    constants: Mapping[str, Any] = {}
    skip: tuple[Skip, ...] = ()
    evidence: EvidenceJoin | None = None

    def columns(self, *, joined: bool) -> frozenset[str]:
        """Return the columns that a file must have for this map: the first step of every path that is not optional.

        `joined`: past projects are given, so the column that names them is needed too.
        """
        paths = [self.id, *(skip.source for skip in self.skip), *_required(self.fields.values())]
        if self.evidence is not None and joined:
            paths.append(self.evidence.each)
        return frozenset(_column(path) for path in paths)

    def evidence_columns(self) -> frozenset[str]:
        """Return the columns that the file of past projects must have."""
        if self.evidence is None:
            return frozenset()
        paths = [self.evidence.id, *_required(self.evidence.fields.values())]
        return frozenset(_column(path) for path in paths if not path.startswith("entry."))


def load_map(name: str, *, kind: str) -> MapFile:
    """Read a map from a file, or a shipped one by its name. Raises MapError with one sentence."""
    path = Path(name)
    if not path.exists() and (SHIPPED / f"{name}.toml").exists():
        path = SHIPPED / f"{name}.toml"
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise MapError(
            f"There is no map {name!r}: {error.strerror}. Shipped are {', '.join(shipped())}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MapError(f"The map {name} is no TOML file in UTF-8: {error}.") from error
    try:
        found = MapFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise MapError(f"The map {name} is wrong at {place or 'its top'}: {first['msg']}.") from error
    if found.kind != kind:
        raise MapError(f"The map {name} is for {found.kind}, not for {kind}.")
    wrong = next(_wrong_targets(found), None)
    if wrong is not None:
        raise MapError(f"The map {name} is wrong: {wrong}")
    return found


def _wrong_targets(found: MapFile) -> Iterator[str]:
    yield from unknown_targets(found.kind, (*found.fields, *found.constants))
    if found.evidence is not None:
        yield from unknown_evidence_targets((*found.evidence.fields, *found.evidence.constants))


def shipped() -> Sequence[str]:
    """Return the names of the maps that ship with Comity."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def _required(fields: Any) -> Iterator[str]:
    for rules in fields:
        for rule in rules:
            if not rule.optional:
                yield from rule.source


def _placeholders(shape: Any) -> Iterator[str]:
    """Yield the paths that the "{path}" of a shape name."""
    if isinstance(shape, Mapping):
        for part in shape.values():
            yield from _placeholders(part)
    elif isinstance(shape, list):
        for part in shape:
            yield from _placeholders(part)
    elif isinstance(shape, str) and shape.startswith("{") and shape.endswith("}") and shape != "{}":
        yield shape[1:-1]


def _column(path: str) -> str:
    return path.partition(".")[0].removesuffix("[]")
