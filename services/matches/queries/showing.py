"""From a row of a ranked list to what an answer shows of it: names, reasons in words, exact parts if they are asked for.

*What.* The same organisation looks alike on a page, alone and in a version. *Never:* compute a score, or show what the
row of another organisation says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matching.explanation import Explanation, Part, per_mille
from matching.lists import COMPONENTS, Row
from matching.sentences import phrases_in
from services.matches.queries.directory import NO_FACE
from services.matches.rules.wording import sentences_of
from services.matches.worker.rows import row_json

ERASED = "The organisation's record was erased; its place and points are kept, its name and reasons are not."


def candidate_json(
    row: Row,
    face: Mapping[str, Any] | None,
    *,
    total: int,
    reasons: Sequence[str] | None,
    parts: Sequence[Part] | None = None,
    need_points: int | None = None,
    tie_group: tuple[int, int] | None = None,
    language: str = "en",
) -> dict[str, Any]:
    """Return one row of a page. `reasons` None: its record was erased; `parts` are added as they are, with all points."""
    body = row_json(row)
    body |= face or NO_FACE
    body["shown"] = shown(row.components, total)
    body["tie_group"] = None if tie_group is None else {"first": tie_group[0], "last": tie_group[1]}
    steps = sentences_of(row.steps, language)
    body["reasons"] = [*steps, ERASED] if reasons is None else [*reasons, *steps]
    if need_points is not None:
        body["need_points"] = need_points
    if parts is not None:
        body["parts"] = parts_json(parts, total)
    return body


def row_of(explanation: Explanation) -> Row:
    """Return an explanation as a row without a place (rank 0), for those whom a rule leaves out."""
    return Row(
        rank=0,
        member=explanation.member,
        revision=explanation.revision,
        points=explanation.points,
        components=explanation.components,
        fit=explanation.fit,
        band=explanation.band,
        above_floor=explanation.above_floor,
        confidence=explanation.confidence,
        labels=explanation.labels,
        steps=() if explanation.above_floor else ("below_floor",),
        tie=0,
    )


def parts_json(parts: Sequence[Part], total: int) -> list[dict[str, Any]]:
    """Return the parts with exact points, and with whole per mille of the total that add up to the fit."""
    whole = per_mille([part.points for part in parts], total)
    return [part.to_json() | {"per_mille": share} for part, share in zip(parts, whole, strict=True)]


def shown(components: Mapping[str, int], total: int) -> dict[str, int]:
    """Return the components as whole per mille of the project's total that add up to the fit."""
    whole = per_mille([components[name] for name in COMPONENTS], total)
    return dict(zip(COMPONENTS, whole, strict=True))


def rules_json(codes: Sequence[str], presence_reason: str, language: str = "en") -> list[dict[str, Any]]:
    """Return failed hard rules: code, sentence, and the project's published reason where it gave one."""
    phrases = phrases_in(language)
    return [
        {
            "code": code,
            "sentence": phrases.rule(code, presence_reason),
            "published_reason": presence_reason if code == "presence_required" and presence_reason else None,
        }
        for code in codes
    ]
