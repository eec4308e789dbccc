"""Required presence leaves out those who are neither there nor willing to work there, and nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matching.engine import Engine
from matching.epoch import Epoch
from matching.records import Member, Project
from matching.view import View
from tests.matching.builders import DAY, member, project

REQUIRED = {"presence_required": True, "presence_reason": "Licences are national."}
NATIONAL = project("national", "Broadband", countries=("KEN",), **REQUIRED)
REGIONAL = project("regional", "Broadband", regions=("AFR",), **REQUIRED)
CODE = "presence_required"


def ranked(engine: Engine, one: Member, asked: Project) -> View:
    engine.put_member(one)
    engine.put_project(asked)
    return engine.pin()


@pytest.mark.parametrize(
    ("places", "national", "regional"),
    [
        ({"hq_country": "KEN"}, True, True),
        ({"operating_countries": ("KEN",)}, True, True),
        ({"willing_countries": ("KEN",)}, True, True),
        ({"willing_countries": ("TCD",)}, False, True),
        ({"willing_regions": ("AFR",)}, True, True),
        ({"willing_countries": ("LAO",), "willing_regions": ("ASP",)}, False, False),
        ({"willing_countries": ("KEN",), "constants": frozenset({"willing_countries"})}, False, False),
        ({}, False, False),
    ],
)
def test_willingness_to_work_there_is_presence_where_presence_is_required(engine, places, national, regional):
    one = member("one", "Broadband", **{"hq_country": "FRA", **places})
    for asked, eligible in ((NATIONAL, national), (REGIONAL, regional)):
        view = ranked(engine, one, asked)
        explained = view.explain(asked.id, "one", DAY)
        assert (view.rank(asked.id, DAY).members == ["one"]) is eligible
        assert explained.failed_rules == (() if eligible else (CODE,))


def test_a_profile_that_is_edited_to_be_willing_is_judged_as_if_it_were_put(engine):
    far = member("one", "Broadband", hq_country="FRA")
    view = ranked(engine, far, NATIONAL)
    willing = replace(far, revision=2, willing_countries=("KEN",))
    assert view.explain("national", "one", DAY).failed_rules == (CODE,)
    assert view.explain("national", "one", DAY, edited=willing).failed_rules == ()


def test_willingness_makes_nobody_local(engine):
    view = ranked(engine, member("one", "Broadband", hq_country="FRA", willing_countries=("KEN",)), NATIONAL)
    assert "local" not in view.rank("national", DAY).row(1).labels


def test_an_epoch_from_before_the_rule_leaves_out_whom_it_left_out(epoch, analyser):
    body = epoch.to_json()
    del body["weights"]["willing_reaches"]
    before = Epoch.from_json(body)
    assert before.weights.willing_reaches == 0
    assert Epoch.loads(before.dumps()).hash == before.hash != epoch.hash
    assert b'"willing_reaches"' not in before.dumps()
    one = member("one", "Broadband", hq_country="FRA", willing_countries=("KEN",))
    view = ranked(Engine(before, analyser=analyser), one, NATIONAL)
    assert view.explain("national", "one", DAY).failed_rules == (CODE,)
