"""Analysis: texts become ordered stems, per field and language, and nothing more.

The result is archived with each revision, so it holds no lexicon and no statistics: those belong to an epoch and may
change while the text does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matching.records import Member, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldStems:
    """The stems of one field in one language: `runs` are sentences, each a space-joined string of tokens.

    A token that starts with ``=`` is a name, acronym, number or code and has no language.
    """

    name: str
    language: str
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """Ordered stems of one revision: its own fields, and those of each evidence item by its id."""

    analyser: int
    fields: tuple[FieldStems, ...]
    evidence: tuple[tuple[str, tuple[FieldStems, ...]], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Write ``{analyser, fields: [[name, language, [run, ...]], ...], evidence: [[id, fields], ...]}``."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Analysed:
        """Read what `to_json` wrote."""
        raise NotImplementedError


class Analyser:
    """The six languages' analysis with a cache by text; one instance per process, used by one thread at a time."""

    number: int

    def analyse_member(self, member: Member) -> Analysed:
        """Analyse an organisation's texts; fields named in `constants` are left out."""
        raise NotImplementedError

    def analyse_project(self, project: Project) -> Analysed:
        """Analyse a project's texts, needs included."""
        raise NotImplementedError

    def golden_hash(self) -> str:
        """Return the hash of this analyser's outputs over the golden texts of all six languages."""
        raise NotImplementedError


def prove_analyser() -> Analyser:
    """Return an analyser that reproduces its declared golden outputs; RuntimeError if this machine's does not."""
    raise NotImplementedError
