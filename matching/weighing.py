"""Weighing: the impacts of a document's text by term number, compiled, for every document that an index takes in.

What: exactly what `documents.text_impacts` says of the same fields (words, names, bigrams, domain terms, saturation,
bridges), without a step of Python for each term: a new worker weighs a hundred thousand profiles before its first list.
Where an epoch's numbers could leave 64 bits, or a language is written without spaces, Python does its part. It must not
differ from the plain form in any integer, and must not be used by two threads at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from matching.analysis import FieldStems
from matching.chinese import UNSPACED
from matching.documents import FULL, text_impacts, unspaced_terms
from matching.epoch import Epoch, language_of
from matching.kernel import place_of
from matching.lexicon_tables import Ints, LexiconTables, array
from matching.quoting import Stems

_NEUTRAL, _WORD = 1, 2
_BITS = 26
"""Of a pair's key, for each of its two tokens; what is above them is the language."""
_MOST_WORDS = 1 << 24
_MOST_LANGUAGES = 1 << 11
_MOST = 1 << 62
_NOUGHT, _NO_LANGUAGE, _NEVER, _SPACED = np.int64(0), np.int32(0), np.int32(-1), np.int32(1)
"""With types of their own, for what is called with a literal is compiled twice; `_NEVER` is no language."""

Impacts = npt.NDArray[np.uint8]


class _Terms(NamedTuple):
    """By term number: whether it has no language, whether it is a word; and the token's or the domain term's place."""

    flags: npt.NDArray[np.uint8]
    places: Ints


class _Scratch(NamedTuple):
    """By term number, and zero between two documents: counts, the most of a field's translations, weighted counts, languages."""

    counts: Ints
    most: Ints
    folded: npt.NDArray[np.int64]
    languages: Ints


class Weigher:
    """Weighs documents of one kind under one epoch."""

    def __init__(self, epoch: Epoch, kind: str, tables: LexiconTables) -> None:
        self._epoch, self._kind, self._tables = epoch, kind, tables
        self._vocabulary = tables.vocabulary
        weights = epoch.weights
        self._names = {name: place for place, name in enumerate(weights.member_fields)}
        self._weights = np.array(
            [weights.field_cap, weights.k1, weights.b, *weights.member_fields.values()], np.int64
        )
        self._met = epoch.bigrams[kind]
        self._pairs, self._bigrams = self._keyed(self._met)
        self._means = np.zeros(0, np.int64)
        self._longest = 0  # the largest of the means
        self._known = 0
        self._terms = _Terms(np.zeros(0, np.uint8), np.zeros(0, np.int32))
        nothing = np.zeros(0, np.int32)
        self._scratch = _Scratch(nothing, nothing, np.zeros(0, np.int64), nothing)
        self._strongest = nothing
        self._learn()

    def weigh(self, fields: Sequence[FieldStems], stems: Stems) -> tuple[Ints, Impacts]:
        """Return term numbers and impacts (all above 0) of fields; `stems` are their words by the same vocabulary."""
        heads, unspaced = self._heads(stems), self._unspaced(fields)
        self._learn()
        if not self._fits(len(stems.numbers) + len(unspaced)):
            plain = text_impacts(fields, kind=self._kind, epoch=self._epoch)
            return self._vocabulary.interned(plain, np.uint8)
        weighed: tuple[Ints, Impacts] = _weigh(
            stems.numbers,
            np.array(heads, np.int32),
            unspaced,
            self._weights,
            self._means,
            self._terms,
            self._pairs,
            self._bigrams,
            self._tables.domain,
            self._tables.concepts,
            self._scratch,
            self._strongest,
        )
        return weighed

    def _heads(self, stems: Stems) -> list[int]:
        """Of each field: its name's place, its language, whether it has spaces, how many runs, and their lengths."""
        heads = list[int]()
        for name, language, runs in stems.heads:
            heads += (
                self._names[name],
                self._tables.languages[language],
                language != UNSPACED,
                len(runs),
                *runs,
            )
        return heads

    def _unspaced(self, fields: Sequence[FieldStems]) -> Ints:
        """Return (place of a field, term met in it), one behind the other, where words are not parted by spaces."""
        met = list[int]()
        for place, field in enumerate(fields):
            if field.language == UNSPACED:
                for term in unspaced_terms(field.runs, lexicon=self._tables.lexicon, bigrams=self._met):
                    met += (place, self._vocabulary.number(term))
        return np.array(met, np.int32)

    def _keyed(self, bigrams: Iterable[str]) -> tuple[npt.NDArray[np.int64], Ints]:
        """Return the bigrams that take part: sorted keys of language and tokens, and their term numbers."""
        keyed = []
        for term in sorted(bigrams):
            language = language_of(term)
            said = term[3 + len(language) :].split(" ")
            if len(said) == 2 and all(said):  # a published file may hold what no text can say
                first, second = self._tables.numbered(language, said)
                key = (self._tables.languages[language] << 2 * _BITS) | (first << _BITS) | second
                keyed.append((key, self._vocabulary.number(term)))
        keyed.sort()
        return np.array([key for key, _ in keyed], np.int64), array(number for _, number in keyed)

    def _learn(self) -> None:
        """Take in the terms and languages that were numbered meanwhile."""
        new = self._vocabulary.since(self._known)
        if new:
            self._grow(self._known + len(new))
            flags, places = self._terms
            for number, term in enumerate(new, self._known):
                word = term[0] in "wn"
                neutral = term[:2] == "n:" or term[:3] == "d::"
                flags[number] = _WORD * word + _NEUTRAL * neutral
                places[number] = (self._tables.tokens if word else self._tables.places).get(term, -1)
            self._known += len(new)
        if len(self._means) < len(self._tables.languages):
            statistics = self._epoch.statistics(self._kind)
            self._means = np.array([statistics.of(one).mean for one in self._tables.languages], np.int64)
            self._longest = int(self._means.max())
            size = len(self._tables.lexicon.concepts) * len(self._means)
            self._strongest = np.zeros(size, np.int32)

    def _grow(self, size: int) -> None:
        """Make room for so many term numbers."""
        held = len(self._terms.flags)
        if size > held:
            more = max(size - held, held, 1_024)
            self._terms = _Terms(*(_longer(one, more) for one in self._terms))
            self._scratch = _Scratch(*(_longer(one, more) for one in self._scratch))

    def _fits(self, words: int) -> bool:
        """Whether every number stays within 64 bits."""
        weights, mean = self._epoch.weights, self._longest
        count = sum(weights.member_fields.values()) * weights.field_cap
        norm = (1000 - weights.b) * mean + weights.b * max(256 * words, mean)
        few = words < _MOST_WORDS and len(self._means) < _MOST_LANGUAGES
        return few and FULL * (count * 1_000_000 * mean) + 16 * weights.k1 * norm < _MOST


def _longer(held: npt.NDArray[Any], more: int) -> npt.NDArray[Any]:
    return np.concatenate((held, np.zeros(more, held.dtype)))


@numba.njit(cache=True, nogil=True)
def _weigh(  # pragma: no cover - compiled
    words: Any,
    heads: Any,
    unspaced: Any,
    weights: Any,
    means: Any,
    terms: Any,
    pairs: Any,
    bigrams: Any,
    domain: Any,
    concepts: Any,
    scratch: Any,
    strongest: Any,
) -> Any:
    touched = np.empty(2 * words.shape[0] + unspaced.shape[0] + concepts.terms.shape[0], np.int32)
    lengths = np.zeros(means.shape[0], np.int64)
    size = _fold(words, heads, unspaced, weights, terms, pairs, bigrams, domain, scratch, lengths, touched)
    k1, b, languages = weights[1], weights[2], means.shape[0]
    held = np.empty(concepts.discounts.shape[0], np.int32)
    kept, holding = _NOUGHT, _NOUGHT
    for i in range(size):
        term = touched[i]
        language = scratch.languages[term]
        mean = means[language]
        weight = scratch.folded[term] * 1_000_000 * mean
        scratch.folded[term] = 0
        norm = (1000 - b) * mean + b * max(lengths[language] * 256, mean)
        impact = 255 * weight // (weight + 16 * k1 * norm)
        if impact == 0:
            continue
        scratch.most[term] = impact
        touched[kept] = term
        kept += 1
        place = terms.places[term]
        if terms.flags[term] & 2 or place < 0:
            continue
        for j in range(concepts.of_term_ends[place], concepts.of_term_ends[place + 1]):
            concept = concepts.of_term[j]
            if _strongest_but(strongest, concept, languages, _NEVER) == 0:
                held[holding] = concept
                holding += 1
            here = concept * languages + language
            strongest[here] = max(strongest[here], impact)
    kept = _bridge(held[:holding], concepts, languages, strongest, scratch.most, touched, kept)
    values = np.empty(kept, np.uint8)
    for i in range(kept):
        values[i] = scratch.most[touched[i]]
        scratch.most[touched[i]] = 0
    return touched[:kept].copy(), values


@numba.njit(cache=True, nogil=True)
def _fold(  # pragma: no cover - compiled
    words: Any,
    heads: Any,
    unspaced: Any,
    weights: Any,
    terms: Any,
    pairs: Any,
    bigrams: Any,
    domain: Any,
    scratch: Any,
    lengths: Any,
    touched: Any,
) -> Any:
    """Fold counts and lengths over the fields of each name; returns how many terms `touched` names."""
    here = np.empty(touched.shape[0], np.int32)
    everywhere = np.empty(touched.shape[0], np.int32)
    cap, size = weights[0], _NOUGHT
    for name in range(weights.shape[0] - 3):
        weight, shared = weights[3 + name], _NOUGHT
        at, place, field = _NOUGHT, _NOUGHT, _NOUGHT
        while at < heads.shape[0]:
            language, spaced, first = heads[at + 1], heads[at + 2], at + 4
            met = _NOUGHT
            for run in range(first, first + heads[at + 3]):
                stop = place + heads[run]
                if heads[at] == name and spaced:
                    said = words[place:stop]
                    met = _count(said, language, terms, pairs, bigrams, domain, scratch.counts, here, met)
                elif heads[at] == name:
                    for word in words[place:stop]:
                        lengths[language] += terms.flags[word] == _WORD
                place = stop
            if heads[at] == name:
                met = _count_unspaced(unspaced, field, scratch.counts, here, met)
                shared = _take_neutral(here[:met], terms, scratch, everywhere, shared)
                size = _take(
                    here[:met], terms, language, spaced, weight, cap, scratch, lengths, touched, size
                )
            at, place, field = first + heads[at + 3], place + 1, field + 1
        for term in everywhere[:shared]:
            scratch.counts[term], scratch.most[term] = scratch.most[term], 0
        size = _take(
            everywhere[:shared], terms, _NO_LANGUAGE, _SPACED, weight, cap, scratch, lengths, touched, size
        )
    return size


@numba.njit(cache=True, nogil=True)
def _take_neutral(
    here: Any, terms: Any, scratch: Any, everywhere: Any, shared: Any
) -> Any:  # pragma: no cover
    """Put the counts of a field's terms without a language by: of a field's translations the most counts."""
    for term in here:
        if terms.flags[term] & 1:
            if scratch.most[term] == 0:
                everywhere[shared] = term
                shared += 1
            scratch.most[term] = max(scratch.most[term], scratch.counts[term])
            scratch.counts[term] = 0
    return shared


@numba.njit(cache=True, nogil=True)
def _take(  # pragma: no cover - compiled
    here: Any,
    terms: Any,
    language: Any,
    spaced: Any,
    weight: Any,
    cap: Any,
    scratch: Any,
    lengths: Any,
    touched: Any,
    size: Any,
) -> Any:
    """Add the counts of terms, to what is folded and, where words are spaced, to the length; whatever has none was put by."""
    for term in here:
        count = scratch.counts[term]
        scratch.counts[term] = 0
        if count == 0:
            continue
        if spaced and terms.flags[term] & 2:
            lengths[language] += count
        if scratch.folded[term] == 0:
            touched[size] = term
            scratch.languages[term] = language
            size += 1
        scratch.folded[term] += weight * min(count, cap)
    return size


@numba.njit(cache=True, nogil=True)
def _count_unspaced(  # pragma: no cover - compiled
    unspaced: Any, field: Any, counts: Any, here: Any, met: Any
) -> Any:
    for i in range(0, unspaced.shape[0], 2):
        if unspaced[i] == field:
            met = _once_more(unspaced[i + 1], counts, here, met)
    return met


@numba.njit(cache=True, nogil=True)
def _count(  # pragma: no cover - compiled
    run: Any,
    language: Any,
    terms: Any,
    pairs: Any,
    bigrams: Any,
    domain: Any,
    counts: Any,
    here: Any,
    met: Any,
) -> Any:
    """Count a run's words, bigrams and domain terms; `here` names those that were met, `met` says how many."""
    for i in range(run.shape[0]):
        met = _once_more(run[i], counts, here, met)
        token = terms.places[run[i]]
        if token < 0:
            continue
        if i + 1 < run.shape[0] and terms.places[run[i + 1]] >= 0:
            key = (np.int64(language) << 52) | (np.int64(token) << 26) | terms.places[run[i + 1]]
            place = place_of(pairs, key)
            if place >= 0:
                met = _once_more(bigrams[place], counts, here, met)
        if token + 1 >= domain.begun.shape[0]:
            continue
        for one in range(domain.begun[token], domain.begun[token + 1]):
            first, length = domain.ends[one], domain.ends[one + 1] - domain.ends[one]
            if i + length > run.shape[0] or (domain.languages[one] and domain.languages[one] != language):
                continue
            same = True
            for j in range(1, length):
                same = same and terms.places[run[i + j]] == domain.tokens[first + j]
            if same:
                met = _once_more(domain.terms[one], counts, here, met)
    return met


@numba.njit(cache=True, nogil=True)
def _once_more(term: Any, counts: Any, here: Any, met: Any) -> Any:  # pragma: no cover - compiled
    if counts[term] == 0:
        here[met] = term
        met += 1
    counts[term] += 1
    return met


@numba.njit(cache=True, nogil=True)
def _strongest_but(  # pragma: no cover - compiled
    strongest: Any, concept: Any, languages: Any, language: Any
) -> Any:
    """Return the largest impact of a concept's terms in all languages but one."""
    found = 0
    for other in range(languages):
        if other != language:
            found = max(found, strongest[concept * languages + other])
    return found


@numba.njit(cache=True, nogil=True)
def _bridge(  # pragma: no cover - compiled
    held: Any, concepts: Any, languages: Any, strongest: Any, impacts: Any, touched: Any, kept: Any
) -> Any:
    """Give each term of the concepts that are held what they offer it, where that is more than it has.

    The term that an offer comes from is offered no more than it has, for a discount is at most the whole.
    """
    for concept in held:
        most = _strongest_but(strongest, concept, languages, _NEVER)
        for j in range(concepts.ends[concept], concepts.ends[concept + 1]):
            term, language = concepts.terms[j], concepts.languages[j]
            offered = most
            if not concepts.domain[concept] and language:
                offered = _strongest_but(strongest, concept, languages, language)
            offered = offered * concepts.discounts[concept] // 1000
            if offered > impacts[term]:
                if impacts[term] == 0:
                    touched[kept] = term
                    kept += 1
                impacts[term] = offered
    for concept in held:
        for language in range(languages):
            strongest[concept * languages + language] = 0
    return kept
