"""How the pairs of one project are told in one language: what is said of its own words and of what it asks for, said once.

Whoever tells ten thousand organisations of a project says the same few words and sentences to all of them. Only what depends on
the project and the language stands here; nothing of an organisation, and no points.
"""

from __future__ import annotations

from matching.queries import STRUCTURED
from matching.sentences import Phrases
from matching.wording import Wording

_CODES = {"offer": "need", "country": "country", "region": "region", "lang": "language"}


class Telling:
    """The words of a project's text (`asked`) and the sentences of a language; asked by one thread at a time."""

    def __init__(self, asked: Wording, phrases: Phrases) -> None:
        self.asked = asked
        self.phrases = phrases
        self._quoted: dict[str, str] = {}
        self._declared: dict[tuple[str, str], tuple[str, str, str]] = {}

    def quoted(self, term: str) -> str:
        """Return the project's words for a term of its text, in quotation marks."""
        found = self._quoted.get(term)
        if found is None:
            found = self._quoted[term] = self.phrases.quoted(self.asked.of(term))
        return found

    def declared(self, component: str, term: str) -> tuple[str, str, str]:
        """Return code, words and sentence of a need, place, tag or language that both sides have."""
        found = self._declared.get((component, term))
        if found is None:
            by_scheme = component in STRUCTURED and component != "tags"
            code = _CODES.get(term.partition(":")[0], "tag") if by_scheme else "tag"
            words = self.phrases.name(term, code=code)
            found = code, words, self.phrases.part(code, asked=words, found=words)
            self._declared[component, term] = found
        return found
