"""Need coverage: for each need of a project, how many above the floor meet it; and how its head is spread over regions.

*Never:* name an organisation; the figures say where outreach is due, not who is meant.
"""

from typing import Any

from matching.lists import RankedList
from services.chassis.reference import Reference
from services.matches.queries.listing import Listing
from services.matches.rules.spread import spread_of


def coverage(listing: Listing) -> dict[str, Any]:
    """Return the coverage of every need, with its texts and importance."""
    counts, rows = listing.figures()
    needs = {need["id"]: need for need in listing.project.record.get("needs", ())}
    shown = [
        row
        | {
            "importance": needs.get(row["need"], {}).get("importance", 3),
            "texts": list(needs.get(row["need"], {}).get("texts", ())),
            "met": row["above_floor"] > 0,
        }
        for row in rows
    ]
    ranked = None if listing.computed is None else listing.computed.ranked
    return listing.described() | {
        "view": "whole",
        "total_budget": 0 if ranked is None else ranked.total_budget,
        "budgets": {} if ranked is None else dict(ranked.budgets),
        "counts": counts,
        "needs": shown,
        "unmet": [row["need"] for row in shown if not row["met"]],
        "spread": None if ranked is None else _spread(listing, ranked),
    }


def _spread(listing: Listing, ranked: RankedList) -> dict[str, Any]:
    reference: Reference = listing.runtime.state["reference"]

    def region_of(country: str) -> str | None:
        return reference.region_of(country) if country in reference.countries else None

    return spread_of(ranked, listing.project.record.get("level"), listing.weights, region_of=region_of)
