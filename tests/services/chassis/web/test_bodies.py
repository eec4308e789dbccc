"""Bodies that lenient readers would each understand differently are refused, with the place named."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status", "code", "said"),
    [
        (b'{"title": "a", "title": "b"}', 400, "malformed-body", "twice"),
        (b'{"title": "a", "weight": NaN}', 400, "malformed-body", "NaN"),
        (b'{"title": "a", "weight": -Infinity}', 400, "malformed-body", "Infinity"),
        (b'{"title": "a", "weight": 1e400}', 400, "malformed-body", "too large"),
        (b'{"title": "a", "weight": 99999999999999999999}', 400, "malformed-body", "64 bits"),
        (b'{"title": "a", "weight": ' + b"9" * 5000 + b"}", 400, "malformed-body", "too large"),
        (b'{"title": "a", "more": ' + b'{"a":' * 40 + b"1" + b"}" * 41, 400, "malformed-body", "deep"),
        (b"[" * 9000 + b"]" * 9000, 400, "malformed-body", "deep"),
        (b'{"title": "\xff"}', 400, "malformed-body", "UTF-8"),
        (b'\xef\xbb\xbf{"title": "a"}', 400, "malformed-body", "byte order mark"),
        ("{'title': 'a'}".encode("utf-16"), 400, "malformed-body", "UTF-8"),
        (b'{"title": "a"', 400, "malformed-body", "line 1"),
        (b"", 422, "invalid-body", ""),
        (b"null", 422, "invalid-body", ""),
        (b"[]", 422, "invalid-body", ""),
        (b'{"title": "half \\ud800"}', 422, "invalid-body", "U+D800"),
        (b'{"title": "nul \\u0000"}', 422, "invalid-body", "U+0000"),
        (b'{"title": "a", "more": {"\\u0000": 1}}', 422, "invalid-body", "U+0000"),
        (b'{"title": "over \\u202e"}', 422, "invalid-body", "U+202E"),
        (b'{"title": " "}', 422, "invalid-body", "/title"),
        (b'{"title": "a", "weight": 11}', 422, "invalid-body", "/weight"),
        (b'{"titel": "a"}', 422, "invalid-body", "/titel"),
    ],
)
async def test_a_bad_body_gets_a_clear_error(
    bench: Any, body: bytes, status: int, code: str, said: str
) -> None:
    answer = await bench.client.put("/v1/notes/a", content=body, headers=bench.bearer() | JSON)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert said in str(problem)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await bench.client.get("/v1/notes/a", headers=bench.bearer())).status_code == 404


async def test_a_pair_of_surrogates_is_one_character(bench: Any) -> None:
    answer = await bench.client.put(
        "/v1/notes/a", content=b'{"title": "\\ud83d\\ude00 x"}', headers=bench.bearer() | JSON
    )
    assert answer.status_code == 201
    assert (await bench.client.get("/v1/notes/a", headers=bench.bearer())).json()["title"] == "😀 x"


async def test_every_broken_rule_is_named_at_once_with_its_place_and_fix(bench: Any) -> None:
    answer = await bench.client.put("/v1/notes/a", json={"weight": 50, "x/y": 1}, headers=bench.bearer())
    errors = {error["pointer"]: error for error in answer.json()["errors"]}
    assert set(errors) == {"/title", "/weight", "/x~1y"}
    assert all(error["rule"] and error["fix"] for error in errors.values())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/xml"}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "application/json; charset=UTF-8"}, 201),
        ({"Content-Type": "application/merge-patch+json"}, 201),
    ],
)
async def test_the_content_type_must_be_json(bench: Any, headers: dict[str, str], status: int) -> None:
    answer = await bench.client.put(
        "/v1/notes/a", content=b'{"title": "a"}', headers=bench.bearer() | headers
    )
    assert answer.status_code == status, answer.text
    if status == 415:
        assert answer.json()["code"] == "unsupported-media"


async def test_a_body_over_the_limit_is_cut_off_however_it_is_sent(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.chassis.web.bodies._DISCARDED", 50_000)  # who sends more loses the answer
    large = b'{"title": "' + b"a" * 30_000 + b'"}'
    whole = await bench.client.put("/v1/notes/a", content=large, headers=bench.bearer() | JSON)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1000
            yield b"x" * 1000

    chunked = await bench.client.put("/v1/notes/a", content=endless(), headers=bench.bearer() | JSON)
    for answer in (whole, chunked):
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert 50_000 <= sent < 100_000
    declared = await bench.client.put(
        "/v1/notes/a", content=b"{}", headers=bench.bearer() | JSON | {"Content-Length": "9" * 30}
    )
    assert declared.status_code == 413
