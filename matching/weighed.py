"""An organisation as the indexes take it in: its documents weighed, its words numbered, in one go.

Many organisations share the text of a past project, which is weighed once. What explaining reads of a record is made of
it when somebody asks (see `accounts`). Nothing is indexed here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.analysis import AddedWords, Analysed, FieldStems
from matching.cache import Cache
from matching.documents import FULL, Declared, has_data, role_factor, tag_term
from matching.epoch import EVIDENCE, PROFILE, Epoch
from matching.kernel import Asked
from matching.lexicon_tables import LexiconTables
from matching.quoting import MemberStems, Stems
from matching.records import Evidence, Member
from matching.vocabulary import SILENT_TERMS, Vocabulary
from matching.weighing import Weigher

_CACHED_ITEMS = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class WeighedItem:
    """An evidence item's impacts by term number, its different words (what tells near-duplicates), its words in order."""

    asked: Asked
    words: frozenset[int]
    stems: Stems


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighed:
    """One revision: the profile's impacts by term number, the evidence items in the order of their ids, all words in order.

    `has_data` tells for each component, in the order of COMPONENTS, whether the record says anything.
    """

    profile: Asked
    items: tuple[WeighedItem, ...]
    stems: MemberStems
    has_data: tuple[bool, ...]


class MemberWeigher:
    """Weighs organisations under one epoch; for the thread that puts."""

    def __init__(self, epoch: Epoch, vocabulary: Vocabulary) -> None:
        self._epoch = epoch
        self.vocabulary = vocabulary
        self._silent = {vocabulary.number(term) for term in SILENT_TERMS}
        self._tables = LexiconTables(epoch.lexicon, vocabulary)
        self._profiles = Weigher(epoch, PROFILE, self._tables)
        self._evidence = Weigher(epoch, EVIDENCE, self._tables)
        self._items: Cache[tuple[tuple[FieldStems, ...], str, tuple[str, ...]], WeighedItem]
        self._items = Cache(_CACHED_ITEMS)

    def weigh(self, member: Member, analysed: Analysed, added: tuple[AddedWords, ...] = ()) -> Weighed:
        """Weigh a record with its analysed texts; `added` is what was added to its profile."""
        stems = Stems.of(analysed.fields, self.vocabulary)
        declared = Declared.of(member, self._epoch)
        records = {item.id: item for item in member.evidence}
        weighed = ((item, self._item(fields, records[item])) for item, fields in analysed.evidence)
        items = [(item, one) for item, one in weighed if one.words]
        text = self._profiles.weigh(analysed.fields, stems)
        return Weighed(
            profile=_joined(text, self.vocabulary.interned(declared.impacts, np.uint8)),
            items=tuple(one for _, one in items),
            stems=MemberStems(stems, tuple((item, one.stems) for item, one in items), added),
            has_data=has_data(len(text[0]) or self.words(stems), items, declared),
        )

    def _item(self, fields: tuple[FieldStems, ...], record: Evidence) -> WeighedItem:
        key = (fields, record.role, tuple(tag_term(tag) for tag in record.tags))
        found = self._items.get(key)
        if found is None:
            stems = Stems.of(fields, self.vocabulary)
            tags = self.vocabulary.interned(dict.fromkeys(key[2], FULL), np.uint8)
            terms, plain = _joined(self._evidence.weigh(fields, stems), tags)
            impacts = (plain.astype(np.int32) * role_factor(record.role, self._epoch) // 1000).astype(
                np.uint8
            )
            kept = impacts > 0
            found = self._items.keep(key, WeighedItem((terms[kept], impacts[kept]), self.words(stems), stems))
        return found

    def words(self, stems: Stems) -> frozenset[int]:
        """The different words of a text; a name is another one in another language."""
        found, place = set[int](), 0
        for _, language, runs in stems.heads:
            stop = place + sum(runs)
            field = self._tables.languages[language] << 32
            numbers = stems.numbers[place:stop].tolist()
            found.update(field | number for number in numbers if number not in self._silent)
            place = stop + 1
        return frozenset(found)


def _joined(one: Asked, other: Asked) -> Asked:
    return np.concatenate((one[0], other[0])), np.concatenate((one[1], other[1]))
