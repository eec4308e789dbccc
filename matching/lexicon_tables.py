"""A lexicon as arrays of term numbers: what weighing reads of it in compiled code, for one engine's vocabulary.

It holds nothing that the lexicon does not say, and must not score.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from matching.lexicon import UNSPACED, Lexicon
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
    """Concepts of each domain term, terms of each concept with the languages of their groups, what a bridge carries."""

    of_term: Ints
    of_term_ends: Ints
    terms: Ints
    languages: Ints
    ends: Ints
    discounts: Ints
    domain: npt.NDArray[np.bool_]


class Languages:
    """Numbers for languages, in the order of asking; 0 is none."""

    def __init__(self) -> None:
        self._numbers = {"": 0}

    def __getitem__(self, language: str) -> int:
        return self._numbers.setdefault(language, len(self._numbers))

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


class LexiconTables:
    """A lexicon as arrays of term numbers, shared by the weighers of an engine."""

    def __init__(self, lexicon: Lexicon, vocabulary: Vocabulary) -> None:
        self.lexicon = lexicon
        self.vocabulary = vocabulary
        self.languages = Languages()
        self.tokens: dict[str, int] = {}
        terms = {term.key: term for one in lexicon.concepts.values() for term in one.terms}
        self.places = {key: place for place, key in enumerate(terms)}
        numbers = {key: vocabulary.number(key) for key in terms}
        by_first: dict[int, list[tuple[int, int, list[int]]]] = {}
        for term in terms.values():
            said = term.stems.split(" ")
            if term.language != UNSPACED and all(said):  # a published file may hold what no text can say
                tokens = self.numbered(term.language, said)
                found = by_first.setdefault(tokens[0], [])
                found.append((numbers[term.key], self.languages[term.language], tokens))
        self.domain = _domain_of(by_first, len(self.tokens))
        self.concepts = self._concepts_of(lexicon, numbers)

    def numbered(self, language: str, tokens: Iterable[str]) -> list[int]:
        """Number the tokens that domain terms or bigrams are made of."""
        return [self.tokens.setdefault(token_term(language, one), len(self.tokens)) for one in tokens]

    def _concepts_of(self, lexicon: Lexicon, numbers: Mapping[str, int]) -> Concepts:
        place_of = {name: place for place, name in enumerate(lexicon.concepts)}
        of_terms = [[place_of[name] for name in lexicon.concepts_of(key)] for key in self.places]
        groups = [
            [
                (numbers[key], self.languages[group.language])
                for group in found
                for key in (*group.alone, *group.shared)
            ]
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
