"""Through which of its own words a document reached a concept, asked of a few terms of a text that is counted in no other way.

What: exactly what `documents` says of the same fields: the own impacts of single domain terms, and the strongest of the concepts
that are asked about. Why apart: whoever tells ten thousand pairs asks of five terms each, and counting every word of a text for
that is what an explanation costs. It must not differ from the plain form in any integer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from matching.analysis import FieldStems
from matching.chinese import UNSPACED
from matching.documents import bridge_to, lengths_of, saturated, strongest
from matching.epoch import Epoch

_APART = " \n "
"""Stands between the runs of a field: no term goes over it."""


class DomainWords:
    """The domain terms of one document's own words, those of a concept looked for when it is asked about."""

    def __init__(self, fields: Sequence[FieldStems], *, kind: str, epoch: Epoch) -> None:
        self._fields = fields
        self._kind = kind
        self._epoch = epoch
        self._impacts: dict[str, Mapping[str, int]] = {}

    def bridged_from(self, term: str) -> str:
        """Return the own term that a domain term was reached through, empty where it stands there itself and is as strong."""
        lexicon, own = self._epoch.lexicon, dict[str, int]()
        for concept in lexicon.concepts_of(term):
            own |= self._own(concept)
        impact, source = bridge_to(term, strongest(own, lexicon), lexicon)
        return source if impact > own.get(term, 0) else ""

    def _own(self, concept: str) -> Mapping[str, int]:
        """Return the impacts of those terms of a concept that the document's own words make."""
        found = self._impacts.get(concept)
        if found is None:
            counts = [
                {one[0]: times for one in sayable if (times := count(one))}
                for field, count in zip(self._fields, self._counts, strict=True)
                for sayable in (self._epoch.lexicon.sayable(concept, field.language),)
            ]
            found = self._impacts[concept] = (
                saturated(self._fields, counts, self._lengths, kind=self._kind, epoch=self._epoch)
                if any(counts)
                else {}
            )
        return found

    @cached_property
    def _counts(self) -> list[Callable[[tuple[str, str]], int]]:
        """What counts a term, given by index term and words, in each field."""
        return [self._count_in(field) for field in self._fields]

    def _count_in(self, field: FieldStems) -> Callable[[tuple[str, str]], int]:
        if field.language == UNSPACED:
            lexicon = self._epoch.lexicon
            met = Counter(term.key for run in field.runs for term in lexicon.held(run.split(" ")))
            return lambda one: met[one[0]]
        said = f" {_APART.join(field.runs)} "
        return lambda one: _occurrences(said, one[1])

    @cached_property
    def _lengths(self) -> Mapping[str, int]:
        return lengths_of(self._fields)


def _occurrences(said: str, words: str) -> int:
    """Count the places at which words stand, also where they overlap; both have a space at each end."""
    count, place = 0, said.find(words)
    while place >= 0:
        count += 1
        place = said.find(words, place + 1)
    return count
