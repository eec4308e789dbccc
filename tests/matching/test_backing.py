"""Backing: offers and policy tags count as far as the texts bear them out, in every computation, and the explanation says so."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matching.engine import Engine
from matching.epoch import Epoch
from matching.lists import COMPONENTS
from matching.records import Member
from matching.sentences import LANGUAGES
from tests.matching.builders import DAY, member, need, offer, project, proof, tag

CALL = "Satellite broadband for schools in remote villages, where teachers learn digital skills."
KINDS = ("training", "connectivity", "funding")
TAGS = (tag("sdg", "4"), tag("wsis", "C2"))
DECLARED = {"offers": tuple(offer(kind) for kind in KINDS), "tags": TAGS}
SAYS = "We run courses for teachers in schools and plan networks by satellite."

relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def view_of(epoch, analyser):
    def pinned(*members: Member, of: Epoch = epoch):
        engine = Engine(of, analyser=analyser)
        engine.put_project(project("p", CALL, needs=tuple(map(need, KINDS)), tags=TAGS))
        for one in members:
            engine.put_member(one)
        return engine.pin()

    return pinned


def told(explained) -> int:
    return explained.components["text"] + explained.components["evidence"]


def test_who_ticks_everything_and_says_nothing_of_the_subject_gets_nothing_for_it(view_of):
    view = view_of(member("ticks", "Opera singing in marble halls.", **DECLARED), member("says", SAYS))
    explained = view.explain("p", "ticks", DAY)
    assert explained.points == 0
    assert {part.component: part.points < 0 for part in explained.parts if part.code == "unbacked"} == {
        "needs": True,
        "tags": True,
    }
    assert {part.code for part in explained.parts if part.points > 0} == {"need", "tag"}
    assert view.rank("p", DAY).members == ["says", "ticks"]


def test_declarations_count_in_full_where_the_texts_give_as_much(view_of, epoch):
    full = view_of(member("m", CALL.replace("Satellite", "Zebra, satellite"), **DECLARED))
    explained = full.explain("p", "m", DAY)
    most = {name: told(explained) * share // 1000 for name, share in epoch.weights.backed.items()}
    assert all(explained.components[name] <= bound for name, bound in most.items())
    assert "unbacked" not in {part.code for part in explained.parts}
    assert explained.components["needs"] > 0
    assert explained.components["tags"] > 0


def test_evidence_bears_a_declaration_out_as_a_description_does(view_of):
    view = view_of(member("m", "", **DECLARED, evidence=(proof("e", SAYS),)))
    assert view.explain("p", "m", DAY).components["needs"] > 0


def test_places_and_languages_are_facts_and_are_not_bounded(epoch):
    assert set(epoch.weights.backed) == {"needs", "tags"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_taken_off_is_said_in_six_languages(view_of, language):
    view = view_of(member("m", SAYS, **DECLARED), member("n", "Opera.", **DECLARED))
    parts = [part for part in view.explain("p", "n", DAY, language=language).parts if part.code == "unbacked"]
    assert [part.component for part in parts] == ["needs", "tags"]
    assert len({part.sentence for part in parts}) == 1
    assert all(part.sentence for part in parts)


def test_an_epoch_from_before_the_rule_counts_as_it_did(view_of, epoch):
    body = epoch.to_json()
    del body["weights"]["backed"]
    before = Epoch.from_json(body)
    assert Epoch.loads(before.dumps()).hash == before.hash != epoch.hash
    assert b'"backed"' not in before.dumps()
    one = member("m", "Opera.", **DECLARED)
    explained = view_of(one, of=before).explain("p", "m", DAY)
    assert explained.components["needs"] == explained.points - explained.components["tags"] > 0
    assert "unbacked" not in {part.code for part in explained.parts}


WORDS = [*CALL.replace(",", "").replace(".", "").split(), "opera", "marble"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)


@st.composite
def declaring(draw) -> Member:
    offers = draw(st.lists(st.sampled_from(KINDS), unique=True))
    items = draw(st.lists(texts, max_size=3))
    return member(
        "m",
        draw(texts),
        offers=tuple(map(offer, offers)),
        tags=tuple(draw(st.lists(st.sampled_from(TAGS), unique=True))),
        evidence=tuple(proof(f"e{number}", text) for number, text in enumerate(items)),
    )


@relaxed
@given(declaring())
def test_all_ways_give_the_same_integers(view_of, one):
    view = view_of(one)
    ranked, standings = view.rank("p", DAY), view.points_of(["m"], DAY)
    explained = view.explain("p", "m", DAY)
    assert ranked.components[0].tolist() == standings.components[0, 0].tolist()
    assert ranked.components[0].tolist() == [explained.components[name] for name in COMPONENTS]
    assert sum(part.points for part in explained.parts) == explained.points == ranked.points[0]
    for name in COMPONENTS:
        parts = [part.points for part in explained.parts if part.component == name]
        assert sum(parts) == explained.components[name]
    assert view.what_if("p", one, DAY).points == explained.points


@relaxed
@given(declaring(), st.sampled_from(KINDS), st.sampled_from(TAGS), texts)
def test_one_more_offer_tag_or_past_project_never_lowers(view_of, one, kind, label, text):
    view = view_of(one)
    before = view.explain("p", "m", DAY).points
    for more in itertools.chain(
        [replace(one, offers=(*one.offers, offer(kind)))],
        [replace(one, tags=(*one.tags, label))],
        [replace(one, evidence=(*one.evidence, proof("z", text)))],
    ):
        assert view.explain("p", "m", DAY, edited=more).points >= before


@pytest.mark.parametrize(
    "text", ["Opera singing in marble halls.", "We run courses for teachers in schools.", CALL]
)
@pytest.mark.parametrize("kinds", [(), KINDS[:1], KINDS[:2]])
def test_a_gap_of_an_offer_or_a_tag_is_what_the_declaration_gives(view_of, text, kinds):
    one = member("m", text, offers=tuple(offer(kind) for kind in kinds))
    view = view_of(one)
    before = view.explain("p", "m", DAY, gaps=True)
    gaps = [gap for gap in before.gaps if gap.code in {"need", "tag"}]
    assert len(gaps) == len(KINDS) - len(kinds) + len(TAGS)
    for gap in gaps:
        value = gap.term.partition(":")[2]
        more = (
            {"offers": (*one.offers, offer(value))} if gap.code == "need" else {"tags": (tag("sdg", value),)}
        )
        if gap.code == "tag" and not gap.term.startswith("sdg:"):
            more = {"tags": (tag("wsis", value),)}
        after = view.explain("p", "m", DAY, edited=replace(one, **more))
        assert after.points - before.points == gap.points
