"""The judgements, written before any engine ran, against the engine under the epoch that ships."""

import json
from pathlib import Path

import pytest

from matching.engine import Engine
from matching.epoch import Epoch
from matching.lists import RankedList
from services.chassis.reference import load_reference
from services.console.corpus import read_corpus
from services.console.loading import DEMO_FOLDER
from services.matches.commands import first_epoch

DAY = "2026-11-24"
JUDGED = json.loads((DEMO_FOLDER / "judged.json").read_text("utf-8"))["judged"]


@pytest.fixture(scope="module")
def lists() -> dict[str, RankedList]:
    corpus = read_corpus(Path(DEMO_FOLDER), load_reference())
    engine = Engine(Epoch.loads(first_epoch(None)))
    for member in corpus.members:
        engine.put_member(member)
    for project in corpus.projects:
        engine.put_project(project)
    view = engine.pin()
    return {one["initiative"]: view.rank(one["initiative"], DAY) for one in JUDGED}


def test_ten_initiatives_are_judged_with_five_and_five() -> None:
    assert len(JUDGED) == 10
    assert all(len(one["first_ten"]) == len(one["not_first_ten"]) == 5 for one in JUDGED)


def test_who_belongs_in_the_first_ten_is_there(lists: dict[str, RankedList]) -> None:
    ranks = {
        (one["title"], judged["name"]): lists[one["initiative"]].position_of(judged["organisation"])
        for one in JUDGED
        for judged in one["first_ten"]
    }
    assert {pair: rank for pair, rank in ranks.items() if rank > 10} == {}


@pytest.mark.parametrize("one", JUDGED, ids=lambda one: one["title"][:30])
def test_nobody_who_must_not_is_in_the_first_ten(lists: dict[str, RankedList], one: dict) -> None:
    first = lists[one["initiative"]].members[:10]
    assert [judged["name"] for judged in one["not_first_ten"] if judged["organisation"] in first] == []


def test_the_printed_initiative_has_eighty_eligible_candidates(lists: dict[str, RankedList]) -> None:
    printed = json.loads((DEMO_FOLDER / "judged.json").read_text("utf-8"))["printed"]
    assert len(lists[printed]) >= 80
