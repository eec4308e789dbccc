"""What is wrong with a body is told in our words, at a place that is in the body, every repeat of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from schemas.http.endpoints import EndpointBody
from schemas.http.identity import ClientBody, PersonBody
from schemas.http.members import EXAMPLE, OrganisationBody
from schemas.http.notifications import SubscriptionBody
from schemas.http.projects import FlagshipBody, ProjectBody
from services.chassis.web.failures import problem_of
from services.chassis.web.refusals import entry_of

TEXT = {"language": "en", "text": "Networks"}
FULL: dict[type[BaseModel], dict[str, Any]] = {
    OrganisationBody: EXAMPLE
    | {
        "evidence": [{"id": "e1", "texts": [TEXT], "countries": ["KEN"], "tags": [], "year": 2020}],
        "membership": [{"state": "active", "from": "2026-01-01"}],
        "external_ids": [{"scheme": "ror", "value": "1"}],
        "provenance": {"constants": ["offers"]},
        "aliases": ["Mwangaza"],
        "languages": ["en"],
        "sme": None,
    },
    ProjectBody: {
        "titles": [TEXT],
        "summaries": [TEXT],
        "needs": [{"id": "n1", "kind": "training", "importance": 3, "texts": [TEXT], "quantity": "1"}],
        "level": "national",
        "regions": ["AFR"],
        "countries": ["KEN"],
        "presence_required": {"required": True, "reason": "On site"},
        "languages": ["en"],
        "tags": [{"scheme": "sdg", "code": "9"}],
        "period": {"start": "2027-01-01", "end": "2027-12-31"},
        "owner": "018f3c2a-7d10-7000-8000-000000000001",
        "amount_sought": {"amount": 5, "currency": "USD"},
        "documents": [{"title": "Terms", "url": "https://example.org/a", "language": "en"}],
        "external_ids": [{"scheme": "ror", "value": "1"}],
        "provenance": {"constants": ["needs"]},
    },
    FlagshipBody: {"titles": [TEXT], "level": "global", "reason": TEXT, "tags": [], "ends_on": "2028-01-01"},
    SubscriptionBody: {"channel": "feed", "quiet_hours": {"start": "21:00", "end": "07:00"}},
    EndpointBody: {"url": "https://example.org/hook"},
    PersonBody: {},
    ClientBody: {},
}
WRONG = ("x", "", "\ud800", "a\nb", 7, -1, 1.5, 10**400, True, None, [], [7], {}, {"x": 1}, ["x"] * 600)
BANNED = ("tuple", "dictionary", "constrained", "accordingly", "input", "unable", "string", "^", "instance")


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a value."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, (*at, name))


def told(shape: type[BaseModel], body: Any) -> list[dict[str, Any]]:
    """The errors of the answer to a body."""
    try:
        shape.model_validate(body)
    except ValidationError as error:
        faults = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}
        return list(problem_of(RequestValidationError(faults), scope).errors)
    return []


def stands(body: Any, pointer: str, *, missing: bool) -> bool:
    """Whether a pointer names a place in a body; of one that is missing, the place that would hold it."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for step in steps[:-1] if missing else steps:
        if isinstance(body, dict) and step in body:
            body = body[step]
        elif isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        else:
            return False
    return True


@pytest.mark.parametrize("shape", FULL, ids=lambda shape: shape.__name__)
def test_whatever_is_wrong_is_told_in_our_words_at_a_place_of_the_body(shape: type[BaseModel]) -> None:
    sent = 0
    for place in (*places(FULL[shape]), *((name,) for name in shape.model_fields)):
        for wrong in WRONG:
            body = copy.deepcopy(FULL[shape])
            inner: Any = body
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = copy.deepcopy(wrong)
            for one in told(shape, body):
                sent += 1
                assert stands(body, one["pointer"], missing=one["rule"] == "missing"), (one, body)
                assert "tuple" not in one["rule"], one
                words = f"{one['detail']} {one['fix']}".lower()
                assert not [word for word in BANNED if word in words], one
                assert "Look up" not in one["fix"], one
    assert sent > 50


def test_every_repeat_is_named_where_it_stands() -> None:
    body = FULL[ProjectBody] | {
        "languages": ["en", "fr", "en", "fr"],
        "countries": ["KEN", "KEN"],
        "needs": [{"id": "a", "kind": "data"}, {"id": "a", "kind": "funding"}],
        "titles": [TEXT, TEXT],
        "tags": [{"scheme": "sdg", "code": "9"}] * 3,
        "external_ids": [{"scheme": "ror", "value": "1"}] * 2,
        "provenance": {"constants": ["needs", "needs"]},
    }
    assert {one["pointer"]: one["rule"] for one in told(ProjectBody, body)} == {
        "/languages/2": "no-repeats",
        "/languages/3": "no-repeats",
        "/countries/1": "no-repeats",
        "/needs/1/id": "need-id",
        "/titles/1/language": "one-per-language",
        "/tags/1": "no-repeats",
        "/tags/2": "no-repeats",
        "/external_ids/1": "no-repeats",
        "/provenance/constants/1": "no-repeats",
    }


def test_an_amount_that_is_no_number_is_named_by_its_field_once_and_a_number_stays_as_it_was_sent() -> None:
    for wrong in ("x", True, None):
        body = FULL[ProjectBody] | {"amount_sought": {"amount": wrong, "currency": "USD"}}
        [one] = told(ProjectBody, body)
        assert (one["pointer"], one["fix"]) == ("/amount_sought/amount", "Send a number.")
    for right, written in ((5, "5"), (2.5, "2.5"), (10**15, "1000000000000000")):
        read = ProjectBody.model_validate(
            FULL[ProjectBody] | {"amount_sought": {"amount": right, "currency": "USD"}}
        )
        assert f'"amount":{written},' in read.model_dump_json()


def test_what_has_no_sentence_of_ours_still_says_where_to_look() -> None:
    entry = entry_of({"type": "time_type", "msg": "Input should be a valid time", "loc": ("body", "x")})
    assert entry["fix"] == "Look up in the API documentation what belongs here."
