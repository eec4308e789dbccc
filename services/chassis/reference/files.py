"""Reads the CSV files of ``data/`` into the rows of ``rows.py``.

The header of a file must be the fields of its row in their order, so that a file cannot drift away from the
code unnoticed. Empty cells mean None or empty, dates are ISO 8601, yes/no are booleans. Nothing is cached here.
"""

import csv
import dataclasses
from collections.abc import Callable
from datetime import date
from importlib import resources
from typing import Any, TypeVar

Row = TypeVar("Row")


def read_rows(row_type: type[Row], file_name: str) -> tuple[Row, ...]:
    """Return all rows of ``data/<file_name>``.

    Raises ValueError: the header differs from the row's fields, or a cell cannot be read; the message names the line.
    """
    text = resources.files(__package__).joinpath("data", file_name).read_text(encoding="utf-8")
    return parse_rows(row_type, text, file_name=file_name)


def parse_rows(row_type: type[Row], text: str, *, file_name: str) -> tuple[Row, ...]:
    """Return the rows of a CSV text; see ``read_rows``."""
    fields = {field.name: str(field.type) for field in dataclasses.fields(row_type)}  # type: ignore[arg-type]
    lines = csv.DictReader(text.splitlines())
    if lines.fieldnames != list(fields):
        raise ValueError(f"{file_name}: the header is {lines.fieldnames}, expected {list(fields)}")
    rows = []
    for number, cells in enumerate(lines, start=2):
        if None in cells or None in cells.values():
            raise ValueError(f"{file_name}, line {number}: the number of cells differs from the header's")
        try:
            rows.append(row_type(**{name: _read(kind)(cells[name]) for name, kind in fields.items()}))
        except ValueError as wrong:
            raise ValueError(f"{file_name}, line {number}: {wrong}") from wrong
    return tuple(rows)


def _read(kind: str) -> Callable[[str], Any]:
    if "tuple" in kind:
        return lambda cell: tuple(cell.split())
    if "date" in kind:
        return lambda cell: date.fromisoformat(cell) if cell or "None" not in kind else None
    if "bool" in kind:
        return _yes_or_no
    if "int" in kind:
        return int
    if "None" in kind:
        return lambda cell: cell or None
    return str


def _yes_or_no(cell: str) -> bool:
    if cell not in {"yes", "no"}:
        raise ValueError(f"expected yes or no, found {cell!r}")
    return cell == "yes"
