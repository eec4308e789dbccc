"""Snapshots: an index as bytes and back, with the epoch and the positions that it stands for. A cache, never the truth.

A snapshot is a header (JSON), arrays as they lie in memory, and the SHA-256 of both. One that is torn, in another form or
of another epoch is refused with the reason; who asked builds the index from the archive. Terms and entries go with it by name,
for their numbers are a process's own. It reads and writes no file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.blocks import Block, Head, block_of, inverted, merged
from matching.index import PinnedIndex

FORM = "comity index 1"
_ARRAYS = ("entries", "terms", "offsets", "slots", "values")
_DIGEST = 32
_LENGTH = 8


class SnapshotRefused(ValueError):  # noqa: N818 - what happened, in the past tense
    """A snapshot that cannot be used, and why: the index is to be built from the archive."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """An index with the hash of its epoch and the positions up to which it holds everything.

    `terms` are the names of the term numbers, `names` those of the entries.
    """

    epoch: str
    positions: Mapping[str, int]
    terms: Sequence[str]
    names: Sequence[str]
    index: PinnedIndex


def pieces(snapshot: Snapshot) -> Iterator[bytes | memoryview]:
    """Yield a snapshot's bytes, piece by piece; the dead are left out and the head is inverted."""
    blocks = _living_blocks(snapshot.index)
    texts = [_joined(snapshot.terms), _joined(snapshot.names)]
    arrays = [getattr(block, name) for block in blocks for name in _ARRAYS]
    header = {
        "form": FORM,
        "epoch": snapshot.epoch,
        "positions": dict(snapshot.positions),
        "entries": snapshot.index.entries,
        "values": snapshot.index.head[0].values.dtype.str,
        "texts": [len(text) for text in texts],
        "arrays": [[array.dtype.str, len(array)] for array in arrays],
    }
    digest = hashlib.sha256()
    said = json.dumps(header).encode()
    for piece in (
        len(said).to_bytes(_LENGTH, "big"),
        said,
        *texts,
        *(array.data.cast("B") for array in arrays),
    ):
        digest.update(piece)
        yield piece
    yield digest.digest()


def read(content: bytes | bytearray | memoryview, *, epoch: str) -> Snapshot:
    """Read a snapshot for an epoch; SnapshotRefused if it is torn, in another form or of another epoch."""
    whole = memoryview(content)
    body, said = whole[:-_DIGEST], whole[-_DIGEST:]
    if len(whole) < _LENGTH + _DIGEST or hashlib.sha256(body).digest() != said:
        raise SnapshotRefused("it is torn: its digest is not that of its bytes")
    start = _LENGTH + int.from_bytes(body[:_LENGTH], "big")
    header: Any = None
    with suppress(ValueError):  # a foreign file may have a digest too
        header = json.loads(bytes(body[_LENGTH:start]))
    form = header.get("form") if isinstance(header, dict) else None
    if form != FORM:
        raise SnapshotRefused(f"its form is {form!r}, not {FORM!r}")
    if header["epoch"] != epoch:
        raise SnapshotRefused(f"it is of epoch {header['epoch'][:12]}, not {epoch[:12]}")
    texts = []
    for length in header["texts"]:
        texts.append(_parted(bytes(body[start : start + length])))
        start += length
    arrays: list[npt.NDArray[Any]] = []
    for kind, length in header["arrays"]:
        array = np.frombuffer(body, kind, length, start).copy()
        arrays.append(array)
        start += array.nbytes
    parts = (arrays[place : place + len(_ARRAYS)] for place in range(0, len(arrays), len(_ARRAYS)))
    blocks = [block_of(**dict(zip(_ARRAYS, part, strict=True))) for part in parts]
    return Snapshot(
        epoch=epoch,
        positions=header["positions"],
        terms=texts[0],
        names=texts[1],
        index=PinnedIndex(
            entries=header["entries"],
            blocks=tuple((block, np.ones(block.size, np.bool_)) for block in blocks),
            head=(_no_head(np.dtype(header["values"])), np.zeros(0, np.bool_)),
        ),
    )


def _living_blocks(index: PinnedIndex) -> list[Block]:
    blocks = [
        block if alive.all() else merged([(block, alive)]) for block, alive in index.blocks if alive.any()
    ]
    head = inverted(*index.head)
    return [*blocks, head] if head.size else blocks


def _no_head(values: np.dtype[Any]) -> Head:
    return Head(
        entries=np.zeros(0, np.int32),
        offsets=np.zeros(1, np.int64),
        terms=np.zeros(0, np.int32),
        values=np.zeros(0, values),
    )


def _joined(names: Sequence[str]) -> bytes:
    """Join names, each with its end, so that no names and one empty name differ."""
    return "".join(f"{name}\n" for name in names).encode()


def _parted(joined: bytes) -> tuple[str, ...]:
    return tuple(joined.decode().split("\n")[:-1])
