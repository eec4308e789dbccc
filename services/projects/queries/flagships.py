"""Reading the flagship register: each flagship with its projects, their newest lists and how well needs are met."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import RowMapping, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events.projects import Flagship, Project
from schemas.http.suggestion import SUGGESTION
from services.chassis.identity.principal import Principal
from services.chassis.reference import Reference
from services.chassis.web.problems import NotFound
from services.chassis.web.small_counts import coarse
from services.projects.queries.projects import visible_to
from services.projects.queries.showing import shown_flagship, summary_of
from services.projects.rules import rights
from services.projects.tables import ERASED, FLAGSHIPS, LIST_SUMMARIES, PROJECTS, REVISIONS

MOST_PROJECTS = 200
"""How many projects a flagship's page shows; `links.projects` pages through all."""

_LEFT_OUT = frozenset({"head", "delta", "as_of"})
"""What a list version says of organisations and of the log: it is not kept here, and no empty place of it is shown."""


async def list_flagships(
    connection: AsyncConnection,
    *,
    principal: Principal,
    reference: Reference,
    limit: int,
    after: Sequence[str] | None,
) -> tuple[list[dict[str, Any]], list[str] | None]:
    """Return one page of the register, newest declaration first, and where the next one starts."""
    query = select(FLAGSHIPS).order_by(FLAGSHIPS.c.created_at.desc(), FLAGSHIPS.c.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(tuple_(FLAGSHIPS.c.created_at, FLAGSHIPS.c.id) < tuple_(after[0], after[1]))
    rows = (await connection.execute(query)).mappings().all()
    page = rows[:limit]
    following = [page[-1]["created_at"], page[-1]["id"]] if len(rows) > limit else None
    return [_shown(row, principal=principal, reference=reference) for row in page], following


async def read_flagship(
    connection: AsyncConnection, flagship_id: str, *, principal: Principal, reference: Reference
) -> tuple[int, dict[str, Any]]:
    """Return the flagship's revision, and the flagship with those of its projects that this principal may see.

    Raises NotFound.
    """
    found = await connection.execute(select(FLAGSHIPS).where(FLAGSHIPS.c.id == flagship_id))
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no flagship {flagship_id}.")
    projects = await connection.execute(
        select(PROJECTS.c.record, LIST_SUMMARIES.c.record.label("list"))
        .outerjoin(LIST_SUMMARIES, LIST_SUMMARIES.c.project == PROJECTS.c.id)
        .where(PROJECTS.c.flagship == flagship_id, PROJECTS.c.state != ERASED, visible_to(principal))
        .order_by(PROJECTS.c.created_at, PROJECTS.c.id)
        .limit(MOST_PROJECTS)
    )
    shown = []
    for record, newest in projects:
        project = Project.model_validate_json(record)
        insider = rights.is_insider(principal, project)
        shown.append(summary_of(project) | {"list": _list(newest, project=project, insider=insider)})
    flagship = _shown(row, principal=principal, reference=reference)
    return row["revision"], flagship | {"statement": SUGGESTION, "projects": shown}


async def list_flagship_revisions(
    connection: AsyncConnection, flagship_id: str, *, limit: int, after: int | None
) -> tuple[list[dict[str, Any]], int | None]:
    """Return one page of a flagship's public history, newest first: what was declared, when, why. Raises NotFound."""
    if await connection.scalar(select(FLAGSHIPS.c.id).where(FLAGSHIPS.c.id == flagship_id)) is None:
        raise NotFound(f"There is no flagship {flagship_id}.")
    query = select(REVISIONS).where(REVISIONS.c.id == flagship_id).order_by(REVISIONS.c.revision.desc())
    if after is not None:
        query = query.where(REVISIONS.c.revision < after)
    rows = (await connection.execute(query.limit(limit + 1))).mappings().all()
    page = rows[:limit]
    lines = [
        {
            "revision": row["revision"],
            "action": row["action"],
            "changed_at": row["changed_at"],
            "why": row["why"],
            "record": orjson.loads(row["record"]),
        }
        for row in page
    ]
    for line in lines:
        for document in line["record"].get("documents", ()):
            if document["access"] != "public":
                document["url"] = None
    return lines, page[-1]["revision"] if len(rows) > limit else None


def _shown(row: RowMapping, *, principal: Principal, reference: Reference) -> dict[str, Any]:
    return shown_flagship(
        Flagship.model_validate_json(row["record"]),
        principal=principal,
        reference=reference,
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )


def _list(newest: bytes | None, *, project: Project, insider: bool) -> dict[str, Any] | None:
    """Return the newest list version in figures; before the first one there is none, and its state says so.

    Each need comes with its own words; one that the project has dropped since that version has none.
    """
    if project.published_at is None:
        return None
    if newest is None:
        return {"state": "ranking"}
    kept: dict[str, Any] = orjson.loads(newest)
    summary = {name: value for name, value in kept.items() if name not in _LEFT_OUT}
    unmet = [one["need"] for one in summary["coverage"] if one["above_floor"] == 0]
    if not insider:
        summary["counts"] = coarse(summary["counts"])
        summary["coverage"] = [coarse(one) for one in summary["coverage"]]
    needs = {need["id"]: need for need in project.model_dump(mode="json", by_alias=True)["needs"]}
    summary["coverage"] = [
        one
        | {
            "importance": needs.get(one["need"], {}).get("importance"),
            "texts": needs.get(one["need"], {}).get("texts", []),
        }
        for one in summary["coverage"]
    ]
    state = "closed" if "closed" in summary["reasons"] else "ranked"
    return summary | {"state": state, "needs_nobody_meets": unmet}
