"""The file of past projects: its rows by the same reader, and what is wrong with it said in the same way.

What: yields the rows that can become evidence, and gives a line to `refused` for each that cannot. Why: an import and an
evaluation must take the same rows, and neither may lose one in silence. It must not make an evidence item.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from services.console.importing.files import BadRow, FileFault, read_rows
from services.console.mapping.language import MapFile
from services.console.mapping.values import ValueFault, id_of


def past_projects(
    path: Path, description: MapFile, *, refused: Callable[[str], None]
) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of past projects that have an id. Raises FileFault, at the end also for a column that no row has."""
    if description.evidence is None:
        raise TypeError("the map joins no past projects")
    columns, column = description.evidence_columns(), description.evidence.id
    seen: set[str] = set()
    lines: dict[str, int] = {}  # by id: a second row of one would silently take the place of the first
    for row in read_rows(path, columns=columns):
        if isinstance(row, BadRow):
            refused(f"{path.name}, line {row.line}: {row.rule}: {row.detail}. {row.fix}")
            continue
        seen |= columns & row.values.keys()
        try:
            known = id_of(row.values, column)
        except ValueFault as fault:
            refused(f"{path.name}, line {row.line}: /{column}: {fault.rule}: {fault}. {fault.fix}")
            continue
        if not known:
            refused(
                f"{path.name}, line {row.line}: /{column}: external-id: The column {column} is empty. "
                "Give the record an id."
            )
        elif (before := lines.setdefault(known, row.line)) != row.line:
            refused(
                f"{path.name}, line {row.line}: /{column}: external-id: {known} stands in line {before} already, which "
                "is taken. Keep one of the two."
            )
        else:
            yield row.values
    lacking = sorted(columns - seen)
    if lacking:
        raise FileFault(
            f"No row of {path} has the column{'s' * (len(lacking) > 1)} {', '.join(lacking)}, which the map reads of past "
            "projects; is it another file?"
        )
