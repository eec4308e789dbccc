"""The page of the mutants: each with the rule that it breaks, and the tests and drills that catch it."""

from pathlib import Path

from tests.mutants.catalogue import MUTANTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture" / "mutants.md"

HEAD = """\
# Mutants: each rule broken on purpose

A rule that can be broken without a test noticing is a wish. Each row below is a *mutant*: the product with one rule broken, made
at run time by a test build (`tests/mutants`; the product knows nothing of it). The tests named fail with it, and `make test`
proves that: `tests/mutants/test_mutants.py` switches on every mutant and runs the first test of its row.

- This page: `python -m tests.mutants --page`. Every test of every row, on real servers too: `python -m tests.mutants`.
- What else fails with one: `python -m pytest --mutant NAME …`. What a drill says of one: the kill drill begins with those below.

R1 to R9 are the [event rules](event-rules.md).

| Mutant | Rule | What it does instead | Caught by |
|---|---|---|---|
"""


def page() -> str:
    """Return the page as it has to stand in the docs."""
    lines = []
    for mutant in MUTANTS.values():
        tests = [f"`{_short(test)}`" for test in mutant.tests] + [f"{drill} drill" for drill in mutant.drills]
        lines.append(f"| `{mutant.name}` | {mutant.rule} | {mutant.how} | {'<br>'.join(tests)} |\n")
    return HEAD + "".join(lines)


def _short(test: str) -> str:
    """Return a node id without the folders: the file and the test."""
    path, _, name = test.partition("::")
    return f"{Path(path).name}::{name}" if name else Path(path).name
