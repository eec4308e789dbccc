"""A project's emphasis: the same total divided otherwise, within published bounds, and never against newcomers."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from matching.emphasis import budgets_of
from matching.engine import Engine
from matching.epoch import Epoch
from matching.lists import COMPONENTS
from matching.weights import Weights
from tests.matching.builders import DAY, MEMBERS, PROJECTS, project

ALL = dict.fromkeys(COMPONENTS, True)
ENDS = [dict(zip(COMPONENTS, ends, strict=True)) for ends in product((500, 2000), repeat=len(COMPONENTS))]


def test_without_an_emphasis_the_budgets_are_the_published_ones() -> None:
    weights = Weights()
    assert budgets_of(ALL, {}, weights) == weights.budgets
    assert budgets_of(ALL, dict.fromkeys(COMPONENTS, 1000), weights) == weights.budgets
    without = budgets_of(ALL | {"needs": False}, {}, weights)
    assert without == {**weights.budgets, "needs": 0}


@pytest.mark.parametrize("emphasis", ENDS, ids=lambda one: "-".join(map(str, one.values())))
def test_the_total_stays_and_evidence_has_half_of_it_at_most(emphasis: dict[str, int]) -> None:
    weights = Weights()
    budgets = budgets_of(ALL, emphasis, weights)
    total = sum(weights.budgets.values())
    assert total - len(COMPONENTS) < sum(budgets.values()) <= total
    assert 2 * budgets["evidence"] <= total
    assert all(budgets.values())


def test_what_is_asked_beyond_the_published_bounds_is_held_within_them() -> None:
    weights = Weights()
    most, beyond = ({"places": percent} for percent in (2000, 9000))
    assert budgets_of(ALL, beyond, weights) == budgets_of(ALL, most, weights) != weights.budgets
    fixed = replace(weights, emphasis={"least": 1000, "most": 1000})
    assert budgets_of(ALL, beyond, fixed) == weights.budgets


def test_a_table_before_version_9_has_no_emphasis_and_reads_and_writes_as_it_did() -> None:
    body = Weights().to_json()
    del body["emphasis"]
    before = Weights.from_json(body)
    assert before.to_json() == body
    assert budgets_of(ALL, {"places": 2000}, before) == before.budgets


@pytest.mark.parametrize(
    "wrong", [{"least": 0, "most": 2000}, {"least": 1001, "most": 2000}, {"least": 500, "most": 999}]
)
def test_bounds_that_are_none_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="emphasis"):
        replace(Weights(), emphasis=wrong)


@pytest.mark.parametrize(
    "emphasis",
    [{"places": 2000}, {"evidence": 2000, "text": 500}, {"text": 2000, "evidence": 500, "needs": 500}],
    ids=str,
)
def test_both_indexes_and_the_explanations_count_alike_under_an_emphasis(
    epoch: Epoch, engine: Engine, emphasis: dict[str, Any]
) -> None:
    for one in MEMBERS:
        engine.put_member(one)
    for one in PROJECTS:
        engine.put_project(replace(one, emphasis=emphasis))
    view = engine.pin()
    standings = view.points_of(view.members, DAY)
    for column, name in enumerate(standings.projects):
        ranked = view.rank(name, DAY)
        assert 0 < ranked.total_budget <= sum(epoch.weights.budgets.values())
        for row in ranked.rows(0, len(ranked)):
            assert standings.points[standings.members.index(row.member), column] == row.points
            assert standings.above_floor[standings.members.index(row.member), column] == row.above_floor
            explained = view.explain(name, row.member, DAY)
            assert sum(part.points for part in explained.parts) == row.points <= ranked.total_budget


def test_more_weight_on_places_lifts_who_is_there(engine: Engine) -> None:
    ranks = {}
    for emphasis in ({}, {"places": 2000, "text": 500, "evidence": 500}):
        asked = project("p", "Fibre and wireless networks for schools", countries=("KEN",), emphasis=emphasis)
        asked = replace(asked, revision=1 + len(ranks))
        for one in MEMBERS:
            engine.put_member(one)
        engine.put_project(asked)
        ranked = engine.pin().rank("p", DAY)
        ranks[bool(emphasis)] = ranked
        assert list(ranked.budgets) == list(COMPONENTS)
    share = {said: one.budgets["places"] * 1000 // one.total_budget for said, one in ranks.items()}
    assert share[True] > 3 * share[False]
    local = [member.id for member in MEMBERS if "KEN" in {member.hq_country, *member.operating_countries}]
    assert local
    for one in local:
        before, after = (ranks[said].position_of(one) for said in (False, True))
        assert after <= before
