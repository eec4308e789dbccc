"""The corpus that an epoch is fitted on: records as the engine reads them, and the reference data it is given.

What: reads a folder of bodies (the demo's, or one of the same shape) into members and projects, makes the texts of the
reference vocabularies and the dated geography. Why: the shipped epoch, `comity epoch build --from` and `comity evaluate`
fit on records that are made in one place. It must not fit, and must not change a record.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from matching.records import Member, Project, Text
from matching.reference import Membership, ReferenceData
from services.chassis.reference import Reference
from services.chassis.reference.catalogue import DEVELOPING_LIST
from services.console.loading import records


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What is fitted on: members give the statistics, members and projects together the bands."""

    members: Sequence[Member]
    projects: Sequence[Project]
    vocabularies: Sequence[Text] = ()


def read_corpus(folder: Path, reference: Reference) -> Corpus:
    """Read `organisations*.jsonl` and `initiatives*.jsonl` of a folder, with the texts of the reference vocabularies."""
    return Corpus(
        members=[member_of(body["id"], body) for body in records(folder, "organisations")],
        projects=[project_of(body["id"], body) for body in records(folder, "initiatives")],
        vocabularies=vocabularies(reference),
    )


def member_of(identifier: str, body: Mapping[str, Any], *, recorded_on: date | None = None) -> Member:
    """Return the engine's record of a body that is put under an id (on a day), as the first revision's event would carry it."""
    recorded: dict[str, Any] = {}
    if recorded_on is not None:
        day = recorded_on.isoformat()
        recorded = {
            "since": day,
            "texts": day,
            "evidence": {item["id"]: day for item in body.get("evidence") or ()},
        }
    first = {"id": identifier, "revision": 1, "state": "active", "recorded": recorded}
    return Member.from_json({**body, **first})


def project_of(identifier: str, body: Mapping[str, Any], *, published_on: date | None = None) -> Project:
    """Return the engine's record of a project that was put under an id and published."""
    published = None if published_on is None else published_on.isoformat()
    return Project.from_json(
        {**body, "id": identifier, "revision": 1, "state": "published", "published_on": published}
    )


def vocabularies(reference: Reference) -> list[Text]:
    """Return the titles and meanings of the code lists, each a text of its own."""
    titles = [row.title for row in reference.code_rows if row.title]
    meanings = [f"{row.title}: {row.meaning}" for row in reference.kinds]
    return [Text(language="en", text=text) for text in (*titles, *meanings)]


def geography(reference: Reference) -> ReferenceData:
    """Return the regions and dated groups in the engine's words: there, the last day of a term is inside it."""
    content = reference.as_json()
    return ReferenceData(
        regions={code: region for code, region in content["countries"].items() if region},
        groups=tuple(_memberships(content["groups"])),
    )


def _memberships(groups: Iterable[Sequence[str | None]]) -> Iterator[Membership]:
    for country, group, start, end in groups:
        last = None if end is None else (date.fromisoformat(end) - timedelta(days=1)).isoformat()
        yield Membership(
            country=str(country),
            group="developing" if group == DEVELOPING_LIST else str(group),
            since=start,
            until=last,
        )
