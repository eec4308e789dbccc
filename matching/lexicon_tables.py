"""A lexicon as arrays of term numbers: what weighing reads of it in compiled code, for one engine's vocabulary.

It holds nothing that the lexicon does not say, and must not score.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from matching.chinese import UNSPACED
from matching.lexicon import Lexicon
from matching.vocabulary import Vocabulary, token_term

Ints = npt.NDArray[np.int32]


class Domain(NamedTuple):
    """Domain terms by their first token (`begun` parts them): term number, language, and all their tokens."""

    begun: Ints
    terms: Ints
    languages: Ints
    tokens: Ints
    ends: Ints


class Concepts(NamedTuple):
    """Concepts that each domain term speaks of, terms of each concept with the languages of their groups, what a bridge carries."""

    of_term: Ints
    of_term_ends: Ints
    terms: Ints
    languages: Ints
    ends: Ints
    discounts: Ints
    domain: npt.NDArray[np.bool_]


class Languages:
    """Numbers for languages, in the order of asking; 0 is none."""

    def __init__(self, known: Iterable[str] = ("",)) -> None:
        self._numbers = {language: number for number, language in enumerate(known)}

    def __getitem__(self, language: str) -> int:
        return self._numbers.setdefault(language, len(self._numbers))

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


class LexiconTables:
    """A lexicon as arrays of term numbers, shared by the weighers of an engine."""

    def __init__(self, lexicon: Lexicon, vocabulary: Vocabulary) -> None:
        compiled = _compiled(lexicon)
        numbers = array(vocabulary.number(key) for key in compiled.places)
        self.lexicon = lexicon
        self.vocabulary = vocabulary
        self.languages = Languages(compiled.languages)
        self.tokens = dict(compiled.tokens)
        self.places = compiled.places
        self.domain = compiled.domain._replace(terms=numbers[compiled.domain.terms])
        self.concepts = compiled.concepts._replace(terms=numbers[compiled.concepts.terms])

    def numbered(self, language: str, tokens: Iterable[str]) -> list[int]:
        """Number the tokens that domain terms or bigrams are made of."""
        return _numbered(self.tokens, language, tokens)


class _Compiled(NamedTuple):
    """A lexicon whose terms are numbered by their own places: what every engine's tables are made of."""

    places: Mapping[str, int]
    languages: tuple[str, ...]
    tokens: Mapping[str, int]
    domain: Domain
    concepts: Concepts


@lru_cache(maxsize=2)
def _compiled(lexicon: Lexicon) -> _Compiled:
    """Compile a lexicon, once for all engines of a process: it has ten thousand terms."""
    languages, tokens = Languages(), dict[str, int]()
    terms = {term.key: term for one in lexicon.concepts.values() for term in one.terms}
    places = {key: place for place, key in enumerate(terms)}
    by_first: dict[int, list[tuple[int, int, list[int]]]] = {}
    for place, term in enumerate(terms.values()):
        said = term.stems.split(" ")
        if term.language != UNSPACED and all(said):  # a published file may hold what no text can say
            numbers = _numbered(tokens, term.language, said)
            found = by_first.setdefault(numbers[0], [])
            found.append((place, languages[term.language], numbers))
    domain = _domain_of(by_first, len(tokens))
    concepts = _concepts_of(lexicon, places, languages)
    return _Compiled(places, tuple(languages), tokens, domain, concepts)


def _numbered(known: dict[str, int], language: str, tokens: Iterable[str]) -> list[int]:
    return [known.setdefault(token_term(language, one), len(known)) for one in tokens]


def _concepts_of(lexicon: Lexicon, places: Mapping[str, int], languages: Languages) -> Concepts:
    place_of = {name: place for place, name in enumerate(lexicon.concepts)}
    of_terms = [[place_of[name] for name in lexicon.spoken_of(key)] for key in places]
    groups = [
        [(places[key], languages[group.language]) for group in found for key in (*group.alone, *group.shared)]
        for found in lexicon.groups.values()
    ]
    flat = list(chain(*groups))
    return Concepts(
        of_term=array(chain(*of_terms)),
        of_term_ends=ends_of(of_terms),
        terms=array(number for number, _ in flat),
        languages=array(language for _, language in flat),
        ends=ends_of(groups),
        discounts=array(one.discount for one in lexicon.concepts.values()),
        domain=np.array([one.kind == "domain" for one in lexicon.concepts.values()], np.bool_),
    )


def _domain_of(by_first: Mapping[int, Sequence[tuple[int, int, list[int]]]], tokens: int) -> Domain:
    rows = [by_first.get(token, ()) for token in range(tokens)]
    flat = list(chain(*rows))
    return Domain(
        begun=ends_of(rows),
        terms=array(term for term, _, _ in flat),
        languages=array(language for _, language, _ in flat),
        tokens=array(chain(*(found for _, _, found in flat))),
        ends=ends_of([found for _, _, found in flat]),
    )


def array(numbers: Iterable[int]) -> Ints:
    """Return numbers as an array."""
    return np.fromiter(numbers, np.int32)


def ends_of(parts: Sequence[Sequence[Any]]) -> Ints:
    """Return where each part begins among all of them, and where the last ends."""
    return np.cumsum([0, *(len(part) for part in parts)], dtype=np.int32)
