"""Which partition a key belongs to: murmur2, exactly as Kafka's default partitioner computes it.

So a key has the same partition number on both transports, and a log can be moved by copying. It must never
change: a key that moved to another partition would lose its order.
"""

import struct
from functools import cache

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_ROTATION = 24
_WORD = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Return the 32-bit murmur2 hash of the bytes, unsigned (A. Appleby's MurmurHash2 with Kafka's seed)."""
    length = len(data)
    whole = length >> 2
    state = _SEED ^ length
    for word in _words(whole).unpack_from(data):
        word = word * _MULTIPLIER & _WORD  # noqa: PLW2901 - as the algorithm is written
        state = (state * _MULTIPLIER & _WORD) ^ ((word ^ word >> _ROTATION) * _MULTIPLIER & _WORD)
    if length & 3:
        state = (state ^ int.from_bytes(data[whole << 2 :], "little")) * _MULTIPLIER & _WORD
    state = (state ^ state >> 13) * _MULTIPLIER & _WORD
    return state ^ state >> 15


@cache
def _words(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


def partition_for(key: str, partitions: int) -> int:
    """Return the partition of a partition key: the hash without its sign bit, modulo the number of partitions."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
