"""What this service has said on `projects.v1`: said again as it stands, or taken back from there after a restore.

*What.* The `Owner` of the topic. A record on the log that is newer than the row becomes the row, with its line in the
history. *Why.* The log has the newest revision of every project, drafts too, so an accepted write that a backup lacks is
not lost; only the history lacks revisions that compaction has removed. *Never:* post an event in `take_back`, or decide
what is allowed; it was, when it was written.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Event
from schemas.events.projects import Flagship, Project
from schemas.topics import FLAGSHIP_REVISED
from services.chassis import external_ids
from services.chassis.bus import incarnation
from services.chassis.bus.errors import UnknownKey
from services.chassis.bus.owner import Owner, TakenBack, is_news
from services.chassis.database import insert_for
from services.chassis.reference import load_reference
from services.projects import events
from services.projects.commands.erasure import empty_project
from services.projects.commands.storing import encoded, facets, flagship_columns, project_columns
from services.projects.tables import ERASED, EXTERNAL_IDS, FACETS, FLAGSHIPS, IDENTIFIERS, PROJECTS, REVISIONS

RESTORER = "comity:restore"
"""Who the history names for a revision that came back from the log."""


async def keys(connection: AsyncConnection, after: str, limit: int) -> Sequence[str]:
    """Return ids of projects and flagships, in order."""
    query = select(IDENTIFIERS.c.id).where(IDENTIFIERS.c.id > after).order_by(IDENTIFIERS.c.id).limit(limit)
    return list((await connection.execute(query)).scalars())


async def say(connection: AsyncConnection, runtime: Any, wanted: Sequence[str]) -> Sequence[Event]:
    """Return the present state of each; a tombstone for a project that was erased. Raises UnknownKey."""
    life, said = await incarnation.current(connection), dict[str, Event]()
    here = {"incarnation": life, "clock": runtime.clock}
    projects = select(PROJECTS).where(PROJECTS.c.id.in_(wanted)).with_for_update()
    for row in await connection.execute(projects):
        if row.state == ERASED:
            said[row.id] = events.project_erased(row.id, revision=row.revision, **here)
        else:
            said[row.id] = events.project_revised(Project.model_validate_json(row.record), **here)
    flagships = select(FLAGSHIPS).where(FLAGSHIPS.c.id.in_(wanted)).with_for_update()
    for row in await connection.execute(flagships):
        said[row.id] = events.flagship_revised(Flagship.model_validate_json(row.record), **here)
    for key in wanted:
        if key not in said:
            raise UnknownKey(f"There is no project or flagship {key}.")
    return [said[key] for key in wanted]


async def take_back(
    connection: AsyncConnection, runtime: Any, event: Event, data: BaseModel | None, life: int
) -> TakenBack:
    """Make a newer record the row; an erasure empties it."""
    table = FLAGSHIPS if event.type == FLAGSHIP_REVISED else PROJECTS
    held = await connection.scalar(select(table.c.revision).where(table.c.id == event.key))
    if not is_news(event, life, held):
        return "known"
    if held is None:
        kind = "flagship" if table is FLAGSHIPS else "project"
        claim = insert_for(connection, IDENTIFIERS).values(id=event.key, kind=kind)
        await connection.execute(claim.on_conflict_do_nothing())
    if isinstance(data, Project):
        await _write(connection, PROJECTS, event, project_columns(data, moment=event.time))
        await _list(connection, runtime, data)
    elif isinstance(data, Flagship):
        await _write(connection, FLAGSHIPS, event, flagship_columns(data, moment=event.time))
    else:
        bare = {"revision": event.sequence.version, "state": ERASED, "changed_at": event.time}
        await _write(connection, PROJECTS, event, bare)
        await empty_project(connection, event.key, revision=event.sequence.version, moment=event.time)
    line = insert_for(connection, REVISIONS).values(
        id=event.key,
        revision=event.sequence.version,
        state=getattr(data, "state", "declared") if data is not None else ERASED,
        action="restored",
        changed_by=RESTORER,
        changed_at=event.time,
        why=None,
        record=encoded(data) if isinstance(data, Project | Flagship) else None,
    )
    await connection.execute(line.on_conflict_do_nothing())
    return "taken"


async def _write(connection: AsyncConnection, table: Table, event: Event, values: dict[str, Any]) -> None:
    row = insert_for(connection, table).values(id=event.key, created_at=event.time, **values)
    await connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))


async def _list(connection: AsyncConnection, runtime: Any, project: Project) -> None:
    """Write what the project is found by, but its external ids: see `settle`."""
    if "reference" not in runtime.state:
        runtime.state["reference"] = load_reference()
    await connection.execute(delete(FACETS).where(FACETS.c.project == project.id))
    found = facets(project, runtime.state["reference"])
    if found:
        rows = [{"project": project.id, "facet": facet, "value": value} for facet, value in found]
        await connection.execute(insert(FACETS), rows)


async def settle(connection: AsyncConnection) -> None:
    """Write the external ids anew, as the present records have them: each belongs to one project, and may have moved."""
    await external_ids.write_anew(connection, EXTERNAL_IDS, records=PROJECTS, holder="project")


OWNER = Owner(keys=keys, say=say, take_back=take_back, settle=settle)
