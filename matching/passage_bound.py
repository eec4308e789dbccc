"""The bound on a passage: by how much its points may differ between a description and one evidence item, whatever it says.

What: derived from the budgets that count for a project and from the largest impact that a field can give, so it holds for
passages of every length, however often they repeat a word, under every emphasis. Why: an organisation should know what the
place of its words costs at most. It computes no point.
"""

from __future__ import annotations

from collections.abc import Mapping

from matching.documents import FULL
from matching.emphasis import budgets_of
from matching.weights import Weights


def largest_impact(weights: Weights) -> int:
    """Return the most that a term can count in one field of a description or of an evidence item: often, and in a short text."""
    count = 1000 * weights.field_cap * max(weights.member_fields[name] for name in ("mission", "evidence"))
    return FULL * count // (count + 16 * weights.k1)


def passage_bound(budgets: Mapping[str, int], weights: Weights) -> int:
    """Return the bound, per mille of the budgets' total and rounded up, of the points of text and evidence.

    The weights of a component sum to its budget / 255 at most, and no impact is above the largest; neither place gives less than
    nothing. So no more than the larger place's budget x largest impact / 255 is between the two.
    """
    place = max(budgets["text"], budgets["evidence"] // weights.evidence_items)
    total = sum(budgets.values())
    return -(-1000 * place * largest_impact(weights) // (FULL * total)) if total else 0


def widest_bounds(weights: Weights) -> tuple[int, int]:
    """Return the widest bound under the published budgets, and under any emphasis: of a project that states texts alone."""
    asked = {"text": True, "evidence": True}
    utmost = {"text": weights.emphasis["most"], "evidence": weights.emphasis["least"]}
    published, emphasised = (budgets_of(asked, emphasis, weights) for emphasis in ({}, utmost))
    return passage_bound(published, weights), passage_bound(emphasised, weights)
