"""A trace goes from a request through outbox and log into the handler."""

import re
from pathlib import Path

import structlog

from services.chassis.bus.delivery import Delivery
from services.matches.consumers import archive
from tests.services.matches.test_dead_letters import consume
from tests.services.matches.town import Town

ROOT = Path(__file__).resolve().parents[3]
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


async def written(town: Town) -> None:
    who = town.bearer("bdt_admin") | {"traceparent": PARENT}
    await town.organisation("Ada", who=who)


async def test_the_traces_id_goes_through_the_log_to_whatever_the_handler_logs(town: Town) -> None:
    await written(town)
    bound: list[str] = []

    async def handle(delivery: Delivery) -> None:
        bound.append(structlog.contextvars.get_contextvars()["trace_id"])
        await archive(delivery)

    await consume(town, handle)
    (record,) = await town.records("members.v1")
    assert dict(record.headers)["ce_traceparent"].decode() == PARENT
    assert bound == [TRACE]


def test_no_client_is_instrumented_automatically_and_attribute_names_stand_in_one_module() -> None:
    sources = [path for path in (ROOT / "services").rglob("*.py") if path.name != "tracing.py"]
    for path in sources:
        text = path.read_text("utf-8")
        assert "opentelemetry" not in text, path
        assert not re.search(r'"messaging\.', text), path
    assert "opentelemetry-instrumentation" not in (ROOT / "requirements.lock").read_text("utf-8")
