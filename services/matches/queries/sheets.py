"""Rows as a file that people open: CSV for Excel, XLSX, JSON Lines; written page by page.

*What.* One writer for each form; cells are typed by the data dictionary. CSV and JSON Lines are bytes from the first row on, so
they can leave as they are written. XLSX is a zip archive whose parts its library puts together at the end, from temporary
files on disk (rows are not kept in memory): nothing of it can leave before. *Never:* let a text become a formula, a link, a
number or markup: what looks like one is written as text.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from io import RawIOBase
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol

import orjson
import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from schemas.http.exports import Kind
from services.matches.rules.dictionary import Column, Dataset

Form = Literal["csv", "xlsx", "jsonl"]
Cells = Sequence[Any]
"""The values of a row, in the order of the dataset's columns; None is an empty cell."""

MEDIA_TYPES: Mapping[Form, str] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/jsonl",
}
MOST_ROWS = 1_048_575
"""What a sheet holds below its header."""

_JOINT = "; "
_FORMULA = re.compile(r"^\s*[=+\-@\t\r＝＋－＠]")
_INNER = re.compile(r"([;\t\r\n|][\s\"]*)(?=[=+\-@＝＋－＠])")
"""A formula behind what a spreadsheet of another language takes for the end of a cell, whatever quotes stand around."""
_LONGEST_CELL = 32_767
_WIDTHS: Mapping[Kind, int] = {"text": 38, "list": 24, "integer": 10, "boolean": 10, "date": 12, "moment": 20}
"""Characters that a column shows: an id, a name, a moment can be read without pulling at it."""


class Writer(Protocol):
    """Takes rows, and at the end leaves a whole file. Both calls may take long: run them in a thread."""

    def add(self, rows: Iterable[Cells]) -> None:
        """Write these rows."""
        ...

    def close(self) -> None:
        """Write what belongs to the end."""
        ...

    def drop(self) -> None:
        """Let go of whatever was held to write, be the file whole or not."""
        ...


def writer_of(form: Form, file: RawIOBase, dataset: Dataset, about: Mapping[str, str]) -> Writer:
    """Return the writer of a form; `about` says what the file is, where the form has a place for it."""
    if form == "xlsx":
        return Xlsx(file, dataset, about)
    return Csv(file, dataset) if form == "csv" else Jsonl(file, dataset)


class Jsonl:
    """One JSON object a line, with every column, null where there is nothing."""

    def __init__(self, file: RawIOBase, dataset: Dataset) -> None:
        self._file = file
        self._names = [column.name for column in dataset.columns]

    def add(self, rows: Iterable[Cells]) -> None:
        """Write these rows."""
        for row in rows:
            self._file.write(orjson.dumps(dict(zip(self._names, row, strict=True))) + b"\n")

    def close(self) -> None:
        """Nothing belongs to the end."""

    def drop(self) -> None:
        """Nothing is held."""


class Csv:
    """RFC 4180 in UTF-8 with a byte order mark, which Excel needs; a formula in a text gets an apostrophe."""

    def __init__(self, file: RawIOBase, dataset: Dataset) -> None:
        self._file = file
        self._columns = dataset.columns
        file.write("\ufeff".encode())
        self._write([[column.name for column in dataset.columns]])

    def add(self, rows: Iterable[Cells]) -> None:
        """Write these rows."""
        self._write(
            [_plain(column, cell) for column, cell in zip(self._columns, row, strict=True)] for row in rows
        )

    def close(self) -> None:
        """Nothing belongs to the end."""

    def drop(self) -> None:
        """Nothing is held."""

    def _write(self, rows: Iterable[Sequence[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        self._file.write(text.getvalue().encode())


class Xlsx:
    """A sheet of typed cells with a fixed header, a sheet of definitions, and one that says what this is."""

    def __init__(self, file: RawIOBase, dataset: Dataset, about: Mapping[str, str]) -> None:
        self._folder = TemporaryDirectory()
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "tmpdir": self._folder.name,
        }
        self._book = xlsxwriter.Workbook(file, options)
        self._book.set_properties({"title": dataset.name, "created": _day_of(about)})
        self._head = self._book.add_format({"bold": True})
        self._kinds = {
            "date": self._book.add_format({"num_format": "yyyy-mm-dd"}),
            "moment": self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        }
        self._dataset, self._about = dataset, about
        self._sheet = self._book.add_worksheet(dataset.name, _Sheet)
        self._sheet.freeze_panes(1, 0)
        for place, column in enumerate(dataset.columns):
            self._sheet.set_column(place, place, max(_WIDTHS[column.kind], len(column.name) + 4))
        self._row = 0
        self._texts(self._sheet, 0, [column.name for column in dataset.columns], bold=True)

    def add(self, rows: Iterable[Cells]) -> None:
        """Write these rows."""
        for row in rows:
            self._row += 1
            for place, (column, cell) in enumerate(zip(self._dataset.columns, row, strict=True)):
                self._cell(place, column, cell)

    def close(self) -> None:
        """Write the definitions and what this is, and the file itself."""
        self._sheet.autofilter(0, 0, self._row, len(self._dataset.columns) - 1)
        sheet = self._book.add_worksheet("definitions", _Sheet)
        sheet.set_column(0, 1, 20)
        sheet.set_column(2, 2, 100)
        self._texts(sheet, 0, ["column", "type", "meaning"], bold=True)
        for number, column in enumerate(self._dataset.columns, 1):
            self._texts(sheet, number, [column.name, column.kind, column.meaning])
        sheet = self._book.add_worksheet("about", _Sheet)
        sheet.set_column(0, 0, 20)
        sheet.set_column(1, 1, 100)
        for number, (name, value) in enumerate(self._about.items()):
            self._texts(sheet, number, [name, value])
        self._book.close()

    def drop(self) -> None:
        """Close and delete the files of an archive that was not put together: its library keeps them until then."""
        for sheet in self._book.worksheets():
            if sheet.row_data_fh is not None:
                sheet.row_data_fh.close()
        self._folder.cleanup()

    def _cell(self, place: int, column: Column, cell: Any) -> None:
        if cell is None or cell == []:
            return
        if column.kind == "integer":
            self._sheet.write_number(self._row, place, cell)
        elif column.kind == "boolean":
            self._sheet.write_boolean(self._row, place, cell)
        elif column.kind in {"date", "moment"}:
            moment = datetime.fromisoformat(cell).replace(tzinfo=None)
            self._sheet.write_datetime(self._row, place, moment, self._kinds[column.kind])
        else:
            text = _JOINT.join(cell) if column.kind == "list" else cell
            self._sheet.write_string(self._row, place, text[:_LONGEST_CELL])

    def _texts(self, sheet: Any, row: int, texts: Sequence[str], *, bold: bool = False) -> None:
        for place, text in enumerate(texts):
            sheet.write_string(row, place, text, self._head if bold else None)


class _Sheet(Worksheet):  # type: ignore[misc]
    """A sheet without rich text: its library takes every text between `<r>` and `</r>` for markup of its own making."""

    def _xml_rich_inline_string(self, string: str, attributes: Sequence[Any] = ()) -> None:
        self._xml_inline_string(string, preserve=True, attributes=attributes)


def _plain(column: Column, cell: Any) -> Any:
    if cell is None:
        return ""
    if column.kind == "boolean":
        return "true" if cell else "false"
    if column.kind == "integer":
        return cell
    text = _JOINT.join(cell) if column.kind == "list" else cell
    text = _INNER.sub(r"\1'", text)
    return f"'{text}" if _FORMULA.match(text) else text


def _day_of(about: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(about["data_as_of"]).astimezone(UTC).replace(tzinfo=None)
