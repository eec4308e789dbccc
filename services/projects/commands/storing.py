"""How a revision is stored: the aggregate's row first, then what lists it, its history, and last its event.

*What.* The one way by which a project's or flagship's row changes. *Why.* The outbox row must follow the
aggregate's row in the same transaction, for the lock on that row makes the order of events the order of commits.
*Never:* decide whether a change is allowed, or commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import bindparam, delete, insert, select, update

from schemas.events.parts import Part
from schemas.events.projects import Flagship, Project
from services.chassis.bus import incarnation
from services.chassis.database import insert_new
from services.chassis.reference import Reference
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Unit
from services.chassis.web.problems import NotFound, StaleRevision
from services.projects import events
from services.projects.rules.problems import DuplicateExternalId, IdInUse, ProjectErased
from services.projects.tables import ERASED, EXTERNAL_IDS, FACETS, FLAGSHIPS, IDENTIFIERS, PROJECTS, REVISIONS

_FOR_CHANGE = (
    select(PROJECTS.c.state, PROJECTS.c.record, PROJECTS.c.created_at, PROJECTS.c.changed_at)
    .where(PROJECTS.c.id == bindparam("this_id"))
    .with_for_update()
)
_ADD = insert(PROJECTS)
_REPLACE = update(PROJECTS).where(
    PROJECTS.c.id == bindparam("this_id"), PROJECTS.c.revision == bindparam("revision_before")
)
_ADD_REVISION = insert(REVISIONS)
_UNLIST = delete(FACETS).where(FACETS.c.project == bindparam("this_id"))
_LIST = insert(FACETS)


@dataclass(frozen=True, slots=True)
class Stored:
    """A project as its row holds it."""

    project: Project
    created_at: str
    changed_at: str


async def project_for_change(unit: Unit, project_id: str) -> Stored | None:
    """Return the project and lock its row until the transaction ends; None if the id is new.

    Raises ProjectErased if the id had a project that was erased.
    """
    row = (await unit.connection.execute(_FOR_CHANGE, {"this_id": project_id})).one_or_none()
    if row is None:
        return None
    if row.state == ERASED:
        raise ProjectErased
    return Stored(Project.model_validate_json(row.record), row.created_at, row.changed_at)


async def existing_project(unit: Unit, project_id: str) -> Stored:
    """Return the project, locked. Raises NotFound or ProjectErased."""
    stored = await project_for_change(unit, project_id)
    if stored is None:
        raise NotFound(f"There is no project {project_id}.")
    return stored


async def flagship_for_change(unit: Unit, flagship_id: str) -> tuple[Flagship, str] | None:
    """Return the flagship and when it was created, its row locked; None if the id is new."""
    found = await unit.connection.execute(
        select(FLAGSHIPS.c.record, FLAGSHIPS.c.created_at)
        .where(FLAGSHIPS.c.id == flagship_id)
        .with_for_update()
    )
    row = found.one_or_none()
    return None if row is None else (Flagship.model_validate_json(row.record), row.created_at)


async def save_project(
    unit: Unit,
    project: Project,
    *,
    action: str,
    reference: Reference,
    before: Project | None,
    why: str | None = None,
) -> int:
    """Write this revision of a project everywhere it stands, post its event, and return the owner's incarnation.

    Raises StaleRevision if another transaction was first, DuplicateExternalId, IdInUse, RecordTooLarge.
    """
    values = project_columns(project, moment=timestamp(unit.now))
    content: bytes = values["record"]
    if before is None:
        await claim_id(unit, project.id, kind="project")
        await unit.connection.execute(_ADD, {"id": project.id, "created_at": timestamp(unit.now)} | values)
    else:
        which = {"this_id": project.id, "revision_before": project.revision - 1}
        written = await unit.connection.execute(_REPLACE, which | values)
        if written.rowcount != 1:
            raise StaleRevision
    await _list_again(unit, project, before, reference)
    if project.external_ids != (before.external_ids if before else ()):
        await _claim_external_ids(unit, project)
    await add_revision(
        unit, project.id, project.revision, state=project.state, action=action, content=content, why=why
    )
    number = await incarnation.current(unit.connection)
    await unit.post(
        events.project_revised(project, incarnation=number, clock=unit.runtime.clock, content=content)
    )
    return number


async def save_flagship(unit: Unit, flagship: Flagship, *, action: str, new: bool) -> None:
    """Write this revision of a flagship, and post its event."""
    values = flagship_columns(flagship, moment=timestamp(unit.now))
    if new:
        await claim_id(unit, flagship.id, kind="flagship")
        await unit.connection.execute(
            insert(FLAGSHIPS).values(id=flagship.id, created_at=timestamp(unit.now), **values)
        )
    else:
        written = await unit.connection.execute(
            update(FLAGSHIPS)
            .where(FLAGSHIPS.c.id == flagship.id, FLAGSHIPS.c.revision == flagship.revision - 1)
            .values(**values)
        )
        if written.rowcount != 1:
            raise StaleRevision
    await add_revision(
        unit,
        flagship.id,
        flagship.revision,
        state="declared",
        action=action,
        content=encoded(flagship),
        why=flagship.reason.text,
    )
    number = await incarnation.current(unit.connection)
    await unit.post(events.flagship_revised(flagship, incarnation=number, clock=unit.runtime.clock))


def project_columns(project: Project, *, moment: str) -> dict[str, Any]:
    """Return what the row of a project holds of its record: the record itself, and what queries filter by."""
    return {
        "revision": project.revision,
        "state": project.state,
        "level": project.level,
        "owner": project.owner,
        "office": project.office,
        "flagship": project.flagship,
        "deadline": project.deadline and project.deadline.isoformat(),
        "review_by": project.review_by and project.review_by.isoformat(),
        "changed_at": moment,
        "record": encoded(project),
    }


def flagship_columns(flagship: Flagship, *, moment: str) -> dict[str, Any]:
    """Return what the row of a flagship holds of its record."""
    return {
        "revision": flagship.revision,
        "level": flagship.level,
        "changed_at": moment,
        "record": encoded(flagship),
    }


async def claim_id(unit: Unit, identifier: str, *, kind: str) -> None:
    """Take an id for a record of this kind. Raises IdInUse if the other kind has it, StaleRevision if this one has."""
    claim = insert_new(unit.connection, IDENTIFIERS)
    taken = await unit.connection.execute(claim, {"id": identifier, "kind": kind})
    if taken.rowcount == 1:
        return
    holder = await unit.connection.scalar(select(IDENTIFIERS.c.kind).where(IDENTIFIERS.c.id == identifier))
    if holder != kind:
        raise IdInUse(f"The id {identifier} belongs to a {holder}.")
    raise StaleRevision  # somebody created it between our reading and our writing


async def add_revision(
    unit: Unit,
    identifier: str,
    revision: int,
    *,
    state: str,
    action: str,
    content: bytes | None,
    why: str | None,
) -> None:
    """Add one line to the history; `content` is the record as it is stored, None where there is none any more."""
    await unit.connection.execute(
        _ADD_REVISION,
        {
            "id": identifier,
            "revision": revision,
            "state": state,
            "action": action,
            "changed_by": unit.principal.id,
            "changed_at": timestamp(unit.now),
            "why": why,
            "record": content,
        },
    )


def encoded(record: Part) -> bytes:
    """Return a record as the JSON text that is stored: the same members as its event's data."""
    values: Mapping[str, Any] = record.model_dump(mode="json", by_alias=True, exclude_none=True)
    return orjson.dumps(values)


async def _list_again(unit: Unit, project: Project, before: Project | None, reference: Reference) -> None:
    """Write what the project is found by anew, if it has changed."""
    wanted = facets(project, reference)
    if wanted == (facets(before, reference) if before else []):
        return
    if before is not None:
        await unit.connection.execute(_UNLIST, {"this_id": project.id})
    rows = [{"project": project.id, "facet": facet, "value": value} for facet, value in wanted]
    if rows:
        await unit.connection.execute(_LIST, rows)


def facets(project: Project, reference: Reference) -> list[tuple[str, str]]:
    """Return what a project is found by, sorted. A country counts for its region; a tag with and without version."""
    regions = {region for code in project.countries if (region := reference.region_of(code)) is not None}
    tags = {f"{tag.scheme}:{tag.code}" for tag in project.tags}
    versioned = {f"{tag.scheme}:{tag.version}:{tag.code}" for tag in project.tags if tag.version is not None}
    return sorted(
        [
            *(("region", region) for region in regions | set(project.regions)),
            *(("country", country) for country in project.countries),
            *(("tag", tag) for tag in tags | versioned),
            *(("team", principal) for principal in project.team),
        ]
    )


async def _claim_external_ids(unit: Unit, project: Project) -> None:
    await unit.connection.execute(delete(EXTERNAL_IDS).where(EXTERNAL_IDS.c.project == project.id))
    for index, one in enumerate(project.external_ids):
        taken = await unit.connection.execute(
            insert_new(unit.connection, EXTERNAL_IDS),
            {"scheme": one.scheme, "value": one.value, "project": project.id},
        )
        if taken.rowcount != 1:
            raise DuplicateExternalId(
                f"Another project has the external id {one.scheme}:{one.value}.",
                errors=[
                    {
                        "pointer": f"/external_ids/{index}",
                        "rule": "external-id-unique",
                        "detail": f"Another project has the external id {one.scheme}:{one.value}.",
                        "fix": "Write to the project that has it, or leave this external id out.",
                    }
                ],
            )
