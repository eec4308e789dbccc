from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.blocks import Forward, build_block
from matching.index import HEAD_DOCUMENTS, Index
from matching.kernel import best_three, sum_block, sum_block_numpy, sum_head, sum_head_numpy

TERMS = 300


def random_documents(rng, count: int, dtype=np.uint8) -> Forward:
    documents = [np.unique(rng.zipf(1.4, 30) % TERMS).astype(np.int32) for _ in range(count)]
    lengths = [len(one) for one in documents]
    largest = 255 if dtype is np.uint8 else 3_000_000
    return Forward(
        entries=np.arange(count, dtype=np.int32),
        stamps=np.arange(count, dtype=np.int64),
        offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        terms=np.concatenate([*documents, np.zeros(0, np.int32)]),
        values=rng.integers(1, largest + 1, sum(lengths)).astype(dtype),
    )


def random_query(rng, largest: int):
    terms = rng.choice(TERMS + 40, rng.integers(0, 80), replace=False).astype(np.int32)
    return terms, rng.integers(0, largest, len(terms)).astype(np.int32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 400), st.sampled_from([np.uint8, np.int32]))
def test_kernel_and_numpy_reference_give_identical_integers(seed, count, dtype):
    rng = np.random.default_rng(seed)
    forward = random_documents(rng, count, dtype)
    block = build_block(forward)
    terms, weights = random_query(rng, 30_000 if dtype is np.uint8 else 256)
    compiled = sum_block(block, terms, weights)
    assert compiled.dtype == np.int32
    assert (compiled == sum_block_numpy(block, terms, weights)).all()
    table = np.zeros(int(terms.max(initial=0)) + 1, np.int32)
    table[terms] = weights
    head = sum_head(forward.offsets, forward.terms, forward.values, table)
    assert (head == sum_head_numpy(forward.offsets, forward.terms, forward.values, table)).all()
    assert (head == compiled).all()


def test_frequent_terms_get_dense_rows_and_the_sums_stay():
    rng = np.random.default_rng(5)
    block = build_block(random_documents(rng, 500))
    assert len(block.dense) > 0
    frequent = block.terms[block.dense_rows >= 0]
    weights = np.full(len(frequent), 1000, np.int32)
    assert (sum_block(block, frequent, weights) == sum_block_numpy(block, frequent, weights)).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9))
def test_an_index_under_updates_equals_the_documents_that_live(seed):
    rng = np.random.default_rng(seed)
    index, living = Index(np.uint8), {}
    for _ in range(3 * HEAD_DOCUMENTS + 500):
        action = rng.random()
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


def test_a_block_refuses_more_slots_than_it_has_numbers_for():
    rng = np.random.default_rng(1)
    forward = random_documents(rng, 1)
    many = 65_537
    with pytest.raises(ValueError, match="65536"):
        build_block(
            Forward(
                entries=np.zeros(many, np.int32),
                stamps=np.zeros(many, np.int64),
                offsets=np.zeros(many + 1, np.int64),
                terms=forward.terms[:0],
                values=forward.values[:0],
            )
        )
