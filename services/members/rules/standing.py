"""What follows from dates and categories: state of membership, dormancy, and an Associate's study group.

*What.* Pure decisions over a profile and a day. *Why here.* The Associate's limit is narrow (Resolution 71,
recognizing also c): it concerns roles in study groups and nothing else, and it must not leak into who may be a
candidate for a project. *Never:* read a clock.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from schemas.events.members import MembershipTerm, Organisation
from schemas.http.members import MembershipState, OrganisationBody
from services.chassis.reference import Reference, Refusal

MEMBERS_WITHOUT_LIMIT = frozenset({"member_state", "sector_member"})


def membership_state(terms: Sequence[MembershipTerm], on: date) -> MembershipState:
    """Return the state on a day: of the term that holds, `ended` after the last one, `none` before any."""
    for term in terms:
        if term.start <= on and (term.end is None or on <= term.end):
            return term.state
    return "ended" if any(term.start <= on for term in terms) else "none"


def dormant(review_by: date | None, on: date) -> bool:
    """Whether the day of review has passed without a new revision."""
    return review_by is not None and review_by < on


def next_change(organisation: Organisation, on: date) -> date | None:
    """Return the first day after `on` on which a date alone changes the record, or None."""
    days = [
        day for term in organisation.membership for day in (term.start, _after(term.end)) if day is not None
    ]
    review = _after(organisation.review_by)
    if review is not None and organisation.state == "active":
        days.append(review)
    return min((day for day in days if day > on), default=None)


def _after(day: date | None) -> date | None:
    return None if day is None or day == date.max else day + timedelta(days=1)


def first_involvement(body: OrganisationBody) -> date | None:
    """Return the day of the first involvement: as it is given, else that of the earliest event on record."""
    return body.first_involved_on or min((one.on for one in body.involvements), default=None)


def study_group_role(
    reference: Reference, *, category: str, own_group: str | None, group: str, role: str
) -> Refusal | None:
    """Return why an organisation cannot take a role in a study group, or None if it can.

    An Associate works in exactly one study group and attends, contributes and comments there. Members work in any;
    offices (chair, rapporteur, editor) are theirs. Academia takes part without office. Others come as guests.
    """
    refusal = reference.check_study_group(group)
    roles = {row.code: row for row in reference.study_group_roles}
    if refusal is not None:
        return refusal
    if role not in roles:
        return Refusal(
            "study-group-role", f"There is no role {role[:60]!r}.", f"Use one of: {', '.join(roles)}."
        )
    if category in MEMBERS_WITHOUT_LIMIT:
        return None
    if category == "associate":
        return _associate(own_group=own_group, group=group, role=role, allowed=roles[role].associate)
    if category == "academia" and roles[role].associate:
        return None
    return Refusal(
        "study-group-role",
        f"The category {category} does not take the role {role} in a study group.",
        "Take part by invitation; partnership in projects is open to every category.",
    )


def _associate(*, own_group: str | None, group: str, role: str, allowed: bool) -> Refusal | None:
    if own_group != group:
        return Refusal(
            "single-study-group",
            f"An Associate works in one study group only; this one's is {own_group or 'not set'}, not {group}.",
            "Name the Associate's own study group, or change it by a new revision of the profile.",
        )
    if not allowed:
        return Refusal(
            "study-group-role",
            f"An Associate attends, contributes and comments before adoption; it cannot take the role {role}.",
            "Use attend, contribute or comment_before_adoption. Projects are not concerned by this limit.",
        )
    return None
