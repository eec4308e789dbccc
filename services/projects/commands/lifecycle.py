"""The steps of a project's life that somebody takes: publish, close, withdraw."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from schemas.events.projects import Project
from schemas.http.projects import ClosingBody, ProjectBody
from services.chassis.reference.faults import MOST_FAULTS
from services.chassis.runtime import timestamp
from services.chassis.web.faults import codebook_of, refuse_faults
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import Forbidden, NotFound, Unauthenticated
from services.chassis.web.refusals import causes_of, entry_of
from services.chassis.web.strict_json import pointer_to
from services.projects.commands.answering import answer
from services.projects.commands.storing import Stored, existing_project, save_project
from services.projects.rules import rights
from services.projects.rules.faults import publication_faults, reason_faults
from services.projects.rules.problems import NotPublishable
from services.projects.rules.states import Step, require_step


async def publish_project(unit: Unit, *, project_id: str) -> Answer:
    """Open the project to everybody at once, or open a dormant one again.

    Raises NotPublishable with every missing point, WrongState, ProjectClosed, Forbidden, NotFound,
    PreconditionRequired, StaleRevision.
    """
    stored = await editable_project(unit, project_id, step="publish")
    codebook = codebook_of(unit.runtime)
    faults = publication_faults(body_of(stored.project), today=unit.now.date(), codebook=codebook)
    refuse_faults(faults, kind=NotPublishable)
    first = stored.project.published_at or timestamp(unit.now)
    return await step_to(
        unit, stored, action="project.published", changes={"state": "published", "published_at": first}
    )


async def close_project(unit: Unit, *, project_id: str, body: ClosingBody) -> Answer:
    """Close the project with a reason that readers of its last list are told. That is final. Raises InvalidBody, and as `publish_project`."""
    stored = await editable_project(unit, project_id, step="close")
    _check_reason(unit, body)
    changes = {"state": "closed", "closed_code": "owner_decision"}
    return await step_to(unit, stored, action="project.closed", changes=changes, why=body.reason)


async def withdraw_project(unit: Unit, *, project_id: str, body: ClosingBody) -> Answer:
    """Take the project back, published or not, with a reason. That is final. Raises InvalidBody, and as `publish_project`."""
    stored = await editable_project(unit, project_id, step="withdraw")
    _check_reason(unit, body)
    changes = {"state": "withdrawn", "closed_code": "withdrawn"}
    return await step_to(unit, stored, action="project.withdrawn", changes=changes, why=body.reason)


def _check_reason(unit: Unit, body: ClosingBody) -> None:
    refuse_faults([*reason_faults("/reason", body.reason, codebook_of(unit.runtime).languages)])


async def editable_project(unit: Unit, project_id: str, *, step: Step) -> Stored:
    """Return the project, locked, if the caller may change it, read its newest revision, and its state allows it."""
    if unit.principal.is_anonymous:
        raise Unauthenticated
    stored = await existing_project(unit, project_id)
    if not rights.may_read(unit.principal, stored.project):
        raise NotFound(f"There is no project {project_id}, or none that you may see.")
    if not rights.may_edit(unit.principal, stored.project):
        raise Forbidden("Only the team of this project and BDT editors may change it.")
    unit.check_match(stored.project.revision)
    require_step(stored.project, step)
    return stored


async def step_to(
    unit: Unit,
    stored: Stored,
    *,
    action: str,
    changes: dict[str, Any],
    why: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> Answer:
    """Store the next revision with these changes, audit it, and answer. A reason is stored as the closing's."""
    before = stored.project
    if why is not None:
        changes = changes | {"closed_reason": why, "closed_at": timestamp(unit.now)}
    after = before.model_copy(update=changes | {"revision": before.revision + 1})
    after = Project.model_validate(after.model_dump())
    reference = codebook_of(unit.runtime).reference
    incarnation = await save_project(unit, after, action=action, reference=reference, before=before, why=why)
    await unit.audit(
        action=action,
        subject=before.id,
        before=before.revision,
        after=after.revision,
        why=why,
        details=details,
    )
    return answer(unit, after, stored=stored, incarnation=incarnation)


def body_of(project: Project) -> ProjectBody:
    """Return what the owner wrote of a stored project, as the body it came in.

    Raises NotPublishable where an earlier release took what no body may have any more; putting the project anew mends it.
    """
    try:
        return ProjectBody.model_validate(project.model_dump(include=set(ProjectBody.model_fields)))
    except ValidationError as error:
        found = [
            entry_of(one) | {"pointer": pointer_to(*one["loc"])}
            for one in causes_of(error.errors())[:MOST_FAULTS]
        ]
        raise NotPublishable(f"{len(found)} points to mend: {found[0]['detail']}", errors=found) from error
