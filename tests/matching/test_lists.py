from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.explanation import per_mille
from matching.family import root_of
from matching.items import best_items, near_duplicates
from matching.ledger_rows import FAN_OUT, ROW, root
from matching.records import Evidence, Member, Project, Tag, Term, Text
from matching.ties import id_bytes, id_words, tie_hashes
from matching.view import sorted_order
from tests.matching.builders import DAY, MEMBERS, PROJECTS, member, project

MASK = (1 << 64) - 1


def siphash(key: bytes, message: bytes) -> int:
    """SipHash-2-4 straight from the paper, in Python's integers."""
    k0, k1 = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turn(value: int, bits: int) -> int:
        return ((value << bits) | (value >> (64 - bits))) & MASK

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    padded = message + bytes((-len(message) - 1) % 8) + bytes([len(message) % 256])
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 255
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def test_tie_hashes_are_siphash():
    key = bytes(range(16))
    assert siphash(key, bytes(range(15))) == 0xA129CA6149BE45E5, "the vector of the paper"
    names = [f"organisation-{number}" for number in range(20)] + ["0190163d-8694-739b-aea5-966c26f8ad91"]
    words = np.array([id_words(name) for name in names], np.uint64)
    found = tie_hashes(key.hex(), "project", words).tolist()
    assert found == [siphash(key, id_bytes("project") + id_bytes(name)) for name in names]
    assert found != tie_hashes("ff" * 16, "project", words).tolist()


def test_order_is_points_then_hash_then_id():
    points = np.array([5, 9, 5, 9, 5], np.int64)
    tie = np.array([7, 2, 3, 1, 3], np.uint64)
    ids = np.array([[0, 1], [0, 2], [0, 9], [0, 4], [0, 5]], np.uint64)
    assert sorted_order(points, tie, ids).tolist() == [3, 1, 4, 2, 0]
    distinct = np.array([7, 2, 3, 1, 4], np.uint64)
    assert sorted_order(points, distinct, ids).tolist() == [3, 1, 2, 4, 0]


_few = st.integers(0, 3)


@given(st.lists(st.tuples(_few, _few, _few, _few), max_size=40, unique_by=lambda one: one[2:]))
def test_equal_points_fall_by_hash_and_then_by_id_however_many_are_equal(candidates):
    rows = np.array(candidates, np.int64).reshape(-1, 4)
    tie, ids = rows[:, 1].astype(np.uint64), rows[:, 2:].astype(np.uint64)
    expected = sorted(range(len(rows)), key=lambda row: (-candidates[row][0], *candidates[row][1:]))
    assert sorted_order(rows[:, 0], tie, ids).tolist() == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 9), max_size=7),
    st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=10),
)
def test_best_items_is_the_exact_optimum(points, found):
    pairs = {(min(pair), max(pair)) for pair in found if pair[0] != pair[1]}
    chosen = best_items(points, pairs)
    sums = [
        sum(points[one] for one in several)
        for size in range(4)
        for several in itertools.combinations(range(len(points)), size)
        if not any(pair in pairs for pair in itertools.combinations(several, 2))
    ]
    assert sum(points[one] for one in chosen) == max(sums)
    assert len(chosen) <= 3
    assert not any(pair in pairs for pair in itertools.combinations(sorted(chosen), 2))
    assert all(points[one] > 0 for one in chosen)


def test_equal_items_are_chosen_by_their_ids():
    assert best_items([4, 4, 4, 4], set()) == (0, 1, 2)
    assert best_items([4, 4, 4, 4], {(0, 1)}) == (0, 2, 3)


def test_two_families_of_near_duplicates_cost_pairs_not_triples():
    # A thousand items of two families have no three that are apart; trying every three would take minutes.
    families = {(a, b) for a in range(1000) for b in range(a + 1, 1000) if (a < 500) == (b < 500)}
    assert best_items([7] * 1000, families) == (0, 500)


def test_near_duplicates_by_the_share_of_common_words():
    items = [frozenset(words.split()) for words in ("a b c d e", "a b c d f", "x y z", "x y z")]
    assert near_duplicates(items, 600) == {(0, 1), (2, 3)}
    assert near_duplicates(items, 700) == {(2, 3)}


def test_a_root_is_the_topmost_ancestor_even_in_a_cycle():
    parents = {"a": "b", "b": "c", "x": "y", "y": "z", "z": "y"}
    assert [root_of(name, parents) for name in "abc"] == ["c"] * 3
    assert {root_of(name, parents) for name in "xyz"} == {"y"}


@given(st.lists(st.integers(-50, 10**9), max_size=8), st.integers(1, 10**9))
def test_shown_parts_add_up(points, total):
    found = per_mille(points, total)
    assert sum(found) == sum(points) * 1000 // total
    assert all(abs(one - value * 1000 / total) <= 1 for one, value in zip(found, points, strict=True))


def test_digest_is_a_merkle_root_of_fan_out_256():
    size = ROW.itemsize
    rows = [bytes([number % 256, number // 256]) * (size // 2) for number in range(600)]
    leaves = [hashlib.sha256(b"\0" + row).digest() for row in rows]
    level = [hashlib.sha256(b"\1" + b"".join(leaves[i : i + FAN_OUT])).digest() for i in (0, 256, 512)]
    top = hashlib.sha256(b"\1" + b"".join(level)).digest()
    head = b"header"
    assert (
        root(head, b"".join(rows))
        == hashlib.sha256(b"\2" + head + (600).to_bytes(8, "big") + top).hexdigest()
    )
    assert root(head, b"") == hashlib.sha256(b"\2" + head + bytes(8)).hexdigest()


def test_packed_rows_hold_what_the_list_says(engine):
    for one in MEMBERS:
        engine.put_member(one)
    engine.put_project(PROJECTS[0])
    ranked = engine.pin().rank("schools", DAY)
    rows = np.frombuffer(ranked.packed(), ROW)
    assert rows["rank"].tolist() == list(range(1, len(ranked) + 1))
    assert rows["points"].tolist() == ranked.points.tolist()
    assert [bytes(one) for one in rows["member"]] == [id_bytes(name) for name in ranked.members]
    assert rows["labels"].tolist() == ranked.labels.tolist()
    with pytest.raises(IndexError):
        ranked.row(0)
    assert [row.rank for row in ranked.rows(1, 3)] == [2, 3]


def test_records_survive_json():
    one = Member(
        id="m",
        revision=3,
        sme=True,
        tags=(Tag(scheme="kap", code="AFR1", version="2023-2025"),),
        evidence=(Evidence(id="e", texts=(Text(language="en", title="T", text="X"),), year=2020),),
        membership=(Term(state="active", since="2020-01-01"),),
        constants=frozenset({"offers"}),
    )
    for known in (one, *MEMBERS):
        assert Member.from_json(known.to_json()) == known
    for known in PROJECTS:
        assert Project.from_json(known.to_json()) == known


def test_neighbours_with_the_same_fit_are_a_tie_group(engine):
    for number in range(4):
        engine.put_member(member(f"copy {number}", "Fibre networks for schools of the islands"))
    engine.put_member(
        member("better", "Fibre networks for schools of the islands, with teachers trained in the schools")
    )
    engine.put_member(member("off", "Marble quarries"))
    engine.put_project(project("p", "Fibre networks for schools and teachers trained"))
    ranked = engine.pin().rank("p", DAY)
    groups = ranked.tie_groups(range(len(ranked)))
    by_member = dict(zip(ranked.members, groups, strict=True))
    assert [by_member[f"copy {number}"] for number in range(4)] == [(2, 5)] * 4
    assert (by_member["better"], by_member["off"]) == (None, None)
    assert ranked.tie_groups([5, 1]) == [None, (2, 5)]
    assert ranked.tie_groups([]) == []
