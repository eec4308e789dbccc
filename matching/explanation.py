"""Why a candidate has its points: parts that add up to them exactly, and a plain sentence for each.

A part is one (query term, document term) meeting: weight x impact, no division after it. The words shown are those of
both texts. Nothing here decides a score; it names what the kernel summed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Points from one cause.

    `component` is one of COMPONENTS; `code` names the kind of reason (``word``, ``phrase``, ``name``, ``concept``,
    ``bridge``, ``threshold``, ``quoted`` (no points: a passage that is not counted),
    ``duplicate`` (no points: an item beside one that says nearly the same), ``further`` (no points: items beyond the best),
    ``below`` (no points: items that have too few words in common),
    ``unbacked`` (taken off: declarations beyond what the texts bear out), ``need``, ``country``, ``region``, ``tag``, ``language``); `term` is the index term;
    `asked` and `found` are the words of the project's and of the organisation's text; `fields` name where it was found;
    `asked_passage` and `found_passage` are the sentences that they first stand in, given where one pair is explained;
    `language` is the project's language version; `evidence` is the id of the evidence item, if it is one;
    `bridged_from` the term of the organisation's text through which a concept was reached; `needs` the ids of the needs
    that it answers.
    """

    component: str
    code: str
    points: int
    term: str = ""
    asked: str = ""
    found: str = ""
    asked_passage: str = ""
    found_passage: str = ""
    fields: tuple[str, ...] = ()
    language: str = ""
    evidence: str = ""
    bridged_from: str = ""
    needs: tuple[str, ...] = ()
    sentence: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write the part, leaving out what is empty."""
        body = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }
        return {name: value for name, value in body.items() if name == "points" or value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One candidate's points on one project, with every part. `sum(part.points for part in parts) == points`, always.

    `shown` holds, for each component, the whole per-mille of the total budget rounded by largest remainder, so that it
    adds up to `fit`. `failed_rules` is not empty where a hard rule leaves the candidate out (points are still given).
    `gaps`, where they were asked for, are terms, needs, places, tags and languages that the project asks for and the profile
    lacks; their points are what it would have more with each alone, the most first. `reasons` say the main things in a few sentences.
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
    rule_sentences: tuple[str, ...]
    reasons: tuple[str, ...]
    gaps: tuple[Part, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Write it for an API answer."""
        return {
            "project": self.project,
            "project_revision": self.project_revision,
            "organisation": self.member,
            "revision": self.revision,
            "epoch": self.epoch,
            "reference_date": self.reference_date,
            "points": self.points,
            "total_budget": self.total_budget,
            "fit": self.fit,
            "band": self.band,
            "above_floor": self.above_floor,
            "confidence": self.confidence,
            "components": dict(self.components),
            "shown": dict(self.shown),
            "parts": [part.to_json() for part in self.parts],
            "labels": list(self.labels),
            "failed_rules": list(self.failed_rules),
            "rule_sentences": list(self.rule_sentences),
            "gaps": [gap.to_json() for gap in self.gaps],
            "reasons": list(self.reasons),
        }


def per_mille(points: Sequence[int], total: int) -> list[int]:
    """Return whole per-milles of `total` that add up to floor(1000 x sum / total), by largest remainder.

    Ties of remainders go to the earlier one. Negative points are allowed.
    """
    if total <= 0:
        return [0] * len(points)
    floors = [value * 1000 // total for value in points]
    remainders = [value * 1000 % total for value in points]
    missing = sum(remainders) // total
    for place in sorted(range(len(points)), key=remainders.__getitem__, reverse=True)[:missing]:
        floors[place] += 1
    return floors
