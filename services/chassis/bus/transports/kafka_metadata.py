"""Kafka's Metadata request, version 12, as bytes: what the cluster knows of one topic.

What: the question and the answer on the wire (KIP-516). Why our own: the id that a cluster gives a topic, our log
identity, is told since version 10, and the client library stops at version 5. It must not know the client library, and
reads only what we need: what stands around it is skipped by its form.
"""

import uuid
from dataclasses import dataclass
from io import BytesIO

API_KEY = 3
VERSION = 12
_NOBODY = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """One topic as the cluster sees it. `error` is Kafka's code, 0 for none; `led` counts partitions with a leader.

    `replicas` is how many the partition has that has fewest, 0 where there is no partition.
    """

    error: int
    identity: uuid.UUID
    partitions: int
    led: int
    replicas: int


def encode_question(topic: str) -> bytes:
    """Ask for one topic by name, without creating it and without the rights on it."""
    name = topic.encode()
    one = _varint(1 + 1) + _NOBODY.bytes + _varint(len(name) + 1) + name + _varint(0)
    return one + b"\x00\x00" + _varint(0)


def decode_answer(data: BytesIO) -> TopicFacts:
    """Read the answer to `encode_question`."""
    data.read(4)  # throttle
    for _ in range(_length(data)):  # brokers
        data.read(4)
        _skip_text(data)
        data.read(4)
        _skip_text(data)
        _skip_tags(data)
    _skip_text(data)  # cluster
    data.read(4)  # controller
    if _length(data) != 1:
        raise ValueError("One topic was asked for, and the answer does not hold one.")
    error = _signed(data, 2)
    _skip_text(data)  # name
    identity = uuid.UUID(bytes=data.read(16))
    data.read(1)  # internal
    partitions = [_partition(data) for _ in range(_length(data))]
    data.read(4)  # operations
    _skip_tags(data)
    _skip_tags(data)
    return TopicFacts(
        error=error,
        identity=identity,
        partitions=len(partitions),
        led=sum(led for led, _ in partitions),
        replicas=min((replicas for _, replicas in partitions), default=0),
    )


def _partition(data: BytesIO) -> tuple[bool, int]:
    """Whether it has a leader, and how many replicas."""
    error = _signed(data, 2)
    data.read(4)  # number
    leader = _signed(data, 4)
    data.read(4)  # epoch of the leader
    replicas, _in_sync, _offline = [len(data.read(4 * _length(data))) // 4 for _ in range(3)]
    _skip_tags(data)
    return error == 0 and leader >= 0, replicas


def _signed(data: BytesIO, size: int) -> int:
    return int.from_bytes(data.read(size), "big", signed=True)


def _length(data: BytesIO) -> int:
    """Read the length of a compact array or text: one more than it is, 0 for null."""
    return max(0, _read_varint(data) - 1)


def _skip_text(data: BytesIO) -> None:
    data.read(_length(data))


def _skip_tags(data: BytesIO) -> None:
    for _ in range(_read_varint(data)):
        _read_varint(data)
        data.read(_read_varint(data))


def _read_varint(data: BytesIO) -> int:
    value = shift = 0
    while True:
        (byte,) = data.read(1)
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value
        shift += 7


def _varint(value: int) -> bytes:
    text = bytearray()
    while value > 0x7F:
        text.append(value & 0x7F | 0x80)
        value >>= 7
    text.append(value)
    return bytes(text)
