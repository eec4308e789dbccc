"""Projects dismissed by an organisation, and taken back.

*What.* A dismissal remembers the project as it was, so that a change of it is news again. *Why what waits is put back,
too.* Who has dismissed a project is told nothing more of it, and who takes that back has lost nothing. *Why a mark then.* A
cycle that told nobody of a pair, for its organisation did not want to hear, has to look at it again. *Never:* change a list
or a score.
"""

from uuid import UUID

from sqlalchemy import ColumnElement, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.http.notifications import DismissalBody
from services.chassis.database import insert_for
from services.chassis.runtime import timestamp
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import NotFound
from services.notifications.commands.leaving import silence
from services.notifications.queries.finding import require_here
from services.notifications.queries.reading import Row, dismissal_json
from services.notifications.rules import rights
from services.notifications.tables import DISMISSALS, PROJECTS, STANDINGS

UNDISMISSED = "-"
"""In place of the band that a pair was told in: a dismissal was taken back, or a subscription taken up, so it is news for whoever does not know of it."""


async def dismiss(unit: Unit, *, project: str, body: DismissalBody) -> Answer:
    """Dismiss a project for an organisation until its needs or countries change (R45), what waits to be told included.

    Raises Forbidden, OrganisationErased, OrganisationWithdrawn, NotFound, PreconditionRequired, StaleRevision.
    """
    organisation = rights.organisation_to_change(unit.principal, body.organisation)
    await require_here(unit.connection, organisation)
    # Held, so that no revision comes between what is read of the project and the dismissal that says what was read.
    query = select(PROJECTS.c.facts_hash, PROJECTS.c.incarnation, PROJECTS.c.version).where(
        PROJECTS.c.id == project, PROJECTS.c.facts.is_not(None)
    )
    known = (await unit.connection.execute(query.with_for_update(read=True))).mappings().first()
    if known is None:
        raise NotFound
    before = await _dismissal(unit, organisation, project)
    unit.check_match(None if before is None else before["revision"])
    row = dict(known) | {
        "organisation": organisation,
        "project": project,
        "revision": 1 if before is None else before["revision"] + 1,
        "reason": body.reason,
        "lifted": False,
        "dismissed_at": timestamp(unit.now),
    }
    statement = insert_for(unit.connection, DISMISSALS).values(row)
    await unit.connection.execute(
        statement.on_conflict_do_update(index_elements=["organisation", "project"], set_=row)
    )
    await silence(unit.connection, organisation=organisation, project=project, now=timestamp(unit.now))
    await unit.audit(
        action="project.dismissed",
        subject=f"{organisation}/{project}",
        before=None if before is None else before["revision"],
        after=row["revision"],
    )
    return Answer(status=201 if before is None else 200, body=dismissal_json(row), revision=row["revision"])


async def undismiss(unit: Unit, *, project: str, organisation: UUID | None) -> Answer:
    """Take a dismissal back: what has waited goes on, and a pair that crossed meanwhile is news to whoever knows nothing of it; 204.

    Raises Forbidden, NotFound, PreconditionRequired, StaleRevision.
    """
    whose = rights.organisation_to_change(unit.principal, organisation)
    before = await _dismissal(unit, whose, project)
    if before is None:
        raise NotFound
    unit.check_match(before["revision"])
    await unit.connection.execute(
        DISMISSALS.delete().where(DISMISSALS.c.organisation == whose, DISMISSALS.c.project == project)
    )
    if not before["lifted"]:
        await look_again_at(
            unit.connection, (STANDINGS.c.organisation == whose) & (STANDINGS.c.project == project)
        )
    await unit.audit(
        action="project.undismissed", subject=f"{whose}/{project}", before=before["revision"], after=None
    )
    return Answer(status=204)


async def look_again_at(connection: AsyncConnection, which: ColumnElement[bool]) -> None:
    """Have the next cycle look at these pairs: what they are now is news for whoever heard last that they are something else. What has moved it looks at anyway."""
    looked_at = or_(not_(STANDINGS.c.fresh), STANDINGS.c.told_band == STANDINGS.c.band)
    await connection.execute(
        update(STANDINGS).where(which, looked_at).values(fresh=True, told_band=UNDISMISSED)
    )


async def _dismissal(unit: Unit, organisation: str, project: str) -> Row | None:
    query = select(DISMISSALS).where(
        DISMISSALS.c.organisation == organisation, DISMISSALS.c.project == project
    )
    row = (await unit.connection.execute(query.with_for_update())).mappings().first()
    return None if row is None else dict(row)
