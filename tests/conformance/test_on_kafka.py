"""What only Apache Kafka can get wrong: where a partition ends, when a member has reached that, what a topic is made with."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiokafka
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import TOPICS
from services.chassis.bus import limits
from services.chassis.bus.delivery import Delivery
from services.chassis.bus.errors import BusError, RebuildNeeded, TopicMismatch, Transient
from services.chassis.bus.lane import LaneRules
from services.chassis.bus.limits import Limits
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.transport import Drift, TopicPartition
from services.chassis.bus.transports import kafka_appender
from services.matches.queries import progress
from tests.conformance.kit import KAFKA, PARTITIONS, Bench, Place, ids, revised, until
from tests.conformance.test_clocks import Wrong

pytestmark = pytest.mark.parametrize("place", [KAFKA], indirect=True)
KEYS = ids(6)


@pytest.fixture
def place(place: Place, request: pytest.FixtureRequest) -> Place:
    return replace(place, max_poll_interval_ms=1_500) if "test_h11" in request.node.name else place


@asynccontextmanager
async def administrator(place: Place) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=place.log_url)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def test_the_end_is_the_last_stable_offset(bench: Bench) -> None:
    """What stands in a transaction that is open has offsets and a high watermark above it, and nobody can read it."""
    await bench.append(*(revised(key, 1) for key in KEYS))
    before = dict(await bench.transport.ends("members.v1"))
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=bench.place.log_url, transactional_id=f"{bench.place.prefix}a-stranger"
    )
    async with producer:
        await producer.begin_transaction()
        for partition in range(PARTITIONS):
            await producer.send_and_wait(
                bench.place.prefix + "members.v1", b"{}", key=KEYS[0].encode(), partition=partition
            )
        assert await bench.transport.ends("members.v1") == before
        await bench.consume()  # it has caught up although records stand above it
        await producer.abort_transaction()
    assert await bench.things() == dict.fromkeys(KEYS, (1, "Kigali Fibre"))


async def test_a_member_at_rest_has_reached_the_end_behind_the_markers(bench: Bench) -> None:
    """“The last record and one” is never the end: the marker of its transaction stands there."""
    await bench.append(*(revised(key, 1) for key in KEYS))
    last = {partition: found[-1].offset for partition, found in (await bench.partitions()).items() if found}
    async with bench.consuming() as running:
        await bench.caught_up(running)
        lanes = running.consumer._assignment.lanes
        done: dict[int, Any] = {at.partition: lane.done_to for at, lane in lanes.items()}
    assert done == await bench.transport.ends("members.v1")
    assert all(done[partition] > offset + 1 for partition, offset in last.items())


async def test_whether_a_partition_holds_more_than_markers_is_known_at_once(bench: Bench) -> None:
    """Progress asks every partition at every scrape: a wait for each adds up to more than a scrape may take."""
    await bench.append(*(revised(key, 1) for key in KEYS))
    waits = []
    for partition, found in (await bench.partitions()).items():
        if not found:
            continue
        behind = found[-1].offset + 1
        began = time.monotonic()
        batch = await bench.transport.read("members.v1", partition, offset=behind, limit=1)
        waits.append(time.monotonic() - began)
        assert (batch.records, batch.next_offset > behind) == ((), True)
    assert sum(waits) / len(waits) < 0.15, waits


async def test_that_only_markers_stand_behind_a_position_is_asked_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = TopicPartition("members.v1", partition_for(KEYS[0], PARTITIONS))
    read, reads = bench.transport.read, []

    async def counted(*of: Any, **more: Any) -> Any:
        reads.append(of)
        return await read(*of, **more)

    async def appended(offset: int) -> int | None:
        end = (await bench.transport.ends(at.topic))[at.partition]
        process: Any = bench.process
        return await progress._first_appended(process, at, offset, end)

    await bench.append(revised(KEYS[0], 1))
    position = (await bench.partitions())[at.partition][-1].offset + 1
    monkeypatch.setattr(bench.transport, "read", counted)
    for _ in range(3):
        assert await appended(position) is None
    assert len(reads) == 1
    monkeypatch.undo()
    await bench.append(revised(KEYS[0], 2))
    monkeypatch.setattr(bench.transport, "read", counted)
    for _ in range(3):
        assert await appended(position) is not None
    assert len(reads) == 2


async def test_a_topic_is_made_with_the_settings_of_the_catalogue(bench: Bench) -> None:
    wanted = {
        "members.v1": {
            "cleanup.policy": "compact",
            "max.compaction.lag.ms": "604800000",
            "delete.retention.ms": "2592000000",
        },
        "matches.v1": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
    }
    await bench.transport.create_topics([TOPICS[name] for name in wanted])
    async with administrator(bench.place) as admin:
        for name, settings in wanted.items():
            asked = ConfigResource(
                ConfigResourceType.TOPIC, bench.place.prefix + name, dict.fromkeys(settings)
            )
            (answer,) = await admin.describe_configs([asked])
            # Name, value and whence: 1 is what the topic itself was given, and no default of the broker's.
            found = {entry[0]: (entry[1], entry[3]) for each in answer.resources for entry in each[4]}
            assert found == {setting: (value, 1) for setting, value in settings.items()}


async def test_a_topic_that_is_not_compacted_as_the_catalogue_says_is_refused(bench: Bench) -> None:
    """Somebody made it by hand, before the first start."""
    made = NewTopic(
        f"{bench.place.prefix}standings.v1", PARTITIONS, 1, topic_configs={"cleanup.policy": "delete"}
    )
    async with administrator(bench.place) as admin:
        await admin.create_topics([made])

    async def known() -> bool:
        return await bench.transport._describe("standings.v1") is not None

    await until(known)
    with pytest.raises(TopicMismatch, match=r"has cleanup\.policy = delete on Kafka"):
        await bench.transport.create_topics([TOPICS["standings.v1"]])


async def test_settings_of_a_topic_that_differ_are_told_and_set_and_its_others_stay(bench: Bench) -> None:
    """Somebody changed them by hand, or the settings changed since the topic was made."""
    topics = [TOPICS["standings.v1"], TOPICS["matches.v1"]]
    state, history = (f"{bench.place.prefix}{topic.name}" for topic in topics)
    await bench.transport.create_topics(topics)
    assert await bench.transport.drift(topics) == ()
    by_hand = {
        state: {"max.compaction.lag.ms": "1000", "delete.retention.ms": "2000", "segment.ms": "3600000"},
        history: {"retention.ms": "86400000", "max.message.bytes": "1000"},
    }
    async with administrator(bench.place) as admin:
        kept = {name: await settings_of(admin, name) for name in by_hand}
        for name, settings in by_hand.items():  # this request resets what it does not name
            entries = {what: value for what, (value, whence) in kept[name].items() if whence == 1} | settings
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, entries)])

        async def told() -> bool:
            return len(await bench.transport.drift(topics)) == 4

        await until(told)
        drifts = await bench.transport.drift(topics)
        assert {(one.topic, one.what, one.found) for one in drifts} == {
            (name, what, value)
            for name, settings in by_hand.items()
            for what, value in settings.items()
            if what != "segment.ms"
        }
        await bench.transport.set_topics(drifts)

        async def mended() -> bool:
            return await bench.transport.drift(topics) == ()

        await until(mended)
        now = {name: await settings_of(admin, name) for name in by_hand}
    assert now == {state: kept[state] | {"segment.ms": ("3600000", 1)}, history: kept[history]}


async def test_a_setting_that_kafka_refuses_is_named_with_its_topic(bench: Bench) -> None:
    await bench.transport.create_topics([TOPICS["standings.v1"]])
    name = f"{bench.place.prefix}standings.v1"
    wrong = Drift(topic=name, what="retention.ms", found="", wanted="soon", means="", mend="", settable=True)
    with pytest.raises(BusError, match=rf"did not set the topic {name}: .*soon"):
        await bench.transport.set_topics([wrong])


async def settings_of(admin: AIOKafkaAdminClient, name: str) -> dict[str, tuple[str, int]]:
    """Every setting of a topic: its value, and whence (1: the topic itself was given it)."""
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {entry[0]: (entry[1], entry[3]) for each in answer.resources for entry in each[4]}


async def test_h12_a_topic_that_was_made_has_a_leader_in_every_partition(bench: Bench) -> None:
    """Else its first batches would find none, and come in another order than they were sent."""
    settings = bench.transport._settings
    many = settings.log.model_copy(update={"partitions": 64})
    bench.transport._settings = settings.model_copy(update={"log": many})
    await bench.transport.create_topics([TOPICS["standings.v1"]])
    known = await bench.transport._describe("standings.v1")
    assert (known.partitions, known.led) == (64, 64)


class Newcomer:
    """A listener that takes its time to say where a group begins that was never here."""

    def __init__(self) -> None:
        self.assigned_to: frozenset[TopicPartition] = frozenset()
        self.revoked_from: frozenset[TopicPartition] = frozenset()

    async def assigned(self, partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        await asyncio.sleep(0.5)
        self.assigned_to = partitions
        return dict.fromkeys(partitions, 0)

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        self.revoked_from = partitions

    def report_refused(self) -> None: ...


async def test_h11_a_member_that_fetches_no_more_leaves_its_group_also_after_fetches_that_failed(
    bench: Bench,
) -> None:
    """The client fails a fetch of partitions that have no position yet, and goes on counting it as under way."""
    listener = Newcomer()
    async with bench.transport.membership("newcomers", ["members.v1"], listener) as member:
        async with asyncio.timeout(20):
            while not listener.assigned_to:
                await member.fetch(timeout=0.1, limit=10)

        async def put_out() -> bool:
            return listener.revoked_from == listener.assigned_to

        await until(put_out, seconds=10)


async def test_c07_a_commit_that_readers_cannot_see_yet_is_no_promise(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker answers a commit before its markers are written; the outbox keeps its rows until they are."""
    key = KEYS[0]

    async def behind(places: Sequence[Any]) -> Mapping[Any, int]:
        return dict.fromkeys(places, 0)

    with monkeypatch.context() as patch:
        patch.setattr(bench.transport, "_stable_ends", behind)
        patch.setattr(kafka_appender, "BATCH_SECONDS", 2.0)
        await bench.post(revised(key, 1))
        with pytest.raises(Transient):
            await bench.relay()
        assert len(await bench.waiting()) == 1
    assert await bench.relay() == 1
    found = await bench.versions()
    assert set(found[key]) == {1}


async def test_a_partition_that_was_halted_for_longer_than_tombstones_are_kept_stops_as_it_is_resumed(
    bench: Bench,
) -> None:
    """A broker tells nothing of what it has compacted, so the time since the end was seen decides, as at a start."""

    async def handle(_: Delivery) -> None:
        raise ZeroDivisionError("a bug of ours")

    async def resume() -> None:
        async with bench.database.write() as connection:
            assert await limits.resume(connection, "things", at)

    at = TopicPartition("members.v1", partition_for(KEYS[0], PARTITIONS))
    await bench.append(revised(KEYS[0], 1))
    await bench.consume()
    await bench.append(revised(KEYS[0], 2))
    async with bench.consuming(handle, rules=LaneRules(tries=1, limits=Limits(in_a_row=0))) as running:
        await until(bench.halted)
        await resume()  # it was at the end a moment ago, so it halts again
        await until(bench.halted)
        bench.process.clock = Wrong(timedelta(days=31))
        await resume()
        await asyncio.wait([running.task], timeout=10)
        with pytest.raises(RebuildNeeded, match="the clock of this process says"):
            running.task.result()
