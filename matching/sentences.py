"""The one catalogue of sentences: what a part, a label, a step or a rule says, in plain words, in six languages.

People read these; programs read the codes. The sentences stand in `data/sentences.json`, each language with the same
keys; nothing else in the tree words a reason of the ranking, and no score hangs on a word of it.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

LANGUAGES = ("en", "fr", "es", "ru", "ar", "zh")
"""English first: what a language lacks would be said in it."""

MOST_LISTED = 5
"""How many words a reason names."""

_NO_NAMES: Mapping[str, str] = {}


class Phrases:
    """The sentences of one language. `names` gives the words for terms that stand for codes (``country:KEN``: Kenya)."""

    def __init__(
        self, language: str, templates: Mapping[str, str], names: Mapping[str, str] = _NO_NAMES
    ) -> None:
        self.language = language
        self._templates = templates
        self._names = names

    def naming(self, names: Mapping[str, str]) -> Phrases:
        """Return the same sentences with names for codes."""
        return Phrases(self.language, self._templates, names)

    def part(self, code: str, *, asked: str = "", found: str = "", fields: Sequence[str] = ()) -> str:
        """Say what gave points."""
        return self._said(f"part.{code}", asked=asked, found=found, fields=self._fields(fields))

    def gap(self, code: str, asked: str) -> str:
        """Say what is missing."""
        return self._said(f"gap.{code}", asked=asked)

    def label(self, name: str) -> str:
        """Say what a label means."""
        return self._said(f"label.{name}")

    def step(self, name: str) -> str:
        """Say what a placement step did."""
        return self._said(f"step.{name}")

    def lane(self) -> tuple[str, str]:
        """Name the lane beside a list, and say by what an organisation stands in it."""
        return self._said("lane.label"), self._said("lane.rule")

    def rule(self, code: str, reason: str) -> str:
        """Say why a hard rule leaves a candidate out; `reason` is the project's own, empty if it gave none."""
        return self._said(f"rule.{code}", reason=reason or self._said("rule.no_reason"))

    def common_words(self, words: Sequence[str]) -> str:
        """Say which words both texts have; they are quoted already."""
        return self._said("reason.words", words=self._listed(words))

    def evidence(self, title: str, words: Sequence[str]) -> str:
        """Say which words an evidence item has in common with the project; they are quoted already."""
        return self._said("reason.evidence", title=title, words=self._listed(words))

    def quotation(self, code: str, words: int, fields: Sequence[str]) -> str:
        """Say that so many words of a document are the project's own text (``quoted``) or nothing but its words (``added``)."""
        return self._said(f"part.{code}", words=words, fields=self._fields(fields))

    def quoted_evidence(self, title: str, words: int) -> str:
        """Say that so many words of an evidence item are the project's own text."""
        return self._said("reason.quoted_evidence", title=title, words=words)

    def duplicate(self, title: str, other: str) -> str:
        """Say that an evidence item does not count beside one that says nearly the same."""
        return self._said("part.duplicate", title=title, other=other)

    def uncounted(self, code: str, count: int) -> str:
        """Say how many evidence items are on the subject beyond those that count (``further``), or too little so (``below``)."""
        return self._said(f"part.{code}", count=count)

    def nothing(self) -> str:
        """Say that nothing is in common."""
        return self._said("reason.nothing")

    def earlier(self) -> str:
        """Say that a list is not explained any more, for want of the analyser that it was ranked by."""
        return self._said("reason.earlier")

    def what_if(self, code: str, asked: Sequence[str], rank: int) -> str:
        """Say what rank a change would give: words in the profile, or an offer, a tag, a language."""
        if code == "words":
            return self._said(
                "what_if.words", words=self._listed([self.quoted(word) for word in asked]), rank=rank
            )
        return self._said(f"what_if.{code}", asked=asked[0], rank=rank)

    def quoted(self, word: str) -> str:
        """Write a word in quotation marks."""
        return self._said("text.quoted", word=word)

    def pair(self, asked: str, found: str) -> str:
        """Write the two words that met across a bridge."""
        return self._said("text.pair", asked=asked, found=found)

    def name(self, term: str, *, code: str) -> str:
        """Return the words for a term that stands for a code; a tag that has none is shown as it is."""
        value = term.partition(":")[2]
        if code == "need":
            return self._templates.get(f"offer.{value}", value.replace("_", " "))
        if code == "region":
            return self._names.get(term) or self._templates.get(f"region.{value}", value)
        return self._names.get(term) or (term if code == "tag" else value.replace("_", " "))

    def _fields(self, names: Sequence[str]) -> str:
        said = [self._templates.get(f"field.{name}", name) for name in names or ("profile",)]
        return self._said("text.and").join(said)

    def _listed(self, words: Sequence[str]) -> str:
        return self._said("text.comma").join(words)

    def _said(self, key: str, **values: Any) -> str:
        template = self._templates[key]
        return template.format(**values) if values else template


@cache
def phrases_in(language: str) -> Phrases:
    """Return the sentences of one of LANGUAGES; KeyError for another."""
    content = importlib.resources.files("matching").joinpath("data/sentences.json").read_bytes()
    return Phrases(language, json.loads(content)[language])
