"""The life of a project: draft → published → closed or withdrawn, with a rest (dormant) when nobody reviews it.

Only a published project is open. Closed and withdrawn are final: what was said of a closed project stays readable
and is never edited. Pure functions; the day is an argument.
"""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Literal

from schemas.events.projects import Project
from services.projects.rules.problems import ProjectClosed, WrongState

Step = Literal["edit", "publish", "close", "withdraw"]
DateStep = Literal["deadline-passed", "review-passed"]

FINAL = frozenset({"closed", "withdrawn"})

FROM: Mapping[Step, frozenset[str]] = MappingProxyType(
    {
        "edit": frozenset({"draft", "published", "dormant"}),
        "publish": frozenset({"draft", "dormant"}),
        "close": frozenset({"published", "dormant"}),
        "withdraw": frozenset({"draft", "published", "dormant"}),
    }
)
"""From which states each step may be taken."""


def require_step(project: Project, step: Step) -> None:
    """Raise ProjectClosed or WrongState unless the project's state allows the step."""
    if project.state in FINAL:
        raise ProjectClosed(
            f"This project is {project.state} since {project.closed_at}; it cannot be changed any more."
        )
    if project.state not in FROM[step]:
        allowed = " or ".join(sorted(FROM[step]))
        raise WrongState(
            f"The project is {project.state}; to {step} it, it must be {allowed}.", state=project.state
        )


def due(project: Project, *, today: date) -> DateStep | None:
    """Return what the date alone changes in this project on this day, if anything.

    A deadline holds to the end of its day (UTC); a day of review likewise. The deadline decides first.
    """
    if project.state in {"published", "dormant"}:
        if project.deadline is not None and project.deadline < today:
            return "deadline-passed"
        if project.state == "published" and project.review_by is not None and project.review_by < today:
            return "review-passed"
    return None
