"""A row of a ranked list as JSON: the one form that heads, pages and answers share.

What: names and plain values. Why: what a stored version says and what a page says must not differ in a name. It must
not add what is not in the row (names and reasons are the reader's to add).
"""

from collections.abc import Iterable
from typing import Any

from matching.lists import Row


def row_json(row: Row) -> dict[str, Any]:
    """Return one row; points are exact integers, fit and confidence per mille."""
    return {
        "rank": row.rank,
        "organisation": row.member,
        "revision": row.revision,
        "points": row.points,
        "components": dict(row.components),
        "fit": row.fit,
        "band": row.band,
        "above_floor": row.above_floor,
        "confidence": row.confidence,
        "labels": list(row.labels),
        "steps": list(row.steps),
    }


def rows_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return rows in their order."""
    return [row_json(row) for row in rows]
