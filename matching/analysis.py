"""Analysis: texts become ordered stems, per field and language, and nothing more.

The result is archived with each revision, so it holds no lexicon and no statistics: those belong to an epoch and may
change while the text does not. The same text is analysed once (many organisations share the text of a past project).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from itertools import chain
from typing import Any

from matching.cache import Cache
from matching.chinese import UNSPACED, held
from matching.golden import GOLDEN_HASH, GOLDEN_TEXTS
from matching.records import Member, Project, Recorded, Text
from matching.tokens import Pair, Tokeniser

ANALYSER_NUMBER = 4
"""Raised with every change of outputs; an epoch names the number and the golden hash that it was fitted with."""

_FIELD_OF = {"descriptions": "mission", "expertise": "expertise", "offers": "offers"}
"""The field that each list of a profile's texts is analysed as."""

_CACHED_TEXTS = 20_000
_CACHED_WORDS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldStems:
    """The stems of one field in one language: `runs` are sentences, each a space-joined string of tokens.

    A token that starts with ``=`` is a name, acronym, number or code and has no language.
    """

    name: str
    language: str
    runs: tuple[str, ...]


FieldsOf = Callable[[str], tuple[FieldStems, ...]]
"""Gives the fields of one organisation's evidence item by its id, or of its profile (empty)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """Ordered stems of one revision: its own fields, and those of each evidence item by its id."""

    analyser: int
    fields: tuple[FieldStems, ...]
    evidence: tuple[tuple[str, tuple[FieldStems, ...]], ...] = ()

    def of(self, document: str) -> tuple[FieldStems, ...]:
        """Return the fields of an evidence item, or its own (empty id)."""
        return dict(self.evidence)[document] if document else self.fields

    def to_json(self) -> dict[str, Any]:
        """Write ``{analyser, fields: [[name, language, [run, ...]], ...], evidence: [[id, fields], ...]}``."""
        return {
            "analyser": self.analyser,
            "fields": _fields_to_json(self.fields),
            "evidence": [[item, _fields_to_json(fields)] for item, fields in self.evidence],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Analysed:
        """Read what `to_json` wrote."""
        return cls(
            analyser=body["analyser"],
            fields=_fields_from_json(body["fields"]),
            evidence=tuple((item, _fields_from_json(fields)) for item, fields in body["evidence"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldRun:
    """A run as it was written: its text, and (word, token) in order; `before` are those that stand before, left out here."""

    language: str
    text: str
    pairs: tuple[Pair, ...]
    before: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedWords:
    """Tokens that were added to a field of a profile that stood before, in one language, on one day (yyyymmdd)."""

    day: int
    field: str
    language: str
    tokens: tuple[str, ...]


class Analyser:
    """The six languages' analysis with a cache by text; one instance per process, used by one thread at a time."""

    number = ANALYSER_NUMBER

    def __init__(self) -> None:
        self._tokeniser = Tokeniser()
        self._runs: Cache[tuple[str, str, bool], tuple[str, ...]] = Cache(_CACHED_TEXTS)
        self._told: Cache[tuple[str, str, bool], tuple[ToldRun, ...]] = Cache(_CACHED_WORDS)

    def analyse_member(self, member: Member) -> Analysed:
        """Analyse an organisation's texts; fields named in `constants` are left out, and what it seeks is never in."""
        offers = (text for offer in member.offers for text in offer.texts)
        named = (
            ("descriptions", "mission", member.descriptions),
            ("expertise", "expertise", member.expertise),
        )
        fields: list[FieldStems] = []
        for source, name, texts in (*named, ("offers", "offers", tuple(offers))):
            if source not in member.constants:
                fields += self._fields(name, texts)
        evidence = () if "evidence" in member.constants else member.evidence
        items = ((item.id, self.analyse_evidence(item.texts)) for item in evidence)
        return Analysed(
            analyser=self.number, fields=tuple(fields), evidence=tuple(sorted(items, key=lambda one: one[0]))
        )

    def added(self, recorded: Recorded) -> tuple[AddedWords, ...]:
        """Return the words that were added to a profile, each as often as it was."""
        return tuple(
            AddedWords(
                day=int(one.on.replace("-", "")),
                field=_FIELD_OF.get(one.field, ""),
                language=language,
                tokens=tuple(token for run in self.runs(language, one.text) for token in run.split(" ")),
            )
            for one in recorded.added
            for language in (primary_language(one.language),)
        )

    def analyse_evidence(self, texts: Iterable[Text]) -> tuple[FieldStems, ...]:
        """Analyse the texts of one evidence item."""
        return tuple(self._fields("evidence", texts))

    def analyse_project(self, project: Project) -> Analysed:
        """Analyse a project's texts, needs included."""
        needs = tuple(text for need in project.needs for text in need.texts)
        fields: list[FieldStems] = []
        for source, name, texts in (
            ("titles", "title", project.titles),
            ("summaries", "summary", project.summaries),
            ("objectives", "objective", project.objectives),
            ("needs", "need", needs),
        ):
            if source not in project.constants:
                fields += self._fields(name, texts, whole=True)
        return Analysed(analyser=self.number, fields=tuple(fields))

    def runs(self, language: str, text: str, *, whole: bool = False) -> tuple[str, ...]:
        """Analyse one text into runs of space-joined tokens.

        `whole`: it is a project's, which is read as a whole (`Tokeniser.pieces`); its words are going to be told as soon as it is
        ranked, so they are kept too.
        """
        key = (language, text, whole)
        found = self._runs.get(key)
        if found is None:
            runs: Iterable[Iterable[Pair]] = (
                (run.pairs for run in self._told_of(language, text, whole=True))
                if whole
                else self._tokeniser.runs(language, text)
            )
            found = tuple(" ".join(token for _, token in run) for run in runs)
            self._runs.keep(key, found)
        return found

    def told(self, texts: Iterable[Text], *, whole: bool = False) -> Iterator[ToldRun]:
        """Yield the runs of texts as they were written, in order; for display only. `whole`: they are a project's."""
        for text in texts:
            language = primary_language(text.language)
            for piece in (text.title, text.text):
                if piece:
                    yield from self._told_of(language, piece, whole=whole)

    def _told_of(self, language: str, text: str, *, whole: bool) -> tuple[ToldRun, ...]:
        """Runs of one text, from a small cache: a list explains many pairs with the same texts."""
        key = (language, text, whole)
        found = self._told.get(key)
        if found is None:
            pieces = self._tokeniser.pieces(language, text, whole=whole)
            found = tuple(ToldRun(language=language, text=piece, pairs=tuple(run)) for piece, run in pieces)
            self._told.keep(key, found)
        return found

    def reading(self) -> Analyser:
        """Return the same analyser for texts that are not to be kept: it reads the caches and adds nothing to them."""
        found = copy(self)
        found._runs, found._told = self._runs.reading(), self._told.reading()  # noqa: SLF001 - its own
        return found

    def forget(self, member: Member, *, but: Member | None = None) -> None:
        """Keep nothing more of an organisation's texts, but of those that another record has."""
        kept = set(_pieces(but)) if but else set()
        for key in set(_pieces(member)) - kept:
            self._runs.drop((*key, False))
            self._told.drop((*key, False))

    def golden_hash(self) -> str:
        """Return the hash of this analyser's outputs over the golden texts of all six languages: runs, and the words they hold."""
        outputs = [
            [language, list(runs), [list(held(run.split(" "))) for run in runs if language == UNSPACED]]
            for language, text in GOLDEN_TEXTS
            for runs in (self.runs(language, text), self.runs(language, text, whole=True))
        ]
        return hashlib.sha256(json.dumps(outputs, ensure_ascii=True).encode()).hexdigest()

    def _fields(self, name: str, texts: Iterable[Text], *, whole: bool = False) -> list[FieldStems]:
        """One FieldStems per language, in the order in which the languages first occur."""
        runs: dict[str, tuple[str, ...]] = {}
        for text in texts:
            language = primary_language(text.language)
            for piece in (text.title, text.text):
                if piece:
                    runs[language] = runs.get(language, ()) + self.runs(language, piece, whole=whole)
        return [FieldStems(name=name, language=language, runs=found) for language, found in runs.items()]


def primary_language(tag: str) -> str:
    """Return the primary subtag of a BCP-47 tag, in lower case (``zh-Hans`` is analysed as ``zh``)."""
    return tag.split("-", 1)[0].lower()


def _pieces(member: Member) -> Iterator[tuple[str, str]]:
    """The texts of an organisation that are analysed, each with its language."""
    texts = chain(
        member.descriptions,
        member.expertise,
        *(offer.texts for offer in member.offers),
        *(item.texts for item in member.evidence),
    )
    for text in texts:
        for piece in (text.title, text.text):
            yield primary_language(text.language), piece
    for one in member.recorded.added:
        yield primary_language(one.language), one.text


def prove_analyser() -> Analyser:
    """Return an analyser that reproduces its declared golden outputs; RuntimeError if this machine's does not."""
    analyser = Analyser()
    found = analyser.golden_hash()
    if found != GOLDEN_HASH:
        raise RuntimeError(
            f"The text analyser {analyser.number} gives other outputs here ({found[:12]}) than it declares "
            f"({GOLDEN_HASH[:12]}): PyStemmer, jieba or Python's Unicode tables differ. Nothing may be ranked with it."
        )
    return analyser


def _fields_to_json(fields: Iterable[FieldStems]) -> list[list[Any]]:
    return [[field.name, field.language, list(field.runs)] for field in fields]


def _fields_from_json(body: Iterable[list[Any]]) -> tuple[FieldStems, ...]:
    return tuple(FieldStems(name=name, language=language, runs=tuple(runs)) for name, language, runs in body)
