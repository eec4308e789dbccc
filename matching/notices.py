"""What a notice says of many organisations about one project: the words that each shares with it, and its reasons.

*What.* What the indexes hold of all of them is met with what the project asks for, and their words with its own, in one
pass each; then each pair is scored once, and worded in every language that is asked for. *Why apart from a page.* No part is named, no
text is analysed, and of words that the project does not ask for nothing is made. *Never:* say anything else than `explaining`
does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from matching.accounts import Accounts, MemberAccount
from matching.documents import Declared, EvidenceDocument, MemberDocument
from matching.explaining import reasons_of, shared_words
from matching.kernel import Asked
from matching.members import MemberState
from matching.openings import ProjectState
from matching.scoring import PairScore, score_pair
from matching.sentences import Phrases
from matching.telling import Telling
from matching.weights import Weights

_NOTHING = Declared(needs={}, places={}, tags={}, languages={})  # it stands in the profile


class Notices:
    """A project and some organisations; made by any thread, asked by one at a time, as the analyser is."""

    def __init__(
        self,
        state: ProjectState,
        members: Iterable[MemberState],
        *,
        accounts: Accounts,
        phrases: Callable[[str], Phrases],
        weights: Weights,
    ) -> None:
        self._state = state
        self._members = {one.record.id: one for one in members}
        self._accounts = accounts
        self._phrases = phrases
        self._weights = weights
        self._tellings: dict[str, Telling] = {}
        self._impacts: dict[str, dict[str, Mapping[str, int]]] = {}
        self._quoting: dict[str, set[str]] = {}
        self._meet()

    def of(self, member: str, languages: Iterable[str]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return, by language, the words that a pair shares and its reasons: those of `View.explain`. KeyError if unknown."""
        account, score = self._scored(self._members[member])
        return {
            language: (
                shared_words(telling, score=score),
                reasons_of(self._state, account, telling, score=score),
            )
            for language in languages
            for telling in (self._telling(language),)
        }

    def reasons(self, member: str, language: str) -> tuple[str, ...]:
        """Return the reasons alone, and keep them for whoever asks next. KeyError if unknown."""
        here, asked = self._members[member], self._state.record
        told = self._accounts.told(asked, here.record, language)
        if told is not None:
            return told
        account, score = self._scored(here)
        reasons = reasons_of(self._state, account, self._telling(language), score=score)
        return self._accounts.keep_told(asked, here.record, language, reasons)

    def _scored(self, here: MemberState) -> tuple[MemberAccount, PairScore]:
        account = self._account(here)
        reading = account.read_by(self._state.quoting)
        query = self._state.query
        return account, score_pair(query, account.document, self._weights, reading=reading, pairs=here.pairs)

    def _telling(self, language: str) -> Telling:
        found = self._tellings.get(language)
        if found is None:
            asked = self._accounts.of_project(self._state.record)
            found = self._tellings[language] = Telling(asked, self._phrases(language))
        return found

    def _meet(self) -> None:
        """Name what the project asks for of every document, and find those that quote it."""
        documents = [
            (here.record.id, document, asked, stems)
            for here in self._members.values()
            if here.stems is not None
            for (document, stems), asked in zip(
                here.stems.documents, (here.profile, *here.items), strict=True
            )
        ]
        impacts = _named([asked for _, _, asked, _ in documents], self._state.terms)
        for (member, document, _, _), found in zip(documents, impacts, strict=True):
            self._impacts.setdefault(member, {})[document] = found
        for place in self._state.quoting.which_quote([stems for _, _, _, stems in documents]):
            member, document, _, _ = documents[place]
            self._quoting.setdefault(member, set()).add(document)

    def _account(self, here: MemberState) -> MemberAccount:
        if here.stems is None:
            return self._accounts.of_member(here.record)
        impacts = self._impacts[here.record.id]
        items = (item for item, _ in here.stems.items)
        document = MemberDocument(
            text=impacts[""],
            declared=_NOTHING,
            evidence=tuple(
                EvidenceDocument(id=one, impacts=impacts[one], words=frozenset()) for one in items
            ),
        )
        fields, quotes = here.stems.fields_by(self._state.quoting), self._quoting.get(here.record.id, ())
        return self._accounts.of_met(here.record, fields, document, quotes=quotes)


def _named(documents: Sequence[Asked], terms: Mapping[int, str]) -> list[dict[str, int]]:
    """Return the impacts of those terms of each document that have a name here."""
    found: list[dict[str, int]] = [{} for _ in documents]
    if documents:
        numbers, impacts = (np.concatenate(column) for column in zip(*documents, strict=True))
        places = np.repeat(np.arange(len(documents)), [len(one) for one, _ in documents])
        met = np.flatnonzero(np.isin(numbers, np.fromiter(terms, np.int32, len(terms))))
        columns = (column[met].tolist() for column in (places, numbers, impacts))
        for place, number, impact in zip(*columns, strict=True):
            found[place][terms[number]] = impact
    return found
