"""SHA-256 (FIPS 180-4) of many short messages of one length: a compiled loop over lanes, off the GIL.

A list's root begins with a hash for each row. Called one by one most of that time goes into the calls; here 64 messages go
through the rounds side by side, in vector registers. The result is `hashlib`'s, byte for byte, and tests hold it to that; a
single message, or a long one, is hashlib's business.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import numba
import numpy as np

_LANES = 64
_BLOCK = 64


def _primes(count: int) -> list[int]:
    found = list[int]()
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _cube_root(number: int) -> int:
    """The whole part, by Newton's method from above."""
    root = 1 << -(-number.bit_length() // 3)
    while (better := (2 * root + number // root**2) // 3) < root:
        root = better
    return root


_MASK = (1 << 32) - 1
_START = np.array([isqrt(prime << 64) & _MASK for prime in _primes(8)], np.uint32)
_ROUNDS = np.array([_cube_root(prime << 96) & _MASK for prime in _primes(64)], np.uint32)
"""The first 32 bits of the fractional parts of the square and cube roots of primes, as the standard has them."""


def hashes(messages: bytes, size: int, *, prefix: bytes) -> bytes:
    """Return the hashes (32 bytes each) of prefix + message, for the messages of `size` bytes that stand behind one another."""
    count, length = len(messages) // size, len(prefix) + size
    groups, blocks = -(-count // _LANES), -(-(length + 9) // _BLOCK)
    padded = np.zeros((groups * _LANES, blocks * _BLOCK), np.uint8)
    padded[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    padded[:count, len(prefix) : length] = np.frombuffer(messages, np.uint8).reshape(count, size)
    padded[:, length] = 0x80
    padded[:, -8:] = np.frombuffer((8 * length).to_bytes(8, "big"), np.uint8)
    words = (
        padded.view(">u4")
        .reshape(groups, _LANES, blocks * 16)
        .transpose(0, 2, 1)
        .astype(np.uint32, order="C")
    )
    out = np.empty((groups, 8, _LANES), np.uint32)
    _hash(words, _START, _ROUNDS, out)
    return out.transpose(0, 2, 1).reshape(groups * _LANES, 8)[:count].astype(">u4").tobytes()


@numba.njit(cache=True, nogil=True)
def _turned(word: Any, by: Any) -> Any:  # pragma: no cover - compiled
    return np.uint32((word >> np.uint32(by)) | (word << np.uint32(32 - by)))


@numba.njit(cache=True, nogil=True)
def _hash(words: Any, start: Any, rounds: Any, out: Any) -> None:  # pragma: no cover - compiled
    w = np.empty((64, _LANES), np.uint32)
    s = np.empty((8, _LANES), np.uint32)
    for group in range(words.shape[0]):
        for i in range(8):
            out[group, i, :] = start[i]
        for first in range(0, words.shape[1], 16):
            w[:16] = words[group, first : first + 16]
            for t in range(16, 64):
                for lane in range(_LANES):
                    x, y = w[t - 15, lane], w[t - 2, lane]
                    x = _turned(x, 7) ^ _turned(x, 18) ^ np.uint32(x >> np.uint32(3))
                    y = _turned(y, 17) ^ _turned(y, 19) ^ np.uint32(y >> np.uint32(10))
                    w[t, lane] = w[t - 16, lane] + x + w[t - 7, lane] + y
            s[:] = out[group]
            for t in range(64):
                a, b, c, d = -t & 7, (1 - t) & 7, (2 - t) & 7, (3 - t) & 7
                e, f, g, h = (4 - t) & 7, (5 - t) & 7, (6 - t) & 7, (7 - t) & 7
                for lane in range(_LANES):
                    x, y = s[e, lane], s[a, lane]
                    chosen = (x & s[f, lane]) ^ (~x & s[g, lane])
                    most = (y & s[b, lane]) ^ (y & s[c, lane]) ^ (s[b, lane] & s[c, lane])
                    x = _turned(x, 6) ^ _turned(x, 11) ^ _turned(x, 25)
                    y = _turned(y, 2) ^ _turned(y, 13) ^ _turned(y, 22)
                    added = np.uint32(s[h, lane] + x + chosen + rounds[t] + w[t, lane])
                    s[d, lane] = s[d, lane] + added
                    s[h, lane] = added + y + most
            for i in range(8):
                for lane in range(_LANES):
                    out[group, i, lane] += s[i, lane]
