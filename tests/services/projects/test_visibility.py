"""Who sees what of projects: every reading route as every role, lists and histories included."""

from typing import Any
from uuid import uuid4

import pytest

ROLES = (
    "nobody",
    "public",
    "organisation_reader",
    "organisation_editor",
    "organisation_admin",
    "project_manager",
    "office_officer",
    "bdt_analyst",
    "bdt_editor",
    "bdt_admin",
    "auditor",
)
SEES_ALL = {"bdt_analyst", "bdt_editor", "bdt_admin", "auditor"}
READS = ("", "/revisions", "/revisions/1")


async def in_state(bench: Any, state: str) -> str:
    who = bench.bearer("project_manager", sub="ann")
    if state == "draft":
        return await bench.draft(who=who)
    project_id = await bench.published(who=who)
    verb = {"closed": "close", "withdrawn": "withdraw"}.get(state)
    if verb is not None:
        path = f"/v1/projects/{project_id}/{verb}"
        answer = await bench.call("POST", path, {"reason": "Done."}, who=who, If_Match='"2"')
        assert answer.status_code == 200
    return project_id


@pytest.mark.parametrize("state", ["draft", "published", "closed", "withdrawn"])
async def test_every_reading_route_as_every_role(bench: Any, state: str) -> None:
    project_id = await in_state(bench, state)
    for role in ROLES:
        seen = state == "published" or role in SEES_ALL
        one = await bench.call("GET", f"/v1/projects/{project_id}", who=role)
        assert one.status_code == (200 if seen else 404), (role, state)
        history = await bench.call("GET", f"/v1/projects/{project_id}/revisions", who=role)
        assert history.status_code == (200 if seen else 404), (role, state)
        first = await bench.call("GET", f"/v1/projects/{project_id}/revisions/1", who=role)
        assert first.status_code == (200 if role in SEES_ALL else 404), (role, state)
        listed = await bench.call("GET", "/v1/projects", who=role)
        assert [item["id"] for item in listed.json()["items"]] == ([project_id] if seen else []), (
            role,
            state,
        )


async def test_one_etag_names_one_body(bench: Any) -> None:
    project_id = await in_state(bench, "published")
    bodies: dict[str, set[bytes]] = {}
    for who in (*ROLES, bench.bearer("project_manager", sub="ann")):
        answer = await bench.call("GET", f"/v1/projects/{project_id}", who=who)
        bodies.setdefault(answer.headers["etag"], set()).add(answer.content)
        again = await bench.call(
            "GET", f"/v1/projects/{project_id}", who=who, If_None_Match=answer.headers["etag"]
        )
        assert again.status_code == 304
    assert bodies['"2"'], "the team sends back what it read"
    assert len(bodies) > 1
    assert all(len(bodies_of_one) == 1 for bodies_of_one in bodies.values())


@pytest.mark.parametrize("state", ["draft", "published", "closed"])
async def test_the_team_and_the_office_see_their_own(bench: Any, state: str) -> None:
    project_id = await in_state(bench, state)
    member = bench.bearer("project_manager", sub="ann")
    for suffix in READS:
        assert (await bench.call("GET", f"/v1/projects/{project_id}{suffix}", who=member)).status_code == 200
    listed = await bench.call("GET", "/v1/projects", who=member)
    assert [item["id"] for item in listed.json()["items"]] == [project_id]


async def test_an_office_sees_the_drafts_of_its_own_office_alone(bench: Any) -> None:
    project_id = await bench.draft(office="bangkok")
    own = bench.bearer("office_officer", office="bangkok")
    other = bench.bearer("office_officer", office="dakar")
    assert (await bench.call("GET", f"/v1/projects/{project_id}", who=own)).status_code == 200
    assert len((await bench.call("GET", "/v1/projects", who=own)).json()["items"]) == 1
    assert (await bench.call("GET", f"/v1/projects/{project_id}", who=other)).status_code == 404
    assert (await bench.call("GET", "/v1/projects", who=other)).json()["items"] == []


async def test_outsiders_are_not_told_who_is_in_the_team_or_who_wrote_what(bench: Any) -> None:
    project_id = await in_state(bench, "published")
    for role in ("nobody", "organisation_admin", "office_officer"):
        shown = (await bench.call("GET", f"/v1/projects/{project_id}", who=role)).json()
        assert "team" not in shown
        assert "provenance" not in shown
        history = (await bench.call("GET", f"/v1/projects/{project_id}/revisions", who=role)).json()
        assert [line["revision"] for line in history["items"]] == [2], (
            "the draft revision is nobody else's to see"
        )
        assert "changed_by" not in history["items"][0]
    inside = (await bench.call("GET", f"/v1/projects/{project_id}/revisions", who="auditor")).json()
    assert [(line["revision"], line["changed_by"]) for line in inside["items"]] == [(2, "ann"), (1, "ann")]


async def test_documents_are_listed_for_all_and_open_by_their_access(bench: Any) -> None:
    documents = [
        {"title": "Note", "url": "https://example.org/note", "language": "en", "access": "public"},
        {"title": "Plan", "url": "https://example.org/plan", "language": "en", "access": "members"},
    ]
    project_id = await bench.published(documents=documents)
    outside = (await bench.call("GET", f"/v1/projects/{project_id}", who="nobody")).json()["documents"]
    assert [(one["title"], one["url"]) for one in outside] == [
        ("Note", "https://example.org/note"),
        ("Plan", None),
    ]
    inside = (await bench.call("GET", f"/v1/projects/{project_id}", who="organisation_reader")).json()[
        "documents"
    ]
    assert [one["url"] for one in inside] == ["https://example.org/note", "https://example.org/plan"]


async def test_an_auditor_changes_nothing_even_as_a_team_member(bench: Any, body: Any) -> None:
    project_id = await bench.draft()
    one = str(uuid4())
    auditor = bench.bearer("auditor", sub=one)
    added = await bench.call("PUT", f"/v1/projects/{project_id}/team/{one}", If_Match='"1"')
    assert added.status_code == 200
    for method, path, sent in (
        ("PUT", "", body()),
        ("POST", "/publish", None),
        ("POST", "/withdraw", {"reason": "No."}),
        ("PUT", f"/team/{uuid4()}", None),
        ("DELETE", f"/team/{one}", None),
        ("DELETE", "", None),
    ):
        answer = await bench.call(
            method, f"/v1/projects/{project_id}{path}", sent, who=auditor, If_Match='"2"'
        )
        assert answer.status_code == 403, (method, path)


async def test_the_audit_trail_is_for_auditors_and_administrators(bench: Any) -> None:
    await bench.published()
    for role in ROLES:
        answer = await bench.call("GET", "/v1/audit/projects", who=role)
        expected = {"nobody": 401, "auditor": 200, "bdt_admin": 200}.get(role, 403)
        assert answer.status_code == expected, role
    actions = [row["action"] for row in answer.json()["items"]]
    assert actions == ["project.published", "project.created"]
