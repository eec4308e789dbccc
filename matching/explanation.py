"""Why a candidate has its points: parts that add up to them exactly, and a plain sentence for each.

A part is one (query term, document term) meeting: weight x impact, no division after it. The words shown are those of
both texts. Nothing here decides a score; it names what the kernel summed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Points from one cause.

    `component` is one of COMPONENTS; `code` names the kind of reason (``word``, ``phrase``, ``name``, ``concept``,
    ``bridge``, ``threshold``, ``need``, ``place``, ``tag``, ``language``); `term` is the index term; `asked` and
    `found` are the words of the project's and of the organisation's text; `fields` name where it was found;
    `language` is the project's language version; `evidence` is the id of the evidence item, if it is one;
    `bridged_from` the word through which a concept was reached; `needs` the ids of the needs it answers.
    """

    component: str
    code: str
    points: int
    term: str = ""
    asked: str = ""
    found: str = ""
    fields: tuple[str, ...] = ()
    language: str = ""
    evidence: str = ""
    bridged_from: str = ""
    needs: tuple[str, ...] = ()
    sentence: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write the part, leaving out what is empty."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One candidate's points on one project, with every part. `sum(part.points) == points`, always.

    `shown` holds, for each component, the whole per-mille of the total budget rounded by largest remainder, so that it
    adds up to `fit`. `failed_rules` is not empty where a hard rule leaves the candidate out (points are still given).
    `gaps` are terms, needs and places that the project asks for and the profile lacks, dearest first.
    """

    project: str
    project_revision: int
    member: str
    revision: int
    epoch: str
    reference_date: str
    points: int
    total_budget: int
    fit: int
    band: str
    above_floor: bool
    confidence: int
    components: Mapping[str, int]
    shown: Mapping[str, int]
    parts: tuple[Part, ...]
    labels: tuple[str, ...]
    failed_rules: tuple[str, ...]
    gaps: tuple[Part, ...]
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Write it for an API answer."""
        raise NotImplementedError
