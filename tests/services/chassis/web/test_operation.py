"""Commands through the edge: conditions, audit, idempotency, and an answer only after the commit."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError


async def rows(bench: Any, query: str) -> list[Any]:
    async with bench.runtime.database.read() as connection:
        return list((await connection.execute(text(query))).all())


async def test_a_write_answers_with_its_revision_as_etag(bench: Any) -> None:
    answer = await bench.client.put("/v1/notes/a", json={"title": "One"}, headers=bench.bearer())
    assert answer.status_code == 201, answer.text
    assert answer.headers["etag"] == '"1"'
    read = await bench.client.get("/v1/notes/a", headers=bench.bearer())
    assert (read.status_code, read.headers["etag"]) == (200, '"1"')
    again = await bench.client.get("/v1/notes/a", headers=bench.bearer() | {"If-None-Match": '"1"'})
    assert (again.status_code, again.content) == (304, b"")


async def test_if_match_is_required_and_compared(bench: Any) -> None:
    url, who = "/v1/notes/a", bench.bearer()
    assert (
        await bench.client.put(url, json={"title": "x"}, headers=who | {"If-Match": '"1"'})
    ).status_code == 412
    await bench.client.put(url, json={"title": "One"}, headers=who)
    missing = await bench.client.put(url, json={"title": "Two"}, headers=who)
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition-required")
    stale = await bench.client.put(url, json={"title": "Two"}, headers=who | {"If-Match": '"7"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"1"')
    weak = await bench.client.put(url, json={"title": "Two"}, headers=who | {"If-Match": 'W/"1"'})
    assert weak.status_code == 412
    garbled = await bench.client.put(url, json={"title": "Two"}, headers=who | {"If-Match": "1"})
    assert (garbled.status_code, garbled.json()["code"]) == (400, "invalid-parameter")
    create_only = await bench.client.put(url, json={"title": "Two"}, headers=who | {"If-None-Match": "*"})
    assert create_only.status_code == 412
    right = await bench.client.put(url, json={"title": "Two"}, headers=who | {"If-Match": '"1"'})
    assert (right.status_code, right.headers["etag"]) == (200, '"2"')


async def test_a_failing_commit_is_never_a_2xx(bench: Any) -> None:
    answer = await bench.client.post("/v1/notes/break", headers=bench.bearer())
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert await rows(bench, "SELECT * FROM audit") == []


async def test_a_command_without_its_audit_row_leaves_nothing(bench: Any) -> None:
    assert (await bench.client.post("/v1/notes/unaudited", headers=bench.bearer())).status_code == 500
    assert await rows(bench, "SELECT * FROM notes") == []


async def test_a_command_that_others_were_in_the_way_of_is_tried_again_and_stored_once(bench: Any) -> None:
    bench.runtime.state["contended"] = 3
    answer = await bench.client.post("/v1/notes", json={"title": "One"}, headers=bench.bearer())
    assert answer.status_code == 201
    assert len(await rows(bench, "SELECT * FROM notes")) == len(await rows(bench, "SELECT * FROM audit")) == 1
    bench.runtime.state["contended"] = 4
    refused = await bench.client.post("/v1/notes", json={"title": "Two"}, headers=bench.bearer())
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert len(await rows(bench, "SELECT * FROM notes")) == 1


async def test_an_idempotency_key_does_the_request_once(bench: Any) -> None:
    headers = bench.bearer() | {"Idempotency-Key": "one"}
    first = await bench.client.post("/v1/notes", json={"title": "One"}, headers=headers)
    second = await bench.client.post("/v1/notes", json={"title": "One"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert (second.headers["etag"], second.headers["location"]) == ('"1"', first.headers["location"])
    assert len(await rows(bench, "SELECT * FROM notes")) == 1
    other_body = await bench.client.post("/v1/notes", json={"title": "Two"}, headers=headers)
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency-mismatch")
    somebody = bench.bearer(sub="else") | {"Idempotency-Key": "one"}
    assert (await bench.client.post("/v1/notes", json={"title": "One"}, headers=somebody)).status_code == 201
    assert len(await rows(bench, "SELECT * FROM notes")) == 2


async def test_a_key_is_forgotten_after_a_day(bench: Any) -> None:
    headers = bench.bearer() | {"Idempotency-Key": "one"}
    await bench.client.post("/v1/notes", json={"title": "One"}, headers=headers)
    async with bench.runtime.database.write() as connection:
        await connection.execute(text("UPDATE idempotency SET created_at = '2020-01-01T00:00:00.000000Z'"))
    again = await bench.client.post("/v1/notes", json={"title": "Two"}, headers=headers)
    assert again.status_code == 201
    assert "idempotency-replayed" not in again.headers


async def test_a_refused_request_does_not_use_its_key_up(bench: Any) -> None:
    headers = bench.bearer() | {"Idempotency-Key": "one"}
    assert (await bench.client.post("/v1/notes", json={"title": ""}, headers=headers)).status_code == 422
    assert (await bench.client.post("/v1/notes", json={"title": "One"}, headers=headers)).status_code == 201


async def test_a_key_in_flight_is_a_conflict(bench: Any) -> None:
    bench.runtime.state |= {"gate": asyncio.Event(), "entered": asyncio.Event()}
    headers = bench.bearer() | {"Idempotency-Key": "one"}
    first = asyncio.create_task(bench.client.post("/v1/notes", json={"title": "One"}, headers=headers))
    await bench.runtime.state["entered"].wait()
    second = await bench.client.post("/v1/notes", json={"title": "One"}, headers=headers)
    assert (second.status_code, second.json()["code"]) == (409, "idempotency-in-flight")
    bench.runtime.state["gate"].set()
    assert (await first).status_code == 201
    third = await bench.client.post("/v1/notes", json={"title": "One"}, headers=headers)
    assert third.headers["idempotency-replayed"] == "true"


async def test_every_command_leaves_one_row_that_only_auditors_read(bench: Any) -> None:
    who = bench.bearer(sub="editor-1") | {"X-Request-ID": "request-0001"}
    await bench.client.put("/v1/notes/a", json={"title": "One"}, headers=who)
    await bench.client.put("/v1/notes/b", json={"title": "One"}, headers=who)
    assert (await bench.client.get("/v1/audit/notes")).status_code == 401
    assert (await bench.client.get("/v1/audit/notes", headers=bench.bearer("bdt_editor"))).status_code == 403
    auditor = bench.bearer("auditor")
    page = (await bench.client.get("/v1/audit/notes?limit=1", headers=auditor)).json()
    [row] = page["items"]
    assert (row["subject"], row["action"], row["principal"]) == ("b", "note.put", "editor-1")
    assert (row["revision_before"], row["revision_after"]) == (None, 1)
    assert (row["roles"], row["request_id"]) == (["bdt_editor", "public"], "request-0001")
    rest = await bench.client.get(f"/v1/audit/notes?limit=1&cursor={page['next']}", headers=auditor)
    assert [row["subject"] for row in rest.json()["items"]] == ["a"]
    assert rest.json()["next"] is None
    only = await bench.client.get("/v1/audit/notes?subject=a", headers=auditor)
    assert [row["subject"] for row in only.json()["items"]] == ["a"]


async def test_the_audit_trail_cannot_be_changed(bench: Any) -> None:
    await bench.client.put("/v1/notes/a", json={"title": "One"}, headers=bench.bearer())
    for statement in ("UPDATE audit SET principal = 'nobody'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with bench.runtime.database.write() as connection:
                await connection.execute(text(statement))
    assert [row.principal for row in await rows(bench, "SELECT principal FROM audit")] == ["someone"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("Agreed on 3 November, 100%.", "Agreed on 3 November, 100%."),
        ("Conforme%20%C3%A0%20la%20d%C3%A9cision", "Conforme à la décision"),
        ("%D8%A8%D8%B7%D9%84%D8%A8%20%D9%85%D9%86%D9%87%D8%A7", "بطلب منها"),
        ("Conforme à la décision".encode().decode("latin-1"), "Conforme à la décision"),
    ],
)
async def test_why_somebody_writes_is_in_the_audit_row(bench: Any, sent: str, stored: str) -> None:
    who = bench.bearer() | {"Comity-Reason": sent.encode("latin-1")}
    assert (await bench.client.put("/v1/notes/a", json={"title": "One"}, headers=who)).status_code == 201
    assert [row.why for row in await rows(bench, "SELECT why FROM audit")] == [stored]


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        ("", "text-without-words"),
        ("x" * 501, "reason-too-long"),
        ("12", "text-without-words"),
        ("two%0Alines", "no-control-characters"),
        ("turned%E2%80%AEround", "no-bidi-controls"),
        ("%FF", "utf-8"),
    ],
)
async def test_a_reason_that_is_no_line_of_words_is_refused(bench: Any, sent: str, rule: str) -> None:
    who = bench.bearer() | {"Comity-Reason": sent}
    answer = await bench.client.put("/v1/notes/a", json={"title": "One"}, headers=who)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")
    assert [(error["header"], error["rule"]) for error in answer.json()["errors"]] == [
        ("Comity-Reason", rule)
    ]
    assert await rows(bench, "SELECT * FROM notes") == []
