"""The refusals that only this service has; each code has a page of its own under `docs/problems/`."""

from services.chassis.web.problems import Problem


class ProjectClosed(Problem):
    """The project is closed or withdrawn. That is final; publish a new project instead."""

    status = 409
    code = "project-closed"
    title = "The project is closed"


class WrongState(Problem):
    """The project's state does not allow this step."""

    status = 409
    code = "wrong-state"
    title = "The state does not allow this"


class NotPublishable(Problem):
    """The project cannot be published yet; every point that is missing or wrong is listed."""

    status = 409
    code = "not-publishable"
    title = "Not ready to be published"


class DuplicateExternalId(Problem):
    """Another record has this external id already."""

    status = 409
    code = "duplicate-external-id"
    title = "The external id is taken"


class IdInUse(Problem):
    """The id belongs to a record of another kind, or to one that you may not see. Choose a new id."""

    status = 409
    code = "id-in-use"
    title = "The id is taken"


class LastTeamMember(Problem):
    """A project keeps at least one team member. Add another one first."""

    status = 409
    code = "last-team-member"
    title = "The last member of a team stays"


class TeamFull(Problem):
    """A team has at most 200 members. Remove somebody first."""

    status = 409
    code = "team-full"
    title = "The team is full"


class ProjectErased(Problem):
    """The project was erased for good, and its id is not given out again. Choose a new id."""

    status = 410
    code = "project-erased"
    title = "Erased"
