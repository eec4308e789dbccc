"""Quoted passages: a project's own text inside an organisation's is told apart, not counted, and named.

What: the project's words of each passage (see `passages`), or all of them in a document that is an echo, are left out of a document; the
foreign ones among them stay. Why: who pastes the call, shuffles it, lists its words or thins it with others has said nothing of itself. The rule looks at a document (the profile's text, an evidence
item) whose points reach the floor of its component, unless its texts are on record since a day before the project was
published: they can be no copy of it, and who has done such a project before says so in like words. Whatever its points,
a profile is asked of the words that were added to it since the publication: where fewer than `added` per mille of
them are others than the project's, they say nothing of the organisation, and those that are the project's are left out
too, as often as they were added. Of a profile that stood before the publication nothing else is left out. It depends on
the two records and the epoch alone, and everything that it leaves out is named in the explanation. It must not touch what
the organisation says in words of its own, and must not believe a date that an organisation wrote itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.analysis import AddedWords, FieldsOf, FieldStems
from matching.cache import Cache
from matching.columns import day_number
from matching.documents import DocumentBuilder
from matching.passages import END, NumberedText, OwnText, Rule
from matching.records import Member
from matching.texts import PinnedTexts
from matching.vocabulary import SILENT_TERMS, Vocabulary, silent, token_term
from matching.weights import Weights

_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage: the field that it stands in, its language, and how many of its words are the project's and not counted.

    `code` is ``quoted``, or ``added`` where it is not counted as an addition since the publication.
    """

    field: str
    language: str
    words: int
    code: str = "quoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A document without its quoted passages: the impacts that are left, the fields that make them, and the passages.

    `counted` says of each field which of its words are left, in the order of its text.
    """

    impacts: Mapping[str, int]
    fields: tuple[FieldStems, ...]
    counted: tuple[tuple[bool, ...], ...]
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
            heads.append((field.name, field.language, tuple([run.count(" ") + 1 for run in field.runs])))
            numbers += vocabulary.words(field.language, field.runs)
            numbers.append(END)
        return cls(tuple(heads), np.array(numbers, np.int32))

    def fields(self, vocabulary: Vocabulary) -> tuple[FieldStems, ...]:
        """Return the fields that the numbers were made of."""
        found = []
        rest = iter(self.numbers.tolist())
        for name, language, lengths in self.heads:
            runs = tuple(" ".join(vocabulary.tokens(islice(rest, length))) for length in lengths)
            next(rest)
            found.append(FieldStems(name=name, language=language, runs=runs))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """How a document is looked at: the whole for passages or not, and what was added to it since the publication.

    Where the rest stood before the publication (`stood`), no more of a word is left out than was added.
    """

    whole: bool = True
    added: tuple[AddedWords, ...] = ()
    stood: bool = False

    def terms(self, field: FieldStems, of: Container[str]) -> Counter[str]:
        """Return those of the terms `of` that were added to a field, each as often as it was."""
        return Counter(
            term
            for one in self.added
            if (one.field, one.language) == (field.name, field.language)
            for term in _terms_added(one)
            if term in of
        )


_WHOLE = Looked()


class Quoting:
    """One project's own words and their order, and what is left of a document that quotes them."""

    def __init__(
        self,
        fields: Sequence[FieldStems],
        *,
        builder: DocumentBuilder,
        weights: Weights,
        budgets: Mapping[str, int],
        vocabulary: Vocabulary,
        published_on: str | None,
    ) -> None:
        self._builder = builder
        self._published_on = published_on if weights.quoted["earlier"] else None
        self._published_day = day_number(self._published_on)
        self._vocabulary = vocabulary
        rule = Rule.of(weights.quoted)
        self.shortest = rule.shortest
        self._foreign_share = weights.quoted["added"]
        self.asks = bool(self._foreign_share)
        asked = self.shortest or self.asks
        texts = [(field.language, _said(_terms(field))[1]) for field in fields] if asked else []
        self._own = OwnText.of(texts, rule)
        numbered = [(language, [vocabulary.number(term) for term in text]) for language, text in texts]
        self._numbered = NumberedText(
            OwnText.of(numbered, rule), silent=[vocabulary.number(term) for term in SILENT_TERMS]
        )
        self.bounds: Mapping[str, int] = {
            name: floor * budgets[name] for name, floor in weights.floors.items()
        }
        self._cuts: Cache[tuple[Any, ...], tuple[Cut | None]] = Cache(_KEPT)

    def looks_at(self, component: str, points: Any) -> Any:
        """Whether the points of a document (or which of many) reach the floor of its component."""
        return (points > 0) & (points * 1000 >= self.bounds[component]) & bool(self.shortest)

    def precedes(self, recorded_on: str | None) -> bool:
        """Whether texts that are on record since this day (None: unknown) were there before the project was published."""
        return recorded_on is not None and self._published_on is not None and recorded_on < self._published_on

    def asks_of(self, day: Any) -> Any:
        """Whether what was added on a day (or which of many; yyyymmdd, 0: never) was so since the project was published."""
        return (day >= max(1, self._published_day)) & bool(self.asks and self._published_day)

    def text(
        self,
        fields: tuple[FieldStems, ...],
        looked: Looked = _WHOLE,
    ) -> Cut | None:
        """Return what is left of a profile's text, or None where all of it counts."""
        return self._kept(("", fields, looked), fields, None, looked)

    def item(self, fields: tuple[FieldStems, ...], member: Member, item: str) -> Cut | None:
        """Return what is left of an evidence item, or None where it quotes nothing."""
        record = next(one for one in member.evidence if one.id == item)
        return self._kept((record.role, record.tags, fields), fields, (member, item))

    def which_quote(self, documents: Sequence[Stems]) -> list[int]:
        """Return the places of the documents that quote, in one pass over the words of all of them."""
        return self._numbered.which([document.numbers for document in documents])

    def rows_that_quote(self, texts: PinnedTexts, rows: npt.NDArray[np.int64]) -> list[int]:
        """Return those of these rows whose profiles quote and are not on record since before the project was published."""
        recorded = texts.recorded[rows]
        rows = rows[(recorded == 0) | (recorded >= self._published_day)]
        found = self._numbered.which_of(texts.words, texts.starts[rows], texts.lengths[rows])
        return [int(rows[place]) for place in found]

    def fields_of(self, stems: Stems) -> tuple[FieldStems, ...]:
        """Return the fields of a document that was numbered by the same engine."""
        return stems.fields(self._vocabulary)

    def _kept(
        self,
        key: tuple[Any, ...],
        fields: tuple[FieldStems, ...],
        item: tuple[Member, str] | None,
        looked: Looked = _WHOLE,
    ) -> Cut | None:
        known = self._cuts.get(key)
        if known is not None:
            return known[0]
        texts = [(field, _terms(field)) for field in fields]
        if not looked.added and not self._near(terms for _, terms in texts):
            return None
        counted, passages = self._without(texts, looked)
        cut: Cut | None = None
        if passages:
            left = tuple(_left(field, words) for field, words in zip(fields, counted, strict=True))
            impacts = self._builder.text(left) if item is None else self._builder.item(left, *item)
            cut = Cut(impacts=impacts, fields=left, counted=counted, passages=passages)
        return self._cuts.keep(key, (cut,))[0]

    def _near(self, texts: Iterable[Sequence[str]]) -> bool:
        words = self._own.words
        return bool(self.shortest) and sum(map(words.__contains__, chain(*texts))) >= self.shortest

    def _without(
        self, texts: Sequence[tuple[FieldStems, Sequence[str]]], looked: Looked
    ) -> tuple[tuple[tuple[bool, ...], ...], tuple[Passage, ...]]:
        """Return which words of each field are left, and the passages; nothing where all of them are."""
        found = [self._passages(terms) if looked.whole else [] for _, terms in texts]
        if looked.whole and self._own.echoed(
            term for (_, terms), here in zip(texts, found, strict=True) for term in _outside(terms, here)
        ):
            found = [[(0, len(terms))] for _, terms in texts]
        added = [looked.terms(field, self._own.words) for field, _ in texts]
        alone = self._alone(texts, added, looked)
        if not any(found) and not alone:
            return (), ()
        counted, passages = [], []
        for (field, terms), here, counts in zip(texts, found, added, strict=True):
            marked = [False] * len(terms)
            for start, stop in reversed(here):
                words = _mark(
                    marked, terms, range(start, stop), counts, of=self._own.words, all_of_it=not looked.stood
                )
                if words:
                    passages.append(Passage(field=field.name, language=field.language, words=words))
            words = _mark(marked, terms, range(len(terms)), counts, of=self._own.words) if alone else 0
            if words:
                passages.append(Passage(field=field.name, language=field.language, words=words, code="added"))
            counted.append(tuple(not one for one in marked))
        return tuple(counted), tuple(passages)

    def _passages(self, terms: Sequence[str]) -> list[tuple[int, int]]:
        """Where passages stand in a field; silent words lengthen none and end none."""
        places, said = _said(terms)
        return [(places[start], places[stop - 1] + 1) for start, stop in self._own.passages(said)]

    def _alone(
        self,
        texts: Sequence[tuple[FieldStems, Sequence[str]]],
        added: Sequence[Counter[str]],
        looked: Looked,
    ) -> bool:
        """Whether too few of the words that were added are others than the project's.

        The project's count each time, others once: who says three words forty times says three.
        """
        own = sum(
            (Counter(terms) & counts).total()
            for (_, terms), counts in zip(texts, added, strict=True)
            if counts
        )
        others = {term for one in looked.added for term in _terms_added(one)} - self._own.words
        return own > 0 and 1000 * len(others) < self._foreign_share * (own + len(others))


@dataclass(frozen=True, slots=True)
class Reading:
    """One organisation's texts as one project reads them: which parts of its documents count.

    `added` is what was added to the profile; `quotes` are the ids of those documents that hold a passage (empty: the
    profile), None where that has not been looked for.
    """

    quoting: Quoting
    record: Member
    fields: FieldsOf
    added: tuple[AddedWords, ...]
    quotes: Container[str] | None = None

    def text(self, points: int) -> Cut | None:
        """Return what is left of the profile's text if some of it does not count, given the points of all of it."""
        recorded = self.record.recorded
        whole = self._looks_at("text", "", points, recorded.texts)
        added = tuple(one for one in self.added if self.quoting.asks_of(one.day)) if points > 0 else ()
        if not whole and not added:
            return None
        stood = self.quoting.asks and self.quoting.precedes(recorded.since)
        return self.quoting.text(self.fields(""), Looked(whole=whole, added=added, stood=stood))

    def item(self, item: str, points: int) -> Cut | None:
        """Return the same of an evidence item."""
        if not self._looks_at("evidence", item, points, self.record.recorded.of(item)):
            return None
        return self.quoting.item(self.fields(item), self.record, item)

    def _looks_at(self, component: str, document: str, points: int, recorded_on: str | None) -> bool:
        quotes = self.quotes is None or document in self.quotes
        return quotes and bool(
            self.quoting.looks_at(component, points) and not self.quoting.precedes(recorded_on)
        )


@dataclass(frozen=True, slots=True, eq=False)
class MemberStems:
    """The numbered words of one organisation: its profile's, and each evidence item's by its id, in the document's order.

    `added` is what was added to the profile.
    """

    profile: Stems
    items: tuple[tuple[str, Stems], ...]
    added: tuple[AddedWords, ...]

    @property
    def last_added(self) -> int:
        """The last day (yyyymmdd) on which something was added to the profile; 0 where nothing was."""
        return max((one.day for one in self.added), default=0)

    @property
    def documents(self) -> tuple[tuple[str, Stems], ...]:
        """The profile, under an empty id, and the items by theirs."""
        return (("", self.profile), *self.items)

    def fields_by(self, quoting: Quoting) -> FieldsOf:
        """Return what gives the fields of a document by its id."""
        documents = dict(self.documents)
        return lambda document: quoting.fields_of(documents[document])

    def read_by(self, quoting: Quoting, record: Member) -> Reading:
        """Return the texts as a project reads them."""
        return Reading(quoting, record, self.fields_by(quoting), self.added)


def _terms(field: FieldStems) -> list[str]:
    return [token_term(field.language, token) for run in field.runs for token in run.split(" ")]


def _terms_added(words: AddedWords) -> Iterator[str]:
    return iter(_said([token_term(words.language, token) for token in words.tokens])[1])


def _said(terms: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
    """Return the places and the terms of the words that are matched."""
    places = [place for place, term in enumerate(terms) if not silent(term)]
    return places, [terms[place] for place in places]


def _mark(
    marked: list[bool],
    terms: Sequence[str],
    places: range,
    added: Counter[str],
    *,
    of: Container[str],
    all_of_it: bool = False,
) -> int:
    """Mark the words `of` at these places that were added (or all of them), the last first; return how many."""
    words = 0
    for place in reversed(places):
        term = terms[place]
        if marked[place] or term not in of or not (all_of_it or added[term] > 0):
            continue
        added[term] -= 1
        marked[place] = True
        words += 1
    return words


def _outside(terms: Sequence[str], passages: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Yield the words that stand in no passage."""
    start = 0
    for first, stop in passages:
        yield from terms[start:first]
        start = stop
    yield from terms[start:]


def _left(field: FieldStems, counted: Sequence[bool]) -> FieldStems:
    return FieldStems(name=field.name, language=field.language, runs=tuple(_rest(field.runs, counted)))


def _rest(runs: Iterable[str], counted: Sequence[bool]) -> Iterator[str]:
    """Yield what is left of runs: words on both sides of a passage stand together no more."""
    place = 0
    for run in runs:
        left = list[str]()
        for token in run.split(" "):
            if counted[place]:
                left.append(token)
            elif left:
                yield " ".join(left)
                left = []
            place += 1
        if left:
            yield " ".join(left)
