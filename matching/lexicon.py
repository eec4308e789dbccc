"""The lexicon: reviewed concepts with their terms in several languages.

A concept is a set of terms that mean the same. Matching is on stems, longest first, inside a run. Nothing here scores.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matching.analysis import Analyser, primary_language
from matching.tokens import NEUTRAL

STATUSES = ("proposed", "reviewed", "rejected")


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainTerm:
    """One term of a concept: its stems as they stand in a run, and the words as the lexicon writes them.

    `language` is empty where all its tokens are neutral (IoT): such a term is the same in every language.
    """

    language: str
    stems: str
    surface: str

    @property
    def key(self) -> str:
        """The index term."""
        return f"d:{self.language}:{self.stems}"


@dataclass(frozen=True, slots=True)
class Found:
    """A domain term met in a run at tokens [start, stop)."""

    start: int
    stop: int
    term: DomainTerm


class Lexicon:
    """Compiled concepts: finds domain terms in runs and gives the terms that share a concept with one."""

    def __init__(self, concepts: Mapping[str, Sequence[DomainTerm]]) -> None:
        self.concepts = {name: tuple(terms) for name, terms in sorted(concepts.items())}
        self._by_first: dict[tuple[str, str], list[tuple[tuple[str, ...], DomainTerm]]] = {}
        self._concepts_of: dict[str, tuple[str, ...]] = {}
        seen: set[str] = set()
        for name, terms in self.concepts.items():
            for term in terms:
                self._concepts_of[term.key] = (*self._concepts_of.get(term.key, ()), name)
                if term.key not in seen:
                    seen.add(term.key)
                    stems = tuple(term.stems.split(" "))
                    self._by_first.setdefault((term.language, stems[0]), []).append((stems, term))
        for candidates in self._by_first.values():
            candidates.sort(key=lambda one: (-len(one[0]), one[0]))

    def find(self, language: str, tokens: Sequence[str]) -> list[Found]:
        """Find the domain terms of a run: from the left, the longest that begins at each place, none overlapping."""
        found: list[Found] = []
        place = 0
        while place < len(tokens):
            hit = self._at(language, tokens, place)
            if hit is None and tokens[place].startswith(NEUTRAL):
                hit = self._at("", tokens, place)
            if hit is None:
                place += 1
            else:
                found.append(hit)
                place = hit.stop
        return found

    def _at(self, language: str, tokens: Sequence[str], place: int) -> Found | None:
        for stems, term in self._by_first.get((language, tokens[place]), ()):
            if tuple(tokens[place : place + len(stems)]) == stems:
                return Found(place, place + len(stems), term)
        return None

    def concepts_of(self, key: str) -> tuple[str, ...]:
        """Names of the concepts that a domain term (by index term) belongs to."""
        return self._concepts_of.get(key, ())

    def surface_of(self, key: str) -> str:
        """The words of a domain term as the lexicon writes them, empty if it is none."""
        concepts = self.concepts_of(key)
        return next(
            (term.surface for name in concepts[:1] for term in self.concepts[name] if term.key == key), ""
        )

    def to_json(self) -> dict[str, list[list[str]]]:
        """Write ``{concept: [[language, stems, surface], ...]}``, compiled, as an epoch holds it."""
        return {
            name: [[term.language, term.stems, term.surface] for term in terms]
            for name, terms in self.concepts.items()
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Sequence[Sequence[str]]]) -> Lexicon:
        """Read what `to_json` wrote."""
        return cls(
            {
                name: [DomainTerm(language=one[0], stems=one[1], surface=one[2]) for one in terms]
                for name, terms in body.items()
            }
        )


def compile_lexicon(source: Mapping[str, Any], analyser: Analyser) -> Lexicon:
    """Turn a lexicon file's content into stems; only concepts whose status is ``reviewed`` take part.

    Source: ``{"concepts": [{"id", "status", "terms": {language: [term, ...]}}, ...]}``. ValueError names a concept of
    unknown status and a term that leaves no stem or more than one run.
    """
    concepts: dict[str, list[DomainTerm]] = {}
    for concept in source["concepts"]:
        if concept["status"] not in STATUSES:
            raise ValueError(
                f"concept {concept['id']}: status {concept['status']!r} is none of {', '.join(STATUSES)}"
            )
        if concept["status"] != "reviewed":
            continue
        terms: dict[str, DomainTerm] = {}
        for tag, surfaces in sorted(concept["terms"].items()):
            for surface in surfaces:
                language = primary_language(tag)
                runs = analyser.runs(language, surface)
                if len(runs) != 1:
                    raise ValueError(f"concept {concept['id']}: {surface!r} ({tag}) is not one run of words")
                neutral = all(token.startswith(NEUTRAL) for token in runs[0].split(" "))
                term = DomainTerm(language="" if neutral else language, stems=runs[0], surface=surface)
                terms.setdefault(term.key, term)
        concepts[concept["id"]] = [terms[key] for key in sorted(terms)]
    return Lexicon(concepts)


def shipped_lexicon() -> dict[str, Any]:
    """Return the content of the lexicon file that ships with the engine."""
    content = importlib.resources.files("matching").joinpath("data/lexicon.json").read_bytes()
    body: dict[str, Any] = json.loads(content)
    return body
