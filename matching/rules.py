"""Hard rules: who is no candidate for a project, each with a code and a sentence, in one table.

A rule looks at dates and facts, never at points. Whoever it leaves out is listed with its code; nobody vanishes.
Membership of ITU, category, size and age are deliberately no rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A coded rule: `bit` in the rules column, `sentence` for people ({reason} is the project's published reason)."""

    code: str
    bit: int
    sentence: str


RULES: tuple[Rule, ...] = (
    Rule(code="withdrawn", bit=0, sentence="The organisation has withdrawn its profile."),
    Rule(code="dormant", bit=1, sentence="The profile is dormant: it was not reviewed by its date."),
    Rule(code="owner", bit=2, sentence="The organisation owns this project."),
    Rule(
        code="affiliate_of_owner",
        bit=3,
        sentence="The organisation belongs to the same group as the owner of this project.",
    ),
    Rule(
        code="presence_required",
        bit=4,
        sentence="The project requires presence in its countries or regions, and the profile names no headquarters or "
        "operations there. Published reason: {reason}",
    ),
)
"""Every hard rule, in the order in which they are applied; the first that fails is the code shown."""

BITS: Mapping[str, int] = {rule.code: rule.bit for rule in RULES}


def codes_of(bits: int) -> tuple[str, ...]:
    """Return the codes of the rules that failed, in order."""
    return tuple(rule.code for rule in RULES if bits >> rule.bit & 1)


def sentences_of(codes: Iterable[str], reason: str) -> tuple[str, ...]:
    """Return a plain sentence for each code."""
    by_code = {rule.code: rule.sentence for rule in RULES}
    return tuple(by_code[code].format(reason=reason or "none was given.") for code in codes)
