"""`comity topics` and `comity doctor` on a real Kafka: what differs on a topic that exists is told, and set when asked for."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from typer.testing import CliRunner, Result

from schemas.topics import TOPICS
from services.__main__ import app
from services.console.exits import Exit


@pytest.fixture
def prefix() -> str:
    return f"drift-{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def comity(
    kafka_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> Iterator[Callable[..., Result]]:
    given = {"DATA_FOLDER": str(tmp_path), "LOG__TRANSPORT": "kafka", "LOG__PARTITIONS": "1"}
    kafka = {"BOOTSTRAP_SERVERS": kafka_broker, "REPLICATION_FACTOR": "1", "MIN_INSYNC_REPLICAS": "1"}
    for name, value in (given | {f"KAFKA__{name}": value for name, value in kafka.items()}).items():
        monkeypatch.setenv(f"COMITY_{name}", value)
    monkeypatch.setenv("COMITY_KAFKA__PREFIX", prefix)

    def run(*words: str, **more: str) -> Result:
        return CliRunner().invoke(app, words, env=more)

    yield run
    asyncio.run(_delete(kafka_broker, [prefix + name for name in TOPICS]))


async def _delete(servers: str, topics: list[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.delete_topics(topics)
    finally:
        await admin.close()


def log_probe(run: Callable[..., Result], **more: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(run("doctor", "--json", **more).stdout)["probes"]["log"]
    return found


def test_what_differs_on_an_existing_topic_is_told_by_both_and_set_when_asked_for(
    comity: Callable[..., Result], prefix: str
) -> None:
    made = comity("topics")
    assert (made.exit_code, made.stderr) == (Exit.DONE, "")

    # The settings ask for other tombstones than the topics were made with.
    longer = {"COMITY_LOG__TOMBSTONE_SECONDS": "3456000"}
    sentence = f"The topic {prefix}members.v1 has delete.retention.ms = 2592000000, not 3456000000"
    told = comity("topics", **longer)
    assert told.exit_code == Exit.DONE
    states = [topic for topic in TOPICS.values() if topic.compacted]
    assert len(told.stderr.splitlines()) == len(states)
    assert sentence in told.stderr
    assert "`comity topics --apply` sets it." in told.stderr
    probe = log_probe(comity, **longer)
    assert not probe["well"]
    assert sentence in str(probe["says"])
    assert comity("topics", **longer).stderr == told.stderr  # nothing was set by telling

    applied = comity("topics", "--apply", **longer)
    assert (applied.exit_code, applied.stderr) == (Exit.DONE, "")
    assert f"{prefix}members.v1: delete.retention.ms = 3456000000, was 2592000000" in applied.stdout
    assert log_probe(comity, **longer)["well"]


def test_what_cannot_be_set_is_told_and_ends_with_a_failure(
    comity: Callable[..., Result], prefix: str
) -> None:
    """One broker cannot hold two replicas, and a topic that asks for two in sync takes no write any more."""
    assert comity("topics").exit_code == Exit.DONE
    more = {"COMITY_KAFKA__REPLICATION_FACTOR": "3", "COMITY_KAFKA__MIN_INSYNC_REPLICAS": "2"}
    left = comity("topics", "--apply", **more)
    assert left.exit_code == Exit.FAILED
    assert f"The topic {prefix}members.v1 has replicas = 1, not 3" in left.stderr
    assert f"The topic {prefix}members.v1 has min.insync.replicas = 1, not 2" in left.stderr
    assert left.stderr.splitlines()[-1] == f"{2 * len(TOPICS)} settings differ still."
    assert comity("topics").stderr == ""  # it was left as it was
