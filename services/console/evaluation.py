"""An evaluation: a folder's history as an epoch and an index, its queries as projects, its answers as a judgement.

What: reads, maps, fits, ranks and counts. Why apart from the verb: tests and the import's proof use the same lists. It
must not let an answer or a query into the fit, and must not give an organisation anything that an import would not.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from matching.analysis import prove_analyser
from matching.engine import Engine
from matching.epoch import Epoch
from matching.fitting import fit_epoch
from matching.lexicon import shipped_lexicon
from matching.lists import RankedList
from matching.records import Member, Project
from matching.view import View
from services.chassis.reference import Reference, load_reference
from services.console.corpus import geography, member_of, project_of
from services.console.importing.checking import shaped
from services.console.importing.files import BadRow, FileFault, read_rows
from services.console.importing.past import past_projects
from services.console.importing.sending import written
from services.console.judgement import TAIL_MOST, Judgement
from services.console.mapping.bodies import Mapper, RowRefused
from services.console.mapping.identifiers import identifier_of
from services.console.mapping.language import MapError, MapFile, load_map, shipped
from services.console.mapping.values import ValueFault, id_of

REFERENCE_DATE = "2026-01-01"
"""The day at which dated facts are resolved; these folders hold none, so it decides nothing but labels."""

_PUBLISHED_ON = date.fromisoformat(REFERENCE_DATE)
_RECORDED_ON = _PUBLISHED_ON - timedelta(days=1)
"""A folder's history is what was known before its queries were: organisations are on record the day before them."""

BAND_PROJECTS = 100
"""So many history projects, evenly spread over the file, make the pairs that the bands are taken from."""

Report = Callable[[str, int, int], None]


class Evaluation:
    """One folder, fitted and indexed. `refused` has one line for each row that could not become a record.

    `answers` are the true partners of the queries in the file, also of those that were refused: `unasked` is of how many others
    that file (`asked`) has no query.
    """

    def __init__(
        self,
        folder: Path,
        *,
        queries: Path | None = None,
        qrels: Path | None = None,
        organisation_map: str | None = None,
        project_map: str | None = None,
        require_presence: bool = False,
        report: Report = lambda _what, _done, _total: None,
    ) -> None:
        self.refused: list[str] = []
        self._report = report
        self.answers = read_answers(qrels or folder / "qrels_dev.tsv")
        reference = load_reference()
        self._organisations = _one_of(folder, "organisations")
        self._history = _one_of(folder, "projects")
        self._organisation_map = _map_for(self._organisations, "organisations", organisation_map)
        self._project_map = _map_for(self._history, "projects", project_map)
        self.asked = queries or folder / "queries_dev.jsonl.gz"
        self.unasked = self._leave_out_unasked(self.asked)
        self.members, self._past_counts = self._members(reference)
        self.projects = self._projects(self.asked, reference, require_presence)
        analyser = prove_analyser()
        history = list(self._bodies(self._history, self._project_map, "projects", reference))
        step = max(1, len(history) // BAND_PROJECTS)
        report("fitting", 0, 1)
        self.epoch: Epoch = fit_epoch(
            self.members.values(),
            analyser=analyser,
            reference=geography(reference),
            lexicon=shipped_lexicon(),
            projects=[project_of(found.id, body) for found, body in history[::step]],
        )
        engine = Engine(self.epoch, analyser=analyser)
        for done, member in enumerate(self.members.values(), 1):
            engine.put_member(member)
            report("indexing", done, len(self.members))
        for project in self.projects.values():
            engine.put_project(project)
        self.view: View = engine.pin()

    def figures(self) -> dict[str, Any]:
        """Rank every query and return the figures of the points order, and of the placed order beside them."""
        points, placed = Judgement(), Judgement()
        tail = frozenset(key for key, count in self._past_counts.items() if count <= TAIL_MOST)
        above: defaultdict[str, int] = defaultdict(int)
        for done, (external, partners) in enumerate(sorted(self.answers.items()), 1):
            relevant = {self.organisation_id(one) for one in partners}
            ranked = self.ranked(external)
            order = [] if ranked is None else points_order(ranked)
            points.add(order, relevant, tail=tail)
            placed.add([] if ranked is None else ranked.members, relevant, tail=tail)
            if ranked is not None:
                reached = {ranked.members[place] for place in np.flatnonzero(ranked.above_floor).tolist()}
                above["candidates"] += len(reached)
                above["partners"] += len(reached & relevant)
                above["ranked"] += len(ranked)
            above["relevant"] += len(relevant)
            self._report("ranking", done, len(self.answers))
        return {
            **points.figures(),
            "placed": placed.figures(),
            "above_floor": {
                "partners": round(above["partners"] / max(1, above["relevant"]), 4),
                "candidates": round(above["candidates"] / max(1, above["ranked"]), 4),
            },
            "queries": len(self.answers),
            "candidates": len(self.members),
            "epoch": self.epoch.hash,
        }

    def ranked(self, external: str) -> RankedList | None:
        """Return the list of a query by the source's id; None for one that could not become a project."""
        identifier = identifier_of("projects", self._project_map.scheme, external)
        return self.view.rank(identifier, REFERENCE_DATE) if identifier in self.projects else None

    def organisation_id(self, external: str) -> str:
        """Return our id of an organisation by the source's."""
        return identifier_of("organisations", self._organisation_map.scheme, external)

    def _leave_out_unasked(self, path: Path) -> int:
        """Keep the answers of queries in the file alone; of how many others there were. Raises FileFault if none is left."""
        column = self._project_map.id
        asked = set()
        for row in read_rows(path):
            if not isinstance(row, BadRow):
                with suppress(ValueFault):  # named where the row is refused
                    asked.add(id_of(row.values, column))
        whole = len(self.answers)
        self.answers = {key: partners for key, partners in self.answers.items() if key in asked}
        if not self.answers:
            raise FileFault(f"{path} holds none of the queries whose true partners are known.")
        return whole - len(self.answers)

    def _members(self, reference: Reference) -> tuple[dict[str, Member], dict[str, int]]:
        members: dict[str, Member] = {}
        counts: dict[str, int] = {}
        bodies = self._bodies(self._organisations, self._organisation_map, "organisations", reference)
        for done, (found, body) in enumerate(bodies, 1):
            members[found.id] = member_of(found.id, body, recorded_on=_RECORDED_ON)
            counts[found.id] = len(members[found.id].evidence)
            self._report("organisations", done, 0)
        return members, counts

    def _projects(self, path: Path, reference: Reference, require_presence: bool) -> dict[str, Project]:
        projects: dict[str, Project] = {}
        for found, body in self._bodies(path, self._project_map, "projects", reference):
            project = project_of(found.id, body, published_on=_PUBLISHED_ON)
            # A query of a group of countries names no country, so there is nothing to be present in.
            projects[found.id] = replace(
                project, presence_required=require_presence and bool(project.countries)
            )
        return projects

    def _bodies(
        self, path: Path, description: MapFile, kind: str, reference: Reference
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        past = None
        if description.evidence is not None:
            past = past_projects(self._history, description, refused=self._refuse)
        mapper = Mapper(description, kind=kind, reference=reference, past=past)
        for row in read_rows(path, columns=description.columns(joined=True)):
            if isinstance(row, BadRow):
                self._refuse(f"{path.name}, line {row.line}: {row.rule}: {row.detail}. {row.fix}")
                continue
            if mapper.skipped(row.values) is not None:
                continue
            try:
                found = mapper.body(row.values)
                yield found, written(shaped(kind, found.body))
            except RowRefused as refused:
                fault = refused.faults[0]
                self._refuse(f"{path.name}, line {row.line}: {fault.pointer}: {fault.detail}. {fault.fix}")

    def _refuse(self, line: str) -> None:
        if line not in self.refused:  # past projects are read as evidence and as history
            self.refused.append(line)


def points_order(ranked: RankedList) -> list[str]:
    """Return the candidates in the order of their points, before the placement steps of the head."""
    order = np.lexsort((ranked.tie, -ranked.points))
    return [ranked.members[place] for place in order.tolist()]


def read_answers(path: Path) -> Mapping[str, set[str]]:
    """Read `query_id, organisation_id, relevance` (tab-separated, with a header). Raises FileFault."""
    answers: dict[str, set[str]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t"):
                if int(row["relevance"]) > 0:
                    answers.setdefault(row["query_id"], set()).add(row["organisation_id"])
    except OSError as error:
        raise FileFault(f"{path} cannot be read: {error.strerror}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise FileFault(
            f"{path} is no table of true partners: it needs query_id, organisation_id and relevance, tab-separated ({error})."
        ) from error
    if not answers:
        raise FileFault(f"{path} names no true partner.")
    return answers


def _one_of(folder: Path, stem: str) -> Path:
    for ending in (".jsonl.gz", ".jsonl", ".csv", ".csv.gz"):
        if (folder / f"{stem}{ending}").exists():
            return folder / f"{stem}{ending}"
    raise FileFault(f"{folder} has no {stem}.jsonl.gz (nor .jsonl, .csv, .csv.gz).")


def _map_for(path: Path, kind: str, name: str | None) -> MapFile:
    """Return the map that is asked for, or the shipped one whose columns the file's first row has."""
    if name is not None:
        return load_map(name, kind=kind)
    first = next((row for row in read_rows(path) if not isinstance(row, BadRow)), None)
    columns = set() if first is None else set(first.values)
    fitting = []
    for one in shipped():
        if one.endswith(kind):
            found = load_map(one, kind=kind)
            if found.columns(joined=True) <= columns:
                fitting.append(found)
    if not fitting:
        raise MapError(
            f"No shipped map fits {path}, whose columns are {', '.join(sorted(columns))}; give --map."
        )
    return max(fitting, key=lambda found: len(found.columns(joined=True)))
