"""A trace goes from a request through outbox and log into the handler, in log lines and in spans."""

import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from structlog.testing import capture_logs

from services.chassis.bus import outbox
from services.matches.consumers import archive
from tests.services.matches.test_dead_letters import consume
from tests.services.matches.town import Town

ROOT = Path(__file__).resolve().parents[3]
FIRST, SECOND = "0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def lines(logged: list[MutableMapping[str, Any]]) -> Iterator[list[MutableMapping[str, Any]]]:
    """Log entries with what is bound to them, as a line is written."""
    del logged
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as entries:
        yield entries


def parent(trace_id: str) -> str:
    return f"00-{trace_id}-b7ad6b7169203331-01"


async def written(town: Town, trace_id: str, **changes: Any) -> None:
    who = town.bearer("bdt_admin") | {"traceparent": parent(trace_id)}
    await town.organisation("Ada", who=who, **changes)


async def test_one_trace_id_from_the_request_through_outbox_and_log_to_the_workers_log_line(
    town: Town, lines: list[MutableMapping[str, Any]]
) -> None:
    await written(town, FIRST)
    await written(town, SECOND, hq_country="KEN")
    assert [one["trace_id"] for one in lines if one["event"] == "request"] == [FIRST, SECOND]
    async with town.runtimes["members"].database.read() as connection:
        held = await outbox.oldest(connection, limit=10)
    assert [event.traceparent for _, event in held] == [parent(FIRST), parent(SECOND)]
    await town.relay()
    old, new = await town.records("members.v1")
    assert dict(old.headers)["ce_traceparent"].decode() == parent(FIRST)
    await town.deliver_again([new, old])
    (said,) = [one for one in lines if one["event"] == "an older revision came late"]
    assert said["trace_id"] == FIRST


class Spans(trace.TracerProvider, trace.Tracer):
    """A tracer that notes what is begun, in the place of an SDK."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, trace.SpanKind, str, Any]] = []

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return self

    def start_span(self, *_: Any, **__: Any) -> trace.Span:
        raise NotImplementedError

    @contextmanager
    def start_as_current_span(
        self, name: str, context: Any = None, kind: Any = None, attributes: Any = None, **_: Any
    ) -> Iterator[trace.Span]:
        above = trace.get_current_span(context).get_span_context()
        self.begun.append((name, kind, trace.format_trace_id(above.trace_id), attributes))
        number = len(self.begun)
        own = trace.SpanContext(above.trace_id, number, is_remote=False, trace_flags=above.trace_flags)
        span = trace.NonRecordingSpan(own)
        with trace.use_span(span):
            yield span


async def test_a_span_for_the_request_the_append_and_the_handler_each_a_child_of_the_one_before(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = Spans()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans)
    monkeypatch.setattr(trace, "get_tracer", lambda *_: spans)
    await written(town, FIRST)
    await town.relay()
    await consume(town, archive)
    kinds = [kind for _, kind, trace_id, _ in spans.begun if trace_id == FIRST]
    assert kinds == [trace.SpanKind.SERVER, trace.SpanKind.PRODUCER, trace.SpanKind.CONSUMER]
    (record,) = await town.records("members.v1")
    assert dict(record.headers)["ce_traceparent"].decode() == f"00-{FIRST}-{1:016x}-01"
    attributes = spans.begun[-1][3]
    assert attributes["messaging.destination.name"] == "members.v1"
    assert attributes["messaging.offset"] == record.offset


async def test_a_list_is_ranked_and_told_within_the_trace_of_the_write_that_it_follows_from(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project's own write where it changed, else that of the organisation that changed last."""
    spans = Spans()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans)
    monkeypatch.setattr(trace, "get_tracer", lambda *_: spans)
    project = await town.published("schools")
    await town.settle()
    spans.begun.clear()
    await written(town, FIRST)
    await town.settle()
    ranked = [one for one in spans.begun if one[0] == "rank"]
    assert [(trace_id, attributes) for _, _, trace_id, attributes in ranked] == [
        (FIRST, {"comity.project": project})
    ]
    await town.draft(
        "schools", who=town.bearer("bdt_admin") | {"traceparent": parent(SECOND)}, level="global"
    )
    await town.settle()
    assert [trace_id for name, _, trace_id, _ in spans.begun if name == "rank"] == [FIRST, SECOND]
    await town.relay()
    *_, by_member, by_project = await town.records("matches.v1")
    carried = [dict(one.headers)["ce_traceparent"].decode() for one in (by_member, by_project)]
    assert [one[3:35] for one in carried] == [FIRST, SECOND]
    crossing = (await town.records("standings.v1"))[0]
    assert dict(crossing.headers)["ce_traceparent"].decode()[3:35] == FIRST


def test_no_client_is_instrumented_automatically_and_attribute_names_stand_in_one_module() -> None:
    sources = [path for path in (ROOT / "services").rglob("*.py") if path.name != "tracing.py"]
    for path in sources:
        text = path.read_text("utf-8")
        assert "opentelemetry" not in text, path
        assert not re.search(r'"messaging\.', text), path
    assert "opentelemetry-instrumentation" not in (ROOT / "requirements.lock").read_text("utf-8")
