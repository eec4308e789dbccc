"""Logs and metrics: one JSON object a line on standard error, and every metric name that there is.

Standard output belongs to the answers of the command line. This module must not send anything anywhere, and no line or
label may hold a secret, a token or personal data.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer

from services.chassis.settings import Telemetry

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)
_DEFAULT_TELEMETRY = Telemetry()


class Metrics:
    """Every metric of one process, in a registry of its own. Alerts ask for ages: a count does not say how bad it is.

    Every label has few values: services, groups, topics, event types and routes are ours; a key or a principal is never
    one. Gauges that have to be asked for are set when the process is scraped (`web.health`).
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._add_requests()
        self._add_relay()
        self._add_consumer()
        self._add_trouble()
        self._add_lists()
        self._add_messages()

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text form."""
        return generate_latest(self.registry)

    def _add_requests(self) -> None:
        where = ("service", "method", "route")
        # Answered requests; 499 is a client that went away.
        self.requests = self._counter("comity_http_requests", "Answered requests.", *where, "status")
        # From the request's first byte to the answer's last, waits that were asked for included.
        self.request_seconds = self._histogram(
            "comity_http_request_seconds", "Seconds a request took.", *where
        )
        # Commands run again because deadlock or serialization broke their transaction.
        self.contended = self._counter("comity_database_contended", "Commands tried again.", "service")
        # Whether the service's database, and the log, answered at this scrape.
        self.database_up = self._gauge("comity_database_up", "1 if the database answers.", "service")
        self.log_up = self._gauge("comity_log_up", "1 if the log answers.", "service")
        # When the gauges that have to be asked for were set last (dead letters, partitions, progress), in Unix seconds; 0 is
        # never. Those of what did not answer in time stay as they were, and look sound.
        self.measured = self._gauge(
            "comity_measured_timestamp_seconds", "When these gauges were set last.", "service", "part"
        )
        # Background loops that run; 0 in a process that is still there is a fault.
        self.loops = self._gauge("comity_loop_running", "1 while a background loop runs.", "loop")

    def _add_relay(self) -> None:
        # Events that wait for the relay, and how long the oldest of them has.
        self.outbox_rows = self._gauge("comity_outbox_rows", "Events that wait for the relay.", "service")
        self.outbox_oldest = self._gauge(
            "comity_outbox_oldest_seconds", "Age of the oldest of them.", "service"
        )
        # Events in one append, and how long the log took for it.
        self.relay_batch = self._histogram(
            "comity_relay_batch_events", "Events in one append.", "service", buckets=_SIZES
        )
        self.relay_seconds = self._histogram(
            "comity_relay_append_seconds", "Seconds an append took.", "service"
        )
        # Appends that failed and were begun anew; when this process took the outbox over, in Unix seconds. A moment, not a
        # count: who is fenced ends, and a count would begin anew in the process that is started in its place.
        self.relay_failures = self._counter("comity_relay_failures", "Appends that failed.", "service")
        self.relay_began = self._gauge(
            "comity_relay_began_timestamp_seconds", "When this process took the outbox over.", "service"
        )

    def _add_consumer(self) -> None:
        # Offsets between the applied and the end (gaps of compaction and markers count), and the age of the oldest
        # record that is not applied: the one to alert on.
        self.lag_records = self._gauge(
            "comity_consumer_lag_records", "Offsets to the end of the log.", "group"
        )
        self.lag_seconds = self._gauge(
            "comity_consumer_lag_seconds", "Age of the oldest not applied.", "group"
        )
        # From the event's time, which its writer stamped, to the commit of its effect.
        self.effect_seconds = self._histogram(
            "comity_consumer_effect_seconds", "Seconds from event to effect.", "group", buckets=_LONG_SECONDS
        )
        # What the handler took for one event, without the commit.
        self.handler_seconds = self._histogram(
            "comity_consumer_handler_seconds", "Seconds a handler took.", "group", "type"
        )
        # Its child for (group, type): to find one anew costs more than to observe.
        self.handled = cache(self.handler_seconds.labels)
        # Records that said less than what is held: duplicates, and what came late (R9's second line of defence). Not of
        # `notifications`, whose rows of a batch share one upsert: no database says of each whether it was news.
        self.stale = self._counter(
            "comity_consumer_stale_records", "Records older than what is held.", "group"
        )
        # Partitions that this process holds, and that there are: the group holds all of them between its members.
        self.assigned = self._gauge("comity_consumer_assigned_partitions", "Partitions held.", "group")
        self.partitions = self._gauge(
            "comity_consumer_partitions", "Partitions that are to be read.", "group"
        )
        self.paused = self._gauge("comity_consumer_paused_partitions", "Partitions not fetched now.", "group")
        self.in_flight = self._gauge(
            "comity_consumer_in_flight_records", "Records fetched, not applied.", "group"
        )
        self.in_flight_bytes = self._gauge(
            "comity_consumer_in_flight_bytes", "Bytes of the values of these.", "group"
        )
        # Times that partitions arrived or left, and how long giving them up took.
        self.rebalances = self._counter("comity_consumer_rebalances", "Changes of the assignment.", "group")
        self.rebalance_seconds = self._histogram(
            "comity_consumer_rebalance_seconds", "Seconds a change took.", "group", buckets=_LONG_SECONDS
        )
        # Positions that the group did not take, as during a rebalance: operators' tools see the group behind meanwhile.
        self.reports_refused = self._counter(
            "comity_consumer_reports_refused", "Reports of positions that the log refused.", "group"
        )

    def _add_trouble(self) -> None:
        # Transactions tried again, by kind of failure; transactions that found another owner.
        self.retries = self._counter("comity_consumer_retries", "Transactions tried again.", "group", "kind")
        self.conflicts = self._counter(
            "comity_consumer_position_conflicts", "Positions found moved.", "group"
        )
        self.buried = self._counter("comity_consumer_buried_records", "Records set aside as dead.", "group")
        # What waits for a person's decision, and for how long.
        self.letters = self._gauge("comity_dead_letters", "Records set aside.", "service", "state")
        self.letters_oldest = self._gauge(
            "comity_dead_letters_oldest_seconds", "Age of the oldest.", "service"
        )
        self.parked_keys = self._gauge("comity_parked_keys", "Keys that are not let through.", "service")
        self.halted = self._gauge("comity_halted_partitions", "Partitions that stand still.", "service")

    def _add_lists(self) -> None:
        # Open projects; those without any list yet; the age on the log of the oldest write that is not in every list.
        self.lists_open = self._gauge("comity_lists_open", "Projects that are ranked.", "service")
        self.lists_missing = self._gauge("comity_lists_missing", "Open projects without a list.", "service")
        self.lists_incomplete = self._gauge(
            "comity_lists_incomplete_seconds", "Age of the oldest write not in every list.", "service"
        )
        self.day_age = self._gauge(
            "comity_reference_date_age_days", "Days since the last day opened.", "service"
        )
        # Of the different words of all texts, the share that the epoch in force has never seen: with many, fit another.
        self.unknown_words = self._gauge(
            "comity_unknown_words_ratio", "Share of words unknown to the epoch.", "service"
        )
        # Explanations held against the list they belong to: whether their parts add up ("adds up") or not ("off").
        self.explanations = self._counter("comity_explanations", "Explanations checked.", "outcome")

    def _add_messages(self) -> None:
        # For how long the oldest piece of news has waited for its reasons; the oldest message that could be sent now.
        self.news_oldest = self._gauge("comity_news_oldest_seconds", "Age of the oldest news.", "service")
        self.messages_due_oldest = self._gauge(
            "comity_messages_due_oldest_seconds", "Seconds the oldest due message is late.", "service"
        )
        # Messages that may still be sent, those between two tries too; endpoints whose last try failed.
        self.messages_unsent = self._gauge("comity_messages_unsent", "Messages not sent yet.", "service")
        self.endpoints_failing = self._gauge("comity_endpoints_failing", "Endpoints that fail.", "service")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, *labels: str, buckets: Sequence[float] = _SECONDS
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)


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
