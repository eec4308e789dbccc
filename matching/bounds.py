"""What a table of weights may hold: names and ranges, so that no published table breaks a promise or stops the ranking.

The kernel takes three evidence items, impacts are bytes, and shares are divided by their sum: a table outside these
bounds would score wrongly or not at all. Nothing is repaired here; the first entry that does not fit is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LARGEST_TOTAL = 2_000_000_000
"""The budgets' sum stays below 2^31, so that no int32 sum of parts can overflow."""

_PER_MILLE = (0, 1000)
_BYTE = (0, 255)
_RANGES: Mapping[str, tuple[int, int]] = {
    "version": (1, LARGEST_TOTAL),
    "budgets": (0, LARGEST_TOTAL),
    "project_fields": (1, 1600),
    "member_fields": (1, 1600),
    "field_cap": (1, 1000),
    "k1": (0, 100_000),
    "b": _PER_MILLE,
    "k3": (0, 100_000),
    "bigram": _PER_MILLE,
    "evidence_items": (3, 3),
    "evidence_threshold": _PER_MILLE,
    "evidence_tags": _PER_MILLE,
    "near_duplicate": (1, 1000),
    "passage_bound": _PER_MILLE,
    "roles": _PER_MILLE,
    "place_impacts": _BYTE,
    "quoted": (0, 10_000),
    "willing_reaches": (0, 1),
    "emphasis": (1, 10_000),
    "floors": _PER_MILLE,
    "band_percentiles": _PER_MILLE,
    "head": (1, 1000),
    "parent_cap": (1, 1000),
    "local_minimum": (0, 1000),
    "newcomer_minimum": (0, 1000),
    "attention": (0, 1_000_000),
    "lane": (0, 1000),
    "concentration": _PER_MILLE,
}
_OTHERS = (0, 1_000_000)
_FREE_NAMES = frozenset({"tag_shares", "attention"})
"""Tables whose names are data: a scheme that the table lacks has the share 1, a rank no attention."""


def refuse_out_of_bounds(table: Mapping[str, Any], names: Mapping[str, frozenset[str]]) -> None:
    """Raise ValueError naming the first entry of a table that does not fit; `names` are those of its inner tables."""
    for name, value in table.items():
        if isinstance(value, Mapping) != (name in names):
            raise ValueError(f"{name} is not what the weights table holds there")
        if name not in names:
            refuse_number(name, value, _RANGES.get(name, _OTHERS))
            continue
        if name not in _FREE_NAMES and value.keys() != names[name]:
            raise ValueError(f"{name} holds exactly {', '.join(sorted(names[name]))}")
        for inner, number in value.items():
            refuse_number(f"{name}.{inner}", number, _RANGES.get(name, _OTHERS))
    _refuse_together(table)


def refuse_number(name: str, value: Any, bounds: tuple[int, int]) -> None:
    """Raise ValueError unless a value is a whole number within bounds, both included."""
    low, high = bounds
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; it is a whole number from {low} to {high}")


def _refuse_together(table: Mapping[str, Any]) -> None:
    budgets = table["budgets"]
    total = sum(budgets.values())
    if not 0 < budgets["text"] <= total <= LARGEST_TOTAL:
        raise ValueError(f"the budgets sum to {total}, of which text must be some; at most {LARGEST_TOTAL}")
    if budgets["evidence"] > budgets["text"] + budgets["needs"]:
        raise ValueError(
            "budgets.evidence is more than half of the total of a project that states needs and nothing else"
        )
    if table["quoted"]["earlier"] > 1:
        raise ValueError("quoted.earlier is 0 or 1")
    if table["quoted"]["added"] > 1000:
        raise ValueError("quoted.added is a share per mille, at most 1000")
    if not sum(table["place_shares"].values()):
        raise ValueError("place_shares sum to 0, so places could not be divided")
    if not table["emphasis"]["least"] <= 1000 <= table["emphasis"]["most"]:
        raise ValueError(
            "emphasis.least is at most 1000 and emphasis.most at least 1000, what is published as it is"
        )
    bands = table["band_percentiles"]
    if not bands["possible"] <= bands["good"] <= bands["strong"]:
        raise ValueError("band_percentiles rise from possible through good to strong")
    if table["local_minimum"] + table["newcomer_minimum"] > table["head"]:
        raise ValueError("local_minimum and newcomer_minimum together are more than head has places")
    attention = table["attention"]
    given = [attention.get(str(rank), -1) for rank in range(1, len(attention) + 1)]
    if -1 in given or given != sorted(given, reverse=True):
        raise ValueError("attention names the ranks from 1 on, each once, and never rises")
