"""Scoring one pair from query and document, term by term, in plain Python integers.

The indexes give the same integers faster; this is what they are held against, and what explains and rescores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matching.documents import MemberDocument
from matching.items import Pairs, best_items, near_duplicates
from matching.queries import STRUCTURED, Query, Version
from matching.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """One evidence item that counts: its place in the document, its best version and its points above the threshold."""

    place: int
    version: Version
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairScore:
    """Points of one pair: per component, the language version that the text component took, and the items counted."""

    components: Mapping[str, int]
    version: Version | None
    items: tuple[ItemScore, ...]

    @property
    def points(self) -> int:
        """The score."""
        return sum(self.components.values())


def met(asked: Mapping[str, int], found: Mapping[str, int]) -> int:
    """Return the sum over common terms of weight x impact."""
    return sum(weight * found[term] for term, weight in asked.items() if term in found)


def score_pair(
    query: Query, document: MemberDocument, weights: Weights, *, pairs: Pairs | None = None
) -> PairScore:
    """Score one pair; `pairs` are the document's near-duplicates if they are known already."""
    text, version = 0, query.versions[0] if query.versions else None
    for one in query.versions:
        points = met(one.text, document.text)
        if points > text:
            text, version = points, one
    items = score_items(query, document, weights, pairs=pairs)
    profile = document.profile
    components = {"text": text, "evidence": sum(item.points for item in items)}
    components |= {name: met(query.structured[name], profile) for name in STRUCTURED}
    return PairScore(components=components, version=version, items=items)


def score_items(
    query: Query, document: MemberDocument, weights: Weights, *, pairs: Pairs | None = None
) -> tuple[ItemScore, ...]:
    """Return the evidence items that count, dearest first."""
    if not query.versions or not document.evidence:
        return ()
    scored: list[tuple[int, Version]] = []
    for item in document.evidence:
        sums = [met(one.item, item.impacts) for one in query.versions]
        best = max(range(len(sums)), key=lambda place: (sums[place], -place))
        scored.append((max(0, sums[best] - query.threshold), query.versions[best]))
    known = near_duplicates(document.evidence, weights.near_duplicate) if pairs is None else pairs
    chosen = best_items([points for points, _ in scored], known, weights.evidence_items)
    return tuple(
        ItemScore(place=place, version=scored[place][1], points=scored[place][0]) for place in chosen
    )
