"""The team of a project: its creator, and those whom a team member adds."""

from services.chassis.bus import incarnation
from services.chassis.web.operation import Answer, Unit
from services.projects.commands.answering import answer
from services.projects.commands.lifecycle import editable_project, step_to
from services.projects.rules.problems import LastTeamMember, TeamFull

MOST_MEMBERS = 200


async def add_team_member(unit: Unit, *, project_id: str, principal: str) -> Answer:
    """Let a principal see and edit the project. Somebody who is in the team already changes nothing.

    Raises TeamFull, and as `editable_project`.
    """
    stored = await editable_project(unit, project_id, step="edit")
    team = stored.project.team
    if principal in team:
        revision = stored.project.revision
        await unit.audit(action="project.team_unchanged", subject=project_id, before=revision, after=revision)
        number = await incarnation.current(unit.connection)
        return answer(unit, stored.project, stored=stored, incarnation=number)
    if len(team) >= MOST_MEMBERS:
        raise TeamFull
    return await step_to(unit, stored, action="project.team_added", changes={"team": (*team, principal)})


async def remove_team_member(unit: Unit, *, project_id: str, principal: str) -> Answer:
    """Take a principal out of the team; whoever is not in it changes nothing.

    Raises LastTeamMember, and as `editable_project`.
    """
    stored = await editable_project(unit, project_id, step="edit")
    team = stored.project.team
    if principal not in team:
        revision = stored.project.revision
        await unit.audit(action="project.team_unchanged", subject=project_id, before=revision, after=revision)
        number = await incarnation.current(unit.connection)
        return answer(unit, stored.project, stored=stored, incarnation=number)
    if len(team) == 1:
        raise LastTeamMember
    rest = tuple(member for member in team if member != principal)
    return await step_to(unit, stored, action="project.team_removed", changes={"team": rest})
