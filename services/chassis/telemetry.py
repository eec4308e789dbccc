"""Logs and metrics: one JSON object a line on standard error, and every metric name that there is.

Standard output belongs to the answers of the command line. This module must not send anything anywhere, and no line or
label may hold a secret, a token or personal data.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer

from services.chassis.settings import Telemetry

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_DEFAULT_TELEMETRY = Telemetry()


class Metrics:
    """Every metric of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "comity_http_requests",
            "Answered requests.",
            ("service", "method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "comity_http_request_seconds",
            "From the request's first byte to the answer's last.",
            ("service", "method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.outbox_rows = Gauge(
            "comity_outbox_rows", "Events that wait for the relay.", ("service",), registry=self.registry
        )
        self.loops = Gauge(
            "comity_loop_running", "1 while a background loop runs.", ("loop",), registry=self.registry
        )

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text form."""
        return generate_latest(self.registry)


def set_up_logs(telemetry: Telemetry = _DEFAULT_TELEMETRY) -> None:
    """Send the logs of structlog and of the standard library to standard error, in one form. Call it once."""
    level = logging.getLevelNamesMapping()[telemetry.level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    rendered: list[Any] = (
        # Without local variables: they may hold a secret or somebody's name.
        [ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), structlog.processors.JSONRenderer()]
        if telemetry.format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("aiokafka", "aiosqlite", "alembic", "httpx2", "httpcore2", "numba", "uvicorn", "jieba"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


def log_of(name: str) -> Any:
    """Return the logger of a part, for `log.info("what happened", key=value)`."""
    return cast("Any", structlog.get_logger(name))


def bound(**values: Any) -> Mapping[str, Any]:
    """Bind values to every line that the present task logs; returns what `unbound` takes."""
    return structlog.contextvars.bind_contextvars(**values)


def unbound(tokens: Mapping[str, Any]) -> None:
    """Undo `bound`."""
    structlog.contextvars.reset_contextvars(**tokens)
