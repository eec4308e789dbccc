"""Most organisations have no record of past projects: who answers a project must not stand behind who has a loose one."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from matching.emphasis import budgets_of
from matching.engine import Engine
from matching.epoch import Epoch
from matching.passage_bound import passage_bound, widest_bounds
from matching.records import Member, Project
from matching.view import View
from matching.weights import Weights
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
    bound = passage_bound(view.rank("p", DAY).budgets, shipped.weights)
    assert abs(says.points - did.points) * 1000 <= bound * says.total_budget
    assert says.points > 0


OTHER = [
    "come",
    "from",
    "the",
    "villages",
    "and",
    "meet",
    "each",
    "spring,",
    "and",
    "young",
    "ones",
    "stay",
    "a",
    "year",
    "with",
    "an",
    "older",
    "colleague.",
    "We",
    "mend",
    "antennas,",
    "keep",
    "accounts,",
    "print",
    "manuals,",
    "rent",
    "rooms,",
    "lend",
    "bicycles,",
    "cook",
    "lunches,",
    "and",
    "write",
    "to",
    "families",
    "whose",
    "children",
    "leave",
    "early,",
    "in",
    "four",
    "languages",
    "of",
    "the",
    "northern",
    "plateau.",
]
"""Words of no project; mean lengths are 47 for a profile and 9 for an evidence item, so a passage between is damped only there."""


@pytest.mark.parametrize("role", ["lead", "partner"])
@pytest.mark.parametrize(
    "emphasis", [{}, {"text": 2000, "evidence": 500}, {"text": 500, "evidence": 2000}], ids=str
)
@pytest.mark.parametrize("needs", [0, 1])
@pytest.mark.parametrize(
    "asked", ["Teachers", "Satellite broadband for teachers", "Satellite links to islands"]
)
def test_a_passage_of_any_length_that_repeats_the_words_of_the_project_stays_within_the_bound(
    shipped: Epoch, asked: str, needs: int, emphasis: dict[str, int], role: str
) -> None:
    engine = Engine(shipped)
    engine.put_project(project("p", asked, needs=(need("training"),) * needs, emphasis=emphasis))
    for length in range(0, len(OTHER) + 1, 4):
        for repeated in (1, 3, 9):
            passage, name = f"{asked}. " * repeated + " ".join(OTHER[:length]), f"{length}-{repeated}"
            engine.put_member(member(f"{name}-says", passage))
            engine.put_member(Member(id=f"{name}-did", evidence=(proof("e", passage, role=role),)))
    view = engine.pin()
    ranked = view.rank("p", DAY)
    bound = passage_bound(ranked.budgets, shipped.weights)
    points = dict(zip(ranked.members, ranked.points.tolist(), strict=True))
    between = [
        1000 * abs(points[says] - points[says.replace("says", "did")]) // ranked.total_budget
        for says in points
        if says.endswith("says")
    ]
    assert max(between) < bound <= widest_bounds(shipped.weights)[bool(emphasis)]
    if emphasis.get("text") != 500:
        assert 3 * max(between) > 2 * bound, "it is no idle bound"


def test_the_widest_bounds_are_those_of_a_project_that_states_texts_alone(shipped: Epoch) -> None:
    weights = shipped.weights
    assert widest_bounds(weights) == (401, 598)
    assert Weights().passage_bound == widest_bounds(Weights())[0]
    for least, most in itertools.product((500, 1000, 2000), repeat=2):
        for others in ([], ["needs"], ["places", "tags", "languages"]):
            asked = dict.fromkeys(["text", "evidence", *others], True)
            emphasis = {"text": most, "evidence": least, **dict.fromkeys(others, least)}
            found = passage_bound(budgets_of(asked, emphasis, weights), weights)
            assert found <= widest_bounds(weights)[1]


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
