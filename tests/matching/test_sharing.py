"""What is pinned never changes, whatever comes after it; what is as it was is shared."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.sharing import SharedArray, SharedRows

STEPS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3), st.booleans()), max_size=80)


@settings(max_examples=80)
@given(steps=STEPS)
def test_a_pinned_array_stays_and_holds_what_was_set_last(steps):
    shared, wanted, pinned = SharedArray(np.int64, blank=7), {}, []
    for row, value, pins in steps:
        shared.set(row, value)
        wanted[row] = value
        if pins:
            size = max(wanted) + 1
            pinned.append((shared.pin(size), [wanted.get(one, 7) for one in range(size)]))
    for array, said in pinned:
        assert array.tolist() == said


def test_a_value_of_many_columns_is_compared_as_a_whole():
    shared = SharedArray("u8", shape=(2,))
    shared.set(0, (1 << 63, 5))
    first = shared.pin(1)
    shared.set(0, (1 << 63, 5))
    assert shared.pin(1).base is first.base
    shared.set(0, (1 << 63, 6))
    assert (first.tolist(), shared.pin(1).tolist()) == ([[1 << 63, 5]], [[1 << 63, 6]])


def test_a_row_that_no_pin_holds_is_added_without_a_copy():
    shared = SharedArray(np.int32)
    shared.set(0, 1)
    first = shared.pin(1)
    shared.set(1, 2)
    assert shared.pin(2).base is first.base


@settings(max_examples=60)
@given(steps=st.lists(st.tuples(st.integers(0, 2_600), st.integers(0, 9)), max_size=40))
def test_pinned_rows_stay_and_share_the_pages_in_which_nothing_changed(steps):
    rows, pinned = SharedRows[int](), []
    for row, value in steps:
        while len(rows) <= row:
            rows.append(-1)
        rows.set(row, value)
        pinned.append((rows.pin(), [rows[one] for one in range(len(rows))]))
    for state, said in pinned:
        assert [state[one] for one in range(len(state))] == said
