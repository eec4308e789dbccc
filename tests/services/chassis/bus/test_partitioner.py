"""The partitioner is Kafka's: published vectors of its own tests, and its Python client as an oracle."""

import pytest
from aiokafka.partitioner import murmur2 as oracle
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.bus.partitioner import murmur2, partition_for

VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("data", "signed"), VECTORS.items())
def test_the_hash_is_that_of_kafkas_own_tests(data, signed):
    assert murmur2(data) == signed & 0xFFFFFFFF


@given(st.binary(max_size=64))
def test_the_hash_is_that_of_the_client(data):
    assert murmur2(data) == oracle(data) & 0xFFFFFFFF


@given(st.text(max_size=40).filter(lambda text: text.isprintable()), st.integers(1, 50))
def test_a_key_has_a_partition_and_keeps_it(key, partitions):
    assert 0 <= partition_for(key, partitions) < partitions
    assert partition_for(key, partitions) == (oracle(key.encode()) & 0x7FFFFFFF) % partitions
