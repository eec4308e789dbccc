"""The team of a project: its creator, and those whom a team member adds.

This service knows its members' ids and nothing else of them: whether an id is anybody's, only identity could say. So
nobody takes themselves out. Whoever takes somebody out is left, and has just shown that they are there and may act.
"""

from services.chassis.bus import incarnation
from services.chassis.web.operation import Answer, Unit
from services.projects.commands.answering import answer
from services.projects.commands.lifecycle import editable_project, step_to
from services.projects.commands.storing import Stored
from services.projects.rules.problems import LastTeamMember, TeamFull

MOST_MEMBERS = 200


async def add_team_member(unit: Unit, *, project_id: str, principal: str) -> Answer:
    """Let a principal see and edit the project. Somebody who is in the team already changes nothing.

    Raises TeamFull, and as `editable_project`.
    """
    stored = await editable_project(unit, project_id, step="edit")
    team = stored.project.team
    if principal in team:
        return await _unchanged(unit, stored, principal)
    if len(team) >= MOST_MEMBERS:
        raise TeamFull
    return await step_to(
        unit,
        stored,
        action="project.team_added",
        changes={"team": (*team, principal)},
        details={"principal": principal},
    )


async def remove_team_member(unit: Unit, *, project_id: str, principal: str) -> Answer:
    """Take a principal out of the team; whoever is not in it changes nothing.

    Raises LastTeamMember for the only member and for the caller, and as `editable_project`.
    """
    stored = await editable_project(unit, project_id, step="edit")
    team = stored.project.team
    if principal not in team:
        return await _unchanged(unit, stored, principal)
    if len(team) == 1:
        raise LastTeamMember
    if principal == unit.principal.id:
        raise LastTeamMember(
            "You are the only one of this team of whom it is sure that somebody is left. "
            "Another member, or a BDT editor, can take you out."
        )
    return await step_to(
        unit,
        stored,
        action="project.team_removed",
        changes={"team": tuple(member for member in team if member != principal)},
        details={"principal": principal},
    )


async def _unchanged(unit: Unit, stored: Stored, principal: str) -> Answer:
    project = stored.project
    await unit.audit(
        action="project.team_unchanged",
        subject=project.id,
        before=project.revision,
        after=project.revision,
        details={"principal": principal},
    )
    number = await incarnation.current(unit.connection)
    return answer(unit, project, stored=stored, incarnation=number)
