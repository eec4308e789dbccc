"""An index under what nobody wishes it: one term for all, one profile for ever, an erasure in the middle of a query."""

from __future__ import annotations

import threading

import numpy as np

from matching.blocks import BLOCK_SLOTS, Block
from matching.index import MOST_HEAD_DOCUMENTS, Index
from matching.kernel import largest


def one_term(value: int):
    return np.array([3], np.int32), np.array([value], np.uint8)


def asked(*terms: int):
    return np.array(terms, np.int32), np.full(len(terms), 10, np.int32)


def test_candidates_that_all_have_one_term_fill_more_than_a_block_and_are_all_scored():
    index, count = Index(np.uint8), BLOCK_SLOTS + 5_000
    for number in range(count):
        index.put(index.new_entry(), *one_term(1 + number % 255))
    index.tend()
    pinned = index.pin()
    assert len(pinned.blocks) > 1
    assert all(block.size <= BLOCK_SLOTS for block, _ in pinned.blocks)
    sums = pinned.sums([asked(3)])[0]
    assert (sums == 10 * (1 + np.arange(count) % 255)).all()
    assert largest(sums, 2).tolist() == [254, 509]


def test_a_profile_put_a_thousand_times_counts_once_and_leaves_nothing_behind():
    index = Index(np.uint8)
    bystander, entry = index.new_entry(), index.new_entry()
    index.put(bystander, *one_term(5))
    for number in range(1_000):
        index.put(entry, np.array([3, 100 + number], np.int32), np.array([7, 9], np.uint8))
    for _ in range(MOST_HEAD_DOCUMENTS):
        index.put(bystander, *one_term(6))
    index.tend()
    pinned = index.pin()
    assert pinned.sums([asked(3), asked(1_099), asked(1_098)]).tolist() == [[60, 70], [0, 90], [0, 0]]
    assert sum(block.size for block, _ in pinned.blocks) + len(pinned.head[0].entries) <= MOST_HEAD_DOCUMENTS
    assert all(1_098 not in block.terms for block, _ in pinned.blocks)


def test_an_erasure_in_the_middle_of_queries_touches_only_what_is_pinned_after_it():
    index, count = Index(np.uint8), 2_000
    for _ in range(count):
        index.put(index.new_entry(), *one_term(20))
    pinned, begun, answers = index.pin(), threading.Event(), list[int]()

    def ask() -> None:
        for _ in range(50):
            answers.append(int(pinned.sums([asked(3)])[0].sum()))
            begun.set()

    reader = threading.Thread(target=ask)
    reader.start()
    begun.wait(60)
    for entry in range(0, count, 2):
        index.drop(entry)
    index.tend()
    reader.join()
    assert set(answers) == {200 * count}
    assert index.pin().sums([asked(3)])[0].tolist() == [0, 200] * (count // 2)


def test_identical_documents_have_identical_sums_wherever_they_stand():
    index, count = Index(np.uint8), 700
    for _ in range(count):
        index.put(index.new_entry(), np.arange(40, dtype=np.int32), np.full(40, 31, np.uint8))
    for entry in range(0, count, 7):
        index.put(entry, np.arange(40, dtype=np.int32), np.full(40, 31, np.uint8))
    for moment in range(3):
        sums = index.pin().sums([asked(*range(0, 40, 3))])[0]
        assert set(sums.tolist()) == {14 * 310}, moment
        assert largest(sums, 5).tolist() == [0, 1, 2, 3, 4]
        index.tend()


def test_a_pin_costs_marks_of_the_blocks_that_changed_and_no_other():
    index = Index(np.uint8)
    for _ in range(40 * MOST_HEAD_DOCUMENTS):
        index.put(index.new_entry(), *one_term(2))
    index.tend()
    before = index.pin()
    index.put(0, *one_term(9))
    after = index.pin()
    changed = [one[1] is not other[1] for one, other in zip(before.blocks, after.blocks, strict=True)]
    assert sum(changed) == 1
    assert all(one[0] is other[0] for one, other in zip(before.blocks, after.blocks, strict=True))


def test_tending_copies_a_document_so_often_as_blocks_double_and_not_with_every_put():
    index, seen = Index(np.uint8), dict[int, Block]()  # kept, so that no number is given to another block
    count = 64 * MOST_HEAD_DOCUMENTS
    for _ in range(count):
        index.put(index.new_entry(), *one_term(2))
        seen |= {id(block): block for block, _ in index.pin().blocks}
    copied = sum(block.size for block in seen.values())
    assert copied <= count * (2 + int(np.log2(count / MOST_HEAD_DOCUMENTS)))
