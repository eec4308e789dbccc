"""Every rule can be broken, and somebody notices: each has a mutant, and each test that its row names fails with it."""

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant
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


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_mutant_can_be_called_as_what_it_stands_for(mutant: Mutant) -> None:
    """Else a test fails with it because it cannot be called, and proves nothing of the rule."""
    for name, replaced, instead in replacements(mutant):
        positional, named = fullest_call(replaced)
        try:
            inspect.signature(instead).bind(*positional, **named)
        except TypeError as error:
            pytest.fail(
                f"{name}{inspect.signature(replaced)} is replaced by {inspect.signature(instead)}: {error}"
            )


def replacements(mutant: Mutant) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """Yield what a mutant replaces by something else: its name, what stood there, and what stands there with the mutant."""
    with pytest.MonkeyPatch.context() as patch:
        mutant.patch(patch)
        with_mutant = [(at, name, inspect.getattr_static(at, name, None)) for at, name, _ in patch._setattr]
    for at, name, instead in with_mutant:
        pair = [getattr(one, "__func__", one) for one in (inspect.getattr_static(at, name, None), instead)]
        if all(inspect.isroutine(one) for one in pair):
            yield f"{at.__name__}.{name}", pair[0], pair[1]


def fullest_call(function: Callable[..., Any]) -> tuple[list[str], dict[str, str]]:
    """Return arguments for everything that a function takes, by place where it can be."""
    parameters = inspect.signature(function).parameters.values()
    places = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return [one.name for one in parameters if one.kind in places], {
        one.name: one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY
    }


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
