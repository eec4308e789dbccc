from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.blocks import Block, Head, inverted, merged
from matching.index import MOST_HEAD_DOCUMENTS, Index
from matching.kernel import Asks, best_three, largest, sum_block, sum_block_numpy, sum_head, sum_head_numpy

TERMS = 300


def random_documents(rng, count: int, dtype=np.uint8) -> Head:
    documents = [np.unique(rng.zipf(1.4, 30) % TERMS).astype(np.int32) for _ in range(count)]
    lengths = [len(one) for one in documents]
    largest_value = 255 if dtype is np.uint8 else 3_000_000
    return Head(
        entries=rng.permutation(count).astype(np.int32),
        offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        terms=np.concatenate([*documents, np.zeros(0, np.int32)]),
        values=rng.integers(1, largest_value + 1, sum(lengths)).astype(dtype),
    )


def random_query(rng, most: int):
    terms = rng.choice(TERMS + 40, rng.integers(0, 80), replace=False).astype(np.int32)
    return terms, rng.integers(0, most, len(terms)).astype(np.int32)


def everybody(part: Block | Head):
    return np.ones(len(part.entries), np.bool_)


def sums_of(function, part, alive, asks: Asks, count: int):
    out = np.zeros((len(asks.bounds) - 1, count), np.int32)
    function(part, alive, asks, out)
    return out


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 400), st.sampled_from([np.uint8, np.int32]))
def test_kernel_and_numpy_reference_give_identical_integers(seed, count, dtype):
    rng = np.random.default_rng(seed)
    head = random_documents(rng, count, dtype)
    alive = rng.random(count) < rng.choice([0.1, 0.9, 1.0])
    asks = Asks.of([random_query(rng, 30_000 if dtype is np.uint8 else 256) for _ in range(3)])
    expected = sums_of(sum_head_numpy, head, alive, asks, count)
    assert (sums_of(sum_head, head, alive, asks, count) == expected).all()
    block = inverted(head, everybody(head))
    assert (sums_of(sum_block, block, alive, asks, count) == expected).all()
    assert (sums_of(sum_block_numpy, block, alive, asks, count) == expected).all()
    kept = inverted(head, alive)
    assert kept.size == alive.sum()
    assert (sums_of(sum_block, kept, everybody(kept), asks, count) == expected).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 4), st.sampled_from([np.uint8, np.int32]))
def test_a_merged_block_is_the_block_of_its_living_documents(seed, count, dtype):
    rng = np.random.default_rng(seed)
    heads = [random_documents(rng, int(rng.integers(1, 200)), dtype) for _ in range(count)]
    living = [rng.random(len(head.entries)) < rng.choice([0.0, 0.7, 1.0]) for head in heads]
    found = merged(
        [(inverted(head, everybody(head)), alive) for head, alive in zip(heads, living, strict=True)]
    )
    joined = Head(
        entries=np.concatenate([head.entries for head in heads]),
        offsets=np.cumsum([0, *(one for head in heads for one in np.diff(head.offsets))], dtype=np.int64),
        terms=np.concatenate([head.terms for head in heads]),
        values=np.concatenate([head.values for head in heads]),
    )
    expected = inverted(joined, np.concatenate(living))
    for name in ("entries", "terms", "offsets", "slots", "values", "dense_rows", "dense"):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert (one == other).all(), name


def test_frequent_terms_get_dense_rows_and_the_sums_stay():
    rng = np.random.default_rng(5)
    head = random_documents(rng, 500)
    block = inverted(head, everybody(head))
    assert len(block.dense) > 0
    frequent = block.terms[block.dense_rows >= 0]
    asks = Asks.of([(frequent, np.full(len(frequent), 1000, np.int32))])
    compiled = sums_of(sum_block, block, everybody(block), asks, 500)
    assert (compiled == sums_of(sum_block_numpy, block, everybody(block), asks, 500)).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9))
def test_an_index_under_updates_equals_the_documents_that_live(seed):
    rng = np.random.default_rng(seed)
    index, living = Index(np.uint8), {}
    for _ in range(3 * MOST_HEAD_DOCUMENTS + 500):
        action = rng.random()
        if action > 0.99:
            index.tend()
            continue
        if living and action < 0.1:
            entry = int(rng.choice(list(living)))
            index.drop(entry)
            del living[entry]
            continue
        entry = int(rng.choice(list(living))) if living and action < 0.4 else index.new_entry()
        terms = rng.choice(TERMS, 12, replace=False).astype(np.int32)
        impacts = rng.integers(1, 256, 12).astype(np.uint8)
        index.put(entry, terms, impacts)
        living[entry] = dict(zip(terms.tolist(), impacts.tolist(), strict=True))
    terms, weights = random_query(rng, 10_000)
    sums = index.pin().sums([(terms, weights), (terms[:3], weights[:3])])
    for row, size in ((0, len(terms)), (1, 3)):
        asked = dict(zip(terms[:size].tolist(), weights[:size].tolist(), strict=True))
        for entry in range(sums.shape[1]):
            expected = sum(weight * living.get(entry, {}).get(term, 0) for term, weight in asked.items())
            assert sums[row, entry] == expected


def test_a_pinned_index_keeps_its_sums_while_the_index_goes_on():
    index = Index(np.uint8)
    for _ in range(700):
        index.put(index.new_entry(), np.array([1, 2], np.int32), np.array([7, 9], np.uint8))
    pinned = index.pin()
    query = (np.array([1], np.int32), np.array([10], np.int32))
    before = pinned.sums([query])
    for entry in range(700):
        index.put(entry, np.array([1], np.int32), np.array([200], np.uint8))
    assert (pinned.sums([query]) == before).all()
    assert (before == 70).all()
    assert (index.pin().sums([query]) == 2000).all()


def test_best_three_by_owner():
    points = np.array([5, 0, 9, 7, 7, 1, -3], np.int32)
    owners = np.array([0, 0, 0, 0, 0, 2, 2], np.int32)
    assert best_three(points, owners, 3).tolist() == [[9, 7, 7], [0, 0, 0], [1, 0, 0]]


def test_tending_changes_no_sum_and_comes_to_an_end():
    rng, index = np.random.default_rng(3), Index(np.uint8)
    for _ in range(2_000):
        index.put(
            index.new_entry(), rng.choice(TERMS, 9, replace=False).astype(np.int32), np.full(9, 7, np.uint8)
        )
    for entry in rng.choice(2_000, 900, replace=False).tolist():
        index.clear(entry)
    query = random_query(rng, 10_000)
    before = index.pin().sums([query])
    index.tend()
    assert (index.pin().sums([query]) == before).all()
    assert not index.tend()
    blocks = index.pin().blocks
    assert sum(int(alive.sum()) for _, alive in blocks) + int(index.pin().head[1].sum()) == 1_100
    assert all(4 * int(alive.sum()) >= 3 * block.size for block, alive in blocks)


def test_largest_names_the_lower_place_among_equals():
    sums = np.array([3, 9, 0, 9, -4, 7, 3], np.int32)
    assert largest(sums, 4).tolist() == [1, 3, 5, 0]
    assert largest(sums, 99).tolist() == [1, 3, 5, 0, 6, 2, 4]
    assert largest(sums[:0], 3).tolist() == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 2_000), st.integers(1, 120), st.sampled_from([2, 40, 10**9]))
def test_largest_is_what_a_stable_sort_puts_first(seed, many, most, different):
    sums = np.random.default_rng(seed).integers(-different, different, many).astype(np.int32)
    assert largest(sums, most).tolist() == np.argsort(-sums, kind="stable")[:most].tolist()


def test_a_block_refuses_more_slots_than_it_has_numbers_for():
    many = 65_537
    head = Head(
        entries=np.zeros(many, np.int32),
        offsets=np.zeros(many + 1, np.int64),
        terms=np.zeros(0, np.int32),
        values=np.zeros(0, np.uint8),
    )
    with pytest.raises(ValueError, match="65536"):
        inverted(head, everybody(head))
