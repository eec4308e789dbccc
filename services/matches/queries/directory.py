"""Who stands on a row: the few public facts of an organisation that lists show, kept while its revision stands.

*What.* Name, category, country, sector and whether it is fictional, by the revision that the archive calls the newest. *Why
kept.* A page shows fifty organisations, and their records are a hundred times as long as what is shown of them. *Never:*
answer without asking the archive which revision is the newest: what was erased is gone from the next page on.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Select, case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from matching.cache import Cache
from matching.columns import sector_of
from matching.lists import SECTORS
from services.chassis.runtime import Runtime
from services.matches.queries.archive import among
from services.matches.tables import DOCUMENTS
from services.matches.worker.documents import MEMBER

Face = Mapping[str, Any]

_KEPT = 16_384
NO_FACE: Face = {"name": None, "category": None, "hq_country": None, "sector": None, "fictional": None}
"""What is shown of an organisation whose record was erased."""


class Directory:
    """The faces of one process, each with the revision that it was read from."""

    def __init__(self) -> None:
        self._faces: Cache[str, tuple[list[int], Face]] = Cache(_KEPT)

    async def of(self, connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Face]:
        """Return the faces of these organisations by id; those that were erased are left out."""
        kept = {one: face for one in ids if (face := self._faces.get(one)) is not None}
        rows = await _rows(connection, ids, known=kept)
        revised = [one for one, *revision, record in rows if record is None and kept[one][0] != revision]
        if revised:
            rows += await _rows(connection, revised)
        for one, *revision, record in rows:
            if record is not None:
                kept[one] = self._faces.keep(one, (revision, face_of(orjson.loads(record))))
        return {one: kept[one][1] for one, *_ in rows}


@cache
def _newest(dialect: str) -> Select[Any]:
    """Return the statement for the records of those alone that are not known: nothing of the others' is read."""
    is_known = DOCUMENTS.c.id.in_(among(dialect, "known"))
    return select(
        DOCUMENTS.c.id,
        DOCUMENTS.c.incarnation,
        DOCUMENTS.c.version,
        case((is_known, None), else_=DOCUMENTS.c.record).label("record"),
    ).where(
        DOCUMENTS.c.latest,
        DOCUMENTS.c.kind == MEMBER,
        DOCUMENTS.c.id.in_(among(dialect, "ids")),
        DOCUMENTS.c.record.is_not(None),
    )


async def _rows(connection: AsyncConnection, ids: Sequence[str], *, known: Iterable[str] = ()) -> list[Any]:
    asked = {"ids": orjson.dumps(ids).decode(), "known": orjson.dumps(list(known)).decode()}
    return list(await connection.execute(_newest(connection.dialect.name), asked))


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
