"""What a notice says of many organisations on a list: fit, band, confidence, and why, in several languages at once.

*What.* The rows come from the list as it is computed now; of each pair above the floor the score is worked out once, and
worded in every language that was asked for. *Why apart from a page.* Somebody who tells ten thousand subscribers needs no parts, no
names and no ranks; naming every part is what an explanation costs. *Never:* hold the event loop, or the analyser's turn for
longer than one pair.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from matching.rules import codes_of
from services.matches.queries.listing import Listing
from services.matches.queries.showing import rules_json
from services.matches.rules.wording import sentences_of
from services.matches.worker.documents import Analysis


async def told(
    listing: Listing, organisations: Collection[str], languages: Sequence[str]
) -> list[dict[str, Any]]:
    """Return those of the organisations that stand above the floor of an open list, by id; nobody where it is not ranked."""
    if listing.state != "ranked":
        return []
    return await asyncio.to_thread(_told, listing, frozenset(organisations), languages)


def excluded(
    listing: Listing, organisations: Collection[str], languages: Sequence[str]
) -> list[dict[str, Any]]:
    """Return those of the organisations that a hard rule leaves out of an open list, by id, with the rules as a page words them."""
    if listing.state != "ranked" or listing.computed is None:
        return []
    ranked, reason, wanted = (
        listing.computed.ranked,
        listing.project.presence_reason,
        frozenset(organisations),
    )
    left_out = {
        name: codes_of(bits)
        for name, bits in zip(ranked.excluded_members, ranked.excluded_rules.tolist(), strict=True)
        if name in wanted
    }
    return [
        {
            "organisation": name,
            "said": {
                language: [one["sentence"] for one in rules_json(left_out[name], reason, language)]
                for language in languages
            },
        }
        for name in sorted(left_out)
    ]


def _told(listing: Listing, wanted: frozenset[str], languages: Sequence[str]) -> list[dict[str, Any]]:
    if listing.computed is None:
        return []
    ranked = listing.computed.ranked
    analysis: Analysis = listing.runtime.state["analysis"]
    places = [
        place for place, name in enumerate(ranked.members) if name in wanted and ranked.above_floor[place]
    ]
    rows = sorted(ranked.rows_at(places), key=lambda row: row.member)
    notices = listing.pinned.view.notices(listing.project.id, [row.member for row in rows])
    found = []
    for row in rows:
        with suppress(KeyError):  # erased since: its row stands until the list is ranked anew
            with analysis.turn:
                said = notices.of(row.member, languages)
            found.append(
                {
                    "organisation": row.member,
                    "fit": row.fit,
                    "band": row.band,
                    "confidence": row.confidence,
                    "said": {
                        language: {
                            "shared_terms": list(words),
                            "reasons": [*reasons, *sentences_of(row.steps, language)],
                        }
                        for language, (words, reasons) in said.items()
                    },
                }
            )
    return found
