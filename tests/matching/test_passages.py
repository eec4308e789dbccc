"""Passages of a project's words: both kinds, with foreign words between, and the same ones by numbers and many at a time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.passages import END, NumberedText, OwnText, Rule

TEXT = tuple(range(100, 140))
X = 7
"""A foreign word."""


def passages(field, *, in_order: int = 12, any_order: int = 16, foreign: int = 2):
    return OwnText.of([("en", TEXT)], Rule(in_order, any_order, foreign)).passages(field)


def test_the_projects_order_is_seen_whatever_stands_between():
    thinned = [number for word in TEXT[:12] for number in (word, X, X, X)]
    assert passages(thinned) == [(0, len(thinned) - 3)]
    assert passages(thinned[4:]) == []
    assert passages(thinned, foreign=0) == []


def test_a_foreign_word_takes_off_the_count_in_any_order():
    back = TEXT[::-1]
    assert passages(back[:16]) == [(0, 16)]
    assert passages([*back[:8], X, *back[8:17]]) == []
    assert passages([*back[:8], X, *back[8:18]]) == [(0, 19)]
    assert passages([*back[:8], X, *back[8:18]], foreign=0) == []
    assert passages([*back[:8], X, *back[8:17]], foreign=1) == [(0, 18)]


def test_a_passage_ends_with_the_words_that_fill_the_count_again():
    back = TEXT[::-1]
    assert passages([*back[:30], X, back[30], back[31]]) == [(0, 33)]
    assert passages([*back[:30], X, back[30]]) == [(0, 30)]
    assert passages([*back[:30], *[X] * 8, *back[:16]]) == [(0, 30), (38, 54)]


def test_a_row_of_foreign_words_parts_what_is_too_short():
    back = TEXT[::-1]
    assert passages([*back[:15], *[X] * 8, *back[15:30]]) == []


@pytest.mark.parametrize("kind", ["in_order", "any_order"])
def test_each_kind_can_be_off(kind):
    assert passages([*TEXT[:20]], in_order=0, any_order=0) == []
    assert passages([*TEXT[:20]], **{kind: 0}) == [(0, 20)]


@pytest.mark.parametrize(
    ("rule", "fewest"),
    [
        (Rule(12, 16, 2, share=500), 21),
        (Rule(12, 16, 2, field=800), 17),
        (Rule(12, 18, 2, field=800), 18),
        (Rule(12, 16, 2), 0),
        (Rule(12, 0, 2, share=500), 0),
    ],
)
def test_an_echo_is_more_than_a_share_of_all_words_or_of_those_of_one_field(rule, fewest):
    """Each word counts once, in whatever order and whatever stands between."""
    own = OwnText.of([("en", TEXT[:20]), ("en", TEXT[20:])], rule)
    for count in range(len(TEXT)):
        document = [number for word in TEXT[:count] for number in (word, X, word)]
        assert own.echoed(document[::-1]) == (0 < fewest <= count)
    assert not own.echoed([])


def test_the_languages_of_a_project_are_texts_apart():
    rule = Rule(12, 16, 2, share=900)
    assert OwnText.of([("en", TEXT[:20]), ("fr", TEXT[20:])], rule).echoed(TEXT[20:])
    assert not OwnText.of([("en", TEXT[:20]), ("en", TEXT[20:])], rule).echoed(TEXT[20:])


def test_no_passage_goes_over_the_end_of_a_field_or_a_document():
    own = NumberedText(OwnText.of([("en", TEXT)], Rule(12, 16, 2)))
    half = [*TEXT[:11], END]
    parts = [np.array(one, np.int32) for one in ([*TEXT[:40], END], half, [*half, *TEXT[11:22], END], [END])]
    assert own.which(parts) == [0]
    assert own.which(parts[1:]) == []
    assert own.which([]) == []


def test_only_a_long_row_in_order_is_looked_at_word_by_word(monkeypatch):
    """Words of the project, some of them or many times the same, are counted by the compiled look at all documents."""
    looked_at = []

    def passages_of(self, field):
        looked_at.append(field)
        return []

    monkeypatch.setattr(OwnText, "passages", passages_of)
    own = NumberedText(OwnText.of([("en", TEXT)], Rule(12, 16, 2, share=500)))
    back = TEXT[::-1]
    some, same = [word for one in back[:15] for word in (one, X)], [TEXT[0], X] * 40
    echo, full = [word for one in back[:21] for word in (one, X, X)], back[:16]
    row = [word for one in TEXT[:12] for word in (one, X, X)]
    documents = [np.array([*one, END], np.int32) for one in (some, same, echo, full, row)]
    assert own.which(documents) == [2, 3]
    assert looked_at == [row]


def test_a_silent_word_lengthens_no_passage_and_ends_none():
    own, silent = OwnText.of([("zh", TEXT)], Rule(12, 16, 9)), 7
    assert silent not in TEXT
    parts = [
        np.array([*one, END], np.int32)
        for one in ([word for own in TEXT[:12] for word in (own, silent)], [*TEXT[:11], *[silent] * 9])
    ]
    assert NumberedText(own, silent=[silent]).which(parts) == [0]


words = st.lists(st.one_of(st.integers(100, 112), st.integers(100, 112), st.just(X)), max_size=40)
pieces = st.lists(st.one_of(words, st.just([*range(100, 113)]), st.just([X])), max_size=5).map(
    lambda found: [word for piece in found for word in piece]
)
shares = st.sampled_from([0, 300, 700])
rules = st.builds(
    Rule, st.sampled_from([0, 2, 4, 6]), st.sampled_from([0, 5, 8]), st.integers(0, 9), shares, shares
)
texts = st.lists(
    st.tuples(
        st.sampled_from(["en", "fr"]),
        st.one_of(st.just([*range(100, 113)]), st.lists(st.integers(100, 112), max_size=9)),
    ),
    max_size=3,
)


@given(texts, rules, st.lists(st.lists(pieces, min_size=1, max_size=3), max_size=6))
def test_many_at_a_time_are_found_as_one_by_one(own, rule, documents):
    text = OwnText.of(own, rule)
    numbered = [np.array([word for field in one for word in (*field, END)], np.int32) for one in documents]
    holding = [
        place
        for place, one in enumerate(documents)
        if any(text.passages(field) for field in one) or text.echoed(word for field in one for word in field)
    ]
    assert NumberedText(text).which(numbered) == holding


@given(texts, rules, pieces)
def test_passages_begin_and_end_with_the_projects_words_and_never_touch(own, rule, field):
    text = OwnText.of(own, rule)
    found = text.passages(field)
    for start, stop in found:
        inside = [word in text.words for word in field[start:stop]]
        assert inside[0]
        assert inside[-1]
        assert sum(inside) >= rule.shortest
    assert all(before[1] < after[0] for before, after in pairwise(found))


@given(texts, rules, pieces)
def test_without_foreign_words_a_passage_is_a_row_or_a_string_of_the_text(own, rule, field):
    """What tables before version 8 call a passage, said in the plainest way."""
    text = OwnText.of(own, Rule(rule.in_order, rule.any_order, 0))
    marked = set[int]()
    for start in range(len(field)):
        for stop in range(start + 1, len(field) + 1):
            row = tuple(field[start:stop])
            told = len(row) == rule.in_order and row in text.strings
            listed = rule.any_order and len(row) >= rule.any_order and text.words.issuperset(row)
            if told or listed:
                marked.update(range(start, stop))
    assert {place for start, stop in text.passages(field) for place in range(start, stop)} == marked
