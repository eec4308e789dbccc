"""Reading projects: one, many by filters, and the history of one; always as this reader may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, exists, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events.projects import Project
from services.chassis.identity.principal import Principal
from services.chassis.reference import Reference
from services.chassis.web.problems import NotFound
from services.projects.queries.showing import shown_project, summary_of
from services.projects.rules import rights
from services.projects.tables import ERASED, FACETS, PROJECTS, REVISIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list of projects is narrowed by; None leaves a dimension open. `tag` is `scheme[:version]:code`."""

    state: str | None = None
    level: str | None = None
    region: str | None = None
    country: str | None = None
    flagship: str | None = None
    tag: str | None = None
    owner: str | None = None

    def kind(self) -> str:
        """Return what a cursor of this list is bound to."""
        return f"projects {self!r}"


async def read_project(
    connection: AsyncConnection, project_id: str, *, principal: Principal, reference: Reference
) -> tuple[int | None, dict[str, Any]]:
    """Return the project as this principal sees it, and its revision if they see all of it. Raises NotFound, also for what is not theirs.

    What an outsider is shown has no revision to be named by: two bodies would have one ETag.
    """
    found = await connection.execute(
        select(PROJECTS.c.record, PROJECTS.c.created_at, PROJECTS.c.changed_at).where(
            PROJECTS.c.id == project_id, PROJECTS.c.state != ERASED
        )
    )
    row = found.one_or_none()
    if row is not None:
        project = Project.model_validate_json(row.record)
        if rights.may_read(principal, project):
            body = shown_project(
                project,
                principal=principal,
                reference=reference,
                created_at=row.created_at,
                changed_at=row.changed_at,
            )
            return project.revision if rights.is_insider(principal, project) else None, body
    raise NotFound(f"There is no project {project_id}, or none that you may see.")


async def list_projects(
    connection: AsyncConnection,
    filters: Filters,
    *,
    principal: Principal,
    limit: int,
    after: Sequence[str] | None = None,
) -> tuple[list[dict[str, Any]], list[str] | None]:
    """Return one page, newest first, and where the next one starts (None: this was the last).

    The order is that of creation, which never changes, so paging neither misses nor repeats a project.
    """
    place = tuple_(PROJECTS.c.created_at, PROJECTS.c.id)
    query: Select[Any] = (
        select(PROJECTS.c.record, PROJECTS.c.created_at, PROJECTS.c.id)
        .where(PROJECTS.c.state != ERASED, visible_to(principal), *_narrowed(filters))
        .order_by(PROJECTS.c.created_at.desc(), PROJECTS.c.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(place < tuple_(after[0], after[1]))
    rows = (await connection.execute(query)).all()
    page = rows[:limit]
    following = [page[-1].created_at, page[-1].id] if len(rows) > limit else None
    return [summary_of(Project.model_validate_json(row.record)) for row in page], following


def visible_to(principal: Principal) -> ColumnElement[bool]:
    """Return the condition under which a row is this principal's to see: `rights.may_read`, said in SQL."""
    everything = PROJECTS.c.state != ERASED
    if principal.roles & rights.READ_ALL:
        return everything
    conditions: list[ColumnElement[bool]] = [PROJECTS.c.state == "published"]
    if principal.roles - {"public"}:
        conditions.append(_has("team", principal.id))
    if "office_officer" in principal.roles and principal.office is not None:
        conditions.append(PROJECTS.c.office == principal.office)
    return or_(*conditions)


async def list_revisions(
    connection: AsyncConnection,
    project_id: str,
    *,
    principal: Principal,
    limit: int,
    after: int | None = None,
) -> tuple[list[dict[str, Any]], int | None]:
    """Return one page of a project's history, newest first, and where the next one starts.

    Raises NotFound. Who is no insider sees the published revisions, without the names of those who wrote them.
    """
    insider = await _insider(connection, project_id, principal=principal)
    query = (
        select(REVISIONS)
        .where(REVISIONS.c.id == project_id)
        .order_by(REVISIONS.c.revision.desc())
        .limit(limit + 1)
    )
    if not insider:
        query = query.where(REVISIONS.c.state == "published")
    if after is not None:
        query = query.where(REVISIONS.c.revision < after)
    rows = (await connection.execute(query)).mappings().all()
    page = rows[:limit]
    following = page[-1]["revision"] if len(rows) > limit else None
    return [_line(project_id, row, insider=insider) for row in page], following


async def read_revision(
    connection: AsyncConnection, project_id: str, revision: int, *, principal: Principal, reference: Reference
) -> dict[str, Any]:
    """Return one revision as it was, shown as today's reader may see it. Raises NotFound."""
    insider = await _insider(connection, project_id, principal=principal)
    found = await connection.execute(
        select(REVISIONS).where(REVISIONS.c.id == project_id, REVISIONS.c.revision == revision)
    )
    row = found.mappings().one_or_none()
    if row is None or row["record"] is None or not (insider or row["state"] == "published"):
        raise NotFound(f"Project {project_id} has no revision {revision}, or none that you may see.")
    project = Project.model_validate_json(row["record"])
    created = await connection.scalar(select(PROJECTS.c.created_at).where(PROJECTS.c.id == project_id))
    return shown_project(
        project,
        principal=principal,
        reference=reference,
        created_at=created or row["changed_at"],
        changed_at=row["changed_at"],
    )


async def _insider(connection: AsyncConnection, project_id: str, *, principal: Principal) -> bool:
    found = await connection.scalar(
        select(PROJECTS.c.record).where(PROJECTS.c.id == project_id, PROJECTS.c.state != ERASED)
    )
    if found is not None:
        project = Project.model_validate_json(found)
        if rights.may_read(principal, project):
            return rights.is_insider(principal, project)
    raise NotFound(f"There is no project {project_id}, or none that you may see.")


def _line(identifier: str, row: RowMapping, *, insider: bool) -> dict[str, Any]:
    line = {
        "revision": row["revision"],
        "state": row["state"],
        "action": row["action"],
        "changed_at": row["changed_at"],
        "why": row["why"],
        "links": {"self": f"/v1/projects/{identifier}/revisions/{row['revision']}"},
    }
    return line | ({"changed_by": row["changed_by"]} if insider else {})


def _narrowed(filters: Filters) -> list[ColumnElement[bool]]:
    columns = {
        "state": PROJECTS.c.state,
        "level": PROJECTS.c.level,
        "flagship": PROJECTS.c.flagship,
        "owner": PROJECTS.c.owner,
    }
    conditions = [
        column == value for name, column in columns.items() if (value := getattr(filters, name)) is not None
    ]
    facets = [(name, getattr(filters, name)) for name in ("region", "country", "tag")]
    return conditions + [_has(facet, value) for facet, value in facets if value is not None]


def _has(facet: str, value: str) -> ColumnElement[bool]:
    return exists().where(
        and_(FACETS.c.project == PROJECTS.c.id, FACETS.c.facet == facet, FACETS.c.value == value)
    )
