"""The sentences that every list carries: that it is a suggestion, and what each placement step did.

They are published wording, so they stand in one place. Nothing here depends on who asks or what is ranked.
"""

from collections.abc import Iterable

SUGGESTION = (
    "This list is a suggestion computed from published weights, not an endorsement by ITU or anybody else. It awards "
    "nothing and closes nothing: the project's owner may contact anyone on it or outside it."
)

_STEPS = {
    "below_floor": "Text and evidence are below the published floor; the row is kept and marked.",
    "parent_cap": "Placed after the head: two organisations of the same group stand in it already. The score is unchanged.",
    "local_minimum": "Placed in the head so that a local organisation is seen. The score is unchanged.",
    "newcomer_minimum": "Placed in the head so that newcomers are seen. The score is unchanged.",
    "made_room": "Left the head to make room for a local organisation or a newcomer. The score is unchanged.",
}


def sentences_of(steps: Iterable[str]) -> list[str]:
    """Return a sentence for each placement step of a row."""
    return [_STEPS[step] for step in steps]
