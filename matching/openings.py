"""The projects' side: each open project's weights as documents, asked by members' impacts; put, forget, pin.

A project has a lane (a document of its own) for each language version of its text, one for each version's evidence
weights, and one for each structured component: so the sums of one component come out apart from the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.columns import PROJECT_ROW, Geography, Numbers, fill_project
from matching.index import Index, PinnedIndex
from matching.kernel import Asked
from matching.queries import STRUCTURED, Query
from matching.quoting import Quoting
from matching.records import Project
from matching.vocabulary import Vocabulary

LANES = ("text", "evidence", *STRUCTURED)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProjectState:
    """One project's revision: its query, by term names and by term numbers, and its lanes' entries.

    `versions` and `items` hold one query per language version (for profiles, for evidence items), `structured` one for
    each of STRUCTURED; `terms` names every term of them by its number; `quoting` tells passages of its own text.
    """

    record: Project
    query: Query
    quoting: Quoting
    facts: npt.NDArray[Any]
    versions: tuple[Asked, ...]
    items: tuple[Asked, ...]
    structured: tuple[Asked, ...]
    terms: Mapping[int, str]
    lanes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class PinnedProjects:
    """The projects at one moment, in the order of their ids."""

    states: Mapping[str, ProjectState]
    profiles: PinnedIndex
    items: PinnedIndex

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(self.states)

    @cached_property
    def in_order(self) -> tuple[ProjectState, ...]:
        """Their states, in the order of `ids`."""
        return tuple(self.states.values())

    @cached_property
    def facts(self) -> npt.NDArray[Any]:
        """Their facts, a row each; made when members are asked about, not with every pin."""
        return np.array([state.facts for state in self.states.values()], PROJECT_ROW)

    @cached_property
    def lanes(self) -> Mapping[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """For each lane by name: entries, and the column (place of the project) of each."""
        lanes = {}
        for lane in LANES:
            pairs = [
                (entry, place)
                for place, state in enumerate(self.states.values())
                for entry in state.lanes[lane]
            ]
            both = np.array(pairs, np.int64).reshape(-1, 2)
            lanes[lane] = (both[:, 0], both[:, 1])
        return lanes


class ProjectStore:
    """Takes projects in and forgets them; `pin` gives what a view reads."""

    def __init__(self, *, vocabulary: Vocabulary, names: Numbers, geography: Geography) -> None:
        self._vocabulary = vocabulary
        self._names = names
        self._geography = geography
        self._states: dict[str, ProjectState] = {}
        self._profiles = Index(np.int32)
        self._items = Index(np.int32)
        self._pinned: PinnedProjects | None = None

    def put(self, project: Project, query: Query, quoting: Quoting) -> None:
        """Take a revision in, in place of the one that was here."""
        self.remove(project.id)
        versions = tuple(self._asked(version.text) for version in query.versions)
        items = tuple(self._asked(version.item) for version in query.versions)
        structured = tuple(self._asked(query.structured[name]) for name in STRUCTURED)
        lanes = {"text": self._enter(self._profiles, versions), "evidence": self._enter(self._items, items)}
        for name, asked in zip(STRUCTURED, structured, strict=True):
            lanes[name] = self._enter(self._profiles, (asked,))
        facts = np.zeros((), PROJECT_ROW)
        owner = self._names[project.owner] if project.owner else -1
        fill_project(facts, project, query, owner=owner, geography=self._geography)
        self._states[project.id] = ProjectState(
            record=project,
            query=query,
            quoting=quoting,
            facts=facts,
            versions=versions,
            items=items,
            structured=structured,
            terms=self._terms(query),
            lanes=lanes,
        )
        self._pinned = None

    def remove(self, project: str) -> bool:
        """Forget a project; False if it was not here."""
        state = self._states.pop(project, None)
        if state is None:
            return False
        for name, entries in state.lanes.items():
            index = self._items if name == "evidence" else self._profiles
            for entry in entries:
                index.drop(entry)
        self._pinned = None
        return True

    def pin(self) -> PinnedProjects:
        """Return the projects as they are now."""
        if self._pinned is None:
            self._pinned = PinnedProjects(
                states={name: self._states[name] for name in sorted(self._states)},
                profiles=self._profiles.pin(),
                items=self._items.pin(),
            )
        return self._pinned

    def tend(self) -> bool:
        """Put the indexes in order, where that is due; False if there was nothing to do."""
        return self._profiles.tend() | self._items.tend()

    def _terms(self, query: Query) -> dict[int, str]:
        asked = [mapping for version in query.versions for mapping in (version.text, version.item)]
        return {
            self._vocabulary.number(term): term
            for mapping in (*asked, *query.structured.values())
            for term in mapping
        }

    def _asked(self, weights: Mapping[str, int]) -> Asked:
        terms, values = self._vocabulary.interned(weights, np.int32)
        return terms, values.astype(np.int32)

    @staticmethod
    def _enter(index: Index, documents: tuple[Asked, ...]) -> tuple[int, ...]:
        entries = tuple(index.new_entry() for _ in documents)
        for entry, (terms, weights) in zip(entries, documents, strict=True):
            index.put(entry, terms, weights)
        return entries
