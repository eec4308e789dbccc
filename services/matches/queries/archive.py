"""What reads take from `documents`: a project's newest record, and the names of what stands on a page.

*What.* Archived rows in, plain values out; one query for all the rows of a page. *Never:* read the whole archive, or
decide who may see what.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Select, Text, bindparam, cast, func, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.web.problems import NotFound
from services.matches.tables import DOCUMENTS
from services.matches.worker.documents import MEMBER, PROJECT

AT_ONCE = 500
"""Keys in one statement: databases bound the number of its parameters."""


_NEWEST = select(DOCUMENTS.c.id, DOCUMENTS.c.version, DOCUMENTS.c.partition, DOCUMENTS.c.record).where(
    DOCUMENTS.c.latest
)
PROJECT_NAMED = _NEWEST.where(DOCUMENTS.c.kind == PROJECT, DOCUMENTS.c.id == bindparam("project"))
"""The newest row of the project that the parameter names; to be read by `published`."""


def among(dialect: str, parameter: str) -> Select[tuple[str]]:
    """Return what gives the texts of a JSON list, for IN: one parameter for any number of them.

    A parameter for each would be written into the statement, and read back by the database, at every call.
    """
    texts = bindparam(parameter, type_=Text)
    if dialect == "sqlite":
        return select(func.json_each(texts).table_valued("value").c.value)
    return select(func.jsonb_array_elements_text(cast(texts, JSONB)).column_valued())


@cache
def _latest_of(dialect: str) -> Select[Any]:
    return _NEWEST.where(
        DOCUMENTS.c.kind == bindparam("this_kind"),
        DOCUMENTS.c.id.in_(among(dialect, "ids")),
        DOCUMENTS.c.record.is_not(None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedProject:
    """The newest archived revision of a project."""

    id: str
    revision: int
    partition: int
    state: str
    team: tuple[str, ...]
    record: Mapping[str, Any]

    @property
    def titles(self) -> list[dict[str, str]]:
        """Its titles, one for each language."""
        return [dict(title) for title in self.record.get("titles", ())]

    @property
    def presence_reason(self) -> str:
        """The published reason for requiring presence, empty where none is required."""
        return (self.record.get("presence_required") or {}).get("reason") or ""


def announced(project_id: str) -> ArchivedProject:
    """Return a project of which only a token is known: published by its word, and nothing of it is here to be shown.

    Its revision is 0: what the token says of it is the caller's word.
    """
    return ArchivedProject(id=project_id, revision=0, partition=0, state="published", team=(), record={})


UNKNOWN = (
    "There is no published project with this id, or it is not known here yet. Was it published just now? Follow "
    "`links.candidates` of that answer: it carries the token that can be waited for."
)


async def project_of(connection: AsyncConnection, project_id: str) -> ArchivedProject:
    """Return a project that was published at some time. Raises NotFound for any other: drafts are invisible."""
    return published((await connection.execute(PROJECT_NAMED, {"project": project_id})).first())


def published(row: Any) -> ArchivedProject:
    """Read the row of a project that was published at some time. Raises NotFound for any other: drafts are invisible."""
    if row is None or row.record is None:
        raise NotFound(UNKNOWN)
    found = archived(row)
    if found.state == "draft" or not found.record.get("published_at"):
        raise NotFound(UNKNOWN)
    return found


def archived(row: Any) -> ArchivedProject:
    """Read a project's row (id, version, partition, record)."""
    record = orjson.loads(row.record)
    return ArchivedProject(
        id=row.id,
        revision=row.version,
        partition=row.partition,
        state=record["state"],
        team=tuple(record.get("team", ())),
        record=record,
    )


async def projects_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, ArchivedProject]:
    """Return the newest revisions of these projects that are not erased, by id."""
    return {row.id: archived(row) for row in await _latest(connection, PROJECT, ids)}


async def organisations_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the newest records of these organisations that are not erased, by id."""
    return {row.id: orjson.loads(row.record) for row in await _latest(connection, MEMBER, ids)}


async def revisions_of(
    connection: AsyncConnection, kind: str, keys: Iterable[tuple[str, int]]
) -> dict[str, Any]:
    """Return rows (id, version, record, analysed) of exact revisions, by id; erased ones are left out."""
    wanted = sorted(keys)
    columns = (DOCUMENTS.c.id, DOCUMENTS.c.version, DOCUMENTS.c.record, DOCUMENTS.c.analysed)
    found: dict[str, Any] = {}
    for begin in range(0, len(wanted), AT_ONCE):
        rows = await connection.execute(
            select(*columns)
            .where(
                DOCUMENTS.c.kind == kind,
                tuple_(DOCUMENTS.c.id, DOCUMENTS.c.version).in_(wanted[begin : begin + AT_ONCE]),
                DOCUMENTS.c.record.is_not(None),
            )
            .order_by(DOCUMENTS.c.incarnation)
        )
        found |= {row.id: row for row in rows}
    return found


async def _latest(connection: AsyncConnection, kind: str, ids: Sequence[str]) -> list[Any]:
    asked = {"this_kind": kind, "ids": orjson.dumps(ids).decode()}
    return list(await connection.execute(_latest_of(connection.dialect.name), asked))
