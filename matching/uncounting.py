"""Uncounting: the sums that come out of the indexes, without what quoted passages gave. Asked from either side.

An index sums whole documents. Of those whose points reach the floor of their component, that are not on record since before
the project was published, and that hold a passage of the project's own text, the points are replaced here by those of what
is left, which are `score_pair`'s; likewise of the few profiles to which something was added since the publication. Where
nobody quotes this is one compiled look over their words; nothing is cut that `quoting` does not call a passage.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from matching.members import MemberState, PinnedMembers
from matching.openings import PinnedProjects, ProjectState
from matching.quoting import Stems
from matching.scoring import item_points, text_points


def uncount_texts(state: ProjectState, members: PinnedMembers, points: npt.NDArray[np.int64]) -> None:
    """Replace the text points (one for each row) of the profiles that quote a project."""
    rows = np.flatnonzero(state.quoting.looks_at("text", points))
    quoting = {*state.quoting.rows_that_quote(members.texts, rows)}
    added = np.flatnonzero(state.quoting.asks_of(members.texts.added))
    quoting.update(added[points[added] > 0].tolist())
    for row in sorted(quoting):
        here = members.states[row]
        if here is not None and here.stems is not None:
            cut = here.stems.read_by(state.quoting, here.record).text(int(points[row]))
            if cut is not None:
                points[row] = text_points(state.query, cut.impacts)


def uncount_items(state: ProjectState, members: PinnedMembers, points: npt.NDArray[Any]) -> None:
    """Replace the points (one for each entry) of the evidence items that quote a project."""
    entries, found = list[int](), list[tuple[MemberState, str, Stems]]()
    wide = points.astype(np.int64)
    for entry in np.flatnonzero(state.quoting.looks_at("evidence", wide)).tolist():
        row = int(members.owners[entry])
        here = members.states[row] if row >= 0 else None
        if here is None or here.stems is None:
            continue
        item, stems = here.stems.items[here.entries.index(entry)]
        if not state.quoting.precedes(here.record.recorded.of(item)):
            entries.append(entry)
            found.append((here, item, stems))
    for place in state.quoting.which_quote([stems for _, _, stems in found]):
        here, item, stems = found[place]
        cut = state.quoting.item(state.quoting.fields_of(stems), here.record, item)
        if cut is not None:
            points[entries[place]] = item_points(state.query, cut.impacts)


def uncount_text_of(state: MemberState, projects: PinnedProjects, points: npt.NDArray[np.int64]) -> None:
    """Replace one organisation's text points (one for each project) where its profile quotes."""
    if state.stems is None:
        return
    stems, recorded = state.stems, state.record.recorded
    looked_at = [
        (place, project)
        for place, project in _reached(projects, "text", points)
        if not project.quoting.precedes(recorded.texts) and project.quoting.which_quote([stems.profile])
    ]
    if stems.last_added:
        looked_at += [
            (place, project)
            for place, project in enumerate(projects.in_order)
            if points[place] > 0 and project.quoting.asks_of(stems.last_added)
        ]
    for place, project in dict(looked_at).items():
        cut = stems.read_by(project.quoting, state.record).text(int(points[place]))
        if cut is not None:
            points[place] = text_points(project.query, cut.impacts)


def uncount_items_of(state: MemberState, projects: PinnedProjects, points: npt.NDArray[np.int64]) -> None:
    """Replace the points (items x projects) of one organisation's evidence items that quote."""
    if state.stems is None:
        return
    for row, (item, stems) in enumerate(state.stems.items):
        recorded_on = state.record.recorded.of(item)
        for place, project in _reached(projects, "evidence", points[row]):
            if not project.quoting.precedes(recorded_on) and project.quoting.which_quote([stems]):
                cut = project.quoting.item(project.quoting.fields_of(stems), state.record, item)
                if cut is not None:
                    points[row, place] = item_points(project.query, cut.impacts)


def _reached(
    projects: PinnedProjects, component: str, points: npt.NDArray[np.int64]
) -> list[tuple[int, ProjectState]]:
    """The projects of which the rule looks at a document with these points."""
    states = projects.in_order
    if not states or not states[0].quoting.shortest:  # the epoch's: no project quotes
        return []
    bounds = np.array([state.quoting.bounds[component] for state in states], np.int64)
    reached = np.flatnonzero((points > 0) & (points * 1000 >= bounds))
    return [(place, states[place]) for place in reached.tolist()]
