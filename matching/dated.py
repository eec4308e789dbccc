"""Dated facts: which lists another reference date alone makes different.

Country groups and terms of membership are resolved at the reference date, and nothing else is; points, rules and places
read no date. So a new day touches a list only through the labels of its candidates, or through its project's countries.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from matching import judging
from matching.columns import PROJECT_ROW, Geography
from matching.judging import Bools, Day
from matching.members import PinnedMembers
from matching.openings import PinnedProjects

Rows = npt.NDArray[np.int64]


def dated_members(members: PinnedMembers, before: Day, after: Day) -> Rows:
    """Return the rows of the members whose labels differ between two days."""
    anywhere = np.zeros((), PROJECT_ROW)
    anywhere["published"] = (
        1  # a date of publication is no dated fact: it is what newcomers are measured against
    )
    old, new = (
        judging.labels_of(
            members.rows,
            anywhere,
            day=day,
            enrolled=members.enrolled(day.number),
        )
        for day in (before, after)
    )
    return np.flatnonzero(members.rows["present"] & (old != new))


def dated_projects(
    members: PinnedMembers,
    projects: PinnedProjects,
    *,
    owner_roots: npt.NDArray[np.int64],
    geography: Geography,
    before: Day,
    after: Day,
) -> Bools:
    """Return which projects (in the order of their ids) have a list that differs between two days.

    Those on which a member is eligible whose labels differ, those in a country that joins or leaves the least developed,
    and those without a date of publication. `owner_roots` has the root of each project's owner.
    """
    facts = projects.facts
    names = geography.countries.names
    moved = geography.bits(names[number] for number in np.flatnonzero(before.ldc != after.ldc))
    found: Bools = ((facts["countries"] & moved) != 0).any(axis=-1) | (facts["published"] == 0)
    rows = dated_members(members, before, after)
    if len(rows):
        columns, roots = members.rows.taken(rows), members.roots[rows]
        for place in np.flatnonzero(~found).tolist():
            rules = judging.failed_rules(columns, facts[place], roots=roots, owner_roots=owner_roots[place])
            found[place] = bool((rules == 0).any())
    return found
