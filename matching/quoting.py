"""Quoted passages: a project's own text inside an organisation's is told apart, not counted, and named.

What: a passage of at least `quoted.in_order` consecutive words that stand in the project's text in the same order, or of
at least `quoted.any_order` consecutive words all of which are the project's, in whatever order. Why: who pastes the call,
shuffles it or lists its words has said nothing of itself. The rule looks at a document (the profile's text, an evidence
item) whose points reach the floor of its component, unless its texts are on record since a day before the project was
published: they can be no copy of it, and who has done such a project before says so in like words. It depends on the two
records and the epoch alone, and every passage that it leaves out is named in the explanation. It must not touch what the
organisation says in words of its own, and must not believe a date that an organisation wrote itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from matching.analysis import Analysed, FieldStems
from matching.cache import Cache
from matching.documents import DocumentBuilder, MemberDocument, token_term
from matching.records import Member
from matching.tokens import NEUTRAL
from matching.vocabulary import Vocabulary
from matching.weights import Weights

_END = -1
"""Stands after each field among the numbers of a document's words."""

_KEPT = 256
_W = TypeVar("_W", str, int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage that is not counted: the field that it stands in, its language, and how many words it has."""

    field: str
    language: str
    words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A document without its quoted passages: the impacts that are left, and the passages."""

    impacts: Mapping[str, int]
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Stems:
    """The words of one document as numbers, in order: small enough to be kept of every organisation.

    `heads` give name, language and lengths of the runs of each field.
    """

    heads: tuple[tuple[str, str, tuple[int, ...]], ...]
    numbers: npt.NDArray[np.int32]

    @classmethod
    def of(cls, fields: Iterable[FieldStems], vocabulary: Vocabulary) -> Stems:
        """Number the words of a document."""
        heads, numbers = [], list[int]()
        for field in fields:
            heads.append((field.name, field.language, tuple(run.count(" ") + 1 for run in field.runs)))
            numbers += [vocabulary.number(term) for term in _terms(field)]
            numbers.append(_END)
        return cls(tuple(heads), np.array(numbers, np.int32))

    def fields(self, vocabulary: Vocabulary) -> tuple[FieldStems, ...]:
        """Return the fields that the numbers were made of."""
        found = []
        rest = iter(self.numbers.tolist())
        for name, language, lengths in self.heads:
            runs = tuple(
                " ".join(_token(vocabulary.term(number)) for number in islice(rest, length))
                for length in lengths
            )
            next(rest)
            found.append(FieldStems(name=name, language=language, runs=runs))
        return tuple(found)


class Quoting:
    """One project's own words and their order, and what is left of a document that quotes them."""

    def __init__(
        self,
        fields: Sequence[FieldStems],
        *,
        builder: DocumentBuilder,
        weights: Weights,
        vocabulary: Vocabulary,
        published_on: str | None,
    ) -> None:
        self._builder = builder
        self._published_on = published_on if weights.quoted["earlier"] else None
        self._vocabulary = vocabulary
        self._in_order, self._any_order = weights.quoted["in_order"], weights.quoted["any_order"]
        self.shortest = min((most for most in (self._in_order, self._any_order) if most), default=0)
        texts = [_terms(field) for field in fields] if self.shortest else []
        self._words = frozenset(term for text in texts for term in text)
        self._strings = frozenset(string for text in texts for _, string in _strings(text, self._in_order))
        numbers = sorted(vocabulary.number(term) for term in self._words)
        self._numbers = np.array(numbers, np.int32)
        self._numbered = frozenset(numbers)
        self._numbered_strings = frozenset(tuple(map(vocabulary.number, one)) for one in self._strings)
        self._bounds = {
            "text": weights.floors["text"] * weights.budgets["text"],
            "evidence": weights.floors["evidence"] * weights.budgets["evidence"],
        }
        self._cuts: Cache[tuple[Any, ...], tuple[Cut | None]] = Cache(_KEPT)

    def looks_at(self, component: str, points: Any) -> Any:
        """Whether the points of a document (or which of many) reach the floor of its component."""
        return (points > 0) & (points * 1000 >= self._bounds[component]) & bool(self.shortest)

    def precedes(self, recorded_on: str | None) -> bool:
        """Whether texts that are on record since this day (None: unknown) were there before the project was published."""
        return recorded_on is not None and self._published_on is not None and recorded_on < self._published_on

    def text(self, fields: tuple[FieldStems, ...]) -> Cut | None:
        """Return what is left of a profile's text, or None where it quotes nothing."""
        return self._kept(("", fields), fields, None)

    def item(self, fields: tuple[FieldStems, ...], member: Member, item: str) -> Cut | None:
        """Return what is left of an evidence item, or None where it quotes nothing."""
        record = next(one for one in member.evidence if one.id == item)
        return self._kept((record.role, record.tags, fields), fields, (member, item))

    def quotes(self, numbers: Sequence[int]) -> bool:
        """Whether a numbered document holds a passage."""
        own = [number in self._numbered for number in numbers]
        return any(self._passage_in(numbers[start:stop]) for start, stop in _stretches(own))

    def which_quote(self, documents: Sequence[Stems]) -> list[int]:
        """Return the places of the documents that hold a passage, in one pass over the words of all of them."""
        if not documents or not len(self._numbers):
            return []
        joined = np.concatenate([document.numbers for document in documents])
        table = np.zeros(max(int(joined.max(initial=0)), int(self._numbers[-1])) + 2, np.bool_)
        table[self._numbers] = True  # the last place stays False: it is that of the ends of fields
        foreign = np.flatnonzero(~table[joined])
        gaps = np.diff(foreign, prepend=-1) - 1
        long = np.flatnonzero(gaps >= self.shortest)
        stops = foreign[long]
        bounds = np.cumsum([len(document.numbers) for document in documents])
        places = np.searchsorted(bounds, stops, side="right")
        return list(
            dict.fromkeys(
                place
                for place, stop, length in zip(
                    places.tolist(), stops.tolist(), gaps[long].tolist(), strict=True
                )
                if self._passage_in(joined[stop - length : stop].tolist())
            )
        )

    def fields_of(self, stems: Stems) -> tuple[FieldStems, ...]:
        """Return the fields of a document that was numbered by the same engine."""
        return stems.fields(self._vocabulary)

    def _passage_in(self, own: Sequence[int]) -> bool:
        """Whether a stretch of the project's words holds a passage: by its length, or by a string of its text."""
        if len(own) < self.shortest:
            return False
        if self._any_order and len(own) >= self._any_order:
            return True
        return any(string in self._numbered_strings for _, string in _strings(own, self._in_order))

    def _kept(
        self, key: tuple[Any, ...], fields: tuple[FieldStems, ...], item: tuple[Member, str] | None
    ) -> Cut | None:
        if not any(self._near(_terms(field)) for field in fields):
            return None
        known = self._cuts.get(key)
        if known is not None:
            return known[0]
        left, passages = self._without(fields)
        cut: Cut | None = None
        if passages and item is None:
            cut = Cut(impacts=self._builder.text(left), passages=passages)
        elif passages and item is not None:
            cut = Cut(impacts=self._builder.item(left, *item), passages=passages)
        return self._cuts.keep(key, (cut,))[0]

    def _near(self, terms: Sequence[str]) -> bool:
        return bool(self.shortest) and any(
            stop - start >= self.shortest
            for start, stop in _stretches([term in self._words for term in terms])
        )

    def _without(self, fields: Iterable[FieldStems]) -> tuple[tuple[FieldStems, ...], tuple[Passage, ...]]:
        left, passages = [], []
        for field in fields:
            marked = self._marked(_terms(field))
            passages += [
                Passage(field=field.name, language=field.language, words=stop - start)
                for start, stop in _stretches(marked)
            ]
            left.append(
                FieldStems(name=field.name, language=field.language, runs=tuple(_rest(field.runs, marked)))
            )
        return tuple(left), tuple(passages)

    def _marked(self, terms: Sequence[str]) -> list[bool]:
        marked = [False] * len(terms)
        if self._any_order:
            for start, stop in _stretches([term in self._words for term in terms]):
                if stop - start >= self._any_order:
                    marked[start:stop] = [True] * (stop - start)
        for start, string in _strings(terms, self._in_order):
            if string in self._strings:
                marked[start : start + self._in_order] = [True] * self._in_order
        return marked


@dataclass(frozen=True, slots=True)
class Reading:
    """One organisation's texts as one project reads them: which parts of its documents count."""

    quoting: Quoting
    record: Member
    fields: tuple[FieldStems, ...]
    evidence: Mapping[str, tuple[FieldStems, ...]]

    @classmethod
    def of(cls, quoting: Quoting, record: Member, analysed: Analysed) -> Reading:
        """Read an organisation's analysed texts."""
        return cls(quoting, record, analysed.fields, dict(analysed.evidence))

    def text(self, points: int) -> Cut | None:
        """Return what is left of the profile's text if it quotes and its points are such that the rule looks at it."""
        if self.quoting.precedes(self.record.recorded.texts) or not self.quoting.looks_at("text", points):
            return None
        return self.quoting.text(self.fields)

    def item(self, item: str, points: int) -> Cut | None:
        """Return the same of an evidence item."""
        earlier = self.quoting.precedes(self.record.recorded.of(item))
        if earlier or not self.quoting.looks_at("evidence", points):
            return None
        return self.quoting.item(self.evidence[item], self.record, item)


@dataclass(frozen=True, slots=True, eq=False)
class MemberStems:
    """The numbered words of one organisation: its profile's, and each evidence item's by its id, in the document's order."""

    profile: Stems
    items: tuple[tuple[str, Stems], ...]

    @classmethod
    def of(cls, analysed: Analysed, document: MemberDocument, vocabulary: Vocabulary) -> MemberStems:
        """Number an organisation's words."""
        evidence = dict(analysed.evidence)
        return cls(
            Stems.of(analysed.fields, vocabulary),
            tuple((item.id, Stems.of(evidence[item.id], vocabulary)) for item in document.evidence),
        )


def _terms(field: FieldStems) -> list[str]:
    return [token_term(field.language, token) for run in field.runs for token in run.split(" ")]


def _token(term: str) -> str:
    return NEUTRAL + term[2:] if term[0] == "n" else term.split(":", 2)[2]


def _strings(terms: Sequence[_W], length: int) -> Iterator[tuple[int, tuple[_W, ...]]]:
    """Yield (place, string) of each string of so many words; none for length 0."""
    if length:
        for start in range(len(terms) - length + 1):
            yield start, tuple(terms[start : start + length])


def _stretches(marked: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of each longest stretch of True."""
    bounds = [-1, *(place for place, one in enumerate(marked) if not one), len(marked)]
    for before, after in pairwise(bounds):
        if after - before > 1:
            yield before + 1, after


def _rest(runs: Iterable[str], marked: Sequence[bool]) -> Iterator[str]:
    """Yield what is left of runs: words on both sides of a passage stand together no more."""
    place = 0
    for run in runs:
        left = list[str]()
        for token in run.split(" "):
            if not marked[place]:
                left.append(token)
            elif left:
                yield " ".join(left)
                left = []
            place += 1
        if left:
            yield " ".join(left)
