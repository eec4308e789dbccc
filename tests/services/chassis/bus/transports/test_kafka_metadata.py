import uuid
from io import BytesIO

import pytest

from services.chassis.bus.transports.kafka_metadata import TopicFacts, decode_answer, encode_question

IDENTITY = uuid.UUID("076619a7-aabe-49a8-a09c-df34b78ed058")


def text(value: str) -> bytes:
    return bytes([len(value) + 1]) + value.encode()


def number(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "big", signed=True)


def partition(index: int, *, leader: int, error: int = 0, replicas: int = 2) -> bytes:
    brokers = bytes([replicas + 1]) + b"".join(number(broker) for broker in range(replicas))
    in_sync = b"\x04" + number(1) + number(2) + number(3)
    about = number(error, 2) + number(index) + number(leader) + number(5)
    return about + brokers + in_sync + b"\x01" + b"\x00"


def answer(*partitions: bytes, error: int = 0, topics: int = 1) -> BytesIO:
    broker = number(1) + text("127.0.0.1") + number(9092) + b"\x00" + b"\x00"  # no rack, no tags
    topic = number(error, 2) + text("members.v1") + IDENTITY.bytes + b"\x00"
    topic += bytes([len(partitions) + 1]) + b"".join(partitions) + number(-1) + b"\x00"
    tags = b"\x01\x07\x02ab"  # one tag that this version does not know
    return BytesIO(
        number(0)
        + b"\x02"
        + broker
        + text("cluster")
        + number(1)
        + bytes([topics + 1])
        + topic * topics
        + tags
    )


def test_the_question_is_kafkas_version_12() -> None:
    assert (
        encode_question("projects.v1") == b"\x02" + bytes(16) + b"\x0cprojects.v1\x00" + b"\x00\x00" + b"\x00"
    )


def test_a_long_name_has_a_length_of_two_bytes() -> None:
    assert encode_question("t" * 200)[17:19] == b"\xc9\x01"


def test_the_answer_tells_identity_partitions_leaders_and_replicas() -> None:
    found = decode_answer(
        answer(partition(0, leader=1), partition(1, leader=-1, error=5), partition(2, leader=2, replicas=1))
    )
    assert found == TopicFacts(error=0, identity=IDENTITY, partitions=3, led=2, replicas=1)


def test_an_unknown_topic_is_an_error_code() -> None:
    found = decode_answer(answer(error=3))
    assert (found.error, found.partitions, found.replicas) == (3, 0, 0)


def test_an_answer_to_another_question_is_refused() -> None:
    with pytest.raises(ValueError, match="One topic"):
        decode_answer(answer(topics=2))
