"""What a project's emphasis makes of the published budgets: the same total, divided otherwise, within published bounds.

What: a project may say of each component how much of its published budget it wants, per mille; what it leaves out is 1000.
Why: whoever answers for a project knows best whether experience or presence matters more to it, and may say so in the open: the
budgets stand in every list, and the emphasis in the project. It must not change a total, favour past work over all that an
organisation says of itself, or know any candidate.
"""

from __future__ import annotations

from collections.abc import Mapping

from matching.weights import Weights

AS_PUBLISHED = 1000


def budgets_of(asked: Mapping[str, bool], emphasis: Mapping[str, int], weights: Weights) -> dict[str, int]:
    """Divide the published budgets of what a project asks for by its emphasis; a component it does not ask for has 0.

    budget(c) = floor(total x published(c) x emphasis(c) / sum of these products), each emphasis held within the table's bounds.
    Where that would give evidence more than half, evidence has half and the others share the other half alike: an
    organisation without past projects must be able to answer any project.
    """
    wanted = {
        name: weights.budgets[name] * _held(emphasis.get(name, AS_PUBLISHED), weights)
        for name, is_asked in asked.items()
        if is_asked
    }
    total = sum(weights.budgets[name] for name in wanted)
    budgets = dict.fromkeys(asked, 0) | _divided(wanted, total)
    if emphasis and 2 * budgets.get("evidence", 0) > total:
        others = {name: share for name, share in wanted.items() if name != "evidence"}
        budgets |= _divided(others, total - total // 2) | {"evidence": total // 2}
    return budgets


def _held(emphasis: int, weights: Weights) -> int:
    return min(max(emphasis, weights.emphasis["least"]), weights.emphasis["most"])


def _divided(shares: Mapping[str, int], total: int) -> dict[str, int]:
    whole = sum(shares.values())
    return {name: total * share // whole for name, share in shares.items()} if whole else {}
