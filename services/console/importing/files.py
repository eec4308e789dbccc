"""The rows of a file: JSON Lines or CSV, plain or gzip, one at a time, each with the number of its line.

What: finds out how the file is written (gzip by its first bytes, a byte order mark, the delimiter) and yields rows; what
is no row is yielded as a `BadRow`, and the file goes on. Why: one broken line of a million must not cost the others; what
a quote that nobody closes has swallowed cannot be told from a text, so it is named by its lines. It must not hold the file
in memory, and must not know what a column means.
"""

import csv
import gzip
import io
import json
import shlex
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from services.chassis.web.problems import MalformedBody
from services.chassis.web.strict_json import double_of, whole_number_of

MAX_ROW_BYTES = 900_000
"""No row is longer: what it would become could not be sent either."""

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}


class FileFault(ValueError):  # noqa: N818 - the fault is the file's
    """The file as a whole cannot be read; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of the file; `line` is where it begins, counted from 1."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that is no record: the rule it breaks, what is wrong, and the fix."""

    line: int
    rule: str
    detail: str
    fix: str


def read_rows(path: Path, *, columns: Collection[str] | None = ()) -> Iterator[Row | BadRow]:
    """Yield the rows of a file. Raises FileFault at once or on the way.

    `columns` are those that a CSV file must have; None: its rows are bodies, which have lists and objects in them, so it is no CSV.
    """
    try:
        stream = _opened(path)
    except OSError as error:
        raise FileFault(f"{path} cannot be read: {error.strerror}.") from error
    with stream:
        lines = _lines(stream, path)
        first = next(lines, None)
        if first is None:
            raise FileFault(f"{path} is empty: it holds no row.")
        chained = _chained(first, lines)
        if _is_json(path, first[1]):
            rows = _json_rows(chained)
        elif columns is None:
            raise FileFault(
                f"{path} is CSV, whose cells are texts alone; say with --map how a row becomes a body."
            )
        else:
            rows = _csv_rows(chained, path, columns)
        one = next(rows, None)
        if one is None:
            raise FileFault(f"{path} holds no row.")
        yield one
        yield from rows


Line = tuple[int, str, BadRow | None]


def _chained(first: Line, lines: Iterator[Line]) -> Iterator[Line]:
    yield first
    yield from lines


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as probe:
        packed = probe.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _lines(stream: IO[bytes], path: Path) -> Iterator[Line]:
    """Yield (number, text, fault): a line that is too long or no UTF-8 has a fault and no text."""
    number = 0
    try:
        while content := stream.readline(MAX_ROW_BYTES + 1):
            number += 1
            if number == 1:
                content = _without_mark(content, path)
            if len(content) > MAX_ROW_BYTES:
                while content and not content.endswith(b"\n"):
                    content = stream.readline(MAX_ROW_BYTES)
                yield (
                    number,
                    "",
                    BadRow(
                        number,
                        "row-size",
                        f"The row is longer than {MAX_ROW_BYTES:,} bytes",
                        "Shorten its texts, or split it.",
                    ),
                )
                continue
            try:
                yield number, content.decode("utf-8"), None
            except UnicodeDecodeError as error:
                yield (
                    number,
                    "",
                    BadRow(
                        number,
                        "utf-8",
                        f"Byte {error.start + 1} of the line is no UTF-8",
                        "Save the file as UTF-8.",
                    ),
                )
    except EOFError as error:
        raise FileFault(
            f"{path} is a truncated gzip file: it ends in the middle of line {number + 1}; fetch it again."
        ) from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise FileFault(
            f"{path} is a damaged gzip file after line {number} ({error}); fetch it again."
        ) from error


def _without_mark(content: bytes, path: Path) -> bytes:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileFault(f"{path} is in UTF-16; save it as UTF-8.")
    return content.removeprefix(b"\xef\xbb\xbf")


def _is_json(path: Path, first: str) -> bool:
    """Whether the file is JSON Lines, by its name and first line. Raises FileFault for JSON that is one value, or spread over lines."""
    suffixes = {suffix.lower() for suffix in path.suffixes}
    if {".csv", ".tsv"} & suffixes:
        return False
    named, begins = bool({".jsonl", ".ndjson"} & suffixes), first.strip()
    if begins == "{" and not named:
        raise FileFault(f"{path} is JSON spread over lines, not one object a line: {_jq('.', path)}")
    if begins == "[" or (not named and (begins[:1] == "[" or (".json" in suffixes and begins[:1] != "{"))):
        raise FileFault(f"{path} is one JSON value, not one object a line: {_jq('.[]', path)}")
    return named or begins.startswith("{")


def _jq(what: str, path: Path) -> str:
    """Return the command that writes a file of JSON as JSON Lines."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    lines = plain.with_suffix(".jsonl").name
    lines, name = shlex.quote("rows.jsonl" if lines == path.name else lines), shlex.quote(path.name)
    filtered = f"jq -c {shlex.quote(what)}"
    return f"{filtered} {name} > {lines}" if plain is path else f"gzip -dc {name} | {filtered} > {lines}"


def _json_rows(lines: Iterator[Line]) -> Iterator[Row | BadRow]:
    for number, text, fault in lines:
        if fault is not None:
            yield fault
        elif text.strip():
            yield _json_row(number, text)


def _json_row(number: int, text: str) -> Row | BadRow:
    try:
        values = json.loads(
            text,
            object_pairs_hook=_members,
            parse_constant=_no_number,
            parse_float=double_of,
            parse_int=whole_number_of,
        )
    except RecursionError:
        return BadRow(
            number, "json", "The line is nested too deeply", "Nest objects and lists a few levels deep."
        )
    except MalformedBody as problem:
        fault = problem.errors[0]
        return BadRow(number, fault["rule"], fault["detail"].rstrip("."), fault["fix"])
    except json.JSONDecodeError as error:
        detail = f"The line is no JSON object: {error.msg} at column {error.colno}"
        return BadRow(number, "json", detail, "Write one JSON object a line.")
    except ValueError as error:
        return BadRow(number, "json", f"The line is no JSON object: {error}", "Write one JSON object a line.")
    if not isinstance(values, dict):
        return BadRow(number, "json", "The line is JSON, but no object", "Write one JSON object a line.")
    return Row(number, values)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {twice!r} stands there twice")
    return members


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _csv_rows(lines: Iterator[Line], path: Path, columns: Collection[str]) -> Iterator[Row | BadRow]:
    csv.field_size_limit(MAX_ROW_BYTES)
    bad: list[BadRow] = []
    number, text, fault = next(lines)
    if fault is not None:
        raise FileFault(f"{path}, line {number}: {fault.detail}. {fault.fix}")
    delimiter, header = _header(text, path, columns)

    fed = _Fed(lines, bad)
    reader = csv.reader(fed, delimiter=delimiter, strict=True)
    while True:
        began = fed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            fix = "Close every quote, and double a quote inside one."
            if fed.inside and "field larger" in str(error):
                fed.skip_to_the_end_of_the_quote()
                fix = "Shorten its texts, or split it."
            yield BadRow(began, "csv", f"The row is no CSV: {error}{_span(began, fed.line)}", fix)
            continue
        if bad:
            yield from bad
            bad.clear()
        elif any(cell.strip() for cell in cells):
            yield _csv_row(began, fed.line, cells, header, delimiter)
    yield from bad


class _Fed:
    """The lines that the CSV reader is fed with: which one it has come to, and whether a quote is open in its row."""

    def __init__(self, lines: Iterator[Line], bad: list[BadRow]) -> None:
        self._lines, self._bad = lines, bad
        self.line = 1
        self.inside = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.line, text, wrong = next(self._lines)
        if wrong is not None:
            self._bad.append(wrong)
        self.inside ^= text.count('"') % 2 == 1
        return text or "\n"

    def begin(self) -> int:
        """Begin a row; the number of its first line."""
        self.inside = False
        return self.line + 1

    def skip_to_the_end_of_the_quote(self) -> None:
        """Leave out the rest of a row that is too long, so that what follows is not read as a part of it."""
        while self.inside and next(self, None) is not None:
            pass


def _span(first: int, last: int) -> str:
    return f"; lines {first} to {last} were read as one row" if last > first else ""


def _csv_row(line: int, last: int, cells: list[str], header: list[str], delimiter: str) -> Row | BadRow:
    if len(cells) == len(header):
        return Row(line, dict(zip(header, cells, strict=True)))
    return BadRow(
        line,
        "cells",
        f"The row has {len(cells)} cells, the header {len(header)} (delimiter: {DELIMITERS[delimiter]})"
        + _span(line, last),
        "Quote cells that hold the delimiter.",
    )


def _header(text: str, path: Path, columns: Collection[str]) -> tuple[str, list[str]]:
    """Find the delimiter under which the header names most of the columns, then the one with most cells."""
    try:
        found = {
            mark: [cell.strip() for cell in next(csv.reader(io.StringIO(text), delimiter=mark), [])]
            for mark in DELIMITERS
        }
    except csv.Error as error:
        raise FileFault(
            f"{path} has no header that can be read ({error}); save it as CSV with a line feed at the end of each line."
        ) from error
    delimiter = max(found, key=lambda mark: (len(set(columns) & set(found[mark])), len(found[mark])))
    header = found[delimiter]
    missing = sorted(set(columns) - set(header))
    if missing:
        shown = ", ".join(header)[:200]
        fix = "Save it with one of these" if len(header) < 2 else "Name the columns so, or change the map"
        raise FileFault(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}: read with "
            f"{', '.join(DELIMITERS.values())} as delimiter, its header has at most {len(header)}: {shown}. {fix}."
        )
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise FileFault(f"{path} has two columns named {', '.join(sorted(twice))}; rename one.")
    return delimiter, header
