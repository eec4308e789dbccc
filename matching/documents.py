"""Documents: what the index holds of an organisation, as impacts 0..255 by term.

One posting per (term, document): fields are folded into a weighted count before saturation. Everything here is integers
and depends on the record and the epoch alone. Terms: ``w:en:stem`` word, ``b:en:two stems`` bigram, ``n:lte`` name,
number or code, ``d:en:stems`` domain term, ``offer:``, ``country:``, ``region:``, ``scheme:code``, ``lang:``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from matching.analysis import Analysed, FieldStems, primary_language
from matching.cache import Cache
from matching.chinese import SILENT, UNSPACED, held
from matching.epoch import EVIDENCE, PROFILE, Epoch, language_of
from matching.lexicon import Lexicon
from matching.records import Evidence, Member, Project, Tag
from matching.tokens import NEUTRAL
from matching.vocabulary import token_term

FULL = 255
"""The impact of what is there altogether, and the most that any impact can be."""

_CACHED_ITEMS = 4_096
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceDocument:
    """One evidence item: impacts of its words and policy tags with its role folded in, and its words alone.

    The words are what tells near-duplicates.
    """

    id: str
    impacts: Mapping[str, int]
    words: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What an organisation declares, as impacts by term; their names do not meet."""

    needs: Mapping[str, int]
    places: Mapping[str, int]
    tags: Mapping[str, int]
    languages: Mapping[str, int]

    @classmethod
    def of(cls, member: Member, epoch: Epoch) -> Declared:
        """Read a member's record."""
        open_fields = _Open(member)
        return cls(
            needs={f"offer:{offer.kind}": FULL for offer in open_fields.offers},
            places=_places(open_fields, epoch),
            tags={tag_term(tag): FULL for tag in open_fields.tags},
            languages={f"lang:{primary_language(tag)}": FULL for tag in open_fields.languages},
        )

    @property
    def impacts(self) -> dict[str, int]:
        """All of it in one document."""
        return {**self.needs, **self.places, **self.tags, **self.languages}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDocument:
    """All that is matched of one organisation: its profile, and its evidence items in the order of their ids."""

    text: Mapping[str, int]
    declared: Declared
    evidence: tuple[EvidenceDocument, ...]

    @property
    def profile(self) -> dict[str, int]:
        """The profile's terms of all components in one document; their names do not meet."""
        return {**self.text, **self.declared.impacts}

    @property
    def has_data(self) -> tuple[bool, ...]:
        """For each component, in the order of COMPONENTS, whether the profile says anything."""
        return has_data(self.text, self.evidence, self.declared)


def has_data(text: object, evidence: object, declared: Declared) -> tuple[bool, ...]:
    """For each component, in the order of COMPONENTS, whether there is anything."""
    parts = (text, evidence, declared.needs, declared.places, declared.tags, declared.languages)
    return tuple(bool(part) for part in parts)


class DocumentBuilder:
    """Makes documents under one epoch, with a cache by the stems of an evidence item (many share one)."""

    def __init__(self, epoch: Epoch) -> None:
        self._epoch = epoch
        self._items: Cache[
            tuple[tuple[FieldStems, ...], str, tuple[str, ...]], tuple[Mapping[str, int], frozenset[str]]
        ]
        self._items = Cache(_CACHED_ITEMS)

    def build(self, member: Member, analysed: Analysed) -> MemberDocument:
        """Make a member's document from its record and its analysed texts."""
        records = {item.id: item for item in member.evidence}
        items = (
            EvidenceDocument(id=item, impacts=impacts, words=words)
            for item, fields in analysed.evidence
            for impacts, words in (self._item(fields, records[item]),)
            if words
        )
        return MemberDocument(
            text=self.text(analysed.fields),
            declared=Declared.of(member, self._epoch),
            evidence=tuple(items),
        )

    def text(self, fields: tuple[FieldStems, ...]) -> Mapping[str, int]:
        """Make the impacts of a profile's text from some fields."""
        return text_impacts(fields, kind=PROFILE, epoch=self._epoch)

    def item(self, fields: tuple[FieldStems, ...], member: Member, item: str) -> Mapping[str, int]:
        """Make the impacts of one evidence item of an organisation from some fields."""
        return self._item(fields, next(one for one in member.evidence if one.id == item))[0]

    def _item(
        self, fields: tuple[FieldStems, ...], record: Evidence
    ) -> tuple[Mapping[str, int], frozenset[str]]:
        key = (fields, record.role, tuple(tag_term(tag) for tag in record.tags))
        found = self._items.get(key)
        if found is None:
            factor = role_factor(record.role, self._epoch)
            plain = text_impacts(fields, kind=EVIDENCE, epoch=self._epoch) | dict.fromkeys(key[2], FULL)
            impacts = {term: impact * factor // 1000 for term, impact in plain.items()}
            words = frozenset(
                f"{field.language}:{token}"
                for field in fields
                for run in field.runs
                for token in run.split(" ")
                if field.language != UNSPACED or token not in SILENT
            )
            found = self._items.keep(key, (impacts, words))
        return found


class _Open:
    """A member's lists without those that an import filled with a constant."""

    def __init__(self, member: Member) -> None:
        self.offers = given(member, "offers", member.offers)
        self.tags = given(member, "tags", member.tags)
        self.languages = given(member, "languages", member.languages)
        self.hq = given(member, "hq_country", (member.hq_country,) if member.hq_country else ())
        self.operating = given(member, "operating_countries", member.operating_countries)
        self.willing = given(member, "willing_countries", member.willing_countries)
        self.willing_regions = given(member, "willing_regions", member.willing_regions)


def given(record: Member | Project, name: str, values: tuple[_T, ...]) -> tuple[_T, ...]:
    """Return a record's list, empty where an import filled it with a constant: such a field is never scored."""
    return () if name in record.constants else values


def role_factor(role: str, epoch: Epoch) -> int:
    """Return what of an evidence item's impacts a role keeps, per mille; any other role is a partner's."""
    return epoch.weights.roles.get(role, epoch.weights.roles["partner"])


def tag_term(tag: Tag) -> str:
    """Return the index term of a policy tag: scheme and code; the plan's version is kept apart from it."""
    return f"{tag.scheme}:{tag.code}"


def count_terms(
    runs: Iterable[str], language: str, *, lexicon: Lexicon, bigrams: Container[str]
) -> dict[str, int]:
    """Count the terms of one field in one language: words, names, those bigrams that take part, domain terms."""
    if language == UNSPACED:
        return Counter(unspaced_terms(runs, lexicon=lexicon, bigrams=bigrams))
    counts: Counter[str] = Counter()
    for run in runs:
        tokens = run.split(" ")
        counts.update(token_term(language, token) for token in tokens)
        counts.update(pair for a, b in pairwise(tokens) if (pair := f"b:{language}:{a} {b}") in bigrams)
        for found in lexicon.find_all(language, tokens):
            counts[found.term.key] += 1
    return counts


def unspaced_terms(runs: Iterable[str], *, lexicon: Lexicon, bigrams: Container[str]) -> Iterator[str]:
    """Yield the terms of a field in the unspaced language, each as often as it stands there: all words that are held.

    A bigram is of two words, not of single characters, one of which begins where the other ends.
    """
    for run in runs:
        tokens = run.split(" ")
        ending: dict[int, list[str]] = {}
        for place, word in held(tokens):
            yield token_term(UNSPACED, word)
            if len(word) > 1:
                for before in ending.get(place, ()):
                    if (pair := f"b:{UNSPACED}:{before} {word}") in bigrams:
                        yield pair
                ending.setdefault(place + len(word), []).append(word)
        for term in lexicon.held(tokens):
            yield term.key


def text_impacts(fields: Sequence[FieldStems], *, kind: str, epoch: Epoch) -> dict[str, int]:
    """Return the impacts of a document's text terms, bridged ones included."""
    return with_bridges(own_impacts(fields, kind=kind, epoch=epoch), epoch)


def with_bridges(own: Mapping[str, int], epoch: Epoch) -> dict[str, int]:
    """Add to a document's own terms what concepts add: for each term the larger impact of the two."""
    added = _added(strongest(own, epoch.lexicon), epoch.lexicon)
    for term in added.keys() & own.keys():
        added[term] = max(added[term], own[term])
    return {**own, **added}


def own_impacts(fields: Sequence[FieldStems], *, kind: str, epoch: Epoch) -> dict[str, int]:
    """Return the impacts of the terms that the document's own words make.

    impact = floor(255 x tf / (tf + k1 x (1 - b + b x max(length, mean) / mean))), tf the weighted count (BM25F,
    Robertson and Zaragoza 2009, with the length not below the mean), all scaled to integers. What a translation repeats
    without a language (names, numbers) counts once per field: the largest count over its languages.
    """
    lexicon, bigrams = epoch.lexicon, epoch.bigrams[kind]
    counts = [count_terms(field.runs, field.language, lexicon=lexicon, bigrams=bigrams) for field in fields]
    return saturated(fields, counts, lengths_of(fields), kind=kind, epoch=epoch)


def saturated(
    fields: Sequence[FieldStems],
    counts: Sequence[Mapping[str, int]],
    lengths: Mapping[str, int],
    *,
    kind: str,
    epoch: Epoch,
) -> dict[str, int]:
    """Fold counts of terms, a mapping for each field, into one for each term, and saturate it by `lengths_of` the document."""
    weights = epoch.weights
    folded: dict[str, int] = {}
    neutral: dict[tuple[str, str], int] = {}
    for field, here in zip(fields, counts, strict=True):
        for term, count in here.items():
            if language_of(term):
                counted = weights.member_fields[field.name] * min(count, weights.field_cap)
                folded[term] = folded.get(term, 0) + counted
            else:
                neutral[field.name, term] = max(neutral.get((field.name, term), 0), count)
    for (name, term), count in neutral.items():
        folded[term] = folded.get(term, 0) + weights.member_fields[name] * min(count, weights.field_cap)
    scales = {language: _scale(length, language, kind, epoch) for language, length in lengths.items()}
    impacts: dict[str, int] = {}
    for term, count in folded.items():
        factor, norm = scales[language_of(term)]
        impacts[term] = FULL * count * factor // (count * factor + norm)
    return impacts


def lengths_of(fields: Sequence[FieldStems]) -> dict[str, int]:
    """Count a document's words in each language, and under "" its names and numbers, which a translation only repeats.

    In the unspaced language those that it is cut into, not all that it holds: its texts are as long as others.
    """
    lengths: dict[str, int] = {}
    names: dict[tuple[str, str], int] = {}
    for field in fields:
        named = [
            token
            for run in field.runs
            if NEUTRAL in run
            for token in run.split(" ")
            if token.startswith(NEUTRAL)
        ]
        words = sum(run.count(" ") + 1 for run in field.runs) - len(named)
        if field.language == UNSPACED:
            words -= sum(token in SILENT for run in field.runs for token in run.split(" "))
        lengths[field.language] = lengths.get(field.language, 0) + words
        for token, count in Counter(named).items():
            names[field.name, token] = max(names.get((field.name, token), 0), count)
    return {**lengths, "": sum(names.values())}


def _scale(length: int, language: str, kind: str, epoch: Epoch) -> tuple[int, int]:
    weights, mean = epoch.weights, epoch.statistics(kind).of(language).mean
    norm = (1000 - weights.b) * mean + weights.b * max(length * 256, mean)
    return 1_000_000 * mean, 16 * weights.k1 * norm


Strongest = Mapping[str, Mapping[str, tuple[int, str]]]
"""A document's strongest term of each concept in each language: concept -> language -> (impact, term)."""


def strongest(own: Mapping[str, int], lexicon: Lexicon) -> Strongest:
    """Find the strongest terms among a document's own."""
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for term, impact in own.items():
        if term[0] == "d":
            language = language_of(term)
            for concept in lexicon.spoken_of(term):
                here = found.setdefault(concept, {})
                here[language] = max(here.get(language, (0, "")), (impact, term))
    return found


def bridge_to(term: str, held: Strongest, lexicon: Lexicon) -> tuple[int, str]:
    """Return what concepts add to one term: (impact, the domain term that it is bridged from), or (0, "")."""
    language = language_of(term)
    offers = (
        _offer(name, held[name], language, lexicon) for name in lexicon.concepts_of(term) if name in held
    )
    return max(((impact, source) for impact, source in offers if impact and source != term), default=(0, ""))


def _offer(
    name: str, by_language: Mapping[str, tuple[int, str]], language: str, lexicon: Lexicon
) -> tuple[int, str]:
    """Return what a concept offers its terms of a language: floor(discount x impact) of a document's strongest term of it.

    The discount is the concept's own. A concept of the domain joins all its terms; a general one only carries words to
    other languages.
    """
    concept = lexicon.concepts[name]
    if concept.kind == "domain" or not language:
        impact, source = max(by_language.values())
    else:
        others = (some for said, some in by_language.items() if said != language)
        impact, source = max(others, default=(0, ""))
    return impact * concept.discount // 1000, source


def _added(held: Strongest, lexicon: Lexicon) -> dict[str, int]:
    """Return the impact of every term that concepts add to a document; the same as `bridge_to` says of each."""
    found: dict[str, int] = {}
    for name, by_language in held.items():
        # Nearly every document says a concept in one language, and then all that it reaches is offered the same.
        groups = lexicon.reached(name, *by_language) if len(by_language) == 1 else lexicon.groups[name]
        for group in groups:
            impact, source = _offer(name, by_language, group.language, lexicon)
            if impact:
                offered = dict.fromkeys(group.alone, impact)
                offered.pop(source, None)
                found.update(offered)
                for term in group.shared:
                    if term != source and impact > found.get(term, 0):
                        found[term] = impact
    return found


def _places(member: _Open, epoch: Epoch) -> dict[str, int]:
    """Countries and the regions they lie in, each with the largest impact that any mention gives it."""
    impacts = epoch.weights.place_impacts
    places: dict[str, int] = {}
    for countries, impact in (
        (member.hq, impacts["hq"]),
        (member.operating, impacts["operating"]),
        (member.willing, impacts["willing"]),
    ):
        for country in countries:
            region = epoch.reference.regions.get(country)
            for term in (f"country:{country}", *((f"region:{region}",) if region else ())):
                places[term] = max(impact, places.get(term, 0))
    for region in member.willing_regions:
        places[f"region:{region}"] = max(impacts["willing"], places.get(f"region:{region}", 0))
    return places
