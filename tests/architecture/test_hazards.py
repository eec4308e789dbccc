"""The page of hazards, the mutants and the conformance suite are whole: each names what there is."""

import re
from pathlib import Path

from tests.mutants.catalogue import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
BUS = ROOT / "services" / "chassis" / "bus"


def names_of_tests() -> set[str]:
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        found |= set(re.findall(r"def (test_\w+)", path.read_text("utf-8")))
    return found


def test_each_hazard_has_a_rule_code_and_a_test_that_exist() -> None:
    page = (ROOT / "docs" / "architecture" / "hazards.md").read_text("utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| H")]
    assert [row[1].strip() for row in rows] == [f"H{number}" for number in range(1, 16)]
    there = names_of_tests()
    for _, number, _, rule, code, tests, _ in rows:
        assert rule.strip(), number
        for name in re.findall(r"`([\w/]+\.py)`", code):
            assert (BUS / name).is_file() or (BUS.parent / name).is_file(), (number, name)
        named = re.findall(r"`(test_\w+)`", tests)
        assert named, number
        assert set(named) <= there, (number, set(named) - there)


def test_each_mutant_names_tests_that_exist() -> None:
    """Told here, in seconds: whoever renames a test need not try every mutant to hear of it."""
    for mutant in MUTANTS.values():
        for test in mutant.tests:
            path, _, name = test.partition("[")[0].partition("::")
            text = (ROOT / path).read_text("utf-8")
            assert re.search(rf"def {name}\(" if name else "def test_|TestCase", text), (mutant.name, test)


def test_each_scenario_of_the_conformance_suite_is_there() -> None:
    found = {
        int(number)
        for path in (ROOT / "tests" / "conformance").glob("test_*.py")
        for number in re.findall(r"def test_c(\d\d)_", path.read_text("utf-8"))
    }
    assert found == set(range(1, 32))
