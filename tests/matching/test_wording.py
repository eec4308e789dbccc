"""The words that an explanation shows are those that the text writes."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matching.chinese import HAN
from matching.lexicon import compile_lexicon
from matching.records import Text
from matching.sentences import LANGUAGES
from matching.wording import LONGEST_PASSAGE, Wording, slices_of

FAR = "filler " * 40


@pytest.mark.parametrize(
    ("language", "text", "term", "words"),
    [
        ("en", "Our working languages are English and French.", "b:en:english french", "English and French"),
        ("en", "The sea and the land of sea  turtles", "b:en:sea turtl", "sea turtles"),
        ("en", "Wi-Fi links of the village", "b:en:link villag", "links of the village"),
        ("fr", "La formation des enseignants ruraux", "b:fr:format enseign", "formation des enseignants"),
        ("en", "Community Wi-Fi of the villages", "n:wifi", "Wi-Fi"),
        ("en", "Community Wi-Fi of the villages", "b:en:communiti =wifi", "Community Wi-Fi"),
        ("en", "Platform for e-learning and e-agriculture", "w:en:eagricultur", "e-agriculture"),
        ("en", "High-speed links", "w:en:speed", "speed"),
        ("en", "Wi-Fi posts and WiFi shops", "w:en:shop", "shops"),
        ("en", "WHO: RURAL WHO SCHOOLS AND NETWORKS FOR CAPACITY BUILDING", "w:en:school", "SCHOOLS"),
        ("zh", "在农村学校扩大宽带网络接入", "b:zh:宽带 网络", "宽带网络"),
        ("zh", "在农村学校扩大宽带互联网接入", "w:zh:联网", "联网"),
        ("zh", "在农村学校扩大宽带互联网接入", "b:zh:宽带 互联", "宽带互联"),
    ],
)
def test_a_phrase_is_shown_as_its_text_writes_it(analyser, language, text, term, words):
    wording = Wording(
        analyser.told([Text(language=language, text=text)]), compile_lexicon({"concepts": []}, analyser)
    )
    assert wording.of(term) == words
    assert words in wording.passage(term)


@pytest.mark.parametrize(
    ("language", "text", "term", "words"),
    [
        ("en", f"Startup partners {FAR} and then the art of the lake", "w:en:art", "the art of the lake"),
        ("es", f"Redes modernas {'relleno ' * 40} y redes comunitarias", "b:es:red comunitari", "redes comunitarias"),
        ("en", f"Wired villages {FAR} and Wi-Fi", "n:wifi", "Wi-Fi"),
        ("zh", f"联合{'在农村学校' * 40}扩大宽带互联网接入", "w:zh:联网", "联网"),
        ("zh", f"互{'在农村学校' * 40}5G 扩大互联网接入", "w:zh:联网", "联网"),
        ("en", f"Villages {FAR} sea  {'and the ' * 18}turtles", "b:en:sea turtl", "turtles"),
    ],
)  # fmt: skip
def test_a_long_sentence_is_cut_around_the_words(analyser, language, text, term, words):
    """Around the words themselves, not around the first letters that are the same."""
    told = list(analyser.told([Text(language=language, text=text)]))
    passage = Wording(told, compile_lexicon({"concepts": []}, analyser)).passage(term)
    assert passage.startswith("…")
    assert words in passage
    assert len(passage) <= LONGEST_PASSAGE + 2


PIECES = (
    *("Wi-Fi", "WiFi", "e-learning", "E-COMMERCE", "high-speed", "LTE-A", "X.509", "ITU-T", "COVID-19", "up-to-date", "WHO", "ICTs"),
    *("RURAL", "SCHOOLS", "CAPACITY", "AND", "the", "art", "partners", "l'école", "œuvre", "niño", "ёлка", "школы", "в"),
    *("المدارس", "والإنترنت", "المُعَلِّم", "学校", "互联网", "的", "联网", "５Ｇ", "ﬁbre", "foo_bar", "a", "2026", " ", " ", " ", "-", "-", ". ", ", ", "\n"),
)  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(LANGUAGES), st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.booleans())
def test_every_word_stands_where_it_is_said_to(analyser, language, text, whole):
    """Without its hyphens it is the word; and no letter touches it, but of a script without spaces."""
    for run in analyser.told([Text(language=language, text=text)], whole=whole):
        for (word, _), (start, stop) in zip(run.pairs, slices_of(run), strict=True):
            assert re.sub("[-‐‑]", "", run.text[start:stop]) == word
            for around in (run.text[start - 1 : start + 1], run.text[stop - 1 : stop + 1]):
                assert len(around) < 2 or not around.isalnum() or re.search(f"[{HAN}]", around)
