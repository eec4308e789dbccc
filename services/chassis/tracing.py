"""Spans along the way of an event: request, append, handler, ranking; joined through log and archive by `traceparent`.

Made by hand, and sent by OTLP where the settings say where (`telemetry.traces_url`); without it none is made, and the
trace's id still goes on from the request through outbox and log into every log line of the handler. No client is
instrumented automatically: that leaks memory in long-lived consumers. All attribute names stand here, because those of
messaging are still being renamed. What cannot be sent is dropped: nothing may wait for a trace. No attribute may hold a
secret, a token, a key or personal data.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.chassis.settings import Telemetry

__all__ = ["SpanKind", "answered", "destination", "exported", "handled", "ranking", "span", "trace_id_of"]

_HEADER = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()
_MESSAGING = {"messaging.system.name": "comity"}

_SEND_SECONDS = 5.0  # for one batch; it is dropped then
_LAST_SECONDS = 2.0  # that the end of a process waits for the last spans

Attributes = Mapping[str, str | int]


@contextmanager
def exported(telemetry: Telemetry, *, part: str) -> Iterator[None]:
    """Make the spans of this process, and send them in the background to where the settings say; none if they say nothing.

    Which traces are kept follows from their ids alone, so every process keeps the same ones. OpenTelemetry's own
    environment variables (headers, certificates) hold for the sending. At most once in a process.
    """
    if telemetry.traces_url is None:
        yield
        return
    # Only where spans are wanted: their imports take a third of a second.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased  # noqa: PLC0415

    provider = TracerProvider(
        sampler=TraceIdRatioBased(telemetry.traces_share),
        resource=Resource.create({"service.name": "comity", "service.instance.role": part}),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(telemetry.traces_url, timeout=_SEND_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        # A collector that hangs must not hold the end up, so nobody waits longer for the thread.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_LAST_SECONDS)


@contextmanager
def span(
    name: str,
    kind: SpanKind,
    *,
    traceparent: str | None,
    also: Iterable[str | None] = (),
    attributes: Attributes | None = None,
) -> Iterator[str | None]:
    """Run the block within a span that is a child of `traceparent`; gives the traceparent of what happens inside.

    `also`: the traces of what else is done in the same block, which the span links to.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        yield traceparent  # nobody wants spans
        return
    tracer = trace.get_tracer("comity")
    others = [trace.Link(_context(one)) for one in dict.fromkeys(also) if one not in {None, traceparent}]
    with tracer.start_as_current_span(
        name, context=_extracted(traceparent), kind=kind, attributes=attributes, links=others
    ):
        carried: dict[str, str] = {}
        _PROPAGATOR.inject(carried)
        yield carried.get(_HEADER, traceparent)


def _extracted(traceparent: str | None) -> Context:
    return _PROPAGATOR.extract({_HEADER: traceparent} if traceparent else {}, context=Context())


def _context(traceparent: str | None) -> trace.SpanContext:
    return trace.get_current_span(_extracted(traceparent)).get_span_context()


def answered(method: str, route: str, status: int) -> None:
    """Say of the request's span which route it met and what was answered."""
    current = trace.get_current_span()
    current.update_name(f"{method} {route}")
    current.set_attributes(
        {"http.request.method": method, "http.route": route, "http.response.status_code": status}
    )


def ranking(project: str) -> Attributes:
    """Return the attributes of one list's ranking."""
    return {"comity.project": project}


def destination(topic: str, *, events: int) -> Attributes:
    """Return the attributes of an append to a topic."""
    return {**_MESSAGING, "messaging.destination.name": topic, "messaging.batch.message_count": events}


def handled(group: str, topic: str, *, partition: int, offset: int) -> Attributes:
    """Return the attributes of one record in the hands of a handler."""
    return {
        **_MESSAGING,
        "messaging.consumer.group.name": group,
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
        "messaging.offset": offset,
    }


def trace_id_of(traceparent: str) -> str:
    """Return the trace's id, as log lines carry it."""
    return traceparent[3:35]
