"""The words of all profiles behind one another: what a row holds is what was put last, and what is pinned stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.texts import PinnedTexts, Texts

STEPS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 600) | st.none()), max_size=60)


def held(texts: PinnedTexts) -> dict[int, list[int]]:
    return {
        row: texts.words[start : start + length].tolist()
        for row, (start, length) in enumerate(zip(texts.starts.tolist(), texts.lengths.tolist(), strict=True))
        if length
    }


@settings(max_examples=60)
@given(steps=STEPS)
def test_a_row_holds_what_was_put_last_and_a_pinned_state_stays(steps):
    texts, wanted, pinned = Texts(), {}, []
    for number, (row, length) in enumerate(steps):
        if length is None:
            texts.clear(row)
            wanted.pop(row, None)
        else:
            words = np.arange(number, number + length, dtype=np.int32)
            texts.put(row, words, recorded=20_260_000 + number)
            wanted[row] = words.tolist()
        pinned.append((texts.pin(100), {one: said for one, said in wanted.items() if said}))
    for state, said in pinned:
        assert held(state) == said


def test_what_is_left_behind_takes_no_more_room_than_what_lives():
    texts = Texts()
    for revision in range(1_000):
        texts.put(0, np.full(500, revision, np.int32), recorded=20_260_101)
    pinned = texts.pin(1)
    assert len(pinned.words) <= 4_096
    assert (pinned.recorded.tolist(), held(pinned)) == ([20_260_101], {0: [999] * 500})
