"""The codec, against hand-written headers and against the `cloudevents` library as an oracle."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_structured, to_structured
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import EnvelopeError, Event, Sequence, new_event, schema_name


class Noon:
    def now(self) -> datetime:
        return datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Stored:
    topic: str
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None


EVENT = Event(
    id="0193-id",
    source="/home/members",
    type="org.comity.organisation.revised.v1",
    subject="k1",
    time="2026-11-24T12:00:00.000000Z",
    dataschema="urn:comity:schema:org.comity.organisation.revised.v1:1",
    sequence=Sequence(1, 42),
    partitionkey="k1",
    topic="members.v1",
    key="k1",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    data='{"legal_name":"Ünïcode – 大学"}'.encode(),
)
HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"0193-id"),
    ("ce_source", b"/home/members"),
    ("ce_type", b"org.comity.organisation.revised.v1"),
    ("ce_subject", b"k1"),
    ("ce_time", b"2026-11-24T12:00:00.000000Z"),
    ("ce_dataschema", b"urn:comity:schema:org.comity.organisation.revised.v1:1"),
    ("ce_sequence", b"0000000001.000000000000000042"),
    ("ce_partitionkey", b"k1"),
    ("ce_traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("content-type", b"application/json"),
)


def stored(event: Event) -> Stored:
    return Stored(event.topic, event.key.encode(), event.headers(), event.data)


def without(name: str) -> tuple[tuple[str, bytes], ...]:
    return tuple(header for header in HEADERS if header[0] != name)


def test_the_headers_are_these_bytes_in_this_order():
    assert EVENT.headers() == HEADERS


def test_an_event_survives_the_log():
    assert Event.from_record(stored(EVENT)) == EVENT


def test_a_tombstone_has_no_value_no_content_type_and_keeps_its_sequence():
    erased = replace(EVENT, data=None, dataschema=None)
    names = [name for name, _ in erased.headers()]
    assert "content-type" not in names
    assert "ce_sequence" in names
    back = Event.from_record(stored(erased))
    assert back == erased
    assert back.tombstone
    assert back.json() is None


def test_empty_data_is_not_a_tombstone():
    empty = replace(EVENT, data=b"")
    assert Event.from_record(stored(empty)).data == b""
    assert not empty.tombstone


def test_the_cloudevents_library_reads_what_we_write():
    read = from_binary(KafkaMessage(dict(EVENT.headers()), b"k1", EVENT.data), JSONFormat())
    assert read.get_id() == EVENT.id
    assert read.get_source() == EVENT.source
    assert read.get_type() == EVENT.type
    assert read.get_subject() == EVENT.subject
    assert read.get_time() == datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    assert read.get_dataschema() == EVENT.dataschema
    assert read.get_extension("sequence") == EVENT.sequence.sortable()
    assert read.get_extension("traceparent") == EVENT.traceparent
    assert read.get_data() == {"legal_name": "Ünïcode – 大学"}


def test_we_read_what_the_cloudevents_library_writes_in_structured_mode():
    event = from_binary(KafkaMessage(dict(EVENT.headers()), b"k1", EVENT.data), JSONFormat())
    message = to_structured(event, JSONFormat())
    assert from_structured(message, JSONFormat()).get_id() == EVENT.id
    ours = Event.from_record(Stored("members.v1", b"k1", tuple(message.headers.items()), message.value))
    assert replace(ours, time=EVENT.time, data=EVENT.data) == EVENT
    assert ours.json() == EVENT.json()


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        (without("ce_id"), "lacks id"),
        (without("ce_type"), "lacks type"),
        (without("ce_source"), "lacks source"),
        (without("ce_sequence"), "lacks sequence"),
        (without("ce_specversion"), "CloudEvents 1.0"),
        ((*without("ce_specversion"), ("ce_specversion", b"2.0")), "CloudEvents 1.0"),
        ((*without("ce_sequence"), ("ce_sequence", b"seven")), "sequence"),
        ((*without("ce_sequence"), ("ce_sequence", b"1.-2")), "sequence"),
        ((*without("ce_sequence"), ("ce_sequence", "١.٢".encode())), "sequence"),
        ((*without("ce_source"), ("ce_source", b"\xff")), "not UTF-8"),
        ((*without("ce_id"), ("ce_id", b"1\x00")), "U\\+0000"),
        ((*without("content-type"), ("content-type", b"text/plain")), "text/plain"),
        ((("content-type", b"application/cloudevents+json"),), "not JSON"),
    ],
)
def test_a_record_that_is_no_event_of_ours_is_refused_with_the_reason(headers, word):
    with pytest.raises(EnvelopeError, match=word):
        Event.from_record(Stored("members.v1", b"k1", headers, b"{"))


def test_a_record_without_a_key_is_refused():
    with pytest.raises(EnvelopeError, match="no key"):
        Event.from_record(Stored("members.v1", None, HEADERS, b"{}"))


def test_unknown_attributes_are_ignored():
    event = Event.from_record(
        Stored("members.v1", b"k1", (*HEADERS, ("ce_later", b"x"), ("other", b"\xff")), EVENT.data)
    )
    assert event == EVENT


@given(
    st.tuples(st.integers(0, 10**9), st.integers(0, 10**17)),
    st.tuples(st.integers(0, 10**9), st.integers(0, 10**17)),
)
def test_sequences_sort_alike_as_numbers_and_as_text(one, other):
    left, right = Sequence(*one), Sequence(*other)
    assert (left < right) == (left.sortable() < right.sortable())
    assert Sequence.parse(left.sortable()) == Sequence.parse(str(left)) == left


def test_the_incarnation_outranks_the_version():
    assert Sequence(2, 1) > Sequence(1, 10**6)


def test_a_fresh_event_has_an_id_of_its_own_and_the_time_of_the_clock():
    one, other = (
        new_event(
            "epochs.v1",
            "org.comity.day.opened.v1",
            key="d",
            sequence=Sequence(1, 1),
            data={"day": "2026-11-24"},
            source="/home/matches",
            clock=Noon(),
        )
        for _ in range(2)
    )
    assert one.id != other.id
    assert one.id[14] == "7"
    assert one.time == "2026-11-24T12:00:00.000000Z"
    assert one.partitionkey == "d"
    assert one.data == b'{"day":"2026-11-24"}'


def test_an_event_names_the_latest_release_of_its_schema():
    assert schema_name("org.comity.organisation.revised.v1").endswith(":4")
    assert schema_name("org.comity.day.opened.v1").endswith(":1")
