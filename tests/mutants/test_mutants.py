"""Every rule can be broken, and somebody notices: the cheapest test of each mutant fails with it."""

import subprocess
import sys

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.page import PAGE, page
from tests.mutants.trial import ROOT


def test_the_page_is_the_generated_one() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m tests.mutants --page"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_mutant_is_caught_by_its_first_test() -> None:
    """In a process of its own: what a mutant leaves behind must not reach the other tests."""
    tried = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--first"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert tried.stdout.count("caught") + tried.stdout.count("needs a server") == len(MUTANTS)
