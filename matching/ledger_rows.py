"""Canonical rows of a list, packed at fixed width, and the Merkle root that a list version is named by.

Anyone with the rows recomputes the root with SHA-256 alone: a leaf is H(00 || row), a node H(01 || up to 256 children in
order), the root H(02 || header || number of rows as 8 bytes || top node). An empty list has no top node.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from matching.many_hashes import hashes
from matching.ties import id_bytes

if TYPE_CHECKING:
    from matching.lists import RankedList

FAN_OUT = 256
_HASH = 32

ROW = np.dtype(
    [
        ("rank", ">u4"),
        ("member", "V16"),
        ("revision", ">u8"),
        ("points", ">i8"),
        ("components", ">i8", 6),
        ("labels", ">u4"),
        ("steps", ">u4"),
    ]
)
"""One row, big-endian: 92 bytes. `member` is the 16 bytes of its UUID."""


def pack(ranked: RankedList) -> bytes:
    """Return a list's canonical rows."""
    rows: np.ndarray[Any, Any] = np.zeros(len(ranked), ROW)
    rows["rank"] = np.arange(1, len(ranked) + 1)
    rows["member"] = ranked.ids.astype(">u8").view("V16").ravel()
    rows["revision"] = ranked.revisions
    rows["points"] = ranked.points
    rows["components"] = ranked.components
    rows["labels"] = ranked.labels
    rows["steps"] = ranked.steps
    return rows.tobytes()


def header(*, project: str, revision: int, epoch: str, day: str) -> bytes:
    """Return the canonical header: project id (16), revision (8), epoch hash (32), reference date (10 ASCII)."""
    return id_bytes(project) + revision.to_bytes(8, "big") + bytes.fromhex(epoch) + day.encode("ascii")


def root(head: bytes, packed: bytes) -> str:
    """Return the hex root of a header and packed rows."""
    level = hashes(packed, ROW.itemsize, prefix=b"\x00")
    count = len(level) // _HASH
    while len(level) > _HASH:
        level = b"".join(
            hashlib.sha256(b"\x01" + level[i : i + FAN_OUT * _HASH]).digest()
            for i in range(0, len(level), FAN_OUT * _HASH)
        )
    return hashlib.sha256(b"\x02" + head + count.to_bytes(8, "big") + level).hexdigest()
