"""Additions: which words came into a profile, and when; the engine and the service that records it say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.additions import additions
from services.members.rules import additions as recorded

FIRST, LATER, TODAY = "2026-10-01", "2026-11-01", "2026-12-01"


def said(*texts: str, name: str = "descriptions", language: str = "en") -> list[tuple[str, str, str]]:
    return [(name, language, text) for text in texts]


def added(new, old, known=(), today=TODAY) -> list[tuple[str, str]]:
    found = additions(new, held=old, known=known, today=today)
    return [(day, text) for day, (_, _, text) in found]


@pytest.mark.parametrize(
    ("new", "rows"),
    [
        ("We repair radios.", None),
        ("Radios we repair!", None),
        ("We REPAIR radios", None),
        ("We repair.", None),
        ("We repair radios. Broadband, satellites.", "Broadband, satellites"),
        ("We repair old radios and masts.", "old\nand masts"),
        ("We repair radios. We repair radios.", "We repair radios"),
        ("We mend radios.", "mend"),
    ],
)
def test_words_that_stood_are_no_additions_wherever_they_stand(new, rows):
    assert added(said(new), said("We repair radios.")) == ([(TODAY, rows)] if rows else [])


def test_a_word_keeps_its_day_for_as_long_as_it_stands_as_often():
    before = said("Masts. Radios. Radios.")
    known = [(FIRST, said("Radios")[0]), (LATER, said("Radios")[0])]
    assert added(before, before, known) == [(FIRST, "Radios"), (LATER, "Radios")]
    assert added(said("Radios and masts"), before, known) == [(FIRST, "Radios"), (TODAY, "and")]
    again = additions(said("Radios. Radios. Radios."), held=before, known=known, today=TODAY)
    assert [day for day, _ in again] == [FIRST, LATER, TODAY]
    assert additions(said("Masts"), held=before, known=known, today=TODAY) == []


def test_a_list_and_a_language_are_asked_apart():
    old = said("Radios")
    assert added([*old, *said("Radios", name="offers")], old) == [(TODAY, "Radios")]
    assert added(said("Radios", language="fr"), old) == [(TODAY, "Radios")]


def test_a_row_goes_over_the_ends_of_sentences_but_not_of_texts():
    old = said("Radios")
    assert added([*old, *said("Masts. Lines", "Fibre")], old) == [(TODAY, "Masts. Lines\nFibre")]


def test_in_chinese_a_word_is_a_character():
    old = said("我们培训教师。", language="zh")
    assert added(said("我们培训教师，建设宽带网络。", language="zh"), old) == [(TODAY, "建设宽带网络")]


texts = st.lists(
    st.tuples(
        st.sampled_from(["descriptions", "expertise", "offers"]),
        st.sampled_from(["en", "zh"]),
        st.lists(
            st.sampled_from(["Radios", "radios", "masts.", "e-health", "宽带", "网", "\u200b", "5G;"]),
            max_size=6,
        ).map(" ".join),
    ),
    max_size=4,
)


@given(texts, texts, texts)
def test_the_service_and_the_engine_say_the_same_and_a_second_look_finds_nothing(first, second, third):
    known: list = []
    for old, new, day in ((first, second, LATER), (second, third, TODAY)):
        found = additions(new, held=old, known=known, today=day)
        assert found == recorded.additions(new, held=old, known=known, today=day)
        assert found == additions(new, held=new, known=found, today="2027-01-01")
        known = found
