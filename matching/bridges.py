"""Through which of its own words a document reached a concept, asked of a few terms of a text that is counted in no other way.

What: exactly what `documents` says of the same fields: the own impacts of single domain terms, and the strongest of the concepts
that are asked about. Why apart: whoever tells ten thousand pairs asks of five terms each, and counting every word of a text for
that is what an explanation costs. It must not differ from the plain form in any integer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from matching.analysis import FieldStems
from matching.documents import bridge_to, own_impacts, saturated
from matching.epoch import Epoch, language_of
from matching.lexicon import UNSPACED
from matching.tokens import NEUTRAL


class DomainWords:
    """The domain terms of one document's own words, each looked for when it is asked about."""

    def __init__(self, fields: Sequence[FieldStems], *, kind: str, epoch: Epoch) -> None:
        self._fields = fields
        self._kind = kind
        self._epoch = epoch
        self._impacts: dict[str, int] = {}

    def bridged_from(self, term: str) -> str:
        """Return the own term that a domain term was reached through, empty where it stands there itself and is as strong."""
        lexicon = self._epoch.lexicon
        held = {name: here for name in lexicon.concepts_of(term) if (here := self._strongest(name))}
        impact, source = bridge_to(term, held, lexicon)
        return source if impact > self.impact(term) else ""

    def impact(self, term: str) -> int:
        """Return the impact of a domain term by the document's own words, 0 where they do not make it."""
        found = self._impacts.get(term)
        if found is None:
            found = self._impacts[term] = self._looked_for(term)
        return found

    def _strongest(self, concept: str) -> dict[str, tuple[int, str]]:
        """Return the strongest own term of a concept in each language."""
        found: dict[str, tuple[int, str]] = {}
        for one in self._epoch.lexicon.concepts[concept].terms:
            impact = self.impact(one.key)
            if impact:
                found[one.language] = max(found.get(one.language, (0, "")), (impact, one.key))
        return found

    def _looked_for(self, term: str) -> int:
        language = language_of(term)
        said = f" {term[3 + len(language) :]} "
        if not language:  # made of names: in the words of any language, and weighed together with them
            here = any(said in f" {run} " for field in self._fields for run in field.runs)
            return self._all.get(term, 0) if here else 0
        mine = [field for field in self._fields if field.language == language]
        if language == UNSPACED:
            return self._all.get(term, 0) if mine else 0
        weights, count = self._epoch.weights, 0
        for field in mine:
            times = sum(_occurrences(f" {run} ", said) for run in field.runs)
            count += weights.member_fields[field.name] * min(times, weights.field_cap)
        if not count:
            return 0
        length = sum(_words(run) for field in mine for run in field.runs)
        return saturated(count, length, language, kind=self._kind, epoch=self._epoch)

    @cached_property
    def _all(self) -> Mapping[str, int]:
        return own_impacts(self._fields, kind=self._kind, epoch=self._epoch)


def _occurrences(run: str, said: str) -> int:
    """Count the places at which words stand in a run, also where they overlap; both have a space at each end."""
    count, place = 0, run.find(said)
    while place >= 0:
        count += 1
        place = run.find(said, place + 1)
    return count


def _words(run: str) -> int:
    """Count the words of a run, without names."""
    return run.count(" ") + 1 - run.startswith(NEUTRAL) - run.count(f" {NEUTRAL}")
