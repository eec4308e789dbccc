"""Order and ties: among equal points a keyed hash decides, so that no name, date or size settles who comes first.

SipHash-2-4 (Aumasson and Bernstein 2012) over the 16 bytes of both ids; the key is published with the epoch. It can be
recomputed by anyone with any SipHash; a compiled loop does it for a whole list.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

_C = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
_LENGTH = np.uint64(32 << 56)
_UUID_LENGTH = 36


def id_bytes(name: str) -> bytes:
    """Return the 16 bytes of a UUID; of any other name, those of its BLAKE2b hash."""
    try:
        plain = bytes.fromhex(name.replace("-", "")) if len(name) == _UUID_LENGTH else b""
        if len(plain) == 16:  # as ids are written here: a long list has no time for `uuid.UUID`
            return plain
        return uuid.UUID(name).bytes
    except ValueError:
        return hashlib.blake2b(name.encode(), digest_size=16).digest()


def id_words(name: str) -> tuple[int, int]:
    """Return an id's 16 bytes as two little-endian 64-bit words, as SipHash reads them."""
    content = id_bytes(name)
    return int.from_bytes(content[:8], "little"), int.from_bytes(content[8:], "little")


@numba.njit(cache=True, nogil=True)
def _round(a: Any, b: Any, c: Any, d: Any) -> Any:  # pragma: no cover - compiled
    a += b
    b = (b << np.uint64(13)) | (b >> np.uint64(51))
    b ^= a
    a = (a << np.uint64(32)) | (a >> np.uint64(32))
    c += d
    d = (d << np.uint64(16)) | (d >> np.uint64(48))
    d ^= c
    a += d
    d = (d << np.uint64(21)) | (d >> np.uint64(43))
    d ^= a
    c += b
    b = (b << np.uint64(17)) | (b >> np.uint64(47))
    b ^= c
    c = (c << np.uint64(32)) | (c >> np.uint64(32))
    return a, b, c, d


@numba.njit(cache=True, nogil=True)
def _hashes(start: Any, words: Any, length: Any, out: Any) -> None:  # pragma: no cover - compiled
    for i in range(words.shape[0]):
        a, b, c, d = start[0], start[1], start[2], start[3]
        for j in range(words.shape[1]):
            d ^= words[i, j]
            a, b, c, d = _round(a, b, c, d)
            a, b, c, d = _round(a, b, c, d)
            a ^= words[i, j]
        d ^= length
        a, b, c, d = _round(a, b, c, d)
        a, b, c, d = _round(a, b, c, d)
        a ^= length
        c ^= np.uint64(255)
        for _ in range(4):
            a, b, c, d = _round(a, b, c, d)
        out[i] = a ^ b ^ c ^ d


def tie_hashes(key: str, project: str, words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the hash of (project, organisation) for each organisation; `words` has a row of `id_words` for each."""
    secret = bytes.fromhex(key)
    k0, k1 = int.from_bytes(secret[:8], "little"), int.from_bytes(secret[8:16], "little")
    start = np.array([k0 ^ _C[0], k1 ^ _C[1], k0 ^ _C[2], k1 ^ _C[3]], np.uint64)
    both = np.empty((len(words), 4), np.uint64)
    both[:, :2] = id_words(project)
    both[:, 2:] = words
    out = np.zeros(len(words), np.uint64)
    _hashes(start, both, _LENGTH, out)
    return out


def sorted_order(
    points: npt.NDArray[np.int64], tie: npt.NDArray[np.uint64], ids: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """Return the order by (points downwards, tie hash, id)."""
    found: npt.NDArray[np.int64] = np.argsort(-points)
    equal = np.diff(points[found]) == 0
    tied = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
    rows = found[tied]  # in a long list few points are equal, so only those are asked for more
    found[tied] = rows[_stable_order(points[rows], tie[rows], ids[rows])]
    return found


def _stable_order(
    points: npt.NDArray[np.int64], tie: npt.NDArray[np.uint64], ids: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """The same where many are equal. Two equal hashes are all but impossible, so ids come last."""
    by_tie = np.argsort(tie)
    if (np.diff(tie[by_tie]) == 0).any():
        return np.lexsort((ids[:, 1], ids[:, 0], tie, -points))
    found: npt.NDArray[np.int64] = by_tie[np.argsort(-points[by_tie], kind="stable")]
    return found
