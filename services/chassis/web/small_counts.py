"""Small counts of organisations: what is told of them to those who may not see which organisations are counted.

What: one bound, and the figures without what lies below it. Why one place: two answers of one system that hide different
counts hide none. It must not know who asks.
"""

from collections.abc import Mapping
from typing import Any

FEWEST = 5
"""Of fewer organisations, but some, no count is told to those who do not see them: so few could be recognised."""


def coarse(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures with null for every count from 1 to 4."""
    return {
        name: None if isinstance(value, int) and 0 < value < FEWEST else value
        for name, value in figures.items()
    }
