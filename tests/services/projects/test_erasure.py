"""Erasure: a tombstone goes out, every row is emptied, and the id is not given out again."""

from typing import Any
from uuid import uuid4

import pytest

from schemas.envelope import Sequence


async def test_erasing_empties_every_row_and_posts_the_tombstone(bench: Any, body: Any) -> None:
    project_id = await bench.published(external_ids=[{"scheme": "itu-project", "value": "1"}])
    path = f"/v1/projects/{project_id}"
    closed = await bench.call(
        "POST",
        f"{path.replace(project_id, project_id.upper())}/close",
        {"reason": "Done."},
        If_Match='"2"',
        Idempotency_Key="k1",
    )
    assert closed.status_code == 200
    assert (await bench.call("DELETE", path, who="bdt_admin")).status_code == 428
    erased = await bench.call("DELETE", path, who="bdt_admin", If_Match='"3"')
    assert (erased.status_code, erased.content) == (204, b"")
    event = (await bench.events())[-1]
    assert (event["type"], event["payload"], event["aggregateid"]) == (
        "org.comity.project.erased.v1",
        None,
        project_id,
    )
    assert Sequence.parse(event["sequence"]) == Sequence(1, 4)
    assert await bench.rows("SELECT * FROM projects WHERE record IS NOT NULL OR owner IS NOT NULL") == []
    assert await bench.rows("SELECT * FROM revisions WHERE record IS NOT NULL OR why IS NOT NULL") == []
    assert await bench.rows("SELECT * FROM facets") == []
    assert await bench.rows("SELECT * FROM external_ids") == []
    assert await bench.rows("SELECT * FROM idempotency") == [], "no kept answer repeats what was erased"
    for who in ("bdt_admin", "nobody"):
        for suffix in ("", "/revisions", "/revisions/1"):
            assert (await bench.call("GET", path + suffix, who=who)).status_code == 404
    again = await bench.call("PUT", path, body())
    assert (again.status_code, again.json()["code"]) == (410, "project-erased")
    assert (await bench.call("DELETE", path, who="bdt_admin", If_Match="*")).status_code == 410
    [row] = await bench.rows("SELECT * FROM audit WHERE action = 'project.erased'")
    assert (row["subject"], row["revision_before"], row["revision_after"]) == (project_id, 3, 4)


@pytest.mark.parametrize("role", ["nobody", "project_manager", "bdt_editor", "bdt_analyst", "auditor"])
async def test_only_an_administrator_erases(bench: Any, role: str) -> None:
    project_id = await bench.draft()
    answer = await bench.call("DELETE", f"/v1/projects/{project_id}", who=role, If_Match='"1"')
    assert answer.status_code == (401 if role == "nobody" else 403)


async def test_what_never_existed_is_not_found(bench: Any) -> None:
    answer = await bench.call("DELETE", f"/v1/projects/{uuid4()}", who="bdt_admin", If_Match="*")
    assert answer.status_code == 404
