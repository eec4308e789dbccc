"""What the drills stand on: an oracle of its own, and named lines that exist."""

import ast
import re
import sys
from pathlib import Path
from typing import Any

from services.chassis.bus.failpoints import LINES
from tests.drills.judging import ORACLE
from tests.drills.kill import held
from tests.drills.oracle import System, Verdict, judge_feed
from tests.mutants.catalogue import MUTANTS

SERVICES = Path(__file__).resolve().parents[2] / "services"


def test_the_oracle_shares_no_code_with_the_product_or_the_drills() -> None:
    imported = set()
    for node in ast.walk(ast.parse(ORACLE.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or ".").partition(".")[0])
    assert imported <= sys.stdlib_module_names
    assert imported & {"sqlite3", "socket", "subprocess"} == set(), "it speaks only HTTP"


def test_every_named_line_is_listed_and_reached() -> None:
    reached = set()
    for path in SERVICES.rglob("*.py"):
        reached |= set(re.findall(r'await reach\("([a-z_.]+)"\)', path.read_text("utf-8")))
    assert reached == set(LINES)


def test_the_kill_drill_proves_itself_with_six_mutants_at_least() -> None:
    assert sum("kill" in mutant.drills for mutant in MUTANTS.values()) >= 6


def test_the_oracle_finds_what_the_feed_says_twice() -> None:
    said = [("1-1", "a", "1.1"), ("1-2", "b", "1.1"), ("1-3", "a", "1.2"), ("1-4", "b", "1.1")]
    entries = [{"id": place, "subject": subject, "sequence": number} for place, subject, number in said]

    class Told(System):
        def get(self, path: str) -> Any:
            begin = int(path.rpartition("-")[2]) if "-" in path else 0
            return entries[begin : begin + 2]

    judge_feed(Told({}, []), verdict := Verdict())
    assert verdict.doubled == ["the feed's entry 1.1 of b"]


def test_the_kill_drill_says_nothing_of_mutants_where_none_was_drilled() -> None:
    """A line that counts as passed has to have been able to fail."""
    sound = {"lost": 0, "doubled": 0, "lists_identical": True}
    assert held(sound, {}) == {"nothing lost": True, "nothing doubled": True, "lists identical": True}
    assert held(sound, {"one": None})["catches 1 of the mutants"] is False
    assert held(sound, {"one": "lost"})["catches 1 of the mutants"] is True
