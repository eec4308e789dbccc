"""What a process says of itself at /metrics, with real events through outbox, log, consumer and lists."""

import asyncio
import re
import time
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from services.chassis.bus.transports.sql import appending
from services.chassis.database import Database
from services.chassis.runtime import Runtime
from services.chassis.web import health
from services.matches.consumers import ARCHIVE, archive
from tests.services.matches.test_dead_letters import consume, failing_on
from tests.services.matches.town import Town


def figures(runtime: Runtime) -> dict[tuple[str, ...], float]:
    """(name, label values …) → value."""
    text_form = runtime.metrics.exposition().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text_form)
        for sample in family.samples
    }


async def test_figures_that_could_not_be_measured_say_since_when(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An age that stays as it was looks sound: on a machine that is drowned nobody would hear of it."""
    runtime = town.runtimes["matches"]
    measured = "comity_measured_timestamp_seconds"
    await health.measure(runtime)
    began = town.clock.now().timestamp()
    parts = ("letters", "partitions", "progress")
    assert {part: figures(runtime)[measured, part, "matches"] for part in parts} == dict.fromkeys(
        parts, began
    )

    async def hang(_: Runtime) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "_measure_progress", hang)
    monkeypatch.setattr(health, "_PATIENCE", 0.05)
    town.clock.moment += timedelta(minutes=10)
    monkeypatch.setattr(health, "_ask_log", _answers)
    monkeypatch.setattr(health, "_ask_database", _answers)
    await health.measure(runtime)
    assert figures(runtime)[measured, "progress", "matches"] == began


async def test_one_that_hangs_keeps_no_other_from_being_asked(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, each to the end of its patience, they took longer than a scraper waits, who then has nothing."""
    asked = ("_ask_database", "_ask_log", "_measure_letters", "_measure_partitions", "_measure_progress")
    together, met = asyncio.Barrier(len(asked)), list[int]()

    async def hang(_: Runtime) -> None:
        met.append(await together.wait())
        await asyncio.Event().wait()

    for name in asked:
        monkeypatch.setattr(health, name, hang)
    monkeypatch.setattr(health, "_PATIENCE", 0.5)
    await health.measure(town.runtimes["matches"])
    assert len(met) == len(asked)
    up = figures(town.runtimes["matches"])
    assert up["comity_database_up", "matches"] == up["comity_log_up", "matches"] == 0


async def test_a_database_that_says_nothing_holds_readiness_up_no_longer_than_any_part(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_PATIENCE", 1.0)
    ended = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        silent = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{port}/none", service="matches")
        began = time.monotonic()
        parts = await health.readiness(replace(town.runtimes["matches"], database=silent, role="worker"))
        assert time.monotonic() - began < 5
        ended.set()
        await silent.close()
    assert (parts["log"], parts["matches.started"]) == (None, None)
    nothing = "It did not answer within 1 seconds."
    assert parts["matches.database"] == parts["matches.partitions"] == nothing


async def _answers(_: Runtime) -> None:
    return


async def test_ages_and_counts_follow_what_happens(town: Town) -> None:
    runtime, members = town.runtimes["matches"], town.runtimes["members"]
    project = await town.published("schools")
    await town.organisation("Ada")
    ago = (members.clock.now() - timedelta(seconds=90)).isoformat()
    async with members.database.write() as connection:
        await connection.execute(text("UPDATE outbox SET time = :ago"), {"ago": ago})
    await health.measure(members)
    waiting = figures(members)
    assert waiting["comity_outbox_rows", "members"] >= 1
    assert waiting["comity_outbox_oldest_seconds", "members"] == 90
    assert waiting["comity_database_up", "members"] == waiting["comity_log_up", "members"] == 1

    await consume(town, archive)
    await health.measure(members)
    assert figures(members)["comity_outbox_oldest_seconds", "members"] == 0
    await health.measure(runtime)
    before = figures(runtime)
    assert (
        before["comity_consumer_assigned_partitions", "matches"] == 0
    )  # it has left its group in good order
    to_be_read = sum([await runtime.transport.partitions(topic) for topic in ARCHIVE.topics])
    assert before["comity_consumer_partitions", "matches"] == to_be_read >= 2
    assert before["comity_consumer_rebalances_total", "matches"] == 2
    assert before["comity_consumer_effect_seconds_count", "matches"] >= 2
    assert before["comity_consumer_lag_seconds", "matches"] == 0
    assert before["comity_lists_incomplete_seconds", "matches"] >= 0
    assert before["comity_reference_date_age_days", "matches"] == 0

    await town.settle()
    await health.measure(runtime)
    assert figures(runtime)["comity_lists_missing", "matches"] == 0
    assert figures(runtime)["comity_lists_incomplete_seconds", "matches"] == 0
    assert await town.names_of(project) == ["Ada"]

    await town.organisation("Grace")
    await town.organisation("Grace", legal_name="Grace Hopper")
    await consume(town, failing_on("Grace"))
    await health.measure(runtime)
    after = figures(runtime)
    assert (after["comity_dead_letters", "matches", "dead"], after["comity_parked_keys", "matches"]) == (1, 1)
    assert after["comity_dead_letters_oldest_seconds", "matches"] >= 0
    assert after["comity_consumer_buried_records_total", "matches"] == 1
    assert after["comity_consumer_retries_total", "matches", "unexpected"] >= 1


async def test_the_door_measures_when_it_is_scraped(town: Town) -> None:
    await town.organisation("Ada")
    answer = await town.call("GET", "/metrics", who="nobody")
    assert answer.status_code == 200
    assert re.search(r'^comity_outbox_rows\{service="members"\} [1-9]', answer.text, re.MULTILINE)


async def test_words_that_the_epoch_has_never_seen_are_counted(town: Town) -> None:
    runtime = town.runtimes["matches"]
    await town.organisation("Ada", descriptions=[{"language": "en", "text": "Schools, radio, networks."}])
    await town.settle()
    await health.measure(runtime)
    known = figures(runtime)["comity_unknown_words_ratio", "matches"]
    nonsense = [{"language": "en", "text": "Frabjous wibbling of the Schools, radio, networks."}]
    await town.organisation("Ada", descriptions=nonsense)
    await town.settle()
    await health.measure(runtime)
    assert figures(runtime)["comity_unknown_words_ratio", "matches"] > known
    told = await town.get("/progress")
    told = told["services"]["matches"]["unknown_words"]
    assert 0 < told["unknown"] < told["words"]


async def test_lists_are_behind_by_the_age_of_the_oldest_write_that_they_lack(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy system is at rest at no scrape, and each write is in the lists a moment later."""
    runtime = town.runtimes["matches"]
    stamps = SimpleNamespace(time_ns=lambda: int(town.clock.moment.timestamp()) * 1_000_000_000)
    monkeypatch.setattr(appending, "time", stamps)

    async def behind(*, after: int = 0) -> float:
        town.clock.moment += timedelta(seconds=after)
        await health.measure(runtime)
        return figures(runtime)["comity_lists_incomplete_seconds", "matches"]

    await town.organisation("Ada")
    await town.published("schools")
    await town.settle()
    assert await behind(after=900) == 0
    for country in ("UGA", "KEN", "UGA"):
        town.clock.moment += timedelta(seconds=900)
        await town.organisation("Bea", hq_country=country)
        await town.relay()
        assert await behind(after=5) == 5
        await town.settle()
        assert await behind() == 0
    await town.organisation("Bea", hq_country="KEN")
    await town.relay()
    await town.consume()
    assert await behind(after=1_000) == 1_000  # archived, and ranked by nobody
    await town.organisation("Cleo")
    await town.relay()
    assert await behind(after=1) == 1_001
    await town.settle()
    opened = await town.call("POST", "/v1/days", {"day": "2026-11-24"})
    assert opened.status_code == 201
    assert await behind(after=30) == 30
    await town.settle()
    assert await behind() == 0


async def test_what_stands_behind_a_position_is_read_once(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Kafka a read costs some hundredths of a second, and two of every partition are more than a scrape may take."""
    runtime = town.runtimes["matches"]
    await town.published("schools")
    await town.settle()
    await town.organisation("Ada")
    await town.relay()
    read, reads = runtime.transport.read, []

    async def counted(topic: str, partition: int, **more: int) -> Any:
        reads.append((topic, partition))
        return await read(topic, partition, **more)

    monkeypatch.setattr(runtime.transport, "read", counted)
    for _ in range(2):
        await health.measure(runtime)
        assert figures(runtime)["comity_lists_incomplete_seconds", "matches"] >= 0
        assert len(reads) == 1
    await town.organisation("Bea")
    await town.relay()
    await health.measure(runtime)
    assert len(reads) == len(set(reads)) <= 2
    await town.settle()
    await health.measure(runtime)
    assert figures(runtime)["comity_lists_incomplete_seconds", "matches"] == 0
