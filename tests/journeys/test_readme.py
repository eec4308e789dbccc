"""README.md shows what the demo prints: the same epoch, the same rows, the same points."""

import re

import pytest

from matching.epoch import Epoch
from services.matches.commands import first_epoch
from tests.journeys.conftest import WHY, Demo
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


def test_what_the_tour_publishes_is_ranked_as_it_says(demo: Demo) -> None:
    printed = own_project(demo.token("MANAGER"), demo.addresses[""])
    assert printed in BLOCK.findall(README.read_text("utf-8")), AGAIN
    title = "Solar links for forty rural schools"
    with demo.connection() as admin:  # the other journeys know the demo's own lists
        (made,) = [
            one for one in admin.items("/v1/projects?limit=200", "items") if one["titles"][0]["text"] == title
        ]
        path = f"/v1/projects/{made['id']}"
        seen = {"If-Match": f'"{made["revision"]}"'}
        body = {"reason": "It was made to try things out."}
        assert admin.send("POST", f"{path}/withdraw", body=body, headers=seen).status_code == 200
