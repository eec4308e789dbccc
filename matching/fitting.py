"""Fitting: make an epoch from a corpus. The only place that uses scikit-learn, logarithms and floats.

Every number is rounded to an integer here, once; whoever has the epoch needs none of this. The result depends on the
corpus as a set: order and repetition of texts shared by several organisations change nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from matching.analysis import ANALYSER_NUMBER, Analyser, FieldStems
from matching.documents import count_terms, lengths_of, tag_term
from matching.engine import Engine
from matching.epoch import (
    EVIDENCE,
    IDF_ONE,
    PROFILE,
    Epoch,
    KindStatistics,
    LanguageStatistics,
    canonical,
    language_of,
)
from matching.lexicon import Lexicon, compile_lexicon
from matching.records import Member, Project, Text
from matching.reference import ReferenceData
from matching.weights import Weights

FEWEST_DOCUMENTS = 5
"""A language with fewer documents of a kind has no mean length and no idf table of its own."""

SMALLEST_CORPUS = 200
"""idf is taken as if a corpus had at least so many documents, so that a small language's words weigh like others."""

_UNSEEN_FREQUENCIES = 64
_NEVER = 10**9


class _Everything:
    """Stands for the set of all bigrams while frequencies are counted."""

    def __contains__(self, bigram: object) -> bool:
        return True


def fit_epoch(
    members: Iterable[Member],
    *,
    analyser: Analyser,
    reference: ReferenceData,
    lexicon: Mapping[str, Any] | None = None,
    weights: Weights | None = None,
    projects: Sequence[Project] = (),
    vocabularies: Iterable[Text] = (),
    tie_key: str | None = None,
) -> Epoch:
    """Fit an epoch.

    `lexicon` is a lexicon file's content; `projects` with the members are the reference corpus whose fits make the
    bands; `vocabularies` are texts whose words count as those of further documents (reference vocabularies), and whose lengths, being
    those of titles, do not; `tie_key` is 32 hex digits,
    by default taken from the content. ValueError if there is no text at all.
    """
    members = list(members)
    compiled = compile_lexicon(lexicon or {"concepts": []}, analyser)
    profiles: list[tuple[FieldStems, ...]] = []
    items: dict[tuple[FieldStems, ...], frozenset[str]] = {}
    for member in members:
        analysed = analyser.analyse_member(member)
        if analysed.fields:
            profiles.append(analysed.fields)
        tags = {item.id: frozenset(tag_term(tag) for tag in item.tags) for item in member.evidence}
        items.update((fields, tags[item]) for item, fields in analysed.evidence if fields)
    words = [fields for text in vocabularies if (fields := analyser.analyse_evidence([text]))]
    if not profiles and not items and not words:
        raise ValueError("there is no text in the corpus, so nothing can be fitted")
    profile = fit_kind(profiles or list(items), compiled, words=words)
    evidence = fit_kind(list(items), compiled, tags=list(items.values())) if items else profile
    content: dict[str, Any] = {
        "analyser": ANALYSER_NUMBER,
        "golden": analyser.golden_hash(),
        "weights": weights or Weights(),
        "lexicon": compiled,
        "reference": reference,
        "profile": profile,
        "evidence": evidence,
        "bands": (_NEVER, _NEVER, _NEVER),
        "tie_key": tie_key or "0" * 32,
        "corpus": {
            PROFILE: len(profiles) + len(words),
            EVIDENCE: len(items),
            "pairs": len(members) * len(projects),
        },
    }
    draft = Epoch(**content)
    content["bands"] = fit_bands(draft, members, projects, analyser=analyser)
    if tie_key is None:
        content["tie_key"] = hashlib.sha256(canonical(draft.to_json())).hexdigest()[:32]
    return Epoch.loads(Epoch(**content).dumps())


def fit_kind(
    documents: Sequence[Sequence[FieldStems]],
    lexicon: Lexicon,
    *,
    words: Sequence[Sequence[FieldStems]] = (),
    tags: Sequence[Iterable[str]] = (),
) -> KindStatistics:
    """Count one kind of document: frequencies, mean lengths per language, idf by frequency; `tags` of each, too.

    `words` are documents whose frequencies count, and not their lengths. Names, numbers and codes are few in any text, so the mean
    of their own lengths would let one more of them cost all the others: they have the mean length of the texts.
    """
    counted = [_counts(document, lexicon) for document in (*documents, *words)]
    vectoriser = CountVectorizer(analyzer=list, binary=True, dtype=np.int32)
    matrix = vectoriser.fit_transform(counted)
    totals = np.asarray(matrix.sum(axis=0)).ravel()
    frequencies = {
        str(term): int(totals[column])
        for term, column in vectoriser.vocabulary_.items()
        if term[0] != "b" or totals[column] >= 2
    }
    lengths: dict[str, list[int]] = {}
    sizes: Counter[str] = Counter()
    for place, document in enumerate((*documents, *words)):
        own = {language: length for language, length in lengths_of(document).items() if length}
        sizes.update(own.keys())
        for language, length in own.items() if place < len(documents) else ():
            lengths.setdefault(language, []).append(length)
    by_language: dict[str, set[int]] = {}
    for term, frequency in frequencies.items():
        by_language.setdefault(language_of(term), set()).add(frequency)
    mean = _mean([length for language, found in lengths.items() if language for length in found] or [1])
    statistics = {
        language: _language(
            size if language else len(counted),
            _mean(lengths[language]) if language and language in lengths else mean,
            by_language.get(language, set()),
        )
        for language, size in sizes.items()
        if size >= FEWEST_DOCUMENTS
    }
    unseen = _language(SMALLEST_CORPUS, mean, set(range(1, _UNSEEN_FREQUENCIES)))
    tagged = Counter(tag for one in tags for tag in one)
    return KindStatistics(
        languages=statistics,
        unseen=unseen,
        frequencies=frequencies,
        tags={tag: idf(len(documents), frequency) for tag, frequency in ({"": 0} | tagged).items()},
    )


def fit_bands(
    epoch: Epoch, members: Iterable[Member], projects: Sequence[Project], *, analyser: Analyser
) -> tuple[int, int, int]:
    """Return the fits (per mille) at the published percentiles of all pairs of the reference corpus.

    Without projects there are no pairs; then each bound is a share of the floor's fit, which is stated as such.
    """
    percentiles = epoch.weights.band_percentiles
    fits: list[np.ndarray[Any, Any]] = []
    if projects:
        engine = Engine(epoch, analyser=analyser)
        for member in members:
            engine.put_member(member)
        for project in projects:
            engine.put_project(project)
        view = engine.pin()
        fits = [view.rank(project, "2000-01-01").fit for project in view.projects]
    pooled = np.sort(np.concatenate(fits)) if fits else np.zeros(0, np.int32)
    if not len(pooled):
        return 40, 90, 150
    bounds = [
        int(pooled[-(-percentiles[name] * len(pooled) // 1000) - 1])
        for name in ("possible", "good", "strong")
    ]
    possible = max(1, bounds[0])
    good = max(possible + 1, bounds[1])
    return possible, good, max(good + 1, bounds[2])


def idf(documents: int, frequency: int) -> int:
    """Return ln(1 + (N - df + 1/2) / (df + 1/2)) in 1/65,536 (BM25's idf in the form that is never negative)."""
    size = max(documents, SMALLEST_CORPUS, frequency)
    return round(IDF_ONE * math.log(1 + (size - frequency + 0.5) / (frequency + 0.5)))


def _counts(document: Iterable[FieldStems], lexicon: Lexicon) -> Counter[str]:
    counts: Counter[str] = Counter()
    for field in document:
        counts.update(count_terms(field.runs, field.language, lexicon=lexicon, bigrams=_Everything()))
    return counts


def _language(documents: int, mean: int, frequencies: set[int]) -> LanguageStatistics:
    table = {frequency: idf(documents, frequency) for frequency in sorted({0} | frequencies)}
    return LanguageStatistics(documents=documents, mean=mean, idf=table)


def _mean(lengths: Sequence[int]) -> int:
    """Mean length in 1/256 of a word, at least one word."""
    return max(256, 256 * sum(lengths) // len(lengths))
