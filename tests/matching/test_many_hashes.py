"""Hashes of many messages are those of hashlib, whatever their number and length."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.many_hashes import hashes


def one_by_one(messages: bytes, size: int, prefix: bytes) -> bytes:
    starts = range(0, len(messages), size)
    return b"".join(hashlib.sha256(prefix + messages[i : i + size]).digest() for i in starts)


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 128, 1000])
def test_any_number_of_rows(count):
    rows = hashlib.shake_256(b"rows").digest(92 * count)
    assert hashes(rows, 92, prefix=b"\x00") == one_by_one(rows, 92, b"\x00")


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(0, 70), st.binary(max_size=80), st.binary(max_size=8))
def test_any_length(size, count, seed, prefix):
    messages = hashlib.shake_256(seed).digest(size * count)
    assert hashes(messages, size, prefix=prefix) == one_by_one(messages, size, prefix)


def test_extremes():
    for byte in (b"\x00", b"\xff"):
        assert hashes(byte * 920, 92, prefix=b"") == one_by_one(byte * 920, 92, b"")
