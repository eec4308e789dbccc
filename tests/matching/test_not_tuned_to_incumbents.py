"""Most organisations have no record of past projects: who answers a project must not stand behind who has a loose one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matching.engine import Engine
from matching.epoch import Epoch
from matching.records import Member, Project
from matching.view import View
from services.matches.commands import first_epoch
from tests.matching.builders import DAY, member, need, offer, project, proof, said

PAIRS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "judged_pairs.json").read_text("utf-8")
)["pairs"]
NEWCOMER, INCUMBENT = "newcomer", "incumbent"


@pytest.fixture(scope="module")
def shipped() -> Epoch:
    return Epoch.loads(first_epoch(None))


def ranked(epoch: Epoch, asked: Project, *members: Member) -> View:
    engine = Engine(epoch)
    for one in members:
        engine.put_member(one)
    engine.put_project(asked)
    return engine.pin()


EMPHASES = (
    {},
    {"evidence": 2000, "text": 500},
    {"evidence": 2000, "text": 500, "needs": 500},
    {"text": 2000},
)
"""None, and the ends of what a project may make of the budgets."""


def asked_in(pair: dict[str, Any], emphasis: dict[str, int] | None = None) -> Project:
    body = pair["project"]
    return project(
        "p",
        body["objective"],
        title=body["title"],
        language=body["language"],
        needs=tuple(need(kind) for kind in body["needs"]),
        emphasis=emphasis or {},
    )


def test_there_are_at_least_twenty_pairs() -> None:
    assert len({pair["project"]["title"] for pair in PAIRS}) >= 20
    assert all(len(pair["loosely_related"]) == 3 for pair in PAIRS)


@pytest.mark.parametrize("emphasis", EMPHASES, ids=str)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["project"]["title"])
def test_a_description_that_answers_outranks_three_loose_past_projects(
    shipped: Epoch, pair: dict[str, Any], emphasis: dict[str, int]
) -> None:
    language = pair["project"]["language"]
    newcomer = member(
        NEWCOMER,
        pair["answers"]["description"],
        language=language,
        offers=tuple(offer(kind) for kind in pair["answers"]["offers"]),
    )
    incumbent = Member(
        id=INCUMBENT,
        evidence=tuple(
            proof(f"e{number}", text, language=language, role="lead")
            for number, text in enumerate(pair["loosely_related"])
        ),
    )
    view = ranked(shipped, asked_in(pair, emphasis), newcomer, incumbent)
    assert view.rank("p", DAY).members == [NEWCOMER, INCUMBENT]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["project"]["title"])
def test_one_passage_is_worth_about_the_same_in_description_and_in_one_evidence_item(
    shipped: Epoch, pair: dict[str, Any]
) -> None:
    language, passage = pair["project"]["language"], pair["answers"]["description"]
    view = ranked(
        shipped,
        asked_in(pair),
        member("says", passage, language=language),
        Member(id="did", evidence=(proof("e", passage, language=language),)),
    )
    says, did = (view.explain("p", name, DAY) for name in ("says", "did"))
    assert abs(says.points - did.points) * 1000 <= shipped.weights.passage_bound * says.total_budget
    assert says.points > 0


@pytest.mark.parametrize("role", ["lead", "partner"])
def test_a_passage_that_repeats_the_words_of_the_project_stays_within_the_bound_too(
    shipped: Epoch, role: str
) -> None:
    passage = "Satellite links: we run satellite links to islands, and repair satellite links on islands."
    view = ranked(
        shipped,
        project("p", "Satellite links to islands", needs=(need("connectivity"),)),
        member("says", passage),
        Member(id="did", evidence=(proof("e", passage, role=role),)),
    )
    says, did = (view.explain("p", name, DAY) for name in ("says", "did"))
    assert says.points - did.points > 200_000_000, "the worst that is known"
    assert (says.points - did.points) * 1000 <= shipped.weights.passage_bound * says.total_budget


def test_evidence_has_at_most_half_of_the_budget_where_a_project_states_needs(shipped: Epoch) -> None:
    view = ranked(shipped, project("p", "Anything", needs=(need("training"),)), member("m", "Anything"))
    found = view.rank("p", DAY)
    assert 2 * found.budgets["evidence"] <= found.total_budget
    assert view.rank("p", DAY).budgets["needs"] > 0


def test_who_has_both_a_description_and_the_same_as_evidence_stands_above_who_has_one(shipped: Epoch) -> None:
    text = "Wireless networks for villages, with technicians trained on the spot."
    both = Member(id="both", descriptions=said(text), evidence=(proof("e", text),))
    found = ranked(shipped, project("p", text), both, member("one", text)).rank("p", DAY)
    assert found.members == ["both", "one"]
