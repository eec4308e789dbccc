"""Imports against a server that is too busy, away behind its gateway, or failing: what is not known to be refused is unsent."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from typer.testing import CliRunner, Result

from services.console.connection import Connection
from services.console.exits import Ended, Exit
from services.console.importing import app
from services.console.importing.run import Import
from services.console.mapping.identifiers import identifier_of
from services.console.waiting import wait_for
from tests.services.console.importing.test_import import MAPS, PLAIN, said

Reply = tuple[int, dict[str, str], bytes]
Replier = Callable[[str, str, bytes, dict[str, str]], Reply]
AT_ONCE = {"Retry-After": "0"}


def problem(status: int, code: str, headers: dict[str, str] = AT_ONCE) -> Reply:
    body = {"type": f"https://x/problems/{code}", "title": "No", "detail": f"It is {code}.", "code": code}
    return status, {"Content-Type": "application/problem+json", **headers}, json.dumps(body).encode()


@contextmanager
def served(reply: Replier) -> Iterator[str]:
    """A server on this machine that answers each request with what `reply(method, path, body, headers)` gives."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = reply(self.command, self.path, content, dict(self.headers))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815 - the names that the server looks for

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def gateway(system: Connection) -> Callable[[str, str, bytes, dict[str, str]], Reply]:
    """What passes a request on to the system, and its answer back."""

    def forward(method: str, path: str, content: bytes, headers: dict[str, str]) -> Reply:
        kept = {name: value for name, value in headers.items() if name.lower() not in {"host", "connection"}}
        answer = httpx2.request(
            method, system.address(path), content=content, headers=kept, trust_env=False, timeout=60
        )
        back = {
            name: answer.headers[name]
            for name in ("ETag", "Content-Type", "Retry-After")
            if name in answer.headers
        }
        return answer.status_code, back, answer.content

    return forward


def calls(folder: Path, prefix: str, rows: int) -> Path:
    review = folder / "calls.toml"
    review.write_text((MAPS / "calls.toml").read_text("utf-8") + 'review_by = "2199-12-31"\n', "utf-8")
    file = folder / "calls.jsonl"
    lines = [{"ref": f"{prefix}-{n}", "title": f"Radio {n}", "goal": "Links."} for n in range(rows)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file


def imported(folder: Path, file: Path, url: str, *more: str, token: str = "t") -> Result:
    at = ("--map", str(folder / "calls.toml"), "--url", url, "--token", token, "--json")
    return CliRunner().invoke(app, ["projects", str(file), *at, *more])


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "unavailable"), (429, "too-many-requests"), (502, "bad-gateway"), (504, "gateway-timeout")],
)
def test_a_server_that_takes_nothing_for_now_stops_the_import_and_no_row_is_called_bad(
    tmp_path: Path, status: int, code: str
) -> None:
    asked = count()

    def busy(*_: Any) -> Reply:
        next(asked)
        return problem(status, code)

    with served(busy) as url:
        result = imported(tmp_path, calls(tmp_path, "B", 3), url)
    assert result.exit_code == 3, result.stderr
    counts = said(result)
    assert (counts["refused"], counts["unsent"], counts["rows"]) == (0, 3, 3)
    assert result.stderr.count("\n") == 1
    assert f"{status}" in result.stderr
    assert "the same command again goes on" in result.stderr
    assert next(asked) > 3 * 2  # each was tried several times


@pytest.mark.parametrize("status", [409, 429, 502, 503, 504])  # 409: the same request is being worked on
def test_what_is_busy_once_is_asked_again(system: Connection, tmp_path: Path, status: int) -> None:
    forward, seen = gateway(system), set[tuple[str, str]]()
    past = {"Retry-After": format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)}

    def once(method: str, path: str, content: bytes, headers: dict[str, str]) -> Reply:
        if (method, path) not in seen:
            seen.add((method, path))
            return problem(status, "busy", past)
        return forward(method, path, content, headers)

    with served(once) as url:
        file = calls(tmp_path, f"O{status}", 2)
        result = imported(tmp_path, file, url, "--wait", token=system.token or "")
    assert result.exit_code == 0, result.stderr
    assert (said(result)["created"], said(result)["waited"]) == (2, True)


@pytest.mark.parametrize("kind", ["organisations", "projects"])
def test_a_write_whose_answer_the_gateway_lost_is_made_once_and_waited_for_as_any_other(
    system: Connection, tmp_path: Path, kind: str
) -> None:
    forward, seen = gateway(system), set[tuple[str, str]]()

    def lossy(method: str, path: str, content: bytes, headers: dict[str, str]) -> Reply:
        answer = forward(method, path, content, headers)
        if method == "GET" or (method, path) in seen:
            return answer
        seen.add((method, path))  # it was taken, and nobody hears of it
        return problem(502, "bad-gateway")

    file, id_ = calls(tmp_path, "L", 1), identifier_of("projects", "calls", "L-0")
    map_name: str | None = str(tmp_path / "calls.toml")
    if kind == "organisations":
        id_, map_name = str(uuid4()), None
        file.write_text(json.dumps({"id": id_, **PLAIN}) + "\n", "utf-8")
    with served(lossy) as url, Connection({"": url}, token=system.token) as connection:
        work = Import(kind, file, map_name=map_name, evidence=None)
        work.run(connection)
        assert [token["id"] for token in work.tokens] == [id_]
        assert wait_for(connection, work.tokens, report=lambda *_: None)["complete"]
    assert system.read(f"/v1/{kind}/{id_}")["revision"] == {"organisations": 1, "projects": 2}[kind]


def test_a_row_at_which_the_server_fails_is_unsent_and_the_others_are_taken(
    system: Connection, tmp_path: Path
) -> None:
    forward, failing = gateway(system), identifier_of("projects", "calls", "F-1")

    def broken(method: str, path: str, content: bytes, headers: dict[str, str]) -> Reply:
        return problem(500, "internal") if failing in path else forward(method, path, content, headers)

    with served(broken) as url:
        result = imported(tmp_path, calls(tmp_path, "F", 3), url, token=system.token or "")
    assert result.exit_code == 1, result.stderr
    counts = said(result)
    assert (counts["created"], counts["refused"], counts["unsent"]) == (2, 0, 1)
    assert "line 2: the server failed at it: 500" in result.stderr


@pytest.mark.parametrize(
    ("status", "code"), [(503, Exit.UNREACHABLE), (502, Exit.UNREACHABLE), (401, Exit.REFUSED)]
)
def test_a_token_that_nobody_can_give_now_is_not_called_refused(status: int, code: Exit) -> None:
    with (
        served(lambda *_: problem(status, "x")) as url,
        Connection({"": url}) as connection,
        pytest.raises(Ended) as ended,
    ):
        connection.take_token("client", "secret")
    assert ended.value.code == code
