"""Every rule can be broken, and somebody notices: each has a mutant, and each test that its row names fails with it."""

import subprocess
import sys

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.page import PAGE, page
from tests.mutants.rules import RULES
from tests.mutants.trial import ROOT


def test_the_page_is_the_generated_one() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m tests.mutants --page"


def test_no_rule_is_without_a_mutant_and_no_mutant_without_a_rule() -> None:
    """Against the design's rules: R1 to R9, and each sentence of its parts on topics and on workers."""
    assert [code for code in RULES if code.startswith("R")] == [f"R{number}" for number in range(1, 10)]
    assert {one.rule for one in MUTANTS.values()} == RULES.keys()
    assert all(one.tests for one in MUTANTS.values())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_mutant_is_caught_by_every_test_that_the_page_names() -> None:
    """All that need no server; in a process of its own: what a mutant leaves behind must not reach the other tests."""
    tried = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--no-servers"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    verdicts = [line.partition("  ")[0] for line in tried.stdout.splitlines()]
    assert verdicts.count("caught") + verdicts.count("needs a server") == sum(
        len(one.tests) for one in MUTANTS.values()
    )
