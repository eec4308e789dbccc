"""Scoring one pair from query and document, term by term, in plain Python integers.

The indexes give the same integers faster; this is what they are held against, and what explains and rescores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from matching.backing import TEXTS, backed
from matching.documents import MemberDocument
from matching.items import Pairs, best_items, near_duplicates
from matching.queries import STRUCTURED, Query, Version
from matching.quoting import Cut, Passage, Reading
from matching.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """One evidence item that counts: its place in the document, its best version and its points above the threshold.

    `impacts` are those that counted: without quoted passages, where `cut` says what is left. `below`: it has words in common
    with the project, and not enough to reach the threshold.
    """

    place: int
    version: Version
    points: int
    impacts: Mapping[str, int]
    below: bool = False
    cut: Cut | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairScore:
    """Points of one pair: per component, the language version that the text component took, and the items counted.

    `text` are the profile's impacts that counted; `quoted` the passages that did not, each with the id of its evidence
    item (empty: the profile), whether what is left of the item counts or not; `cut` is what is left of the profile's text. `unbacked` are the points of declarations, by
    component, that are left out of `components` because no text bears them out. `duplicates` are the ids of items that do not
    count beside one that says nearly the same, each with the id of that one; `further` is how many more would count but for
    the best, `below` how many have words in common with the project and do not reach the threshold.
    """

    components: Mapping[str, int]
    version: Version | None
    items: tuple[ItemScore, ...]
    text: Mapping[str, int]
    quoted: tuple[tuple[str, Passage], ...] = ()
    cut: Cut | None = None
    unbacked: Mapping[str, int]
    duplicates: tuple[tuple[str, str], ...] = ()
    further: int = 0
    below: int = 0

    @property
    def points(self) -> int:
        """The score."""
        return sum(self.components.values())


def met(asked: Mapping[str, int], found: Mapping[str, int]) -> int:
    """Return the sum over common terms of weight x impact."""
    return sum(asked[term] * found[term] for term in asked.keys() & found.keys())


def score_pair(
    query: Query,
    document: MemberDocument,
    weights: Weights,
    *,
    reading: Reading,
    pairs: Pairs | None = None,
) -> PairScore:
    """Score one pair; `reading` says what of the texts counts, `pairs` are the near-duplicates if they are known already."""
    impacts, quoted = document.text, list[tuple[str, Passage]]()
    text, version = _best_text(query, impacts)
    cut = reading.text(text)
    if cut is not None:
        impacts = cut.impacts
        text, version = _best_text(query, impacts)
        quoted += [("", passage) for passage in cut.passages]
    chosen = score_items(query, document, weights, reading=reading, pairs=pairs)
    profile = document.profile
    components = {"text": text, "evidence": sum(item.points for item in chosen.items)}
    components |= {name: met(query.structured[name], profile) for name in STRUCTURED}
    counted = backed(components, weights)
    return PairScore(
        components=counted,
        version=version,
        items=chosen.items,
        text=impacts,
        quoted=(*quoted, *chosen.quoted),
        cut=cut,
        unbacked={name: points - counted[name] for name, points in components.items()},
        duplicates=chosen.duplicates,
        further=chosen.further,
        below=chosen.below,
    )


def declaring(query: Query, score: PairScore, declared: Mapping[str, int], weights: Weights) -> int:
    """Return the points of a pair that was scored, with other declarations (their impacts) beside the same texts."""
    components = {name: score.components[name] for name in TEXTS}
    components |= {name: met(query.structured[name], declared) for name in STRUCTURED}
    return sum(backed(components, weights).values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenItems:
    """The evidence items that count, dearest first, and what does not of any item (see `PairScore`)."""

    items: tuple[ItemScore, ...] = ()
    quoted: tuple[tuple[str, Passage], ...] = ()
    duplicates: tuple[tuple[str, str], ...] = ()
    further: int = 0
    below: int = 0


def score_items(
    query: Query,
    document: MemberDocument,
    weights: Weights,
    *,
    reading: Reading,
    pairs: Pairs | None = None,
) -> ChosenItems:
    """Choose the evidence items that count, and name what does not."""
    if not query.versions or not document.evidence:
        return ChosenItems()
    scored, quoted = list[ItemScore](), list[tuple[str, Passage]]()
    for place, item in enumerate(document.evidence):
        one = _item_score(query, item.impacts, place)
        cut = reading.item(item.id, one.points)
        if cut is not None:
            one = replace(_item_score(query, cut.impacts, place), cut=cut)
            quoted += [(item.id, passage) for passage in cut.passages]
        scored.append(one)
    known = (
        near_duplicates([item.words for item in document.evidence], weights.near_duplicate)
        if pairs is None
        else pairs
    )
    chosen = best_items([one.points for one in scored], known, weights.evidence_items)
    ids, duplicates, further = [item.id for item in document.evidence], list[tuple[str, str]](), 0
    for one in scored:
        if one.points and one.place not in chosen:
            like = [place for place in chosen if tuple(sorted((place, one.place))) in known]
            duplicates += [(ids[one.place], ids[like[0]])] if like else []
            further += not like
    return ChosenItems(
        items=tuple(scored[place] for place in chosen),
        quoted=tuple(quoted),
        duplicates=tuple(duplicates),
        further=further,
        below=sum(one.below for one in scored),
    )


def item_points(query: Query, impacts: Mapping[str, int]) -> int:
    """Return one evidence item's points: those of its best version above the threshold."""
    return _item_score(query, impacts, 0).points


def text_points(query: Query, impacts: Mapping[str, int]) -> int:
    """Return the points of a profile's text: those of its best version."""
    return _best_text(query, impacts)[0]


def _best_text(query: Query, impacts: Mapping[str, int]) -> tuple[int, Version | None]:
    text, version = 0, query.versions[0] if query.versions else None
    for one in query.versions:
        points = met(one.text, impacts)
        if points > text:
            text, version = points, one
    return text, version


def _item_score(query: Query, impacts: Mapping[str, int], place: int) -> ItemScore:
    sums = [met(one.item, impacts) for one in query.versions]
    best = max(range(len(sums)), key=lambda number: (sums[number], -number))
    return ItemScore(
        place=place,
        version=query.versions[best],
        points=max(0, sums[best] - query.threshold),
        impacts=impacts,
        below=0 < sums[best] <= query.threshold,
    )
