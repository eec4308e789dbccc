"""A trace goes from a request through outbox and log into the handler: by its id alone, or in the spans of a provider."""

import re
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
    TracerProvider,
)

from services.chassis import tracing
from services.chassis.bus.delivery import Delivery
from services.chassis.telemetry import log_of
from services.matches.consumers import archive
from tests.services.matches.test_dead_letters import consume
from tests.services.matches.town import Town

ROOT = Path(__file__).resolve().parents[3]
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Provider(TracerProvider, Tracer):
    """A provider that keeps (name, kind, trace, parent, attributes) of each span, as an SDK would send them."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, SpanKind, str, str, Any]] = []

    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        return self

    def start_span(
        self, name: str, context: Any = None, kind: SpanKind = SpanKind.INTERNAL, **more: Any
    ) -> Any:
        parent = trace.get_current_span(context).get_span_context()
        made = SpanContext(parent.trace_id, len(self.spans) + 1, is_remote=False, trace_flags=TraceFlags(1))
        self.spans.append(
            (name, kind, f"{parent.trace_id:032x}", f"{parent.span_id:016x}", more.get("attributes"))
        )
        return NonRecordingSpan(made)

    def start_as_current_span(self, name: str, **more: Any) -> Any:
        more.pop("end_on_exit", None)
        return trace.use_span(self.start_span(name, **more))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    made = Provider()
    monkeypatch.setattr(tracing.trace, "get_tracer", made.get_tracer)
    return made


async def written(town: Town) -> None:
    who = town.bearer("bdt_admin") | {"traceparent": PARENT}
    await town.organisation("Ada", who=who)


async def test_the_traces_id_goes_through_the_log_into_the_handlers_lines(
    town: Town, logged: list[Any]
) -> None:
    await written(town)

    async def handle(delivery: Delivery) -> None:
        log_of("test").warning("in hand")
        await archive(delivery)

    await consume(town, handle)
    (record,) = await town.records("members.v1")
    assert dict(record.headers)["ce_traceparent"].decode() == PARENT
    assert {entry["trace_id"] for entry in logged if entry["event"] == "in hand"} <= {TRACE}


async def test_request_append_and_handler_are_spans_of_one_trace(town: Town, provider: Provider) -> None:
    await written(town)
    await consume(town, archive)
    spans = {
        name: (kind, traced, parent) for name, kind, traced, parent, _ in provider.spans if traced == TRACE
    }
    assert {name: kind for name, (kind, _, _) in spans.items()} == {
        "PUT": SpanKind.SERVER,
        "publish members": SpanKind.PRODUCER,
        "process members.v1": SpanKind.CONSUMER,
    }
    assert spans["PUT"][2] == "b7ad6b7169203331"  # the caller's
    assert spans["publish members"][2] == spans["process members.v1"][2] == f"{1:016x}"  # the request's


def test_no_client_is_instrumented_automatically_and_attribute_names_stand_in_one_module() -> None:
    sources = [path for path in (ROOT / "services").rglob("*.py") if path.name != "tracing.py"]
    for path in sources:
        text = path.read_text("utf-8")
        assert "opentelemetry" not in text, path
        assert not re.search(r'"messaging\.', text), path
    assert "opentelemetry-instrumentation" not in (ROOT / "requirements.lock").read_text("utf-8")
