"""How complete a profile is: a figure that is shown, and raises confidence, and never a score.

*What.* The share of the optional parts that are there. *Why published.* The reader sees which parts are missing, so
the figure is an advice and not a verdict. *Never:* gate anything by it.
"""

from collections.abc import Mapping
from typing import Any

OPTIONAL = (
    "organisation_type",
    "sme",
    "operating_countries",
    "willing_places",
    "expertise",
    "offer_texts",
    "evidence",
    "languages",
    "tags",
    "first_involved_on",
)
"""The parts that count, one tenth each; the six required fields are always there and count for nothing."""


def missing_parts(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the optional parts that a record lacks. A part that an import filled with a constant is not there."""
    constants = set(record.get("provenance", {}).get("constants", ()))

    def there(field: str) -> bool:
        # A flag that says "no" is an answer; an empty list is none.
        return record.get(field) not in (None, [], ()) and field not in constants

    held = {part: there(part) for part in OPTIONAL}
    held["willing_places"] = there("willing_countries") or there("willing_regions")
    held["offer_texts"] = there("offers") and all(offer.get("texts") for offer in record["offers"])
    return tuple(part for part in OPTIONAL if not held[part])


def completeness(record: Mapping[str, Any]) -> int:
    """Return the figure, 0 to 100."""
    return 100 * (len(OPTIONAL) - len(missing_parts(record))) // len(OPTIONAL)
