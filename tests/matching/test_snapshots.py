from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.index import Index
from matching.snapshots import Snapshot, SnapshotRefused, pieces, read

EPOCH, OTHER = "a" * 64, "b" * 64
TERMS = 200


def filled(seed: int, documents: int, dtype=np.uint8) -> Index:
    """An index with a life behind it: blocks, a head, dead documents, numbers given back."""
    rng, index = np.random.default_rng(seed), Index(dtype)
    for _ in range(documents):
        index.put(index.new_entry(), *document(rng, dtype))
    for entry in rng.integers(0, documents, documents // 2).tolist():
        index.put(entry, *document(rng, dtype))
    for entry in set(rng.integers(0, documents, documents // 4).tolist()):
        index.drop(entry)
    return index


def document(rng, dtype):
    terms = rng.choice(TERMS, 9, replace=False).astype(np.int32)
    return terms, rng.integers(1, 256, 9).astype(dtype)


def snapshot_of(index: Index) -> Snapshot:
    pinned = index.pin()
    return Snapshot(
        epoch=EPOCH,
        positions={"members.v1/3": 17, "projects.v1/0": 4},
        terms=[f"w:ru:слово{number}" for number in range(TERMS)],
        names=[f"member {number}" if number % 5 else "" for number in range(pinned.entries)],
        index=pinned,
    )


def saved(index: Index) -> bytes:
    return b"".join(pieces(snapshot_of(index)))


def everything():
    rng = np.random.default_rng(8)
    return [
        (np.arange(TERMS, dtype=np.int32), rng.integers(1, 9_000, TERMS).astype(np.int32)) for _ in range(3)
    ]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([0, 1, 60, 700]), st.sampled_from([np.uint8, np.int32]))
def test_a_snapshot_gives_the_same_integers_and_can_be_gone_on_from(seed, documents, dtype):
    index = filled(seed, documents, dtype)
    expected = snapshot_of(index)
    found = read(saved(index), epoch=EPOCH)
    assert (found.epoch, found.positions) == (EPOCH, expected.positions)
    assert (list(found.terms), list(found.names)) == (list(expected.terms), list(expected.names))
    assert (found.index.sums(everything()) == expected.index.sums(everything())).all()
    again = Index.after(found.index)
    rng = np.random.default_rng(seed + 1)
    for entry in range(0, documents, 3):
        one = document(rng, dtype)
        again.put(entry, *one)
        index.put(entry, *one)
    again.tend()
    assert (again.pin().sums(everything()) == index.pin().sums(everything())).all()


def test_a_number_that_belongs_to_nobody_is_given_out_again():
    index = Index.after(filled(1, 60).pin(), free=[7, 11])
    assert {index.new_entry(), index.new_entry()} == {7, 11}
    assert index.new_entry() == 60


@pytest.mark.parametrize("place", [0, 9, 300, -40, -1])
def test_a_snapshot_with_one_byte_changed_is_refused(place):
    content = bytearray(saved(filled(2, 200)))
    content[place] ^= 1
    with pytest.raises(SnapshotRefused, match="torn"):
        read(content, epoch=EPOCH)


@pytest.mark.parametrize("kept", [0, 7, 39, 40, 5_000, -1])
def test_a_snapshot_that_was_not_written_to_its_end_is_refused(kept):
    content = saved(filled(2, 200))
    with pytest.raises(SnapshotRefused, match="torn"):
        read(content[:kept], epoch=EPOCH)


def test_a_snapshot_of_another_epoch_is_refused_by_name():
    with pytest.raises(SnapshotRefused, match="of epoch aaaaaaaaaaaa, not bbbbbbbbbbbb"):
        read(saved(filled(3, 50)), epoch=OTHER)


def test_a_snapshot_in_another_form_is_refused():
    said = b'{"form": "comity index 0"}'
    body = len(said).to_bytes(8, "big") + said
    with pytest.raises(SnapshotRefused, match="comity index 0"):
        read(body + hashlib.sha256(body).digest(), epoch=EPOCH)


@pytest.mark.parametrize("said", [b"not json!", b"[]", b'"comity index 1"', b"\xff\xfe", b""])
def test_a_foreign_file_with_a_digest_of_its_own_is_refused(said):
    body = len(said).to_bytes(8, "big") + said
    with pytest.raises(SnapshotRefused, match="form"):
        read(body + hashlib.sha256(body).digest(), epoch=EPOCH)
