"""The page of the mutants: each rule with the mutants that break it, and the tests and drills that catch them."""

from pathlib import Path

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.rules import PARTS, by_rule

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture" / "mutants.md"

HEAD = """\
# Mutants: each rule broken on purpose

A rule that can be broken without a test noticing is a wish. Below stand the rules of the event backbone, and with each its
*mutants*: the product with that rule broken, made at run time by a test build (`tests/mutants`; the product knows nothing of
it). The tests named fail with it, and `make test` proves that of all but those on a server (their case is `[kafka]`):
`tests/mutants/test_mutants.py` switches on every mutant and runs the tests of its row. It also holds the table of rules (`tests/mutants/rules.py`) against the catalogue: no rule is
without a mutant, no mutant without a rule.

- This page: `python -m tests.mutants --page`. Every test of every row, on real servers too: `python -m tests.mutants`.
- What else fails with one: `python -m pytest --mutant NAME …`. What a drill says of one: the kill drill begins with those below.

The first part is told at length in [the way of an event](event-rules.md), *Workers* in [the matching worker](worker.md).
"""

PART = """
## {part}

| Rule | Mutant | What it does instead | Caught by |
|---|---|---|---|
"""


def page() -> str:
    """Return the page as it has to stand in the docs."""
    mutants = by_rule(tuple(MUTANTS.values()))
    lines = [HEAD]
    for part, rules in PARTS.items():
        lines.append(PART.format(part=part))
        for code, rule in rules.items():
            said = f"**{code}** {rule}"  # once, beside the first of its mutants
            for mutant in mutants[code]:
                lines.append(f"| {said} | `{mutant.name}` | {mutant.how} | {_caught_by(mutant)} |\n")
                said = ""
    return "".join(lines)


def _caught_by(mutant: Mutant) -> str:
    tests = [f"`{_short(test)}`" for test in mutant.tests]
    return "<br>".join(tests + [f"{drill} drill" for drill in mutant.drills])


def _short(test: str) -> str:
    """Return a node id without the folders: the file and the test."""
    path, _, name = test.partition("::")
    return f"{Path(path).name}::{name}" if name else Path(path).name
