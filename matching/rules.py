"""Hard rules: who is no candidate for a project, each with a code and a sentence, in one table.

A rule looks at dates and facts, never at points. Whoever it leaves out is listed with its code; nobody vanishes.
Membership of ITU, category, size and age are deliberately no rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A coded rule and its `bit` in the rules column; its sentence stands in the catalogue of sentences."""

    code: str
    bit: int


RULES: tuple[Rule, ...] = (
    Rule(code="withdrawn", bit=0),
    Rule(code="dormant", bit=1),
    Rule(code="owner", bit=2),
    Rule(code="affiliate_of_owner", bit=3),
    Rule(code="presence_required", bit=4),
)
"""Every hard rule, in the order in which they are applied; the first that fails is the code shown."""

BITS: Mapping[str, int] = {rule.code: rule.bit for rule in RULES}


def codes_of(bits: int) -> tuple[str, ...]:
    """Return the codes of the rules that failed, in order."""
    return tuple(rule.code for rule in RULES if bits >> rule.bit & 1)
