"""Queries: what a project asks for, as integer weights by term.

Within a component weight(t) = floor(budget x share(t) / (255 x sum of shares)), so a component gives its budget at most
and a part is weight x impact. Each language version of the text is a query of its own, with one set of weights per kind
of document. Weights depend on the project and the epoch alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from matching.analysis import Analysed, primary_language
from matching.documents import FULL, given, tag_term
from matching.emphasis import budgets_of
from matching.epoch import EVIDENCE, PROFILE, Epoch
from matching.records import Project
from matching.vocabulary import silent, token_term

STRUCTURED = ("needs", "places", "tags", "languages")
"""The components that are not text, in the order of the query's accumulators."""

_FINE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One language version of the project's text: weights for profiles, and for evidence items by words and by tags."""

    language: str
    text: Mapping[str, int]
    evidence: Mapping[str, int]
    tags: Mapping[str, int]

    @property
    def item(self) -> dict[str, int]:
        """All weights for evidence items; the names of words and of tags do not meet."""
        return {**self.evidence, **self.tags}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """All weights of one project. A component that the project says nothing about has budget 0.

    `threshold` is what an evidence item must exceed, in points. `kinds` maps a kind of need to the ids of its needs.
    """

    versions: tuple[Version, ...]
    structured: Mapping[str, Mapping[str, int]]
    budgets: Mapping[str, int]
    total: int
    threshold: int
    kinds: Mapping[str, tuple[str, ...]]

    @property
    def need_weights(self) -> dict[str, tuple[str, int]]:
        """The kind of each need, and the points of meeting it."""
        needs = self.structured["needs"]
        return {
            need: (kind, FULL * needs.get(f"offer:{kind}", 0))
            for kind, ids in self.kinds.items()
            for need in ids
        }


def build_query(project: Project, analysed: Analysed, epoch: Epoch) -> Query:
    """Make a project's query."""
    weights = epoch.weights
    shares = {
        "needs": _needs(project),
        "places": _places(project, epoch),
        "tags": _tags(project, epoch),
        "languages": {
            f"lang:{primary_language(tag)}": 1 for tag in given(project, "languages", project.languages)
        },
    }
    texts = _versions(analysed, epoch)
    says = any(texts.values())
    asked = {"text": says, "evidence": says} | {name: bool(share) for name, share in shares.items()}
    budgets = budgets_of(asked, project.emphasis, weights)
    item = budgets["evidence"] // weights.evidence_items
    item_tags = _item_tags(project, epoch)
    versions = tuple(
        _version(language, counts, epoch, text=budgets["text"], item=item, tags=item_tags)
        for language, counts in texts.items()
    )
    versions = tuple(version for version in versions if version.text)
    kinds: dict[str, tuple[str, ...]] = {}
    for need in given(project, "needs", project.needs):
        kinds[need.kind] = (*kinds.get(need.kind, ()), need.id)
    return Query(
        versions=versions,
        structured={name: normalise(asked, budgets[name]) for name, asked in shares.items()},
        budgets=budgets,
        total=sum(budgets.values()),
        threshold=item * weights.evidence_threshold // 1000,
        kinds=kinds,
    )


def normalise(shares: Mapping[str, int], budget: int) -> dict[str, int]:
    """Divide a component's budget over its terms; a term that gets nothing is left out."""
    total = FULL * sum(shares.values())
    if total == 0:
        return {}
    weights = {term: budget * share // total for term, share in shares.items()}
    return {term: weight for term, weight in weights.items() if weight > 0}


def _versions(analysed: Analysed, epoch: Epoch) -> dict[str, dict[str, int]]:
    """Weighted counts by term, per language, in the order in which the languages first occur."""
    found: dict[str, dict[str, int]] = {}
    for field in analysed.fields:
        counts = found.setdefault(field.language, {})
        share = epoch.weights.project_fields[field.name]
        for term, count in _asked(field.runs, field.language, epoch).items():
            counts[term] = counts.get(term, 0) + share * count
    return found


def _asked(runs: Iterable[str], language: str, epoch: Epoch) -> Counter[str]:
    """Count one field's terms without the words and bigrams that a domain term covers: no word counts twice."""
    counts: Counter[str] = Counter()
    for run in runs:
        tokens = run.split(" ")
        inside = [-1] * len(tokens)
        for number, found in enumerate(epoch.lexicon.find(language, tokens)):
            counts[found.term.key] += 1
            inside[found.start : found.stop] = [number] * (found.stop - found.start)
        for place, token in enumerate(tokens):
            if inside[place] < 0 and not silent(term := token_term(language, token)):
                counts[term] += 1
        for place, (a, b) in enumerate(pairwise(tokens)):
            if inside[place] < 0 or inside[place] != inside[place + 1]:
                counts[f"b:{language}:{a} {b}"] += 1
    return counts


def _version(
    language: str, counts: Mapping[str, int], epoch: Epoch, *, text: int, item: int, tags: Mapping[str, int]
) -> Version:
    """One version under the budgets of the text and of one evidence item."""
    tagged = item * epoch.weights.evidence_tags // 1000 if tags else 0
    budgets = {PROFILE: text, EVIDENCE: item - tagged}
    weighted = {
        kind: normalise(
            {
                term: _share(term, count, kind, epoch)
                for term, count in counts.items()
                if term[0] != "b" or term in epoch.bigrams[kind]  # of the others nothing takes part
            },
            budget,
        )
        for kind, budget in budgets.items()
    }
    return Version(
        language=language,
        text=weighted[PROFILE],
        evidence=weighted[EVIDENCE],
        tags=normalise(tags, tagged),
    )


def _share(term: str, count: int, kind: str, epoch: Epoch) -> int:
    """The idf x the saturated count: count x (k3 + 1) / (k3 + count), as in BM25, for a count in sixteenths."""
    k3 = epoch.weights.k3
    saturated = 1000 * count * (k3 + 1000) // (1000 * count + 16 * k3)
    share = saturated * epoch.idf(kind, term)
    return share * epoch.weights.concept // 1000 if epoch.lexicon.of_the_domain(term) else share


def _needs(project: Project) -> dict[str, int]:
    shares: dict[str, int] = {}
    for need in given(project, "needs", project.needs):
        term = f"offer:{need.kind}"
        shares[term] = shares.get(term, 0) + need.importance
    return shares


def _places(project: Project, epoch: Epoch) -> dict[str, int]:
    """Countries and their regions, nested: one part of the budget over the countries, the other over the regions."""
    countries = sorted(set(given(project, "countries", project.countries)))
    regions = set(given(project, "regions", project.regions))
    regions |= {
        epoch.reference.regions[country] for country in countries if country in epoch.reference.regions
    }
    shares = epoch.weights.place_shares
    terms = {f"country:{country}": shares["country"] * _FINE // len(countries) for country in countries}
    return terms | {
        f"region:{region}": shares["region"] * _FINE // len(regions) for region in sorted(regions)
    }


def _tags(project: Project, epoch: Epoch) -> dict[str, int]:
    shares = epoch.weights.tag_shares
    return {tag_term(tag): shares.get(tag.scheme, 1) for tag in given(project, "tags", project.tags)}


def _item_tags(project: Project, epoch: Epoch) -> dict[str, int]:
    """Shares of the project's tags in its past projects: the published share x how rare the tag is among them."""
    return {tag: share * epoch.tag_idf(tag) for tag, share in _tags(project, epoch).items()}
