"""Explaining: recompute one pair term by term and name each part with the words of both texts.

It uses the same documents and queries as the indexes do, so the parts are what was summed, not an account after the
fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby

from matching.accounts import MemberAccount, Source
from matching.analysis import primary_language
from matching.epoch import Epoch
from matching.explanation import Explanation, Part, per_mille
from matching.lists import COMPONENTS, Row
from matching.openings import ProjectState
from matching.queries import STRUCTURED
from matching.records import Evidence
from matching.scoring import ItemScore, PairScore
from matching.sentences import MOST_LISTED, Phrases
from matching.telling import Telling

TEXT_CODES = {"w": "word", "b": "phrase", "n": "name", "d": "concept"}
"""What a part of a text is called, by the first letter of its term."""


def explain_pair(
    *,
    state: ProjectState,
    account: MemberAccount,
    telling: Telling,
    score: PairScore,
    epoch: Epoch,
    row: Row,
    reference_date: str,
    failed: tuple[str, ...],
    passages: bool = False,
) -> Explanation:
    """Explain a pair.

    `account` are the organisation's texts, `score` the pair's points, `row` its judged row (without rank), `failed` the
    codes of the rules that it fails. With `passages` each part of a text has the sentences that the words stand in.
    """
    record, phrases = account.record, telling.phrases
    parts = [
        *_text_parts(score, account, telling, passages=passages),
        *_quoted_parts(score, "", phrases),
        *_evidence_parts(state, score, account, telling, passages=passages),
        *_structured_parts(state, account, telling),
        *_unbacked_parts(score, phrases),
    ]
    parts.sort(key=lambda part: COMPONENTS.index(part.component))
    points = [row.components[name] for name in COMPONENTS]
    return Explanation(
        project=state.record.id,
        project_revision=state.record.revision,
        member=record.id,
        revision=record.revision,
        epoch=epoch.hash,
        reference_date=reference_date,
        points=row.points,
        total_budget=state.query.total,
        fit=row.fit,
        band=row.band,
        above_floor=row.above_floor,
        confidence=row.confidence,
        components=dict(row.components),
        shown=dict(zip(COMPONENTS, per_mille(points, state.query.total), strict=True)),
        parts=tuple(parts),
        labels=row.labels,
        failed_rules=failed,
        rule_sentences=tuple(phrases.rule(code, state.record.presence_reason) for code in failed),
        reasons=reasons_of(state, account, telling, score=score),
    )


def reasons_of(
    state: ProjectState, account: MemberAccount, telling: Telling, *, score: PairScore
) -> tuple[str, ...]:
    """Say the main things in a few sentences: common words, each evidence item, needs, places, tags, languages."""
    reasons, phrases = [], telling.phrases
    if score.version:
        words = _words(score.version.text, score.text, _profile(score, account), telling)
        reasons += [phrases.common_words(words)] if words else []
    titles = _titles(account, phrases) if score.items or score.quoted else {}
    for item in score.items:
        one = account.document.evidence[item.place]
        own = _words(item.version.evidence, item.impacts, _item(item, one.id, account), telling)
        reasons.append(phrases.evidence(titles[one.id], own))
    structured = [telling.declared(name, term)[2] for name, term, _ in _declared(state, account)]
    structured += [phrases.part("unbacked")] if any(score.unbacked.values()) else []
    if not reasons and not structured:
        reasons = [phrases.nothing()]
    twins = [phrases.duplicate(titles[one], titles[other]) for one, other in score.duplicates[:MOST_LISTED]]
    return (*reasons, *twins, *_quoted_reasons(score, titles, phrases), *structured)


def shared_words(telling: Telling, *, score: PairScore, most: int = MOST_LISTED) -> tuple[str, ...]:
    """Return the words of the project that the organisation shares in text and evidence, those with most points first."""
    met: list[tuple[int, bool, str]] = []
    if score.version:
        met += [(points, False, term) for points, term in _common(score.version.text, score.text)]
    for item in score.items:
        met += [(points, False, term) for points, term in _common(item.version.evidence, item.impacts)]
        met += [(points, True, term) for points, term in _common(item.version.tags, item.impacts)]
    found: dict[str, None] = {}
    for _, alike in groupby(sorted(met), key=lambda one: one[0]):
        words = (
            telling.phrases.name(term, code="tag") if tag else telling.asked.of(term)
            for _, tag, term in alike
        )
        found |= dict.fromkeys(sorted(filter(None, words)))
        if len(found) >= most:
            break
    return tuple(found)[:most]


def _text_parts(score: PairScore, account: MemberAccount, telling: Telling, *, passages: bool) -> list[Part]:
    if score.version is None:
        return []
    return _term_parts(
        "text",
        score.version.text,
        score.text,
        source=_profile(score, account),
        telling=telling,
        language=score.version.language,
        passages=passages,
    )


def _evidence_parts(
    state: ProjectState, score: PairScore, account: MemberAccount, telling: Telling, *, passages: bool
) -> list[Part]:
    parts: list[Part] = []
    for item in score.items:
        one = account.document.evidence[item.place]
        parts += _term_parts(
            "evidence",
            item.version.evidence,
            item.impacts,
            source=_item(item, one.id, account),
            telling=telling,
            language=item.version.language,
            evidence=one.id,
            passages=passages,
        )
        parts += [
            replace(declared_part(state, "evidence", term, -points, telling), evidence=one.id)
            for points, term in _common(item.version.tags, item.impacts)
        ]
        parts.append(
            Part(
                component="evidence",
                code="threshold",
                points=-state.query.threshold,
                evidence=one.id,
                sentence=telling.phrases.part("threshold"),
            )
        )
        parts += _quoted_parts(score, one.id, telling.phrases)
    counted = {account.document.evidence[item.place].id for item in score.items}
    for item_id in dict.fromkeys(item for item, _ in score.quoted if item and item not in counted):
        parts += _quoted_parts(score, item_id, telling.phrases)
    return [*parts, *_uncounted_parts(score, account, telling.phrases)]


def _uncounted_parts(score: PairScore, account: MemberAccount, phrases: Phrases) -> list[Part]:
    """A part without points for each item that says nearly the same as one that counts, one for those beyond the best, one for those below the threshold."""
    titles = _titles(account, phrases) if score.duplicates else {}
    parts = [
        Part(
            component="evidence",
            code="duplicate",
            points=0,
            evidence=one,
            sentence=phrases.duplicate(titles[one], titles[other]),
        )
        for one, other in score.duplicates
    ]
    return parts + [
        Part(component="evidence", code=code, points=0, sentence=phrases.uncounted(code, count))
        for code, count in (("further", score.further), ("below", score.below))
        if count
    ]


def _profile(score: PairScore, account: MemberAccount) -> Source:
    """The source of the profile's text as it counted: without quoted passages."""
    sources = account.sources
    return sources.profile if score.cut is None else sources.profile_left(score.cut)


def _item(score: ItemScore, item: str, account: MemberAccount) -> Source:
    """The source of an evidence item as it counted."""
    sources = account.sources
    return sources.evidence(item) if score.cut is None else sources.evidence_left(item, score.cut)


def _term_parts(
    component: str,
    weights: Mapping[str, int],
    impacts: Mapping[str, int],
    *,
    source: Source,
    telling: Telling,
    language: str,
    evidence: str = "",
    passages: bool,
) -> list[Part]:
    parts = []
    asked, phrases = telling.asked, telling.phrases
    for points, term in _common(weights, impacts):
        origin = source.bridged_from(term)
        code = "bridge" if origin else TEXT_CODES[term[0]]
        there = origin or term
        ours, theirs = asked.of(term), source.wording.of(there)
        fields = source.fields(there)
        parts.append(
            Part(
                component=component,
                code=code,
                points=-points,
                term=term,
                asked=ours,
                found=theirs,
                asked_passage=asked.passage(term) if passages else "",
                found_passage=source.wording.passage(there) if passages else "",
                fields=fields,
                language=language,
                evidence=evidence,
                bridged_from=origin,
                sentence=phrases.part(code, asked=ours, found=theirs, fields=fields),
            )
        )
    return parts


def _quoted_parts(score: PairScore, document: str, phrases: Phrases) -> list[Part]:
    """A part without points for each passage of a document (an item's id; empty: the profile) that is not counted."""
    return [
        Part(
            component="evidence" if document else "text",
            code=passage.code,
            points=0,
            fields=(passage.field,),
            language=passage.language,
            evidence=document,
            sentence=phrases.quotation(passage.code, passage.words, (passage.field,)),
        )
        for item, passage in score.quoted
        if item == document
    ]


def _quoted_reasons(score: PairScore, titles: Mapping[str, str], phrases: Phrases) -> list[str]:
    """The same in a sentence for each document and code, the largest first, as many as a reason names words."""
    words: dict[tuple[str, str], int] = {}
    fields: dict[tuple[str, str], dict[str, None]] = {}
    for item, passage in score.quoted:
        told = item, passage.code
        words[told] = words.get(told, 0) + passage.words
        fields.setdefault(told, {})[passage.field] = None
    return [
        phrases.quoted_evidence(titles[item], count)
        if item
        else phrases.quotation(code, count, tuple(fields[item, code]))
        for (item, code), count in sorted(words.items(), key=lambda one: (-one[1], one[0]))[:MOST_LISTED]
    ]


def _common(weights: Mapping[str, int], impacts: Mapping[str, int]) -> list[tuple[int, str]]:
    """Return the terms that both sides have as (minus points, term), dearest first."""
    both = weights.keys() & impacts.keys()
    return sorted((-weights[term] * impacts[term], term) for term in both if impacts[term])


def _structured_parts(state: ProjectState, account: MemberAccount, telling: Telling) -> list[Part]:
    return [
        declared_part(state, name, term, points, telling) for name, term, points in _declared(state, account)
    ]


def _declared(state: ProjectState, account: MemberAccount) -> list[tuple[str, str, int]]:
    """The needs, places, tags and languages that both sides have: component, term, points."""
    profile = account.terms
    return [
        (name, term, weight * profile[term])
        for name in STRUCTURED
        for term, weight in state.query.structured[name].items()
        if profile.get(term)
    ]


def _unbacked_parts(score: PairScore, phrases: Phrases) -> list[Part]:
    return [
        Part(component=name, code="unbacked", points=-points, sentence=phrases.part("unbacked"))
        for name, points in score.unbacked.items()
        if points
    ]


def declared_part(
    state: ProjectState, component: str, term: str, points: int, telling: Telling, *, gap: bool = False
) -> Part:
    """Return the part of a need, place, tag or language that both sides have, or that the profile lacks (`gap`)."""
    code, words, sentence = telling.declared(component, term)
    value = term.partition(":")[2]
    return Part(
        component=component,
        code=code,
        points=points,
        term=term,
        asked=words,
        found="" if gap else words,
        needs=state.query.kinds.get(value, ()) if code == "need" else (),
        sentence=telling.phrases.gap(code, words) if gap else sentence,
    )


def _words(
    weights: Mapping[str, int], impacts: Mapping[str, int], source: Source, telling: Telling
) -> list[str]:
    """The dearest single terms that both texts have, each once: the asked words, or the pair that met over a bridge.

    Where they have no single one, the dearest phrases.
    """
    common = [term for _, term in _common(weights, impacts)]
    single = [term for term in common if term[0] != "b"]
    found: dict[str, None] = {}
    for term in single or common:
        origin = source.bridged_from(term)
        pair = telling.phrases.pair(telling.asked.of(term), source.wording.of(origin)) if origin else ""
        found[pair or telling.quoted(term)] = None
        if len(found) == MOST_LISTED:
            break
    return list(found)


def _titles(account: MemberAccount, phrases: Phrases) -> dict[str, str]:
    return {item.id: _title(item, phrases.language) for item in account.record.evidence}


def _title(item: Evidence, language: str) -> str:
    """Name an evidence item by its title in the reader's language where it has one, else by its first text."""
    own = (text for text in item.texts if primary_language(text.language) == language)
    return next((text.title or text.text[:80] for text in (*own, *item.texts)), item.id)
