"""Draft → published → closed or withdrawn: the publication check, the answer's token, and what is final."""

import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

OWNER = "018f3c2a-7d10-7000-8000-000000000001"


async def step(bench: Any, project_id: str, verb: str, revision: int, **more: Any) -> Any:
    reason = None if verb == "publish" else {"reason": "The work is done."}
    return await bench.call(
        "POST",
        f"/v1/projects/{project_id}/{verb}",
        more.pop("body", reason),
        If_Match=f'"{revision}"',
        **more,
    )


async def test_publication_names_all_missing_points_at_once(bench: Any) -> None:
    project_id = str(uuid4())
    await bench.call("PUT", f"/v1/projects/{project_id}", {"owner": OWNER})
    answer = await step(bench, project_id, "publish", 1)
    assert (answer.status_code, answer.json()["code"]) == (409, "not-publishable")
    assert {error["pointer"]: error["rule"] for error in answer.json()["errors"]} == {
        "/titles": "title-required",
        "/needs": "need-required",
        "/level": "level-required",
        "/deadline": "deadline-or-review",
    }
    assert all(error["fix"] and error["detail"] for error in answer.json()["errors"])
    assert (await bench.call("GET", f"/v1/projects/{project_id}")).json()["state"] == "draft"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"level": "national", "countries": []}, "national-needs-country"),
        ({"level": "regional", "countries": ["KEN"]}, "regional-needs-region"),
        (
            {
                "level": "global",
                "countries": [],
                "presence_required": {"required": True, "reason": "On site."},
            },
            "presence-needs-place",
        ),
    ],
)
async def test_the_places_must_fit_the_level(bench: Any, changes: Any, rule: str) -> None:
    project_id = await bench.draft(**changes)
    answer = await step(bench, project_id, "publish", 1)
    assert [error["rule"] for error in answer.json()["errors"]] == [rule]


@pytest.mark.parametrize(
    "changes",
    [
        {"level": "global", "countries": []},
        {"level": "regional", "countries": [], "regions": ["ASP"]},
        {"level": "national", "countries": ["PSE"]},
        {"level": "national", "countries": ["NCL"]},
        {"deadline": None, "review_by": "2027-05-01"},
    ],
)
async def test_what_is_complete_is_published(bench: Any, changes: Any) -> None:
    assert await bench.published(**changes)


async def test_a_deadline_that_passed_while_it_was_a_draft_is_named(bench: Any) -> None:
    project_id = await bench.draft(period=None, deadline="2026-11-25")
    bench.clock.moment = bench.clock.moment.replace(day=26)
    answer = await step(bench, project_id, "publish", 1)
    assert [error["rule"] for error in answer.json()["errors"]] == ["deadline-past"]


async def test_publishing_answers_with_a_token_and_the_way_to_the_candidates(bench: Any) -> None:
    project_id = await bench.draft()
    answer = await step(bench, project_id, "publish", 1)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    text = f"projects.v1:{project_id}:1.2"
    assert answer.json()["token"] == {
        "topic": "projects.v1",
        "id": project_id,
        "sequence": "1.2",
        "text": text,
    }
    assert answer.json()["links"]["candidates"] == f"/v1/lists/{project_id}/candidates?token={text}"
    assert answer.json()["published_at"] == "2026-11-24T12:00:00.000000Z"
    events = await bench.events()
    assert (events[-1]["data"]["state"], events[-1]["data"]["published_at"]) == (
        "published",
        "2026-11-24T12:00:00.000000Z",
    )


async def test_publishing_twice_with_one_key_is_one_revision(bench: Any) -> None:
    project_id = await bench.draft()
    first = await step(bench, project_id, "publish", 1, Idempotency_Key="k1")
    again = await step(bench, project_id, "publish", 1, Idempotency_Key="k1")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert len(await bench.events()) == 2


async def test_the_same_key_with_another_body_is_refused(bench: Any) -> None:
    project_id = await bench.published()
    await step(bench, project_id, "close", 2, Idempotency_Key="k1")
    answer = await step(bench, project_id, "close", 2, Idempotency_Key="k1", body={"reason": "Another one."})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-mismatch")


async def test_a_published_project_is_not_published_again(bench: Any) -> None:
    project_id = await bench.published()
    answer = await step(bench, project_id, "publish", 2)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong-state")


async def test_a_published_project_stays_fit_for_the_public(bench: Any, body: Any) -> None:
    project_id = await bench.published()
    answer = await bench.call("PUT", f"/v1/projects/{project_id}", body(needs=[], titles=[]), If_Match='"2"')
    assert answer.status_code == 422
    assert {error["rule"] for error in answer.json()["errors"]} == {"title-required", "need-required"}
    good = await bench.call("PUT", f"/v1/projects/{project_id}", body(countries=["UGA"]), If_Match='"2"')
    assert (good.status_code, good.json()["state"]) == (200, "published")
    assert good.json()["published_at"] == "2026-11-24T12:00:00.000000Z"


async def test_a_draft_that_no_body_may_be_any_more_is_told_where_it_must_be_mended(
    bench: Any, body: Any
) -> None:
    project_id = await bench.draft()
    async with bench.runtime.database.write() as connection:
        [row] = (await connection.execute(text("SELECT record FROM projects"))).all()
        held = json.loads(row.record)
        held["tags"] += held["tags"]
        await connection.execute(
            text("UPDATE projects SET record = :record"), {"record": json.dumps(held).encode()}
        )
    refused = await step(bench, project_id, "publish", 1)
    assert (refused.status_code, refused.json()["code"]) == (409, "not-publishable")
    assert {(one["pointer"], one["rule"]) for one in refused.json()["errors"]} == {
        ("/tags/2", "no-repeats"),
        ("/tags/3", "no-repeats"),
    }
    assert (await bench.call("PUT", f"/v1/projects/{project_id}", body(), If_Match='"1"')).status_code == 200
    assert (await step(bench, project_id, "publish", 2)).status_code == 200


async def test_closing_needs_a_reason_and_is_final(bench: Any, body: Any) -> None:
    project_id = await bench.published()
    without = await step(bench, project_id, "close", 2, body={})
    assert without.status_code == 422
    for verb in ("close", "withdraw"):
        empty = await step(bench, project_id, verb, 2, body={"reason": "The, of."})
        assert empty.status_code == 422
        assert [(one["pointer"], one["rule"]) for one in empty.json()["errors"]] == [
            ("/reason", "text-stop-words-only")
        ]
    closed = await step(bench, project_id, "close", 2)
    assert closed.status_code == 200
    assert (closed.json()["state"], closed.json()["closed_reason"], closed.json()["closed_code"]) == (
        "closed",
        "The work is done.",
        "owner_decision",
    )
    event = (await bench.events())[-1]["data"]
    assert (event["state"], event["closed_reason"]) == ("closed", "The work is done.")
    edit = await bench.call("PUT", f"/v1/projects/{project_id}", body(), If_Match='"3"')
    assert (edit.status_code, edit.json()["code"]) == (409, "project-closed")
    for verb in ("publish", "close", "withdraw"):
        again = await step(bench, project_id, verb, 3)
        assert (again.status_code, again.json()["code"]) == (409, "project-closed"), verb
    assert len(await bench.events()) == 3


async def test_a_draft_is_not_closed_but_withdrawn(bench: Any) -> None:
    project_id = await bench.draft()
    assert (await step(bench, project_id, "close", 1)).json()["code"] == "wrong-state"
    withdrawn = await step(bench, project_id, "withdraw", 1)
    assert (withdrawn.status_code, withdrawn.json()["state"], withdrawn.json()["closed_code"]) == (
        200,
        "withdrawn",
        "withdrawn",
    )


async def test_steps_compare_if_match(bench: Any) -> None:
    project_id = await bench.draft()
    path = f"/v1/projects/{project_id}/publish"
    assert (await bench.call("POST", path)).status_code == 428
    assert (await bench.call("POST", path, If_Match='"4"')).status_code == 412


async def test_a_step_on_what_does_not_exist_is_not_found(bench: Any) -> None:
    assert (await step(bench, str(uuid4()), "publish", 1)).status_code == 404


async def test_nothing_here_awards_or_excludes(bench: Any) -> None:
    """Promise 4, for this service: no route and no member of any body or answer says so."""
    document = (await bench.client.get("/openapi.json")).json()
    names = [*document["paths"], *str(document["components"]["schemas"]).split("'")]
    assert not [
        name for name in names if name.strip("/").split("/")[-1] in {"exclusive", "award", "awards", "lock"}
    ]
