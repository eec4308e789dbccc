"""Runs the tests of each mutant with the mutant switched on, in one process, and notes which of them failed.

A pytest plugin: every test is run once for each mutant that names it, with the mutant's patch around it, and is reported
as failed with a mutant or not. Starting the tests once is what makes a trial of all mutants take seconds.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

from tests.mutants.mutant import Mutant

MUTANTS_FOLDER = Path(__file__).resolve().parent
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 15  # a test that hangs with a mutant has failed; without one, the longest takes two


class Trial:
    """What a run found: mutant → tests that failed with it, and the tests that were there to be run."""

    def __init__(self, wanted: Mapping[str, Sequence[Mutant]]) -> None:
        self._wanted = wanted
        self.caught: dict[str, list[str]] = defaultdict(list)
        self.fallen: set[str] = set()  # mutants that broke off themselves: no rule was broken
        self.run: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        del nextitem
        for mutant in self._named(item.nodeid):
            item._initrequest()  # the fixtures of the run before have ended
            with pytest.MonkeyPatch.context() as patch:
                mutant.patch(patch)
                reports = runtestprotocol(item, log=False, nextitem=None)
            self.run.add(item.nodeid)
            failed = [report for report in reports if report.failed and report.when == "call"]
            if any(_fell_over(report) for report in failed):
                self.fallen.add(mutant.name)
            elif failed and item.nodeid not in self.caught[mutant.name]:
                self.caught[mutant.name].append(item.nodeid)
        return True

    def _named(self, node: str) -> Iterable[Mutant]:
        """Return the mutants that name this test, or the function whose case it is, or its module."""
        names = {node, node.partition("[")[0], node.partition("::")[0]}
        return [mutant for name in sorted(names) for mutant in self._wanted.get(name, ())]


def _fell_over(report: pytest.TestReport) -> bool:
    """Whether a mutant's own fault ended the test: raised by its line, or because it is not what its place asks for."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash is not None and (
        Path(crash.path).resolve().parent == MUTANTS_FOLDER
        or crash.message.startswith(("TypeError", "AttributeError", "NameError"))
    )


def trial(wanted: Mapping[str, Sequence[Mutant]], *options: str) -> Mapping[str, Sequence[str]]:
    """Run each test with each of its mutants; mutant → the tests that caught it. Raises LookupError for unknown tests."""
    found = Trial(wanted)
    settings.register_profile(
        "trial", phases=[Phase.explicit, Phase.generate]
    )  # the shortest way is not asked for
    settings.load_profile("trial")
    arguments = [
        *(
            "-q",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
            "-W",  # a test that a mutant broke off leaves clients of Kafka open
            "ignore::pytest.PytestUnraisableExceptionWarning",
            f"--rootdir={ROOT}",
        ),
        *(f"--timeout={SECONDS}", "--no-header", "--tb=no", *options),
        *sorted(wanted),
    ]
    said = StringIO()
    with redirect_stdout(said):
        code = pytest.main(arguments, plugins=[found])
    missing = [test for test in wanted if not any(node.startswith(test) for node in found.run)]
    if missing or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise LookupError(f"These tests were not run: {missing}. {said.getvalue()[-2_000:]}")
    if found.fallen:
        raise LookupError(f"These mutants fell over before they broke anything: {sorted(found.fallen)}.")
    return found.caught
