"""Which lists a new reference date makes different: exactly those, judged by ranking all of them at both."""

from __future__ import annotations

from itertools import pairwise

from matching.engine import Engine
from matching.records import Member, Term
from matching.view import View
from tests.matching.builders import MEMBERS, PROJECTS, member, project

DAYS = ("2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25", "2026-12-31", "2027-01-01", "2031-01-01")
ENDS = (Term(state="active", since="2020-01-01", until="2026-12-31"),)


def pinned(engine: Engine, *members: Member) -> View:
    for one in (*MEMBERS, *members):
        engine.put_member(one)
    here = {"presence_required": True}
    for one in (
        *PROJECTS,
        project("laos", "Broadband", countries=("LAO",)),
        project("owned", "Broadband", owner="ending"),
        project("kenya", "Broadband", countries=("KEN",), **here),
        project("chad", "Broadband", countries=("TCD",), **here),
    ):
        engine.put_project(one)
    return engine.pin()


def different(view: View, before: str, after: str) -> list[str]:
    """The projects whose lists differ, by ranking every one of them at both days."""
    found = []
    for name in view.projects:
        old, new = view.rank(name, before), view.rank(name, after)
        if (old.packed(), old.serves_ldc) != (new.packed(), new.serves_ldc):
            found.append(name)
    return found


def test_the_lists_that_a_day_touches_are_exactly_those_that_differ(engine):
    view = pinned(
        engine,
        member("ending", "Broadband", category="associate", hq_country="KEN", membership=ENDS),
        member("prospect", "Broadband", category="prospect", hq_country="FRA", membership=ENDS),
        member("lao", "Broadband", hq_country="LAO"),
        member("gone", "Broadband", hq_country="LAO", state="withdrawn"),
    )
    for before, after in [*pairwise(DAYS), (DAYS[0], DAYS[-1]), (DAYS[-1], DAYS[0])]:
        assert list(view.dated(before, after)) == different(view, before, after), (before, after)


def test_nothing_dated_between_two_days_touches_no_list(engine):
    view = pinned(engine, member("ending", "Broadband", category="associate", membership=ENDS))
    assert view.dated("2026-11-25", "2026-12-31") == ()
    assert view.dated("2026-12-31", "2026-12-31") == ()


def test_the_end_of_a_membership_touches_the_lists_where_that_member_is_eligible(engine):
    view = pinned(
        engine, member("ending", "Broadband", category="associate", hq_country="KEN", membership=ENDS)
    )
    touched = view.dated("2026-12-31", "2027-01-01")
    assert set(view.projects) - set(touched) == {"owned", "chad"}


def test_a_graduation_touches_the_projects_of_the_country_though_nobody_lives_there(engine):
    for name, country in (("laos", "LAO"), ("kenya", "KEN"), ("chad", "TCD")):
        engine.put_project(project(name, "Broadband", countries=(country,)))
    assert engine.pin().dated("2026-11-24", "2026-11-25") == ("laos",)
