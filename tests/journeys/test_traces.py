"""Traces: one write is one trace through every part that it goes through, as a collector receives it by OTLP."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from services.console.exits import Exit
from tests.contracts.world import lines, project
from tests.journeys.conftest import comity, started

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("journeys"), pytest.mark.timeout(300)]

TRACE = "0af7651916cd43dd8448eb211c80319c"
ORGANISATION, PROJECT = "018f3c2a-7d10-7000-8000-0000000000b1", "018f3c2a-7d10-7000-8000-0000000000b2"
OWNER = "018f3c2a-7d10-7000-8000-0000000000b3"


@dataclass
class Collector:
    """What came in: the spans by trace, and the resources that they are of."""

    address: str = ""
    spans: dict[str, list[Any]] = field(default_factory=dict)
    resources: set[str] = field(default_factory=set)

    def take(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources |= {
                one.value.string_value for one in group.resource.attributes if one.key == "service.name"
            }
            for scope in group.scope_spans:
                for span in scope.spans:
                    self.spans.setdefault(span.trace_id.hex(), []).append(span)

    def names(self, trace: str) -> set[str]:
        """The names of the spans of a trace, and of those that link to it."""
        every = [(held, span) for held, spans in list(self.spans.items()) for span in list(spans)]
        return {
            span.name
            for held, span in every
            if held == trace or any(link.trace_id.hex() == trace for link in span.links)
        }


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.address = f"http://127.0.0.1:{server.server_port}/v1/traces"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(folder: Path, **more: str) -> Iterator[Callable[..., httpx2.Response]]:
    """Start the system on migrated tables; gives what asks it as the first administrator."""
    assert comity("migrate", folder=folder).returncode == Exit.DONE
    assert comity("topics", folder=folder).returncode == Exit.DONE
    with started("run", "all", folder=folder, COMITY_HTTP__PORT="0", **more) as process:
        address = process.said(r"answers at (http://\S+)").group(1)
        first = process.said(r"client_id=(\S+) client_secret=(\S+)")
        with httpx2.Client(base_url=address, timeout=60, trust_env=False) as client:
            form = {"grant_type": "client_credentials", "client_id": first[1], "client_secret": first[2]}
            token = client.post("/v1/tokens", data=form).json()["access_token"]

            def ask(method: str, path: str, **sent: Any) -> httpx2.Response:
                headers = {"Authorization": f"Bearer {token}"} | sent.pop("headers", {})
                answer = client.request(method, path, headers=headers, **sent)
                assert answer.status_code < 300, answer.text
                return answer

            yield ask


def publish(ask: Callable[..., httpx2.Response]) -> None:
    """Register two organisations and publish a project, the publication within a caller's trace; wait for the list."""
    for identifier, body in zip(
        (ORGANISATION, OWNER), islice(lines("organisations-en.jsonl"), 2), strict=True
    ):
        kept = {name: value for name, value in body.items() if name not in {"id", "sources", "parent"}}
        ask("PUT", f"/v1/organisations/{identifier}", json=kept)
    made = ask("PUT", f"/v1/projects/{PROJECT}", json=project(owner=OWNER))
    trace = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "If-Match": made.headers["ETag"]}
    published = ask("POST", f"/v1/projects/{PROJECT}/publish", headers=trace).json()
    listed = ask("GET", published["links"]["candidates"], headers={"Prefer": "wait=30"}).json()
    assert [one["organisation"] for one in listed["candidates"]] == [ORGANISATION]


def test_one_trace_from_the_request_to_the_list_and_to_those_who_are_told_of_it(tmp_path: Path) -> None:
    with collecting() as collector:
        with serving(tmp_path / "var", COMITY_TELEMETRY__TRACES_URL=collector.address) as ask:
            publish(ask)
            deadline = time.monotonic() + 60
            while "process matches.v1" not in collector.names(TRACE) and time.monotonic() < deadline:
                time.sleep(0.2)
        assert collector.names(TRACE) >= {
            "POST /v1/projects/{project_id}/publish",
            "publish projects",
            "process projects.v1",
            "rank",
            "publish matches",
            "process matches.v1",
        }
        assert collector.resources == {"comity"}
        spans = {span.span_id: span for span in collector.spans[TRACE]}
        (request,) = (span for span in spans.values() if span.name.startswith("POST "))
        assert request.parent_span_id.hex() == "b7ad6b7169203331"
        assert all(span.parent_span_id in spans for span in spans.values() if span is not request)
        # Who sends no trace begins one: no span hangs from a parent that there never was.
        (other,) = (
            span
            for trace, found in collector.spans.items()
            for span in found
            if trace != TRACE and span.name == "PUT /v1/projects/{project_id}"
        )
        assert other.parent_span_id == b""


def test_a_collector_that_is_away_holds_nothing_up(tmp_path: Path) -> None:
    """Nobody listens there: lists are made as ever, and the process stops in good order."""
    with serving(tmp_path / "var", COMITY_TELEMETRY__TRACES_URL="http://127.0.0.1:9/v1/traces") as ask:
        publish(ask)


def test_without_a_collector_no_span_is_made(tmp_path: Path) -> None:
    with collecting() as collector:
        with serving(tmp_path / "var") as ask:
            publish(ask)
        assert collector.spans == {}
