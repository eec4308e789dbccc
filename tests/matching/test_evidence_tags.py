"""A project's programme, action line and topic are met by those of past projects, within the item, and shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matching.analysis import Analyser
from matching.engine import Engine
from matching.epoch import Epoch
from matching.fitting import fit_epoch
from matching.sentences import MOST_LISTED
from tests.matching.builders import DAY, MEMBERS, PROJECTS, REFERENCE, Member, proof, tag

AT_HOME = tag("programme", "villages")
ASKED = replace(PROJECTS[0], tags=(AT_HOME, tag("bap", "AFR1")))
TEXT = "Broadband by satellite for forty villages and their schools"


@pytest.fixture(scope="module")
def tagged(analyser: Analyser) -> Epoch:
    known = [
        replace(one, evidence=tuple(replace(item, tags=(AT_HOME,)) for item in one.evidence))
        for one in MEMBERS[:2]
    ]
    return fit_epoch([*known, *MEMBERS[2:]], analyser=analyser, reference=REFERENCE)


def test_an_item_with_the_projects_programme_has_a_part_for_it_and_everything_adds_up(tagged: Epoch) -> None:
    engine = Engine(tagged)
    engine.put_member(Member(id="with", evidence=(replace(proof("e", TEXT), tags=(AT_HOME,)),)))
    engine.put_member(Member(id="without", evidence=(proof("e", TEXT),)))
    engine.put_project(ASKED)
    view = engine.pin()
    ranked = view.rank(ASKED.id, DAY)
    assert ranked.members == ["with", "without"]
    found = view.explain(ASKED.id, "with", DAY)
    assert sum(part.points for part in found.parts) == found.points == int(ranked.points[0])
    mine = [part for part in found.parts if part.code == "tag"]
    [(words, _)] = view.notices(ASKED.id, ["with"]).of("with", ("en",)).values()
    shared = [(-part.points, part.asked) for part in found.parts if part.asked and part.points > 0]
    assert words == tuple(dict.fromkeys(word for _, word in sorted(shared)))[:MOST_LISTED]
    assert [(part.component, part.evidence, part.term) for part in mine] == [
        ("evidence", "e", "programme:villages")
    ]
    most = (
        view._projects.states[ASKED.id].query.budgets["evidence"] // 3 * tagged.weights.evidence_tags // 1000
    )
    assert 0 < mine[0].points <= most
    assert found.points - view.explain(ASKED.id, "without", DAY).points <= most
    assert view.points_of(["with"], DAY).points.tolist() == [[found.points]]


def test_a_rare_tag_weighs_more_than_one_that_every_past_project_carries(tagged: Epoch) -> None:
    assert tagged.tag_idf("programme:villages") < tagged.tag_idf("programme:unheard-of")
    assert tagged.evidence.tags[""] == tagged.tag_idf("programme:unheard-of")


def test_the_tags_of_the_profile_and_of_past_projects_do_not_meet(tagged: Epoch) -> None:
    engine = Engine(tagged)
    engine.put_member(Member(id="m", tags=(AT_HOME,), evidence=(proof("e", TEXT),)))
    engine.put_project(ASKED)
    found = engine.pin().explain(ASKED.id, "m", DAY)
    assert [part.component for part in found.parts if part.code == "tag"] == ["tags"]
