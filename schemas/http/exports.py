"""What `/v1/exports/dictionary` answers: the columns of every file.

*What.* Name, type and meaning of each column. *Why.* A file is read without asking its maker. *Never:* data.
"""

from typing import Literal

from schemas.http.matches import Answered

Kind = Literal["text", "list", "integer", "boolean", "date", "moment"]
"""What stands in a column."""


class ExportColumn(Answered):
    """One column of a file."""

    name: str
    type: Kind
    meaning: str


class ExportDataset(Answered):
    """One kind of file, and what a row of it is."""

    name: str
    row: str
    columns: tuple[ExportColumn, ...]


class DataDictionary(Answered):
    """Every column of every export."""

    datasets: tuple[ExportDataset, ...]
