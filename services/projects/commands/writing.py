"""Creating and replacing a project under the id that the client chose."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from schemas.events.projects import Project
from schemas.http.projects import ProjectBody
from services.chassis.reference import Reference
from services.chassis.reference.faults import Fault
from services.chassis.web.faults import codebook_of, refuse_faults
from services.chassis.web.operation import Answer, Unit
from services.chassis.web.problems import Forbidden, Unauthenticated
from services.projects.commands.answering import answer
from services.projects.commands.storing import project_for_change, save_project
from services.projects.rules import rights
from services.projects.rules.faults import body_faults, publication_faults
from services.projects.rules.problems import IdInUse
from services.projects.rules.states import require_step
from services.projects.tables import FLAGSHIPS


async def put_project(unit: Unit, *, project_id: str, body: ProjectBody) -> Answer:
    """Create the project as a draft, or replace what it says; its state stays. Answers 201 or 200.

    A project that is not a draft any more must stay fit for the public. Raises Unauthenticated, Forbidden, InvalidBody,
    PreconditionRequired, StaleRevision, ProjectClosed, ProjectErased, IdInUse, DuplicateExternalId.
    """
    if unit.principal.is_anonymous:
        raise Unauthenticated
    codebook = codebook_of(unit.runtime)
    stored = await project_for_change(unit, project_id)
    before = None if stored is None else stored.project
    _require_right(unit, before, body)
    unit.check_match(None if before is None else before.revision)
    if before is not None:
        require_step(before, "edit")
    public = before is not None and before.state != "draft"
    check = publication_faults if public else body_faults
    faults = check(body, today=unit.now.date(), codebook=codebook)
    refuse_faults([*faults, *await _flagship_faults(unit, body)])
    kept = kept_of(before, creator=unit.principal.id)
    project = record_of(body, project_id=project_id, kept=kept, reference=codebook.reference)
    action = "project.created" if before is None else "project.replaced"
    incarnation = await save_project(
        unit, project, action=action, reference=codebook.reference, before=before
    )
    await unit.audit(
        action=action,
        subject=project_id,
        before=None if before is None else before.revision,
        after=project.revision,
    )
    return answer(unit, project, stored=stored, incarnation=incarnation)


def kept_of(before: Project | None, *, creator: str) -> dict[str, Any]:
    """Return what the owner does not write: the revision, the state, the team, and what happened to the project."""
    if before is None:
        return {"revision": 1, "state": "draft", "team": (creator,)}
    kept = before.model_dump(
        include={"state", "team", "published_at", "closed_at", "closed_reason", "closed_code"}
    )
    return kept | {"revision": before.revision + 1}


def record_of(
    body: ProjectBody, *, project_id: str, kept: Mapping[str, Any], reference: Reference
) -> Project:
    """Return the record that this body makes.

    A tag without a version gets the scheme's newest one, for a code alone would change its meaning with the plan.
    """
    written: dict[str, Any] = body.model_dump(mode="json")
    for tag in written["tags"]:
        tag["version"] = tag["version"] or reference.default_version(tag["scheme"])
    return Project.model_validate({**written, **kept, "id": project_id})


def _require_right(unit: Unit, before: Project | None, body: ProjectBody) -> None:
    principal = unit.principal
    if before is None or not rights.may_read(principal, before):
        if not rights.may_create(principal, body):  # told alike whether the id is free or not
            raise Forbidden(
                "Project managers create projects for their own office or organisation, and BDT editors any project."
            )
        if before is not None:
            raise IdInUse(f"The id {before.id} is taken. Choose a new one.")
        return
    if not rights.may_edit(principal, before):
        raise Forbidden("Only the team of this project and BDT editors may change it.")
    if not rights.may_move(principal, before, body):
        raise Forbidden(
            "Only BDT editors, and project managers within their own office or organisation, move a project."
        )


async def _flagship_faults(unit: Unit, body: ProjectBody) -> list[Fault]:
    if body.flagship is None:
        return []
    known = await unit.connection.scalar(select(FLAGSHIPS.c.id).where(FLAGSHIPS.c.id == str(body.flagship)))
    if known is not None:
        return []
    return [
        Fault(
            "/flagship",
            "flagship-known",
            f"No flagship has the id {body.flagship}.",
            "Use the id of a declared flagship (see /v1/flagships), or leave it out.",
        )
    ]
