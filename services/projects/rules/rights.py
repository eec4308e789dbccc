"""Who may do what with a project: the one place that turns roles and teams into yes or no.

*What.* Roles are those of the identity service; a team is the list of principals in the project's own record.
*Why.* What a route forgets to ask, everybody may see: so routes ask here, and here alone. *Never:* raise, or read
anything but its arguments.
"""

from schemas.events.projects import Document, Project
from schemas.http.projects import ProjectBody
from services.chassis.identity.principal import Principal

WRITE_ALL = frozenset({"bdt_editor", "bdt_admin"})
READ_ALL = WRITE_ALL | {"bdt_analyst", "auditor"}


def may_read(principal: Principal, project: Project) -> bool:
    """Whether the principal may see this project: anybody an open one, its own people any."""
    return project.state == "published" or is_insider(principal, project)


def is_insider(principal: Principal, project: Project) -> bool:
    """Whether drafts, closed projects, the team and the history are this principal's to see."""
    return bool(
        principal.roles & READ_ALL
        or _in_team(principal, project)
        or ("office_officer" in principal.roles and _of_office(principal, project.office))
    )


def may_edit(principal: Principal, project: Project) -> bool:
    """Whether the principal may change this project: BDT's editors, and the team. An auditor changes nothing."""
    return bool(principal.roles & WRITE_ALL) or (
        _in_team(principal, project) and bool(principal.roles - {"public", "auditor"})
    )


def may_create(principal: Principal, body: ProjectBody) -> bool:
    """Whether the principal may bring this project in: project managers only for their own office or body."""
    if principal.roles & WRITE_ALL:
        return True
    return "project_manager" in principal.roles and within_mandate(principal, body)


def may_move(principal: Principal, project: Project, body: ProjectBody) -> bool:
    """Whether the principal may set office and owner as the body says; who is only in the team moves nothing."""
    owner = None if body.owner is None else str(body.owner)
    return (body.office, owner) == (project.office, project.owner) or may_create(principal, body)


def within_mandate(principal: Principal, body: ProjectBody) -> bool:
    """Whether office and owner of a body are those that the principal acts for (one without either acts for any)."""
    office_fits = principal.office is None or body.office in {None, principal.office}
    owner_fits = principal.organisation is None or str(body.owner) == principal.organisation
    return office_fits and owner_fits


def may_erase(principal: Principal) -> bool:
    """Whether the principal may erase a project for good."""
    return "bdt_admin" in principal.roles


def may_open(principal: Principal, document: Document, *, insider: bool) -> bool:
    """Whether the address of a listed document is shown; that the document exists is shown to everybody."""
    return document.access == "public" or insider or bool(principal.roles - {"public"})


def _in_team(principal: Principal, project: Project) -> bool:
    return principal.id in project.team and bool(principal.roles - {"public"})


def _of_office(principal: Principal, office: str | None) -> bool:
    return principal.office is not None and principal.office == office
