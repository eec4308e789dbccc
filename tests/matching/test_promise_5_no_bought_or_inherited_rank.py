"""Promise 5 in the engine: each field that is no input is changed, one by one, and not a point moves.

The same is tested over HTTP in `tests/promises`. The list below and the fields of `Member` together are complete: a new
field must be put on one side or the other.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from matching.engine import Engine
from matching.epoch import Epoch
from matching.records import Evidence, Member, Recorded, Term
from matching.view import View
from tests.matching.builders import DAY, MEMBERS, PROJECTS, offer, proof

NO_INPUTS: dict[str, tuple[Any, ...]] = {
    "revision": (7,),
    "legal_name": ("Connected Rural Schools Broadband Satellite Ltd",),
    "short_name": ("Schools",),
    "category": ("member_state", "sector_member", "associate", "academia", "prospect"),
    "organisation_type": ("10", "70", "80"),
    "sme": (True,),
    "seeks": ((offer("training", "Broadband for rural schools"), offer("funding")),),
    "parent": ("carrier-holding",),
    "membership": ((Term(state="active", since="1990-01-01"),), (Term(state="ended", since="1990-01-01"),)),
    "first_involved_on": ("1995-01-01", "2026-11-01"),
    "state": ("dormant",),
    "fictional": (True,),
    "recorded": tuple(
        Recorded(texts=day, evidence=tuple((f"e{number}", day) for number in range(1, 4)))
        for day in ("1990-01-01", "2026-11-23")
    ),
}
"""Field → other values. `state` decides a hard rule and no point; since when texts are on record decides no point but of
a text that repeats the project's own, which none of these does (`test_quoting`)."""

INPUTS = {
    "id",  # settles ties, through a keyed hash
    "hq_country",
    "operating_countries",
    "willing_countries",
    "willing_regions",
    "descriptions",
    "expertise",
    "offers",
    "evidence",
    "languages",
    "tags",
    "constants",
}

CASES = [(name, value) for name, values in NO_INPUTS.items() for value in values]


def view_of(epoch: Epoch, *members: Member) -> View:
    engine = Engine(epoch)
    for one in members:
        engine.put_member(one)
    for asked in PROJECTS:
        engine.put_project(asked)
    return engine.pin()


def points_of(view: View, name: str) -> dict[str, dict[str, int]]:
    return {asked.id: dict(view.explain(asked.id, name, DAY).components) for asked in PROJECTS}


def test_every_field_is_an_input_or_is_changed_here() -> None:
    assert {one.name for one in fields(Member)} == INPUTS | set(NO_INPUTS)
    assert not INPUTS & set(NO_INPUTS)


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(CASES)])
def test_changing_it_moves_no_point(epoch: Epoch, name: str, value: Any) -> None:
    others = [one for one in (MEMBERS[0], MEMBERS[1]) if getattr(one, name) != value]
    assert others
    for one in others:
        changed = replace(one, **{name: value})
        assert points_of(view_of(epoch, changed), one.id) == points_of(view_of(epoch, one), one.id)


@pytest.mark.parametrize(
    "change", [{"kind": "pledge"}, {"kind": "publication"}, {"year": 1990}, {"countries": ("FRA",)}]
)
def test_kind_year_and_place_of_an_involvement_are_no_inputs(epoch: Epoch, change: dict[str, Any]) -> None:
    one = MEMBERS[1]
    changed = replace(one, evidence=tuple(replace(item, **change) for item in one.evidence))
    assert points_of(view_of(epoch, changed), one.id) == points_of(view_of(epoch, one), one.id)


@pytest.mark.parametrize("more", [1, 5, 40])
def test_the_number_of_past_projects_is_no_input(epoch: Epoch, more: int) -> None:
    best = tuple(
        proof(f"a{number}", text, role="lead")
        for number, text in enumerate(
            (
                "Broadband by satellite links for rural schools, and digital skills for their teachers.",
                "Incident response teams that protect national networks against malware.",
                "Haut débit pour les écoles rurales, avec une formation des enseignants.",
            )
        )
    )
    loose = tuple(proof(f"z{number}", f"A cattle market number {number}") for number in range(more))
    one = Member(id="m", evidence=best)
    with_more: tuple[Evidence, ...] = (*best, *loose)
    changed = replace(one, evidence=with_more)
    before, after = (points_of(view_of(epoch, record), "m") for record in (one, changed))
    assert after == before
    assert any(found["evidence"] for found in before.values())
