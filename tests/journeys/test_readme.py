"""README.md shows what the demo prints: the same epoch, the same rows, the same points."""

import re
from pathlib import Path

import pytest

from matching.epoch import Epoch
from services.matches.commands import first_epoch
from tests.journeys.conftest import WHY, Demo, started
from tests.journeys.tour import BLOCK, README, figures, lasting, own_project, shown

pytestmark = [pytest.mark.xdist_group("journeys"), pytest.mark.timeout(900)]
AGAIN = "run: python -m tests.journeys.tour"


def test_the_tour_names_the_epoch_that_ships_and_counts_what_is_loaded() -> None:
    text = README.read_text("utf-8")
    epoch = Epoch.loads(first_epoch(None)).hash[:12]
    assert set(re.findall(r"epoch ([0-9a-f]{12})", text)) == {epoch}, AGAIN
    found = figures()
    assert (
        f"{found['initiatives']} real initiatives and {found['organisations']} fictional organisations"
        in text
    )


def test_the_tour_is_what_the_demo_prints(demo: Demo) -> None:
    text = README.read_text("utf-8")
    assert WHY.findall(text) == WHY.findall(demo.printed) != [], AGAIN
    there = [lasting(block) for block in BLOCK.findall(text)]
    assert len(there) == 5
    for block in shown(demo.printed, demo.why):
        assert lasting(block) in there, AGAIN
    candidates = re.search(r"^(\d+) candidates", demo.printed, re.MULTILINE)
    assert candidates
    assert f"The whole list has {candidates[1]} rows" in text


def test_what_the_tour_publishes_is_ranked_as_it_says(tmp_path: Path) -> None:
    """Beside a demo of its own: of the one that the journeys share, some revise profiles."""
    with started("demo", "--port", "0", folder=tmp_path / "var") as serving:
        serving.said("Serving until Ctrl-C")
        printed = own_project(serving.stdout.read_text("utf-8"))
    assert printed in BLOCK.findall(README.read_text("utf-8")), AGAIN
