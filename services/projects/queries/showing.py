"""What a reader is shown of a project or a flagship: the record, less what is not theirs to see, plus its links.

*What.* From a stored record to the JSON object of an answer. *Why here.* The same project is shown by reads, by
writes, in lists and in histories; what an outsider must not see has to be left out of all of them alike.
*Never:* rank, or show an organisation's place on a list.
"""

from typing import Any

from schemas.events.projects import Flagship, Project
from services.chassis.identity.principal import Principal
from services.chassis.reference import Reference
from services.projects.rules import rights

INSIDERS_ONLY = frozenset({"team", "provenance"})


def shown_project(
    project: Project, *, principal: Principal, reference: Reference, created_at: str, changed_at: str
) -> dict[str, Any]:
    """Return a project as this principal sees it. Whether they may see it at all was asked before."""
    insider = rights.is_insider(principal, project)
    record = project.model_dump(mode="json", by_alias=True, exclude=None if insider else set(INSIDERS_ONLY))
    record["documents"] = _documents(project, principal=principal, insider=insider)
    return record | {
        "created_at": created_at,
        "changed_at": changed_at,
        "policy_basis": policy_basis(project, reference),
        "links": links_of(project),
    }


def summary_of(project: Project) -> dict[str, Any]:
    """Return what a list shows of a project: enough to choose by, the same for everybody who sees the row."""
    kept = {
        "id",
        "revision",
        "state",
        "titles",
        "level",
        "regions",
        "countries",
        "tags",
        "deadline",
        "review_by",
        "owner",
        "office",
        "flagship",
        "published_at",
        "fictional",
    }
    record = project.model_dump(mode="json", by_alias=True, include=kept)
    return record | {
        "need_kinds": list(dict.fromkeys(need.kind for need in project.needs)),
        "links": links_of(project),
    }


def links_of(project: Project) -> dict[str, str]:
    """Return where to go on from a project."""
    here = f"/v1/projects/{project.id}"
    links = {"self": here, "revisions": f"{here}/revisions"}
    if project.published_at is not None:
        links["candidates"] = f"/v1/lists/{project.id}/candidates"
    if project.flagship is not None:
        links["flagship"] = f"/v1/flagships/{project.flagship}"
    return links


def policy_basis(project: Project | Flagship, reference: Reference) -> list[dict[str, Any]]:
    """Return the action plans that the tags stand on, each with its document, period of validity and tagged items.

    A title that no source confirmed is null: it is never guessed.
    """
    basis = []
    for plan in reference.plans:
        tags = [tag for tag in project.tags if tag.scheme == plan.scheme and tag.version == plan.cycle]
        if not tags:
            continue
        rows = reference.codes.get((plan.scheme, plan.cycle), {})
        basis.append(
            {
                "document": plan.name,
                "revision": plan.cycle,
                "valid_from": plan.valid_from.isoformat(),
                "valid_to": plan.valid_to.isoformat(),
                "items": [
                    {
                        "code": tag.code,
                        "title": rows[tag.code].title if tag.code in rows else None,
                        "status": rows[tag.code].status if tag.code in rows else "unknown",
                    }
                    for tag in tags
                ],
            }
        )
    return basis


def shown_flagship(
    flagship: Flagship, *, principal: Principal, reference: Reference, created_at: str, changed_at: str
) -> dict[str, Any]:
    """Return a flagship as it stands in the public register."""
    record = flagship.model_dump(mode="json", by_alias=True, exclude={"provenance"})
    for shown, document in zip(record["documents"], flagship.documents, strict=True):
        if not rights.may_open(principal, document, insider=False):
            shown["url"] = None
    return record | {
        "created_at": created_at,
        "changed_at": changed_at,
        "policy_basis": policy_basis(flagship, reference),
        "links": {
            "self": f"/v1/flagships/{flagship.id}",
            "revisions": f"/v1/flagships/{flagship.id}/revisions",
            "projects": f"/v1/projects?flagship={flagship.id}",
        },
    }


def _documents(project: Project, *, principal: Principal, insider: bool) -> list[dict[str, Any]]:
    """List every document for everybody, the address of a `members` one for those alone who may open it."""
    shown = []
    for document in project.documents:
        row = document.model_dump(mode="json")
        if not rights.may_open(principal, document, insider=insider):
            row["url"] = None
        shown.append(row)
    return shown
