"""The lexicon: reviewed concepts with their terms in several languages.

A concept is a set of terms that mean the same. Matching is on stems inside a run. Nothing here scores.
"""

from __future__ import annotations

import importlib.resources
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matching.analysis import Analyser, primary_language
from matching.chinese import UNSPACED, written
from matching.tokens import NEUTRAL

STATUSES = ("proposed", "reviewed", "rejected")
"""Only what is reviewed serves; what is rejected stays in the file, so that it is not proposed again."""

KINDS = ("domain", "general")
"""A domain concept joins its terms within a language too, and a project asks its terms at the published factor; a general
one only carries words to other languages, so that within one language it changes nothing."""

DISCOUNT = 700
"""Per mille of an impact that crosses a bridge, where a concept names none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainTerm:
    """One term of a concept: its stems as they stand in a run, and the words as the lexicon writes them.

    `language` is empty where all its tokens are neutral (IoT): such a term is the same in every language. `key` is its
    index term.
    """

    language: str
    stems: str
    surface: str
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"d:{self.language}:{self.stems}")


@dataclass(frozen=True, slots=True)
class Concept:
    """Terms that mean the same; `kind` is one of KINDS, `discount` the per mille of an impact that a bridge carries."""

    terms: tuple[DomainTerm, ...]
    kind: str = "domain"
    discount: int = DISCOUNT


@dataclass(frozen=True, slots=True)
class Group:
    """Index terms of a concept to which the same is offered: all of a domain concept's, a general one's of one language.

    `alone` are in no other concept; `shared` are, and take the most that any offers.
    """

    language: str
    alone: tuple[str, ...]
    shared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A domain term met in a run at tokens [start, stop)."""

    start: int
    stop: int
    term: DomainTerm


_Begun = dict[str, dict[tuple[str, ...], DomainTerm]]
"""Terms by their first token and by all of them, the shortest first."""


class Lexicon:
    """Compiled concepts: finds domain terms in runs and gives the terms that share a concept with one."""

    def __init__(self, concepts: Mapping[str, Concept]) -> None:
        self.concepts = dict(sorted(concepts.items()))
        holders = Counter(term.key for one in self.concepts.values() for term in one.terms)
        self.groups = {name: _groups(one, holders) for name, one in self.concepts.items()}
        self._reached: dict[tuple[str, str], tuple[Group, ...]] = {}
        self._sayable: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
        self._domain = frozenset(
            term.key for one in self.concepts.values() if one.kind == "domain" for term in one.terms
        )
        self._unspaced: dict[str, DomainTerm] = {}  # by its characters
        self._longest = 0  # characters of one
        self._lengths: dict[str, set[int]] = {}  # of those that begin with a character
        self._begun: dict[str, _Begun] = {}  # by language
        self._concepts_of: dict[str, tuple[str, ...]] = {}
        self._single: set[str] = set()  # terms of one character
        self._surfaces: dict[str, str] = {}
        for name, concept in self.concepts.items():
            for term in concept.terms:
                self._concepts_of[term.key] = (*self._concepts_of.get(term.key, ()), name)
                self._surfaces.setdefault(term.key, term.surface)
                if term.language == UNSPACED:
                    characters = written(term.stems.split(" "))
                    self._unspaced.setdefault(characters, term)
                    self._longest = max(len(characters), self._longest)
                    self._single |= {term.key} if len(characters) == 1 else set()
                    self._lengths.setdefault(characters[0], set()).add(len(characters))
                else:
                    tokens = term.stems.split(" ")
                    begun = self._begun.setdefault(term.language, {}).setdefault(tokens[0], {})
                    begun.setdefault(tuple(tokens), term)
        for by_token in self._begun.values():
            for token, begun in by_token.items():
                by_token[token] = dict(sorted(begun.items(), key=lambda one: len(one[0])))

    def find(self, language: str, tokens: Sequence[str]) -> list[Found]:
        """Find the domain terms of a query's run: from the left, the longest at each place, none overlapping."""
        found: list[Found] = []
        begun, neutral = self._begun.get(language, {}), self._begun.get("", {})
        place = 0
        while place < len(tokens):
            token = tokens[place]
            if language != UNSPACED and token not in begun and token not in neutral:
                place += 1  # nearly everywhere no term begins
                continue
            hit = max(self._at(language, tokens, place), key=lambda one: one.stop, default=None)
            if hit is None:
                place += 1
            else:
                found.append(hit)
                place = hit.stop
        return found

    def find_all(self, language: str, tokens: Sequence[str]) -> Iterator[Found]:
        """Find every domain term of a document's run, those inside longer ones too.

        A document keeps them all, as it keeps their words: otherwise a word more could take a term away from it.
        """
        if language == UNSPACED:
            for place in range(len(tokens)):
                yield from self._at(language, tokens, place)
            return
        begun, neutral = self._begun.get(language, {}), self._begun.get("", {})
        for place, token in enumerate(tokens):  # nearly everywhere no term begins
            if token in begun:
                yield from _spaced(begun, tokens, place)
            if token in neutral:
                yield from _spaced(neutral, tokens, place)

    def held(self, tokens: Sequence[str]) -> Iterator[DomainTerm]:
        """Yield every domain term of a document's run in the unspaced language, wherever its characters stand."""
        characters = written(tokens)
        for start, first in enumerate(characters):
            for length in self._lengths.get(first, ()):
                term = self._unspaced.get(characters[start : start + length])
                if term is not None and start + length <= len(characters):
                    yield term
        neutral = self._begun.get("", {})
        for place, token in enumerate(tokens):
            if token in neutral:
                yield from (found.term for found in _spaced(neutral, tokens, place))

    def _at(self, language: str, tokens: Sequence[str], place: int) -> Iterator[Found]:
        """Yield the terms that begin at a place, shortest first; a term of neutral tokens is in no language."""
        if language == UNSPACED:
            for stop in range(place + 1, len(tokens) + 1):
                characters = written(tokens[place:stop])
                if len(characters) > self._longest:
                    break
                term = self._unspaced.get(characters)
                if term is not None:
                    yield Found(place, stop, term)
        else:
            yield from _spaced(self._begun.get(language, {}), tokens, place)
        yield from _spaced(self._begun.get("", {}), tokens, place)

    def concepts_of(self, key: str) -> tuple[str, ...]:
        """Names of the concepts that a domain term (by index term) belongs to."""
        return self._concepts_of.get(key, ())

    def spoken_of(self, key: str) -> tuple[str, ...]:
        """Names of the concepts that a document speaks of which holds a domain term: a single character stands in many words.

        So it is met by who asks for it, and carries no meaning over.
        """
        return () if key in self._single else self.concepts_of(key)

    def reached(self, name: str, said: str) -> tuple[Group, ...]:
        """Return what a concept said in one language alone reaches: its groups that are offered anything, as one."""
        found = self._reached.get((name, said))
        if found is None:
            some = [group for group in self.groups[name] if not group.language or group.language != said]
            alone = tuple(key for group in some for key in group.alone)
            shared = tuple(key for group in some for key in group.shared)
            found = self._reached[name, said] = (Group("", alone, shared),)
        return found

    def sayable(self, name: str, language: str) -> tuple[tuple[str, str], ...]:
        """Return those terms of a concept that a text in a language can hold: index term, and words between two spaces."""
        if language != UNSPACED and language not in self._begun:
            language = ""  # names alone
        found = self._sayable.get((name, language))
        if found is None:
            terms = self.concepts[name].terms
            found = self._sayable[name, language] = tuple(
                (term.key, f" {term.stems} ") for term in terms if term.language in ("", language)
            )
        return found

    def of_the_domain(self, key: str) -> bool:
        """Whether a term (by index term) belongs to a concept of the domain."""
        return key in self._domain

    def surface_of(self, key: str) -> str:
        """The words of a domain term as the lexicon writes them, empty if it is none."""
        return self._surfaces.get(key, "")

    def to_json(self) -> dict[str, list[Any]]:
        """Write ``{concept: [kind, discount, [language, stems, surface], ...]}``, compiled, as an epoch holds it."""
        return {
            name: [
                concept.kind,
                concept.discount,
                *([one.language, one.stems, one.surface] for one in concept.terms),
            ]
            for name, concept in self.concepts.items()
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Sequence[Any]]) -> Lexicon:
        """Read what `to_json` wrote; ValueError where a kind, a discount or a term is none."""
        for name, (kind, discount, *terms) in body.items():
            _check(name, kind, discount)
            for term in terms:
                _check_term(name, term)
        return cls(
            {
                name: Concept(
                    tuple(
                        DomainTerm(language=one, stems=stems, surface=words) for one, stems, words in terms
                    ),
                    kind,
                    discount,
                )
                for name, (kind, discount, *terms) in body.items()
            }
        )


def _check(name: str, kind: Any, discount: Any) -> None:
    if kind not in KINDS:
        raise ValueError(f"concept {name}: kind {kind!r} is none of {', '.join(KINDS)}")
    if type(discount) is not int or not 0 < discount <= 1000:
        raise ValueError(f"concept {name}: discount {discount!r} is not between 1 and 1000 per mille")


def _check_term(name: str, term: Any) -> None:
    """A language, stems parted by single spaces, and words: three texts, of which the language may be empty."""
    if type(term) is not list or [type(part) for part in term] != [str] * 3 or not all(term[1:]):
        raise ValueError(f"concept {name}: {term!r} is no term (language, stems, words)")
    if ":" in term[0] or not all(term[1].split(" ")):
        raise ValueError(f"concept {name}: {term!r} is no term (its language or its stems are none)")


def _groups(concept: Concept, holders: Mapping[str, int]) -> tuple[Group, ...]:
    """Return the index terms of a concept in groups; `holders` says how many concepts hold each term."""
    found: dict[str, list[str]] = {}
    for term in concept.terms:
        found.setdefault("" if concept.kind == "domain" else term.language, []).append(term.key)
    return tuple(
        Group(
            language,
            tuple(key for key in keys if holders[key] == 1),
            tuple(key for key in keys if holders[key] > 1),
        )
        for language, keys in found.items()
    )


def _spaced(begun: _Begun, tokens: Sequence[str], place: int) -> Iterator[Found]:
    """Yield the terms of a language with spaces that begin at a place, shortest first."""
    for wanted, term in begun.get(tokens[place], {}).items():
        stop = place + len(wanted)
        if len(wanted) == 1 or tuple(tokens[place:stop]) == wanted:
            yield Found(place, stop, term)


def compile_lexicon(source: Mapping[str, Any], analyser: Analyser) -> Lexicon:
    """Turn a lexicon file's content into stems; only concepts whose status is ``reviewed`` take part.

    Source: ``{"concepts": [{"id", "status", "kind", "discount" (these may be absent), "terms": {language: [term, ...]}}, ...]}``.
    ValueError names the concept, the rule and the term that breaks it.
    """
    concepts: dict[str, Concept] = {}
    for concept in source["concepts"]:
        name, kind = concept["id"], concept.get("kind", "domain")
        discount = concept.get("discount", DISCOUNT)
        if concept["status"] not in STATUSES:
            raise ValueError(f"concept {name}: status {concept['status']!r} is none of {', '.join(STATUSES)}")
        _check(name, kind, discount)
        if concept["status"] != "reviewed":
            continue
        if name in concepts:
            raise ValueError(f"concept {name} stands in the file twice")
        terms: dict[str, DomainTerm] = {}
        for tag, surfaces in sorted(concept["terms"].items()):
            for surface in surfaces:
                language = primary_language(tag)
                runs = analyser.runs(language, surface)
                if len(runs) != 1:
                    raise ValueError(f"concept {name}: {surface!r} ({tag}) is not one run of words")
                neutral = all(token.startswith(NEUTRAL) for token in runs[0].split(" "))
                term = DomainTerm(language="" if neutral else language, stems=runs[0], surface=surface)
                terms.setdefault(term.key, term)
        concepts[name] = Concept(tuple(terms[key] for key in sorted(terms)), kind, discount)
    return Lexicon(concepts)


def shipped_lexicon() -> dict[str, Any]:
    """Return the content of the lexicon file that ships with the engine."""
    content = importlib.resources.files("matching").joinpath("data/lexicon.json").read_bytes()
    body: dict[str, Any] = json.loads(content)
    return body
