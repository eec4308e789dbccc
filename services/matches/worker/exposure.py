"""The exposure record of one process: what the lists that stand now give and owe, read from their versions.

What: follows `list_versions`, whose rows hold each version's attention, and chooses lanes by it. Why: the record is a sum of
stored versions and nothing else, so it is neither lost nor counted twice, and any process that reads them has the same.
It must not keep anything that a version does not hold, and must not rank.
"""

import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Select, Text, bindparam, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.exposure import ROW, Chosen, Exposure, Rows, with_lane
from matching.lists import RankedList
from matching.view import View
from services.matches.tables import LIST_VERSIONS

AT_ONCE = 500
"""Versions in one statement: databases bound the number of its parameters."""

_SHOWN = LIST_VERSIONS.c.shown_until.is_(None) & LIST_VERSIONS.c.attention.is_not(None)
_THESE = select(LIST_VERSIONS.c.project, LIST_VERSIONS.c.attention).where(
    tuple_(LIST_VERSIONS.c.project, LIST_VERSIONS.c.number).in_(bindparam("these", expanding=True))
)
_SUPPOSED = 0  # a number that no version has: the next refresh reads it again


class Record:
    """The sums over lists that stand, and the number of the version that each was read from."""

    def __init__(self) -> None:
        self.exposure = Exposure()
        self._numbers: dict[str, int] = {}

    @property
    def numbers(self) -> dict[str, int]:
        """The version that stands for each open project, as far as it was read."""
        return dict(self._numbers)

    async def refresh(self, connection: AsyncConnection) -> None:
        """Read the versions that stand now and were not read yet; let go of those that stand no more."""
        standing: dict[str, int] = orjson.loads(
            await connection.scalar(_standing(connection.dialect.name)) or b"{}"
        )
        for project in self._numbers.keys() - standing.keys():
            self.exposure.drop(project)
            del self._numbers[project]
        # As sets: this is asked before every list that is written, and hardly any of the others has changed.
        changed = list(standing.items() - self._numbers.items())
        for project, _ in changed:
            self._numbers.pop(project, None)
        for begin in range(0, len(changed), AT_ONCE):
            these = changed[begin : begin + AT_ONCE]
            for row in await connection.execute(_THESE, {"these": these}):
                self.exposure.put(row.project, unpacked(row.attention))
                self._numbers[row.project] = standing[row.project]

    def choose(self, ranked: RankedList, rows: Rows, view: View) -> tuple[tuple[Chosen, ...], Rows]:
        """Choose the lane of a list, and return it with the rows that give it its attention.

        They stand in the record for the next list of the same transaction; what is not confirmed is read again.
        """
        chosen = self.exposure.lane(ranked, rows, view.weights, root=view.root)
        marked = with_lane(rows, chosen, view.weights)
        self.exposure.put(ranked.project, marked)
        self._numbers[ranked.project] = _SUPPOSED
        return chosen, marked

    def confirm(self, numbers: Mapping[str, int]) -> None:
        """Take what was chosen for versions of these numbers as read: they were committed."""
        self._numbers |= {one: number for one, number in numbers.items() if one in self._numbers}


@cache
def _standing(dialect: str) -> Select[Any]:
    """Return the statement that reads the number of the version that stands for each project, as one JSON object.

    A row for each would be as many moments at which the ranking beside it takes the interpreter.
    """
    paired = func.json_group_object if dialect == "sqlite" else func.json_object_agg
    return select(cast(paired(LIST_VERSIONS.c.project, LIST_VERSIONS.c.number), Text)).where(_SHOWN)


def packed(rows: Rows) -> bytes:
    """Return rows as a version stores them."""
    return zlib.compress(rows.tobytes(), 1)


def unpacked(stored: bytes) -> Rows:
    """Return the rows that a version stores."""
    return np.frombuffer(zlib.decompress(stored), ROW)
