"""Changes: the few edits of a profile that would give it the most points on a project.

What each gap of an explanation gives is known by rescoring; words help one another and stand in one another's way, so the
second is chosen beside the first, and the third beside both, by rescoring again. These are not the best three of all that
could be said: nobody tries every set. What is said of a change is what ranking anew gave. Places are left out: they would
change labels, and nobody moves its headquarters for a rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from matching.explanation import Explanation, Part
from matching.gaps import Rescored, having
from matching.records import Member
from matching.sentences import Phrases

MOST_WORDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """A change that would give a better rank, with the points and the rank that ranking anew gave.

    `code` is ``words``, ``need``, ``tag`` or ``language``; `terms` and `asked` are what would be added.
    """

    code: str
    terms: tuple[str, ...]
    asked: tuple[str, ...]
    points: int
    rank: int
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Write it for an API answer."""
        return {
            "code": self.code,
            "terms": list(self.terms),
            "asked": list(self.asked),
            "points": self.points,
            "rank": self.rank,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An edit to be proved: the record as it would be."""

    code: str
    gaps: tuple[Part, ...]
    edited: Member

    def proved(self, *, points: int, rank: int, phrases: Phrases) -> WhatIf:
        """Return it with what ranking anew gave."""
        asked = tuple(gap.asked for gap in self.gaps)
        return WhatIf(
            code=self.code,
            terms=tuple(gap.term for gap in self.gaps),
            asked=asked,
            points=points,
            rank=rank,
            sentence=phrases.what_if(self.code, asked, rank),
        )


def changes_of(explained: Explanation, record: Member, rescored: Rescored) -> Iterator[Change]:
    """Yield the one, two and three missing words that give most, then the missing offer, tag and language that do.

    `explained` has its gaps, what gives most first.
    """
    told: list[Part] = []
    words = [gap for gap in explained.gaps if gap.component == "text"]
    while words and len(told) < MOST_WORDS:
        beside = tuple(told)
        best = max(words, key=lambda gap: rescored(having(record, (*beside, gap)))) if beside else words[0]
        words.remove(best)
        told.append(best)
        yield Change(code="words", gaps=tuple(told), edited=having(record, told))
    for code in ("need", "tag", "language"):
        gap = next((one for one in explained.gaps if one.code == code and one.points > 0), None)
        if gap is not None:
            yield Change(code=code, gaps=(gap,), edited=having(record, (gap,)))
