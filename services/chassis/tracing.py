"""Spans along the way of an event: the request, the append, the handler; joined through the log by `traceparent`.

Made by hand, with OpenTelemetry's interface alone: a deployment that wants spans installs an SDK and sets its tracer
provider; without one none is made, and the trace's id still goes on from the request through outbox and log into every
log line of the handler. No client is instrumented automatically: that leaks memory in long-lived
consumers. All attribute names stand here, because those of messaging are still being renamed. This module must not send
anything, and no attribute may hold a secret, a token, a key or personal data.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["SpanKind", "destination", "handled", "span", "trace_id_of"]

_HEADER = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()
_MESSAGING = {"messaging.system.name": "comity"}

Attributes = Mapping[str, str | int]


@contextmanager
def span(
    name: str, kind: SpanKind, *, traceparent: str | None, attributes: Attributes | None = None
) -> Iterator[str | None]:
    """Run the block within a span that is a child of `traceparent`; gives the traceparent of what happens inside."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        yield traceparent  # nobody wants spans
        return
    parent = _PROPAGATOR.extract({_HEADER: traceparent} if traceparent else {})
    tracer = trace.get_tracer("comity")
    with tracer.start_as_current_span(name, context=parent, kind=kind, attributes=attributes):
        carried: dict[str, str] = {}
        _PROPAGATOR.inject(carried)
        yield carried.get(_HEADER, traceparent)


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
