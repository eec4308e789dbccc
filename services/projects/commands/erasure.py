"""Erasing a project for good: the tombstone goes out, every row of it is emptied, its id is not given out again."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.bus import incarnation
from services.chassis.runtime import timestamp
from services.chassis.web.access import require
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import NotFound
from services.projects import events
from services.projects.commands.storing import add_revision
from services.projects.rules.problems import ProjectErased
from services.projects.tables import (
    ERASED,
    EXTERNAL_IDS,
    FACETS,
    LIST_SUMMARIES,
    METADATA,
    PROJECTS,
    REVISIONS,
)


async def erase_project(unit: Unit, *, project_id: str) -> Answer:
    """Empty the project's row and history, and post its tombstone. Answers 204. The audit trail stays.

    Raises Unauthenticated, Forbidden (only a BDT administrator may), NotFound, ProjectErased,
    PreconditionRequired, StaleRevision.
    """
    require(unit.principal, "bdt_admin")
    connection = unit.connection
    found = await connection.execute(
        select(PROJECTS.c.revision, PROJECTS.c.state).where(PROJECTS.c.id == project_id).with_for_update()
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"There is no project {project_id}.")
    if row.state == ERASED:
        raise ProjectErased
    unit.check_match(row.revision)
    revision = row.revision + 1
    await empty_project(connection, project_id, revision=revision, moment=timestamp(unit.now))
    await add_revision(
        unit, project_id, revision, state=ERASED, action="project.erased", content=None, why=None
    )
    number = await incarnation.current(connection)
    await unit.post(
        events.project_erased(project_id, revision=revision, incarnation=number, clock=unit.runtime.clock)
    )
    await unit.audit(action="project.erased", subject=project_id, before=row.revision, after=revision)
    return Answer(status=204)


async def empty_project(connection: AsyncConnection, project_id: str, *, revision: int, moment: str) -> None:
    """Take every word of a project out of the tables; the bare row stays, so that its id is never given out again."""
    emptied = dict.fromkeys(("level", "owner", "office", "flagship", "deadline", "review_by", "record"))
    await connection.execute(
        update(PROJECTS)
        .where(PROJECTS.c.id == project_id)
        .values(revision=revision, state=ERASED, changed_at=moment, **emptied)
    )
    for table in (FACETS, EXTERNAL_IDS, LIST_SUMMARIES):
        await connection.execute(delete(table).where(table.c.project == project_id))
    await connection.execute(
        update(REVISIONS).where(REVISIONS.c.id == project_id).values(record=None, why=None)
    )
    # Answers kept for a repeated Idempotency-Key hold the project's words too, whatever spelling of the id was called.
    kept = METADATA.tables["idempotency"]
    spelt = func.replace(func.lower(kept.c.route), "-", "")
    await connection.execute(delete(kept).where(spelt.like(f"/v1/projects/%{project_id.replace('-', '')}%")))
