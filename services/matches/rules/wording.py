"""The sentences that every list carries: that it is a suggestion, and what each placement step did.

The first is this service's own; the steps are worded where all reasons are. Nothing here depends on who asks or what is
ranked.
"""

from collections.abc import Iterable

from matching.sentences import phrases_in


def sentences_of(steps: Iterable[str], language: str) -> list[str]:
    """Return a sentence for each placement step of a row."""
    return [phrases_in(language).step(step) for step in steps]
