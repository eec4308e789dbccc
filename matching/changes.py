"""Changes: the few edits of a profile that would give it the most points on a project, found in closed form.

Every part of a score is a product of non-negative integers, and a word that is new to a profile up to the mean length
takes nothing from the others: so the n changes that give the most are the n largest gaps, and no search is needed; a gap of an
offer or a tag is what its bound (`backing`) leaves room for, and one without room is no change. What is
said of a change is not this estimate but what rescoring and ranking anew gave. Places are left out: they would change
labels, and nobody moves its headquarters for a rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matching.explanation import Explanation, Part
from matching.records import Member, Offer, Tag, Text
from matching.sentences import Phrases
from matching.weights import Weights

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


def first_impact(weights: Weights) -> int:
    """Return the impact of a word that stands once in a description up to the mean length."""
    count = weights.member_fields["mission"] * 1000
    return 255 * count // (count + 16 * weights.k1)


def changes_of(explained: Explanation, record: Member, weights: Weights) -> Iterator[Change]:
    """Yield the largest one, two and three words that are missing, then the largest missing offer, tag and language."""
    words = [gap for gap in explained.gaps if gap.component == "text"]
    words.sort(key=lambda gap: (-gap.points * first_impact(weights), gap.term))
    for count in range(1, min(MOST_WORDS, len(words)) + 1):
        yield Change(code="words", gaps=tuple(words[:count]), edited=_saying(record, words[:count]))
    for code in ("need", "tag", "language"):
        gap = next((one for one in explained.gaps if one.code == code and one.points), None)
        if gap is not None:
            yield Change(code=code, gaps=(gap,), edited=_having(record, code, gap.term))


def _saying(record: Member, words: Sequence[Part]) -> Member:
    """Return a record whose description says these words too, each as a sentence of its own."""
    told = Text(language=words[0].language, text=". ".join(word.asked for word in words))
    return replace(record, descriptions=(*record.descriptions, told))


def _having(record: Member, code: str, term: str) -> Member:
    scheme, _, value = term.partition(":")
    if code == "need":
        return replace(record, offers=(*record.offers, Offer(kind=value)))
    if code == "tag":
        return replace(record, tags=(*record.tags, Tag(scheme=scheme, code=value)))
    return replace(record, languages=(*record.languages, value))
