"""The rules alone: no database, no HTTP."""

from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from schemas.events.projects import Document, Project
from schemas.http.projects import ProjectBody
from services.chassis.identity.principal import ANONYMOUS, Principal
from services.chassis.reference import load_reference
from services.chassis.reference.faults import Codebook
from services.chassis.reference.languages import load_language_checks
from services.projects.commands.lifecycle import body_of
from services.projects.commands.storing import facets
from services.projects.commands.writing import kept_of, record_of
from services.projects.rules import rights
from services.projects.rules.faults import body_faults, publication_faults
from services.projects.rules.problems import ProjectClosed, WrongState
from services.projects.rules.states import FINAL, FROM, due, require_step

TODAY = date(2026, 11, 24)
CODEBOOK = Codebook(load_reference(), load_language_checks())


def record(
    body: Any, *, state: str = "published", team: tuple[str, ...] = ("ann",), **changes: Any
) -> Project:
    parsed = ProjectBody.model_validate(body(**changes))
    kept = kept_of(None, creator="ann") | {"state": state, "team": team}
    return record_of(
        parsed, project_id="018f3c2a-7d10-7000-8000-0000000000aa", kept=kept, reference=CODEBOOK.reference
    )


def who(*roles: str, sub: str = "someone", **more: Any) -> Principal:
    return Principal(sub, frozenset({"public", *roles}), **more)


def test_a_whole_project_has_no_fault(body: Any) -> None:
    parsed = ProjectBody.model_validate(body())
    assert publication_faults(parsed, today=TODAY, codebook=CODEBOOK) == []


def test_what_a_draft_lacks_is_no_fault_of_the_draft(body: Any) -> None:
    parsed = ProjectBody.model_validate({"owner": body()["owner"]})
    assert body_faults(parsed, today=TODAY, codebook=CODEBOOK) == []
    assert len(publication_faults(parsed, today=TODAY, codebook=CODEBOOK)) == 4


@pytest.mark.parametrize(
    ("deadline", "faults"),
    [("2026-11-24", []), ("2026-11-23", ["deadline-past"]), ("2027-03-31", [])],
)
def test_a_deadline_counts_to_the_end_of_its_day(body: Any, deadline: str, faults: list[str]) -> None:
    parsed = ProjectBody.model_validate(body(period=None, deadline=deadline))
    assert [fault.rule for fault in body_faults(parsed, today=TODAY, codebook=CODEBOOK)] == faults


def test_a_deadline_on_the_first_day_of_the_period_is_good(body: Any) -> None:
    for deadline, expected in (("2027-01-01", []), ("2026-12-31", ["deadline-before-period"])):
        parsed = ProjectBody.model_validate(body(deadline=deadline))
        assert [fault.rule for fault in body_faults(parsed, today=TODAY, codebook=CODEBOOK)] == expected


@pytest.mark.parametrize(
    ("start", "end", "deadline", "faults"),
    [
        ("1900-01-01", "1900-01-02", None, ["period-past"]),
        ("2026-01-01", TODAY.isoformat(), None, []),
        ("2027-01-01", "2028-12-31", "2028-12-31", []),
        ("2027-01-01", "2028-12-31", "2029-01-01", ["deadline-after-period"]),
    ],
)
def test_what_is_published_has_a_period_that_one_can_still_join(
    body: Any, start: str, end: str, deadline: str | None, faults: list[str]
) -> None:
    parsed = ProjectBody.model_validate(
        body(period={"start": start, "end": end}, deadline=deadline, review_by="2026-12-31")
    )
    found = publication_faults(parsed, today=TODAY, codebook=CODEBOOK)
    assert [fault.rule for fault in found] == faults
    assert body_faults(parsed, today=TODAY, codebook=CODEBOOK) == []


@pytest.mark.parametrize("code", ["PSE", "NCL", "COK", "XKX"])
def test_every_country_and_territory_may_be_a_place(body: Any, code: str) -> None:
    parsed = ProjectBody.model_validate(body(countries=[code]))
    known = code in CODEBOOK.reference.countries
    assert (body_faults(parsed, today=TODAY, codebook=CODEBOOK) == []) == known
    assert known or code == "XKX"


def test_a_body_survives_being_stored(body: Any) -> None:
    parsed = ProjectBody.model_validate(body(flagship="018f3c2a-7d10-7000-8000-0000000000ff"))
    stored = record(body, flagship="018f3c2a-7d10-7000-8000-0000000000ff")
    assert body_of(stored).model_dump(exclude={"tags"}) == parsed.model_dump(exclude={"tags"})


def test_facets_hold_regions_of_countries_and_tags_with_and_without_version(body: Any) -> None:
    found = set(facets(record(body, countries=["KEN"], regions=["ASP"]), CODEBOOK.reference))
    assert {("region", "AFR"), ("region", "ASP"), ("country", "KEN")} <= found
    assert {("tag", "kap:AFR2"), ("tag", "kap:2023-2025:AFR2"), ("tag", "sdg:9"), ("team", "ann")} <= found


def test_steps_are_allowed_from_their_states_alone(body: Any) -> None:
    for state in ("draft", "published", "dormant", "closed", "withdrawn"):
        for step, allowed in FROM.items():
            project = record(body, state=state)
            if state in allowed:
                require_step(project, step)
                continue
            with pytest.raises(ProjectClosed if state in FINAL else WrongState):
                require_step(project, step)


def test_what_a_date_changes(body: Any) -> None:
    day = date(2027, 4, 1)
    assert due(record(body), today=date(2027, 3, 31)) is None
    assert due(record(body), today=day) == "deadline-passed"
    assert due(record(body, state="draft"), today=day) is None
    assert due(record(body, state="closed"), today=day) is None
    review = {"deadline": None, "review_by": "2027-03-31"}
    assert due(record(body, **review), today=day) == "review-passed"
    assert due(record(body, state="dormant", **review), today=day) is None
    both = {"deadline": "2027-03-31", "review_by": "2027-03-01"}
    assert due(record(body, state="dormant", **both), today=day) == "deadline-passed"


def test_nobody_is_in_a_team_without_a_role(body: Any) -> None:
    """A team that names "anonymous" lets no anonymous caller in."""
    project = record(body, state="draft", team=("anonymous", "ann"))
    assert not rights.may_read(ANONYMOUS, project)
    assert not rights.may_edit(ANONYMOUS, project)
    assert not rights.may_edit(who(sub="ann"), project)
    assert rights.may_edit(who("project_manager", sub="ann"), project)
    assert not rights.may_edit(who("auditor", sub="ann"), project)
    assert rights.may_read(who("auditor", sub="ann"), project)


def test_a_members_document_opens_for_members(body: Any) -> None:
    paper = Document(title="Plan", url="https://example.org", language="en", access="members")
    assert not rights.may_open(ANONYMOUS, paper, insider=False)
    assert rights.may_open(who("organisation_reader"), paper, insider=False)


def test_who_is_only_in_the_team_moves_no_project(body: Any) -> None:
    project = record(body)
    owner = str(uuid4())
    moved = ProjectBody.model_validate(body(owner=owner, office=None))
    editor = who("organisation_editor", sub="ann", organisation=owner)
    assert rights.may_edit(editor, project)
    assert not rights.may_move(editor, project, moved)
    assert rights.may_move(editor, project, ProjectBody.model_validate(body()))
    assert rights.may_move(who("project_manager", sub="ann", organisation=owner), project, moved)
    assert not rights.may_move(who("project_manager", sub="ann", organisation=str(uuid4())), project, moved)
