"""Gaps: what a project asks for and a profile lacks, each with the points that the pair would have more with it.

What a gap gives is not read off its weight: a term brings its words, its bigrams and what concepts join to it, and makes
room for declarations that no text bore out; an offer gives nothing where no text bears it out. So the record that has it is
rescored. That costs a scoring for each word, so only who shows one pair asks for it. It must not promise a rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from heapq import nsmallest

from matching.accounts import MemberAccount
from matching.analysis import primary_language
from matching.documents import FULL, Declared
from matching.epoch import Epoch
from matching.explaining import TEXT_CODES, declared_part
from matching.explanation import Part
from matching.openings import ProjectState
from matching.queries import STRUCTURED
from matching.records import Member, Offer, Tag, Text
from matching.scoring import PairScore, declaring
from matching.telling import Telling

MOST_TERMS = 12
"""Missing terms of a text that are looked at: those with the largest weights."""

Rescored = Callable[[Member], int]
"""Gives the points of a record that stands nowhere, its new words in sentences of the organisation's own."""


def gaps_of(
    state: ProjectState,
    score: PairScore,
    account: MemberAccount,
    telling: Telling,
    *,
    epoch: Epoch,
    rescored: Rescored,
) -> tuple[Part, ...]:
    """Return what the profile lacks, what gives most first; a gap may give nothing, and in a long text take something off."""
    record, known = account.record, score.points
    words = (
        replace(gap, points=rescored(having(record, [gap])) - known)
        for gap in _words(score, account, telling)
    )
    declared = _declared(state, score, account, telling, epoch=epoch)
    return tuple(sorted((*words, *declared), key=lambda gap: (-gap.points, gap.term)))


def having(record: Member, gaps: Sequence[Part]) -> Member:
    """Return a record that has these too; the words of a text stand at the end of its description, each in a line of its own.

    A region is had by a country, so none can be asked for here.
    """
    words = [gap for gap in gaps if gap.component == "text"]
    if words:
        record = _saying(record, words[0].language, [gap.asked for gap in words])
    for gap in gaps:
        scheme, _, value = gap.term.partition(":")
        if gap.code == "need":
            record = replace(record, offers=(*record.offers, Offer(kind=value)))
        elif gap.code == "tag":
            record = replace(record, tags=(*record.tags, Tag(scheme=scheme, code=value)))
        elif gap.code == "language":
            record = replace(record, languages=(*record.languages, value))
        elif gap.code == "country":
            record = replace(record, operating_countries=(*record.operating_countries, value))
    return record


def _saying(record: Member, language: str, words: Sequence[str]) -> Member:
    """Say words in the description of a language, where there is one: a profile holds one description in each."""
    told, found = "\n".join(words), list(record.descriptions)
    for place, text in enumerate(found):
        if primary_language(text.language) == language:
            found[place] = replace(text, text=f"{text.text}\n{told}")
            return replace(record, descriptions=tuple(found))
    return replace(record, descriptions=(*found, Text(language=language, text=told)))


def _declared(
    state: ProjectState, score: PairScore, account: MemberAccount, telling: Telling, *, epoch: Epoch
) -> Iterator[Part]:
    """Missing needs, places, tags and languages; with a country comes its region, with a region no country."""
    for name in STRUCTURED:
        for term, weight in state.query.structured[name].items():
            if not account.terms.get(term):
                gap = declared_part(state, name, term, weight * FULL, telling, gap=True)
                if gap.code != "region":
                    impacts = Declared.of(having(account.record, [gap]), epoch).impacts
                    points = declaring(state.query, score, impacts, epoch.weights)
                    gap = replace(gap, points=points - score.points)
                yield gap


def _words(score: PairScore, account: MemberAccount, telling: Telling) -> list[Part]:
    if score.version is None:
        return []
    text, wanted = account.document.text, score.version.text
    missing = [(-weight, term) for term, weight in wanted.items() if term[0] != "b" and not text.get(term)]
    gaps = []
    for _, term in nsmallest(MOST_TERMS, missing):
        code, words = TEXT_CODES[term[0]], telling.asked.of(term)
        gaps.append(
            Part(
                component="text",
                code=code,
                points=0,
                term=term,
                asked=words,
                language=score.version.language,
                sentence=telling.phrases.gap(code, words),
            )
        )
    return gaps
