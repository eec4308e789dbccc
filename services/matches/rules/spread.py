"""The spread of a list's head: how many of its rows come from each region, and how many are SMEs, of an LDC, newcomers, local.

*What.* Counts, and the regions that hold more of the head of a global project than the published part. *Why.* Whoever chooses
partners for a global flagship should see that the head is all of one region before they write to it (Resolution 71, *instructs*
9). One group of organisations cannot fill a head: the parent cap sees to it. *Never:* move a row; a warning is no rule.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from matching.lists import LABELS, RankedList, names_of
from matching.weights import Weights

_COUNTED = {"sme": "sme", "ldc": "ldc_entity", "newcomer": "newcomer", "local": "local"}


def spread_of(
    ranked: RankedList, level: str | None, weights: Weights, *, region_of: Callable[[str], str | None]
) -> dict[str, Any]:
    """Return the counts of a head; `concentrated` names regions that hold too much of a global project's."""
    head = ranked.head
    regions = Counter(region_of(country) or "none" for country in ranked.country[:head] if country)
    labels = Counter(name for bits in ranked.labels[:head].tolist() for name in names_of(bits, LABELS))
    most = weights.concentration
    watched = level == "global" and most > 0
    return {
        "head": head,
        "regions": dict(sorted(regions.items())),
        **{name: labels[label] for name, label in _COUNTED.items()},
        "concentrated": sorted(
            region for region, rows in regions.items() if watched and rows * 1000 > most * head
        ),
    }
