"""The gateway hands every path to the service that owns it, and nothing about a request is lost on the way."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from services.catalogue import SERVICES
from services.console.split import PROCESSES
from tests.deploy.gateway import CONFIGURATION, gateway

ANSWERING = {process.service: process.name for process in PROCESSES if process.role in {"all", "api"}}


class Container(ThreadingHTTPServer):
    """Answers with its name, and with what it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(("127.0.0.1", 0), Echo)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Echo(BaseHTTPRequestHandler):
    server: Container

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Name", self.server.name)
        self.send_header("X-Path", self.path)
        self.send_header("X-Host", self.headers["Host"])
        self.send_header("X-Caller", ",".join(self.headers.get_all("X-Forwarded-For", [])))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ExitStack() as stack:
        containers = [stack.enter_context(Container(name)) for name in ANSWERING.values()]
        for each in containers:
            stack.callback(each.shutdown)
            threading.Thread(target=each.serve_forever, daemon=True).start()
        addresses = {each.name: each.address for each in containers}
        yield stack.enter_context(gateway(tmp_path_factory.mktemp("gateway"), addresses))


@pytest.mark.parametrize(
    ("service", "prefix"),
    [(name, prefix) for name, service in SERVICES.items() for prefix in service.prefixes],
)
def test_every_path_of_the_catalogue_reaches_its_service(door: str, service: str, prefix: str) -> None:
    for path in (prefix, f"{prefix}/x/y%2Fz//?token=a.b:c%20d"):
        answer = httpx2.get(door + path, trust_env=False)
        assert answer.headers["X-Name"] == ANSWERING[service]
        assert answer.headers["X-Path"] == path
        assert answer.headers["X-Host"] == door.removeprefix("http://")


def test_who_asks_is_what_the_gateway_saw_and_not_what_a_caller_wrote(door: str) -> None:
    answer = httpx2.get(door + "/v1/lists", headers={"X-Forwarded-For": "203.0.113.9"}, trust_env=False)
    assert answer.headers["X-Caller"] == "127.0.0.1"


def test_what_every_process_answers_has_an_answer_too(door: str) -> None:
    for path in ("/", "/docs", "/problems/not-found", "/v1/lists-of-others"):
        assert httpx2.get(door + path, trust_env=False).status_code == 200


def test_the_guide_says_which_path_is_whose() -> None:
    guide = (CONFIGURATION.parents[2] / "docs/guide/README.md").read_text("utf-8")
    for name, service in SERVICES.items():
        assert f"| `{name}` | {' '.join(f'`{prefix}`' for prefix in service.prefixes)} |" in guide
