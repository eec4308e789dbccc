"""The steps of a project's life and its team: `/v1/projects/{id}/publish`, `/close`, `/withdraw`, `/team/…`."""

from functools import partial

from fastapi import APIRouter, Request, Response

from schemas.http.project_answers import ProjectWritten
from schemas.http.projects import ClosingBody
from services.chassis.web.openapi import IF_MATCH, refusals
from services.chassis.web.operation import execute
from services.projects.commands import lifecycle, team
from services.projects.routes.parameters import ProjectId, TeamMember
from services.projects.rules import problems as ours

STEP = (ours.ProjectClosed, ours.ProjectErased)
PUBLISHING = refusals(*STEP, ours.WrongState, ours.NotPublishable)
CLOSING = refusals(*STEP, ours.WrongState)
ADDING = refusals(*STEP, ours.TeamFull)
REMOVING = refusals(*STEP, ours.LastTeamMember)
MATCHED = {"parameters": [IF_MATCH]}


def router() -> APIRouter:
    """Return the routes that change a project's state or team."""
    routes = APIRouter(prefix="/v1/projects/{project_id}", tags=["projects"])

    @routes.post(
        "/publish",
        operation_id="publish_project",
        summary="Open a project to everybody",
        response_model=ProjectWritten,
        responses=PUBLISHING,
        openapi_extra=MATCHED,
    )
    async def publish(request: Request, project_id: ProjectId) -> Response:
        """Check that the project is complete, naming every missing point at once.

        The answer carries `token`, and `links.candidates` with it: the candidates can be waited for there.
        """
        return await execute(request, partial(lifecycle.publish_project, project_id=str(project_id)))

    @routes.post(
        "/close",
        operation_id="close_project",
        summary="Close a project with a reason",
        response_model=ProjectWritten,
        responses=CLOSING,
        openapi_extra=MATCHED,
    )
    async def close(request: Request, project_id: ProjectId, body: ClosingBody) -> Response:
        """Close for good.

        The last list stays readable to those who could read it before, and with it the reason: whole for the team, offices, BDT
        and auditors, to each organisation its own row.
        """
        return await execute(request, partial(lifecycle.close_project, project_id=str(project_id), body=body))

    @routes.post(
        "/withdraw",
        operation_id="withdraw_project",
        summary="Withdraw a project with a reason",
        response_model=ProjectWritten,
        responses=CLOSING,
        openapi_extra=MATCHED,
    )
    async def withdraw(request: Request, project_id: ProjectId, body: ClosingBody) -> Response:
        """Take the project back for good, from any state before closing. Its own people, offices, BDT and auditors read why."""
        return await execute(
            request, partial(lifecycle.withdraw_project, project_id=str(project_id), body=body)
        )

    @routes.put(
        "/team/{principal}",
        operation_id="add_team_member",
        summary="Add somebody to a project's team",
        response_model=ProjectWritten,
        responses=ADDING,
    )
    async def add(request: Request, project_id: ProjectId, principal: TeamMember) -> Response:
        """Let somebody see the whole list and edit the project."""
        command = partial(team.add_team_member, project_id=str(project_id), principal=str(principal))
        return await execute(request, command)

    @routes.delete(
        "/team/{principal}",
        operation_id="remove_team_member",
        summary="Remove somebody from a project's team",
        response_model=ProjectWritten,
        responses=REMOVING,
    )
    async def remove(request: Request, project_id: ProjectId, principal: TeamMember) -> Response:
        """Take somebody out of the team. Nobody takes themselves out, so somebody who can act is always left."""
        command = partial(team.remove_team_member, project_id=str(project_id), principal=str(principal))
        return await execute(request, command)

    return routes
