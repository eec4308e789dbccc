"""Standings: some members' points on every open project, from the projects index. The integers are those of `rank`.

It asks the projects' weights with the members' impacts, one query for a profile and one for each evidence item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matching import judging
from matching.backing import back
from matching.epoch import Epoch
from matching.items import best_items
from matching.lists import COMPONENTS
from matching.members import MemberState, PinnedMembers
from matching.openings import PinnedProjects
from matching.uncounting import uncount_items_of, uncount_text_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standings:
    """Points of some members on every open project: arrays of shape (members, projects).

    `components` has a third axis in the order of COMPONENTS; `rules` holds the bits of the hard rules that fail (see
    `rules.codes_of`), and `eligible` is where there are none.
    """

    members: tuple[str, ...]
    projects: tuple[str, ...]
    points: npt.NDArray[np.int64]
    components: npt.NDArray[np.int64]
    fit: npt.NDArray[np.int32]
    band: npt.NDArray[np.uint8]
    above_floor: npt.NDArray[np.bool_]
    eligible: npt.NDArray[np.bool_]
    rules: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint32]


def standings_of(
    states: Sequence[MemberState],
    *,
    members: PinnedMembers,
    projects: PinnedProjects,
    owner_roots: npt.NDArray[np.int64],
    day: judging.Day,
    epoch: Epoch,
) -> Standings:
    """Compute the standings of members; `owner_roots` has the root of each project's owner."""
    shape = (len(states), len(projects.ids))
    components = np.zeros((*shape, len(COMPONENTS)), np.int64)
    rules = np.zeros(shape, np.uint8)
    labels = np.zeros(shape, np.uint32)
    for place, state in enumerate(states):
        components[place] = _components(state, projects, epoch)
        facts = members.rows.at(state.row)
        enrolled = np.asarray(
            any(first <= day.number <= last for first, last in members.intervals.get(state.row, ()))
        )
        rules[place] = judging.failed_rules(
            facts, projects.facts, roots=members.roots[state.row], owner_roots=owner_roots
        )
        labels[place] = judging.labels_of(facts, projects.facts, day=day, enrolled=enrolled)
    points = components.sum(axis=2)
    fit = judging.fits(points, projects.facts)
    return Standings(
        members=tuple(state.record.id for state in states),
        projects=projects.ids,
        points=points,
        components=components,
        fit=fit,
        band=judging.bands(fit, epoch.bands),
        above_floor=judging.above_floor(components, projects.facts, epoch.weights),
        eligible=rules == 0,
        rules=rules,
        labels=labels,
    )


def _components(state: MemberState, projects: PinnedProjects, epoch: Epoch) -> npt.NDArray[np.int64]:
    """One member's points on every project, by component."""
    found = np.zeros((len(projects.ids), len(COMPONENTS)), np.int64)
    sums = projects.profiles.sums([state.profile])[0]
    for place, name in enumerate(COMPONENTS):
        if name != "evidence":
            entries, columns = projects.lanes[name]
            np.maximum.at(found[:, place], columns, sums[entries])
    uncount_text_of(state, projects, found[:, 0])
    if state.items and len(projects.ids):
        entries, columns = projects.lanes["evidence"]
        thresholds = np.array([state.query.threshold for state in projects.in_order], np.int64)
        points = np.zeros((len(state.items), len(projects.ids)), np.int64)
        for row, item in enumerate(projects.items.sums(state.items)):
            np.maximum.at(points[row], columns, item[entries])
        points = np.maximum(points - thresholds, 0)
        uncount_items_of(state, projects, points)
        most = epoch.weights.evidence_items
        if state.pairs:
            for column, values in enumerate(points.T.tolist()):
                found[column, 1] = sum(values[one] for one in best_items(values, state.pairs, most))
        else:
            found[:, 1] = np.sort(points, axis=0)[-most:].sum(axis=0)
    back(found, epoch.weights)
    return found
