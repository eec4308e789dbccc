"""Who may see how much of a list: the one place that turns roles and teams into an answer.

*What.* Three views of a list: *whole* (team, offices, BDT, auditors), *own* (an organisation: its own row and no other),
*none*. *Why.* Ranks of competitors are not for competitors, and what a route forgets to ask, everybody may see. *Never:*
raise for a list's content, or read anything but its arguments.
"""

from collections.abc import Sequence
from typing import Literal

from services.chassis.identity.principal import OF_AN_ORGANISATION, Principal
from services.chassis.web.problems import NotFound, Problem, Unauthenticated

View = Literal["whole", "own"]

BDT = frozenset({"bdt_analyst", "bdt_editor", "bdt_admin"})
READ_EVERY_LIST = BDT | {"office_officer", "auditor"}
READ_PROGRESS = READ_EVERY_LIST | {"project_manager"}
READ_EPOCH_BODIES = BDT | {"auditor"}

HIDDEN = frozenset({"withdrawn", "dormant"})
"""The states in which a project that was published is its own people's alone: nobody is told of it who could not read it."""

MARGIN_STEP = 10
"""Per mille of fit: an organisation learns its distance to the next rank in steps of this, never exactly."""


class ListRestricted(Problem):
    """The full list is for the project's team, the offices, BDT and auditors; an organisation sees its own row."""

    status = 403
    code = "list-restricted"
    title = "This list is not yours to see"


def view_of(principal: Principal, team: Sequence[str], *, state: str) -> View:
    """Return how much of a project's list the principal sees. Raises Unauthenticated, ListRestricted, NotFound.

    What was withdrawn, or is at rest, is its own people's to see: to others it is not there, as the projects service answers too.
    """
    named = bool(principal.roles - {"public"})
    if principal.has(*READ_EVERY_LIST) or (named and principal.id in team):
        return "whole"
    if state in HIDDEN and not principal.is_anonymous:
        raise NotFound
    if speaks_for(principal) is not None:
        return "own"
    raise _refusal(principal)


def view_of_pending(principal: Principal) -> View:
    """Return the view of a list whose project is not archived, so that its team is not known: there is nothing in it.

    Raises Unauthenticated, ListRestricted.
    """
    return "whole" if principal.has("project_manager") else view_of(principal, (), state="published")


def require_whole(principal: Principal, team: Sequence[str], *, state: str) -> None:
    """Raise unless the principal sees the whole list; as `view_of`."""
    if view_of(principal, team, state=state) != "whole":
        raise _refusal(principal)


def require_row(principal: Principal, team: Sequence[str], organisation: str, *, state: str) -> View:
    """Return the view under which one organisation's row may be seen; raises as `view_of`."""
    view = view_of(principal, team, state=state)
    if view == "own" and speaks_for(principal) != organisation:
        raise ListRestricted("An organisation sees its own row and reasons only, never another's.")
    return view


def require_opportunities(principal: Principal, organisation: str) -> None:
    """Raise unless the principal may see on which projects an organisation stands: its own people, offices, BDT."""
    _require_own(principal, organisation, what="The opportunities of an organisation are")


def require_exposure(principal: Principal, organisation: str) -> None:
    """Raise unless the principal may see what lists give to an organisation: its own people, offices, BDT."""
    _require_own(principal, organisation, what="The exposure of an organisation is")


def speaks_for(principal: Principal) -> str | None:
    """Return the organisation that the principal acts for, None if it acts for none."""
    return principal.organisation if principal.has(*OF_AN_ORGANISATION) else None


def stepped(fit: int) -> int:
    """Return a distance in per mille of fit rounded up to whole steps; nobody learns another's exact score from it."""
    return -(-max(fit, 0) // MARGIN_STEP) * MARGIN_STEP


def _require_own(principal: Principal, organisation: str, *, what: str) -> None:
    if principal.has(*READ_EVERY_LIST) or speaks_for(principal) == organisation:
        return
    if principal.is_anonymous:
        raise Unauthenticated
    raise ListRestricted(f"{what} shown to its own people, to offices and to BDT.")


def _refusal(principal: Principal) -> Problem:
    return Unauthenticated() if principal.is_anonymous else ListRestricted()
