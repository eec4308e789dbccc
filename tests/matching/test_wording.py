"""The words that an explanation shows are those that the text writes."""

from __future__ import annotations

import pytest

from matching.lexicon import compile_lexicon
from matching.records import Text
from matching.wording import Wording


@pytest.mark.parametrize(
    ("language", "text", "term", "words"),
    [
        ("en", "Our working languages are English and French.", "b:en:english french", "English and French"),
        ("en", "The sea and the land of sea  turtles", "b:en:sea turtl", "sea turtles"),
        ("en", "Wi-Fi links of the village", "b:en:link villag", "links of the village"),
        ("fr", "La formation des enseignants ruraux", "b:fr:format enseign", "formation des enseignants"),
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
