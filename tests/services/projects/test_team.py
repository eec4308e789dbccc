"""The team: its creator, and those whom a team member adds."""

from typing import Any


async def test_a_member_adds_another_who_may_then_edit(bench: Any, body: Any) -> None:
    ann, bob = (bench.bearer("project_manager", sub=name) for name in ("ann", "bob"))
    project_id = await bench.draft(who=ann)
    path = f"/v1/projects/{project_id}"
    assert (await bench.call("GET", path, who=bob)).status_code == 404
    refused = await bench.call("PUT", f"{path}/team/bob", who=bob, If_Match='"1"')
    assert refused.status_code == 404, "a stranger learns nothing of a draft"
    added = await bench.call("PUT", f"{path}/team/bob", who=ann, If_Match='"1"')
    assert (added.status_code, added.json()["team"], added.headers["etag"]) == (200, ["ann", "bob"], '"2"')
    edited = await bench.call("PUT", path, body(), who=bob, If_Match='"2"')
    assert edited.status_code == 200
    assert edited.json()["team"] == ["ann", "bob"], "a write keeps the team"
    assert (await bench.events())[-1]["data"]["team"] == ["ann", "bob"]
    removed = await bench.call("DELETE", f"{path}/team/ann", who=bob, If_Match='"3"')
    assert removed.json()["team"] == ["bob"]
    assert (await bench.call("GET", path, who=ann)).status_code == 404


async def test_who_is_in_it_already_changes_nothing_but_is_audited(bench: Any) -> None:
    project_id = await bench.draft()
    for method, name in (("PUT", "bdt_editor-1"), ("DELETE", "stranger")):
        answer = await bench.call(method, f"/v1/projects/{project_id}/team/{name}", If_Match='"1"')
        assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert len(await bench.events()) == 1
    assert len(await bench.rows("SELECT * FROM audit WHERE action = 'project.team_unchanged'")) == 2


async def test_the_last_member_stays_and_the_team_has_an_end(bench: Any) -> None:
    project_id = await bench.draft()
    path = f"/v1/projects/{project_id}/team"
    last = await bench.call("DELETE", f"{path}/bdt_editor-1", If_Match='"1"')
    assert (last.status_code, last.json()["code"]) == (409, "last-team-member")
    for number in range(1, 200):
        assert (await bench.call("PUT", f"{path}/p{number}", If_Match="*")).status_code == 200
    full = await bench.call("PUT", f"{path}/one-more", If_Match="*")
    assert (full.status_code, full.json()["code"]) == (409, "team-full")


async def test_an_address_or_a_name_is_no_principal_id(bench: Any) -> None:
    project_id = await bench.draft()
    for name in ("ann@example.org", "Ann%20Smith", "x" * 129):
        answer = await bench.call("PUT", f"/v1/projects/{project_id}/team/{name}", If_Match='"1"')
        assert answer.status_code == 400, name
