"""Fidelity: what is appended is what is read, byte for byte, on every log."""

import json
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer

from schemas.envelope import Event, Sequence
from tests.conformance.kit import KAFKA, Bench, ids, revised

EVENT = Event(
    id="0193f3c2-a7d1-7000-8000-00000000abcd",
    source="/home/members/équipe-ñ",
    type="org.comity.organisation.revised.v1",
    subject="Ministère des Télécommunications · 电信部 · وزارة",
    time="2026-11-24T10:00:00.000000Z",
    dataschema="urn:comity:schema:org.comity.organisation.revised.v1:1",
    sequence=Sequence(2, 41),
    partitionkey="project/ключ",
    topic="members.v1",
    key="project/ключ/été",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    data=bytes(range(256)),
)

HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"0193f3c2-a7d1-7000-8000-00000000abcd"),
    ("ce_source", b"/home/members/\xc3\xa9quipe-\xc3\xb1"),
    ("ce_type", b"org.comity.organisation.revised.v1"),
    (
        "ce_subject",
        (
            b"Minist\xc3\xa8re des T\xc3\xa9l\xc3\xa9communications \xc2\xb7 \xe7\x94\xb5\xe4\xbf\xa1\xe9\x83\xa8"
            b" \xc2\xb7 \xd9\x88\xd8\xb2\xd8\xa7\xd8\xb1\xd8\xa9"
        ),
    ),
    ("ce_time", b"2026-11-24T10:00:00.000000Z"),
    ("ce_dataschema", b"urn:comity:schema:org.comity.organisation.revised.v1:1"),
    ("ce_sequence", b"0000000002.000000000000000041"),
    ("ce_partitionkey", b"project/\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87"),
    ("ce_traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("content-type", b"application/json"),
)

# Kafka's own numbers for four partitions.
PARTITION_OF = {
    "a": 0,
    "Kigali": 0,
    "organisation/été": 0,
    "مركز": 0,
    "": 1,
    "018f3c2a-7d10-7000-8000-000000000001": 1,
    "00000000-0000-0000-0000-000000000001": 2,
    "p1/o2": 2,
}


async def test_c09_every_attribute_and_every_byte_comes_back_in_its_order(bench: Bench) -> None:
    await bench.append(EVENT)
    (record,) = await bench.log()
    assert record.key == b"project/\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87/\xc3\xa9t\xc3\xa9"
    assert record.headers == HEADERS
    assert record.value == bytes(range(256))
    assert record.appended_at > 1_700_000_000_000_000  # Unix microseconds
    assert Event.from_record(record) == EVENT


async def test_c09_an_empty_value_and_no_value_are_two_things(bench: Bench) -> None:
    empty = replace(EVENT, id="1", key="empty", partitionkey="same", data=b"")
    nothing = replace(EVENT, id="2", key="nothing", partitionkey="same", data=None, dataschema=None)
    await bench.append(empty, nothing)
    first, second = await bench.log()
    assert (first.value, second.value) == (b"", None)
    assert dict(first.headers)["content-type"] == b"application/json"
    assert "content-type" not in dict(second.headers)
    assert Event.from_record(second).tombstone


async def test_c09_a_real_event_is_the_same_bytes_from_the_outbox_to_the_reader(bench: Bench) -> None:
    event = revised(ids(1)[0], 7, "Société «Ñandú» — 千兆 \N{SATELLITE}")
    await bench.post(event)
    await bench.relay()
    (record,) = await bench.log()
    assert record.headers == event.headers()
    assert record.value == event.data
    assert json.loads(record.value)["legal_name"] == "Société «Ñandú» — 千兆 \N{SATELLITE}"


async def test_c10_a_structured_event_is_readable_too(bench: Bench) -> None:
    """Written by somebody else; the codec takes it as the same event."""
    event = revised(ids(1)[0], 3)
    await bench.append(event)
    (record,) = await bench.log()
    whole = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "dataschema": event.dataschema,
        "sequence": event.sequence.sortable(),
        "partitionkey": event.partitionkey,
        "data": json.loads(event.data or b""),
    }
    structured = record._replace(
        headers=(("content-type", b"application/cloudevents+json; charset=utf-8"),),
        value=json.dumps(whole).encode(),
    )
    assert replace(Event.from_record(structured), data=None) == replace(Event.from_record(record), data=None)
    assert Event.from_record(structured).json() == Event.from_record(record).json()


async def test_c11_a_key_has_the_same_partition_on_every_log(bench: Bench) -> None:
    await bench.append(
        *(
            replace(EVENT, id=f"e{number}", key=f"k{number}", partitionkey=key)
            for number, key in enumerate(PARTITION_OF)
        )
    )
    found = {Event.from_record(record).partitionkey: record.partition for record in await bench.log()}
    assert found == PARTITION_OF


@pytest.mark.parametrize("place", [KAFKA], indirect=True)
async def test_c11_kafkas_own_client_puts_a_key_where_we_do(bench: Bench) -> None:
    topic = bench.place.prefix + "members.v1"
    async with AIOKafkaProducer(bootstrap_servers=bench.place.log_url) as producer:
        sent = {
            key: await producer.send_and_wait(topic, b"{}", key=key.encode()) for key in PARTITION_OF if key
        }
    assert {key: place.partition for key, place in sent.items()} == {
        k: p for k, p in PARTITION_OF.items() if k
    }
