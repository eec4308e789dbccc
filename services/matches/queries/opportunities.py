"""An organisation's opportunities: the open projects on which it stands above the floor, with its own points and reasons.

*What.* One query of the projects index, the other way round than a list, with the same integers; while a new epoch
re-ranks everything one query of each, and every project counts under the epoch that its newest list version names.
*Never:* show a rank or another organisation; who is told depends on the floor, never on the rank.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np

from matching.lists import BANDS, COMPONENTS, LABELS, names_of
from schemas.http.suggestion import SUGGESTIONS
from services.chassis.runtime import Runtime
from services.chassis.web.problems import NotFound
from services.matches import events
from services.matches.queries.archive import ArchivedProject, organisations_of, projects_of
from services.matches.queries.showing import shown
from services.matches.queries.versions import lists_under
from services.matches.worker.documents import Analysis
from services.matches.worker.index import Index, Pinned

Key = tuple[int, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One project above the floor; the best first: fit, then points, then the project's id."""

    project: str
    pinned: Pinned
    points: int
    fit: int
    band: str
    components: dict[str, int]
    labels: tuple[str, ...]

    @property
    def key(self) -> Key:
        """What the opportunities are ordered by."""
        return (-self.fit, -self.points, self.project)


async def opportunities(
    runtime: Runtime, organisation: str, *, after: Key | None, limit: int, language: str
) -> tuple[dict[str, Any], Key | None]:
    """Return a page of an organisation's opportunities, and the key of its last row if more follow.

    Raises NotFound if the organisation is not known here.
    """
    index: Index = runtime.state["index"]
    pinned, *before = await index.pin_all()
    async with runtime.database.read() as connection:
        records = await organisations_of(connection, [organisation])
        named = {one.epoch: await lists_under(connection, one.epoch) for one in before}
    if organisation not in records:
        raise NotFound("No such organisation is known here, or it was erased.")
    found = await asyncio.to_thread(_standings, pinned, organisation)
    for one in before:
        under = named[one.epoch]
        earlier = await asyncio.to_thread(_standings, one, organisation)
        found = [each for each in found if each.project not in under]
        found += [each for each in earlier if each.project in under]
    found.sort(key=lambda each: each.key)
    async with runtime.database.read() as connection:
        projects = await projects_of(connection, [one.project for one in found])
    open_ones = [
        one for one in found if one.project in projects and projects[one.project].state == "published"
    ]
    rest = [one for one in open_ones if after is None or one.key > after]
    taken = rest[:limit]
    reasons = await asyncio.to_thread(_reasons, runtime, organisation, taken, language)
    body = {
        "organisation": organisation,
        "name": records[organisation]["legal_name"],
        "epoch": pinned.epoch,
        "reference_date": pinned.day,
        "as_of": list(events.as_of(pinned.positions)),
        "statement": SUGGESTIONS[language],
        "total": len(open_ones),
        "opportunities": [
            _line(one, projects[one.project], organisation, reasons[one.project]) for one in taken
        ],
    }
    return body, taken[-1].key if len(rest) > limit else None


def _standings(pinned: Pinned, organisation: str) -> list[Standing]:
    try:
        standings = pinned.view.points_of([organisation], pinned.day)
    except KeyError:
        return []
    columns = np.flatnonzero(standings.eligible[0] & standings.above_floor[0])
    found = []
    for column in columns.tolist():
        components = standings.components[0, column].tolist()
        points, total = int(standings.points[0, column]), int(standings.fit[0, column])
        found.append(
            Standing(
                project=standings.projects[column],
                pinned=pinned,
                points=points,
                fit=total,
                band=BANDS[int(standings.band[0, column])],
                components=dict(zip(COMPONENTS, components, strict=True)),
                labels=names_of(int(standings.labels[0, column]), LABELS),
            )
        )
    return found


def _reasons(
    runtime: Runtime, organisation: str, taken: list[Standing], language: str
) -> dict[str, tuple[list[str], dict[str, int]]]:
    analysis: Analysis = runtime.state["analysis"]
    found = {}
    for one in taken:
        with analysis.turn:
            explanation = one.pinned.view.explain(
                one.project, organisation, one.pinned.day, language=language
            )
        found[one.project] = (list(explanation.reasons), shown(one.components, explanation.total_budget))
    return found


def _line(
    one: Standing, project: ArchivedProject, organisation: str, reasons: tuple[list[str], dict[str, int]]
) -> dict[str, Any]:
    record = project.record
    return {
        "project": one.project,
        "titles": project.titles,
        "level": record.get("level"),
        "regions": list(record.get("regions", ())),
        "countries": list(record.get("countries", ())),
        "deadline": record.get("deadline"),
        "need_kinds": list(dict.fromkeys(need["kind"] for need in record.get("needs", ()))),
        "epoch": one.pinned.epoch,
        "points": one.points,
        "fit": one.fit,
        "band": one.band,
        "components": one.components,
        "shown": reasons[1],
        "labels": list(one.labels),
        "reasons": reasons[0],
        "links": {
            "project": f"/v1/projects/{one.project}",
            "why": f"/v1/lists/{one.project}/candidates/{organisation}",
        },
    }
