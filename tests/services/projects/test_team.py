"""The team: its creator, and those whom a team member adds."""

from typing import Any
from uuid import UUID, uuid4

import orjson

ANN, BOB = (str(UUID(int=number, version=4)) for number in (1, 2))


async def test_a_member_adds_another_who_may_then_edit(bench: Any, body: Any) -> None:
    ann, bob = (bench.bearer("project_manager", sub=name) for name in (ANN, BOB))
    project_id = await bench.draft(who=ann)
    path = f"/v1/projects/{project_id}"
    assert (await bench.call("GET", path, who=bob)).status_code == 404
    refused = await bench.call("PUT", f"{path}/team/{BOB}", who=bob, If_Match='"1"')
    assert refused.status_code == 404, "a stranger learns nothing of a draft"
    added = await bench.call("PUT", f"{path}/team/{BOB}", who=ann, If_Match='"1"')
    assert (added.status_code, added.json()["team"], added.headers["etag"]) == (200, [ANN, BOB], '"2"')
    edited = await bench.call("PUT", path, body(), who=bob, If_Match='"2"')
    assert edited.status_code == 200
    assert edited.json()["team"] == [ANN, BOB], "a write keeps the team"
    assert (await bench.events())[-1]["data"]["team"] == [ANN, BOB]
    removed = await bench.call("DELETE", f"{path}/team/{ANN}", who=bob, If_Match='"3"')
    assert removed.json()["team"] == [BOB]
    assert (await bench.call("GET", path, who=ann)).status_code == 404


async def test_the_audit_trail_says_who_was_added_and_removed(bench: Any) -> None:
    project_id = await bench.draft(who=bench.bearer("project_manager", sub=ANN))
    path = f"/v1/projects/{project_id}/team"
    for method in ("PUT", "PUT", "DELETE", "DELETE"):
        answer = await bench.call(method, f"{path}/{BOB}", If_Match="*")
        assert answer.status_code == 200
    rows = await bench.rows("SELECT action, details FROM audit WHERE action LIKE 'project.team%'")
    assert [row["action"] for row in rows] == [
        "project.team_added",
        "project.team_unchanged",
        "project.team_removed",
        "project.team_unchanged",
    ]
    assert [orjson.loads(row["details"]) for row in rows] == [{"principal": BOB}] * 4
    assert len(await bench.events()) == 3, "what changes nothing is audited, and is no event"


async def test_the_last_member_stays_and_the_team_has_an_end(bench: Any) -> None:
    ann = bench.bearer("project_manager", sub=ANN)
    project_id = await bench.draft(who=ann)
    path = f"/v1/projects/{project_id}/team"
    for who in (ann, "bdt_editor"):
        last = await bench.call("DELETE", f"{path}/{ANN}", who=who, If_Match='"1"')
        assert (last.status_code, last.json()["code"]) == (409, "last-team-member")
    for number in range(1, 200):
        assert (await bench.call("PUT", f"{path}/{UUID(int=number)}", If_Match="*")).status_code == 200
    full = await bench.call("PUT", f"{path}/{uuid4()}", If_Match="*")
    assert (full.status_code, full.json()["code"]) == (409, "team-full")


async def test_nobody_takes_themselves_out_leaving_ids_that_may_be_nobodys(bench: Any) -> None:
    ann = bench.bearer("project_manager", sub=ANN)
    project_id = await bench.draft(who=ann)
    path = f"/v1/projects/{project_id}"
    await bench.call("PUT", f"{path}/team/{uuid4()}", who=ann, If_Match='"1"')
    refused = await bench.call("DELETE", f"{path}/team/{ANN}", who=ann, If_Match='"2"')
    assert (refused.status_code, refused.json()["code"]) == (409, "last-team-member")
    assert (await bench.call("GET", path, who=ann)).status_code == 200
    assert (await bench.call("DELETE", f"{path}/team/{ANN}", If_Match='"2"')).status_code == 200, (
        "an editor may"
    )


async def test_what_is_no_uuid_is_nobodys_id(bench: Any) -> None:
    project_id = await bench.draft()
    for name in ("notauuid", "ann@example.org", "Ann%20Smith", "x" * 129):
        for method in ("PUT", "DELETE"):
            answer = await bench.call(method, f"/v1/projects/{project_id}/team/{name}", If_Match='"1"')
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter"), name
            assert [error["parameter"] for error in answer.json()["errors"]] == ["principal"]
