"""Explaining: recompute one pair term by term and name each part with the words of both texts.

It uses the same documents and queries as the indexes do, so the parts are what was summed, not an account after the
fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matching.analysis import Analysed, Analyser, FieldStems
from matching.documents import FULL, MemberDocument, bridged, count_terms, own_impacts
from matching.epoch import EVIDENCE, PROFILE, Epoch
from matching.explanation import Explanation, Part, per_mille
from matching.lists import COMPONENTS, Row
from matching.openings import ProjectState
from matching.queries import STRUCTURED
from matching.records import Evidence, Member, Project, Text
from matching.rules import sentences_of
from matching.scoring import PairScore
from matching.sentences import (
    EVIDENCE_REASON,
    NOTHING_REASON,
    WORDS_REASON,
    gap_sentence,
    listed,
    part_sentence,
)
from matching.wording import Wording

_TEXT_CODES = {"w": "word", "b": "phrase", "n": "name", "d": "concept"}
_MOST_GAPS = 12
_STRUCTURED_CODES = {"offer": "need", "country": "country", "region": "region", "lang": "language"}


def explain_pair(
    *,
    state: ProjectState,
    record: Member,
    document: MemberDocument,
    score: PairScore,
    analysed: Analysed,
    epoch: Epoch,
    analyser: Analyser,
    row: Row,
    reference_date: str,
    failed: tuple[str, ...],
) -> Explanation:
    """Explain a pair; `score` its points, `row` its judged row (without rank), `failed` the codes of the rules that it fails."""
    asked = Wording(analyser.words(_project_texts(state.record)), epoch.lexicon)
    parts = [
        *_text_parts(score, document, analysed, epoch=epoch, asked=asked, analyser=analyser, record=record),
        *_evidence_parts(
            state, score, document, analysed, epoch=epoch, asked=asked, analyser=analyser, record=record
        ),
        *_structured_parts(state, document),
    ]
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
        rule_sentences=sentences_of(failed, state.record.presence_reason),
        gaps=_gaps(state, score, document, asked),
        reasons=_reasons(parts, record),
    )


def _text_parts(
    score: PairScore,
    document: MemberDocument,
    analysed: Analysed,
    *,
    epoch: Epoch,
    asked: Wording,
    analyser: Analyser,
    record: Member,
) -> list[Part]:
    if score.version is None:
        return []
    found = Wording(analyser.words(_member_texts(record)), epoch.lexicon)
    return _term_parts(
        "text",
        score.version.text,
        document.text,
        source=_Source(analysed.fields, kind=PROFILE, epoch=epoch),
        asked=asked,
        found=found,
        language=score.version.language,
    )


def _evidence_parts(
    state: ProjectState,
    score: PairScore,
    document: MemberDocument,
    analysed: Analysed,
    *,
    epoch: Epoch,
    asked: Wording,
    analyser: Analyser,
    record: Member,
) -> list[Part]:
    fields, records = dict(analysed.evidence), {item.id: item for item in record.evidence}
    parts: list[Part] = []
    for item in score.items:
        one = document.evidence[item.place]
        parts += _term_parts(
            "evidence",
            item.version.evidence,
            one.impacts,
            source=_Source(fields[one.id], kind=EVIDENCE, epoch=epoch),
            asked=asked,
            found=Wording(analyser.words(records[one.id].texts), epoch.lexicon),
            language=item.version.language,
            evidence=one.id,
        )
        parts.append(
            Part(
                component="evidence",
                code="threshold",
                points=-state.query.threshold,
                evidence=one.id,
                sentence=part_sentence("threshold", asked="", found="", fields=()),
            )
        )
    return parts


class _Source:
    """Where a document's terms come from: the fields that hold each, and what concepts added."""

    def __init__(self, fields: Sequence[FieldStems], *, kind: str, epoch: Epoch) -> None:
        self.own = own_impacts(fields, kind=kind, epoch=epoch)
        self.bridges = bridged(self.own, epoch)
        self._names: dict[str, list[str]] = {}
        for field in fields:
            for term in count_terms(
                field.runs, field.language, lexicon=epoch.lexicon, bigrams=epoch.bigrams[kind]
            ):
                names = self._names.setdefault(term, [])
                if field.name not in names:
                    names.append(field.name)

    def bridged_from(self, term: str) -> str:
        """The term that a concept was reached through, empty where the document's own term is at least as strong."""
        impact, source = self.bridges.get(term, (0, ""))
        return source if impact > self.own.get(term, 0) else ""

    def fields(self, term: str) -> tuple[str, ...]:
        """Names of the fields that hold a term."""
        return tuple(self._names.get(term, ()))


def _term_parts(
    component: str,
    weights: Mapping[str, int],
    impacts: Mapping[str, int],
    *,
    source: _Source,
    asked: Wording,
    found: Wording,
    language: str,
    evidence: str = "",
) -> list[Part]:
    parts = []
    for term, weight in weights.items():
        if not impacts.get(term):
            continue
        origin = source.bridged_from(term)
        code = "bridge" if origin else _TEXT_CODES[term[0]]
        there = origin or term
        ours, theirs = asked.of(term), found.of(there)
        fields = source.fields(there)
        parts.append(
            Part(
                component=component,
                code=code,
                points=weight * impacts[term],
                term=term,
                asked=ours,
                found=theirs,
                fields=fields,
                language=language,
                evidence=evidence,
                bridged_from=origin,
                sentence=part_sentence(code, asked=ours, found=theirs, fields=fields),
            )
        )
    return sorted(parts, key=lambda part: (-part.points, part.term))


def _structured_parts(state: ProjectState, document: MemberDocument) -> list[Part]:
    profile = document.profile
    parts = []
    for name in STRUCTURED:
        for term, weight in state.query.structured[name].items():
            if profile.get(term):
                parts.append(_structured(state, name, term, points=weight * profile[term], gap=False))
    return parts


def _structured(state: ProjectState, component: str, term: str, *, points: int, gap: bool) -> Part:
    scheme, _, value = term.partition(":")
    code = _STRUCTURED_CODES.get(scheme, "tag") if component != "tags" else "tag"
    words = term if code == "tag" else value.replace("_", " ")
    sentence = gap_sentence(code, words) if gap else part_sentence(code, asked=words, found=words, fields=())
    return Part(
        component=component,
        code=code,
        points=points,
        term=term,
        asked=words,
        found="" if gap else words,
        needs=state.query.kinds.get(value, ()) if code == "need" else (),
        sentence=sentence,
    )


def _gaps(
    state: ProjectState, score: PairScore, document: MemberDocument, asked: Wording
) -> tuple[Part, ...]:
    profile = document.profile
    gaps = [
        _structured(state, name, term, points=weight * FULL, gap=True)
        for name in STRUCTURED
        for term, weight in state.query.structured[name].items()
        if not profile.get(term)
    ]
    missing = score.version.text.items() if score.version else ()
    text = [
        Part(
            component="text",
            code=_TEXT_CODES[term[0]],
            points=weight * FULL,
            term=term,
            asked=asked.of(term),
            language=score.version.language if score.version else "",
            sentence=gap_sentence(_TEXT_CODES[term[0]], asked.of(term)),
        )
        for term, weight in missing
        if term[0] != "b" and not document.text.get(term)
    ]
    text.sort(key=lambda part: (-part.points, part.term))
    return tuple(sorted([*gaps, *text[:_MOST_GAPS]], key=lambda part: (-part.points, part.term)))


def _reasons(parts: Sequence[Part], record: Member) -> tuple[str, ...]:
    """The main things in a few sentences: common words, each evidence item, needs, places, tags, languages."""
    reasons = []
    words = _words(part for part in parts if part.component == "text")
    if words:
        reasons.append(WORDS_REASON.format(words=listed(words)))
    titles = {item.id: _title(item) for item in record.evidence}
    for item in dict.fromkeys(part.evidence for part in parts if part.evidence):
        own = _words(part for part in parts if part.evidence == item and part.code != "threshold")
        reasons.append(EVIDENCE_REASON.format(title=titles[item], words=listed(own)))
    reasons += [part.sentence for part in parts if part.component in STRUCTURED]
    return tuple(reasons) or (NOTHING_REASON,)


def _words(parts: Iterable[Part]) -> list[str]:
    """The asked words of single terms, dearest first, each once."""
    ordered = sorted((part for part in parts if part.code != "phrase"), key=lambda part: -part.points)
    return list(dict.fromkeys(part.asked for part in ordered))


def _title(item: Evidence) -> str:
    return next((text.title or text.text[:80] for text in item.texts), item.id)


def _project_texts(project: Project) -> tuple[Text, ...]:
    needs = (text for need in project.needs for text in need.texts)
    return (*project.titles, *project.summaries, *project.objectives, *needs)


def _member_texts(member: Member) -> tuple[Text, ...]:
    return (
        *member.descriptions,
        *member.expertise,
        *(text for offer in member.offers for text in offer.texts),
    )
