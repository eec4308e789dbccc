"""Accounts: what explaining reads of one organisation or project, made once and kept while its record stands.

A page explains many pairs of the same few records. The document, the words of the texts and the fields that hold each
term depend on one record alone, so they are made at its first explanation and kept in a bounded cache. So are the reasons
of a pair, which depend on its two records alone, whoever else is on the list. Nothing here decides a score.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice

from matching.analysis import AddedWords, Analysed, Analyser, FieldsOf, FieldStems, ToldRun
from matching.bridges import DomainWords
from matching.cache import Cache
from matching.documents import DocumentBuilder, MemberDocument, count_terms, given
from matching.epoch import EVIDENCE, PROFILE, Epoch
from matching.quoting import Cut, Quoting, Reading
from matching.records import Member, Project, Text
from matching.wording import Wording, left_of

_KEPT = 1_024
_TOLD = 16_384
"""Pairs whose reasons are kept: about a kilobyte each."""


class Source:
    """One document's text: the words that its terms stand for, and the fields that hold them."""

    def __init__(
        self,
        fields: tuple[FieldStems, ...],
        told: Callable[[], Iterable[ToldRun]],
        *,
        kind: str,
        epoch: Epoch,
    ) -> None:
        self._fields = fields
        self._told = told
        self._epoch = epoch
        self._kind = kind
        self._own = DomainWords(fields, kind=kind, epoch=epoch)
        self._bridged: dict[str, str] = {}  # what was asked for; projects ask for the same terms again

    @cached_property
    def wording(self) -> Wording:
        """The words of the texts; most reasons name the project's alone."""
        return Wording(self._told(), self._epoch.lexicon)

    def bridged_from(self, term: str) -> str:
        """The term that a concept was reached through, empty where the document's own term is at least as strong."""
        if term[0] != "d":
            return ""
        found = self._bridged.get(term)
        if found is None:
            found = self._bridged[term] = self._own.bridged_from(term)
        return found

    def fields(self, term: str) -> tuple[str, ...]:
        """Names of the fields that hold a term."""
        return self._names.get(term, ())

    @cached_property
    def _names(self) -> Mapping[str, tuple[str, ...]]:
        lexicon, bigrams = self._epoch.lexicon, self._epoch.bigrams[self._kind]
        names: dict[str, tuple[str, ...]] = {}
        for field in self._fields:
            for term in count_terms(field.runs, field.language, lexicon=lexicon, bigrams=bigrams):
                known = names.get(term, ())
                if field.name not in known:
                    names[term] = (*known, field.name)
        return names


class Sources:
    """One revision of an organisation: the sources of its profile and its evidence, made when asked for.

    They say nothing of any project, so whoever tells of the organisation may share them.
    """

    def __init__(self, record: Member, fields: FieldsOf, *, analyser: Analyser, epoch: Epoch) -> None:
        self.record = record
        self._fields = fields
        self._analyser = analyser
        self._epoch = epoch
        self._evidence: dict[str, Source] = {}

    def read_by(self, quoting: Quoting, quotes: Container[str] | None) -> Reading:
        """Return these texts as a project reads them; `quotes` are the documents that quote it, None: not looked for."""
        return Reading(quoting, self.record, self._fields, self._added, quotes)

    @cached_property
    def _added(self) -> tuple[AddedWords, ...]:
        return self._analyser.added(self.record.recorded)

    @cached_property
    def profile(self) -> Source:
        """The source of the profile's text."""
        return self._source(self._fields(""), self._texts(""), kind=PROFILE)

    def profile_left(self, cut: Cut) -> Source:
        """Return the source of what is left of the profile's text without quoted passages; it is not kept."""
        return self._source(cut.fields, self._texts(""), kind=PROFILE, cut=cut)

    def evidence(self, item: str) -> Source:
        """Return the source of one evidence item."""
        found = self._evidence.get(item)
        if found is None:
            found = self._source(self._fields(item), self._texts(item), kind=EVIDENCE)
            self._evidence[item] = found
        return found

    def evidence_left(self, item: str, cut: Cut) -> Source:
        """Return the source of what is left of an evidence item; it is not kept."""
        return self._source(cut.fields, self._texts(item), kind=EVIDENCE, cut=cut)

    def _texts(self, document: str) -> Mapping[str, tuple[Text, ...]]:
        """The texts of a document (an item's id; empty: the profile's own words) by field, as the analyser takes them."""
        record = self.record
        if document:
            return {"evidence": next(one.texts for one in record.evidence if one.id == document)}
        return {
            "mission": given(record, "descriptions", record.descriptions),
            "expertise": given(record, "expertise", record.expertise),
            "offers": tuple(text for offer in given(record, "offers", record.offers) for text in offer.texts),
        }

    def _source(
        self,
        fields: tuple[FieldStems, ...],
        texts: Mapping[str, tuple[Text, ...]],
        *,
        kind: str,
        cut: Cut | None = None,
    ) -> Source:
        return Source(fields, lambda: self._told(texts, cut), kind=kind, epoch=self._epoch)

    def _told(self, texts: Mapping[str, tuple[Text, ...]], cut: Cut | None) -> Iterator[ToldRun]:
        """Yield the runs of texts, by field; of one that is cut those words that are left, for no other gave points."""
        for name, own in texts.items():
            runs = self._analyser.told(own)
            if cut is None:
                yield from runs
                continue
            fields = zip(cut.fields, cut.counted, strict=True)
            counted = {field.language: iter(words) for field, words in fields if field.name == name}
            for run in runs:
                yield from left_of(run, list(islice(counted[run.language], len(run.pairs))))


class MemberAccount:
    """One revision of an organisation: its sources, and its document, made when asked for."""

    def __init__(
        self,
        sources: Sources,
        build: Callable[[], MemberDocument],
        *,
        quotes: Container[str] | None = None,
    ) -> None:
        self.sources = sources
        self._build = build
        self._quotes = quotes

    @property
    def record(self) -> Member:
        """The revision."""
        return self.sources.record

    def read_by(self, quoting: Quoting) -> Reading:
        """Return these texts as a project reads them, which counts no passage of its own."""
        return self.sources.read_by(quoting, self._quotes)

    @cached_property
    def document(self) -> MemberDocument:
        """Its document."""
        return self._build()

    @cached_property
    def terms(self) -> Mapping[str, int]:
        """The profile's terms of all components."""
        return self.document.profile


class Accounts:
    """The accounts of one engine's records; asked by one thread at a time, as its analyser is."""

    def __init__(self, *, analyser: Analyser, builder: DocumentBuilder, epoch: Epoch) -> None:
        self._analyser = analyser
        self._builder = builder
        self._epoch = epoch
        self._members: Cache[str, MemberAccount] = Cache(_KEPT)
        self._projects: Cache[str, tuple[Project, Wording]] = Cache(_KEPT)
        self._told: Cache[tuple[str, str, str], tuple[Project, Member, tuple[str, ...]]] = Cache(_TOLD)
        self._standing: dict[str, Member] = {}
        self._lock = threading.Lock()

    def of_member(self, record: Member) -> MemberAccount:
        """Return the account of exactly this record (not of another that has the same id).

        It is kept where the record stands: who asks in a view of before must bring nothing back of one that was erased since.
        """
        found = self._members.get(record.id)
        if found is not None and found.record is record:
            return found
        if not self._stands(record):
            return self.of_edited(record)
        found = self._account(record, self._analyser.analyse_member(record))
        with self._lock:
            if self._stands(record):
                return self._members.keep(record.id, found)
        self._analyser.forget(record)
        return found

    def of_edited(self, record: Member) -> MemberAccount:
        """Return the account of a record that stands nowhere; nothing of it is kept."""
        return self._account(record, self._analyser.reading().analyse_member(record))

    def _stands(self, record: Member) -> bool:
        return self._standing.get(record.id) is record

    def of_met(
        self, record: Member, fields: FieldsOf, document: MemberDocument, *, quotes: Container[str]
    ) -> MemberAccount:
        """Return the account of a record as one project meets it; it is not kept, but what is kept of its texts is used.

        `document` holds what the project asks for and nothing else, `quotes` are the documents that quote it.
        """
        kept = self._members.get(record.id)
        if kept is not None and kept.record is record:
            return MemberAccount(kept.sources, lambda: document, quotes=quotes)
        sources = self._sources(record, fields)
        return MemberAccount(sources, lambda: document, quotes=quotes)

    def keep(self, record: Member, analysed: Analysed) -> None:
        """Keep the account of a record that was just taken in: what changed last is likely to be looked at."""
        with self._lock:
            before = self._standing.get(record.id)
            self._standing[record.id] = record
            self._members.keep(record.id, self._account(record, analysed))
        if before is not None:
            self._analyser.forget(before, but=record)

    def forget(self, member: str) -> None:
        """Keep nothing more of an organisation, nor take it from a view of before: it was erased.

        Stems of its past projects, without its name, stay in bounded caches until others take their place.
        """
        with self._lock:
            record = self._standing.pop(member, None)
            self._members.drop(member)
            self._told.drop_all(lambda pair: pair[1] == member)
        if record is not None:
            self._analyser.forget(record)

    def _account(self, record: Member, analysed: Analysed) -> MemberAccount:
        sources = self._sources(record, analysed.of)
        return MemberAccount(sources, lambda: self._builder.build(record, analysed))

    def _sources(self, record: Member, fields: FieldsOf) -> Sources:
        return Sources(record, fields, analyser=self._analyser.reading(), epoch=self._epoch)

    def of_project(self, record: Project) -> Wording:
        """Return the words of exactly this record of a project."""
        found = self._projects.get(record.id)
        if found is None or found[0] is not record:
            needs = given(record, "needs", record.needs)
            texts = (
                *given(record, "titles", record.titles),
                *given(record, "summaries", record.summaries),
                *given(record, "objectives", record.objectives),
                *(text for need in needs for text in need.texts),
            )
            wording = Wording(self._analyser.told(texts, whole=True), self._epoch.lexicon)
            found = self._projects.keep(record.id, (record, wording))
        return found[1]

    def told(self, project: Project, member: Member, language: str) -> tuple[str, ...] | None:
        """Return the reasons kept of exactly these two records, or None. Any thread may ask."""
        found = self._told.get((project.id, member.id, language))
        return found[2] if found is not None and found[0] is project and found[1] is member else None

    def keep_told(
        self, project: Project, member: Member, language: str, reasons: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Keep the reasons of a pair, where the organisation's record stands, and return them."""
        with self._lock:
            if self._stands(member):
                self._told.keep((project.id, member.id, language), (project, member, reasons))
        return reasons
