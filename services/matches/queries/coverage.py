"""Need coverage: for each need of a project, who above the floor meets it. Needs that nobody meets are named.

*Never:* name an organisation; the figures say where outreach is due, not who is meant.
"""

from typing import Any

from services.matches.queries.listing import Listing


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
    }
