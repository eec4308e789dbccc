"""What holds for every request: ids, headers, addresses, limits, and errors that tell nothing of the inside."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1/notes/", 404, "not-found"),
        ("PATCH", "/v1/notes", 405, "method-not-allowed"),
        ("POST", "/v1/notes/crash", 500, "internal"),
        ("GET", "/v1/notes/by-number/not-a-uuid", 400, "invalid-parameter"),
        ("GET", "/v1/notes?limt=5", 400, "unknown-parameter"),
        ("GET", "/v1/notes?limit=0", 400, "invalid-parameter"),
        ("GET", "/v1/notes?limit=-1", 400, "invalid-parameter"),
        ("GET", "/v1/notes?limit=1000000000", 400, "invalid-parameter"),
        ("GET", "/v1/notes?limit=5&limit=6", 400, "invalid-parameter"),
        ("GET", "/v1/notes?limit=abc", 400, "invalid-parameter"),
        ("GET", "/v1/notes?cursor=abc", 400, "invalid-cursor"),
        ("GET", "/v1/notes?cursor=%C3%A9", 400, "invalid-cursor"),
        ("GET", "/v1/notes/a%00b", 400, "invalid-parameter"),
        ("GET", "/v1/notes/a%E2%80%AEb", 400, "invalid-parameter"),
        ("GET", "/v1/notes/a%FFb", 400, "invalid-parameter"),
        ("GET", "/v1/notes/a%ED%A0%80b", 400, "invalid-parameter"),
        ("GET", "/v1/notes?cursor=a%00", 400, "invalid-parameter"),
    ],
)
async def test_every_error_is_a_problem_document(
    bench: Any, method: str, path: str, status: int, code: str
) -> None:
    answer = await bench.client.request(method, path, headers=bench.bearer())
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"http://127.0.0.1:8080/problems/{code}"
    assert problem["status"] == status
    assert problem["instance"] == f"urn:request:{answer.headers['x-request-id']}"
    assert "secret of the inside" not in answer.text
    if status == 405:
        assert "GET" in answer.headers["allow"]


async def test_a_request_id_is_kept_if_it_is_sane_and_made_otherwise(bench: Any) -> None:
    kept = await bench.client.get("/v1/notes", headers={"X-Request-ID": "my-request-1"})
    assert kept.headers["x-request-id"] == "my-request-1"
    for insane in ("short", "a b c d e f g h", "x" * 200, '"><script>'):
        made = await bench.client.get("/v1/notes", headers={"X-Request-ID": insane})
        assert made.headers["x-request-id"] != insane
        assert len(made.headers["x-request-id"]) == 36


async def test_every_answer_has_the_security_headers(bench: Any) -> None:
    for path in ("/v1/notes", "/v1/nothing", "/", "/docs", "/problems"):
        headers = (await bench.client.get(path, headers={"Accept": "text/html"})).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_the_database_being_away_is_a_503_that_says_when_to_come_back(bench: Any) -> None:
    async with bench.runtime.database.write() as connection:
        await connection.execute(text("SELECT 1"))
        bench.runtime.database._busy_seconds = 0.1
        from services.chassis.database import Database

        other = Database(bench.runtime.database.url.render_as_string(), service="notes", busy_seconds=0.1)
        ours, bench.runtime.database = bench.runtime.database, other
        answer = await bench.client.put("/v1/notes/a", json={"title": "a"}, headers=bench.bearer())
        bench.runtime.database = ours
        await other.close()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_requests_are_limited_per_principal_and_per_address(make_bench: Any, settings: Any) -> None:
    http = settings.http.model_copy(update={"requests_per_minute": 3, "anonymous_requests_per_minute": 2})
    bench = await make_bench(settings.model_copy(update={"http": http}))
    named = [await bench.client.get("/v1/notes", headers=bench.bearer()) for _ in range(4)]
    assert [answer.status_code for answer in named] == [200, 200, 200, 429]
    assert named[0].headers["ratelimit-policy"] == '"principal";q=3;w=60'
    assert named[0].headers["ratelimit"].startswith('"principal";r=2;t=')
    assert (named[3].json()["code"], named[3].headers["ratelimit"][:16]) == (
        "too-many-requests",
        '"principal";r=0;',
    )
    assert 1 <= int(named[3].headers["retry-after"]) <= 60
    someone_else = await bench.client.get("/v1/notes", headers=bench.bearer(sub="else"))
    assert someone_else.status_code == 200
    anonymous = [await bench.client.get("/v1/notes") for _ in range(3)]
    assert [answer.status_code for answer in anonymous] == [200, 200, 429]
    bad_token = await bench.client.get("/v1/notes", headers={"Authorization": "Bearer nonsense"})
    assert bad_token.status_code == 429


async def test_only_routes_marked_public_answer_without_a_token(bench: Any) -> None:
    assert (await bench.client.get("/v1/notes")).status_code == 200
    closed = await bench.client.get("/v1/notes/a")
    assert (closed.status_code, closed.json()["code"]) == (401, "unauthenticated")
    assert closed.headers["www-authenticate"].startswith("Bearer")


async def test_a_record_too_large_for_the_log_is_refused_at_the_write(bench: Any) -> None:
    from services.chassis.bus.errors import RecordTooLarge
    from services.chassis.web.failures import problem_of

    problem = problem_of(RecordTooLarge("too much"), {"type": "http", "headers": []})
    assert (problem.status, problem.code, problem.detail) == (413, "record-too-large", "too much")


async def test_a_trace_goes_through_and_a_broken_one_is_replaced(bench: Any) -> None:
    seen: list[str] = []
    service = bench.runtime.service

    def routers() -> Any:
        from fastapi import APIRouter, Request, Response

        from services.chassis.web.reading import respond

        routes = APIRouter()

        @routes.get("/v1/notes/trace/x")
        async def trace(request: Request) -> Response:
            seen.append(request.state.traceparent)
            return respond(request, {})

        return (routes,)

    from httpx2 import ASGITransport, AsyncClient

    from services.chassis.web.application import build_application

    runtime = replace(bench.runtime, service=replace(service, routers=routers))
    app = build_application(runtime, verifier=bench.application.state.verifier)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://x.test") as client:
        for sent in (trace, "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "nonsense"):
            await client.get("/v1/notes/trace/x", headers=bench.bearer() | {"traceparent": sent})
    assert seen[0] == trace
    assert all(len(one) == 55 and one != trace and "0" * 32 not in one for one in seen[1:])
