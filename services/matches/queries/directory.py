"""Who stands on a row: the few public facts of an organisation that lists show, kept while its revision stands.

*What.* Name, category, country, sector and whether it is fictional, by the revision that the archive calls the newest. *Why
kept.* A page shows fifty organisations, and their records are a hundred times as long as what is shown of them. *Never:*
answer without asking the archive which revision is the newest: what was erased is gone from the next page on.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import bindparam, case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.cache import Cache
from matching.columns import sector_of
from matching.lists import SECTORS
from services.chassis.runtime import Runtime
from services.matches.queries.archive import AT_ONCE
from services.matches.tables import DOCUMENTS
from services.matches.worker.documents import MEMBER

Face = Mapping[str, Any]

_KEPT = 16_384
# The records of those alone that are not known: nothing of the others' is read.
_NEWEST = select(
    DOCUMENTS.c.id,
    DOCUMENTS.c.incarnation,
    DOCUMENTS.c.version,
    case((DOCUMENTS.c.id.in_(bindparam("known", expanding=True)), None), else_=DOCUMENTS.c.record).label(
        "record"
    ),
).where(
    DOCUMENTS.c.latest,
    DOCUMENTS.c.kind == MEMBER,
    DOCUMENTS.c.id.in_(bindparam("ids", expanding=True)),
    DOCUMENTS.c.record.is_not(None),
)

NO_FACE: Face = {"name": None, "category": None, "hq_country": None, "sector": None, "fictional": None}
"""What is shown of an organisation whose record was erased."""


class Directory:
    """The faces of one process, each with the revision that it was read from."""

    def __init__(self) -> None:
        self._faces: Cache[str, tuple[tuple[int, int], Face]] = Cache(_KEPT)

    async def of(self, connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Face]:
        """Return the faces of these organisations by id; those that were erased are left out."""
        kept = {one: face for one in ids if (face := self._faces.get(one)) is not None}
        rows = await _rows(connection, ids, known=kept.keys())
        revised = [
            row.id for row in rows if row.record is None and kept[row.id][0] != (row.incarnation, row.version)
        ]
        for row in [*rows, *await _rows(connection, revised)]:
            if row.record is not None:
                kept[row.id] = self._faces.keep(
                    row.id, ((row.incarnation, row.version), face_of(orjson.loads(row.record)))
                )
        return {row.id: kept[row.id][1] for row in rows}


async def _rows(connection: AsyncConnection, ids: Sequence[str], *, known: Collection[str] = ()) -> list[Any]:
    found: list[Any] = []
    for begin in range(0, len(ids), AT_ONCE):
        some = ids[begin : begin + AT_ONCE]
        asked = {"ids": some, "known": [one for one in some if one in known]}
        found += (await connection.execute(_NEWEST, asked)).all()
    return found


def face_of(record: Mapping[str, Any] | None) -> Face:
    """Return the public facts of a record."""
    if record is None:
        return NO_FACE
    return {
        "name": record["legal_name"],
        "category": record["category"],
        "hq_country": record["hq_country"],
        "sector": SECTORS[sector_of(record["category"], record.get("organisation_type"))],
        "fictional": bool(record.get("fictional")),
    }


def directory_of(runtime: Runtime) -> Directory:
    """Return this process's directory."""
    directory: Directory = runtime.state["directory"]
    return directory
