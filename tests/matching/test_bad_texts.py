"""Texts that say nothing, say too much, or are written to confuse: the engine takes every one and stays exact."""

from __future__ import annotations

import time

import pytest

from matching.engine import Engine
from matching.records import Evidence, Member, Text
from matching.sentences import LANGUAGES
from tests.matching.builders import DAY, MEMBERS, PROJECTS, member, project, proof

HONEST = "Broadband for rural schools"
TEXTS = {
    "empty": "",
    "blank": " \n\t ",
    "one letter": "a",
    "one word": "broadband",
    "stop words only": "the of and to в на и 的 了 и les des los",
    "digits only": "1234567890 42 ٣٤٥ 2030",
    "punctuation only": "!!! ??? ... — « » 。。。",
    "mixed scripts": "Broadband школа 学校 المدرسة écoles ICT 5G",
    "lone surrogate": "rural \ud800 schools \udfff",
    "control characters": "rural\x00schools\x07\x1b[31m\x85",
    "zero width": "ru\u200bral sch\u200dools net\u00adwork \ufeffbroadband",
    "bidi overrides": "\u202erural\u202c schools \u2066broadband\u2069",
    "combining marks": "s̷̢̛c̵h̴o̶o̷l̸ e\u0301coles",
    "emoji": "👩‍🏫 🏫 📡",
    "one endless word": "a" * 100_000,
    "a name that is a key": "w:en:school d:en:broadband b:en:a b country:KEN",
}


@pytest.mark.parametrize("language", [*LANGUAGES, "sw"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_any_text_on_either_side_is_ranked_and_adds_up(epoch, analyser, text, language):
    engine = Engine(epoch, analyser=analyser)
    odd = Text(language=language, text=text)
    engine.put_member(
        Member(
            id="odd",
            descriptions=(odd,),
            expertise=(odd,),
            evidence=(Evidence(id="e", texts=(odd,)), proof("f", HONEST)),
        )
    )
    engine.put_member(MEMBERS[1])
    engine.put_project(project("odd", text, language=language, title=text))
    engine.put_project(PROJECTS[0])
    view = engine.pin()
    for asked in ("odd", "schools"):
        ranked = view.rank(asked, DAY)
        assert len(ranked) == 2
        for row in ranked.rows():
            explained = view.explain(asked, row.member, DAY, passages=True)
            assert sum(part.points for part in explained.parts) == row.points
            assert dict(explained.components) == dict(row.components)
            assert 0 <= row.points <= ranked.total_budget


def test_a_text_of_a_megabyte_is_taken_and_worth_no_more_than_a_short_one(epoch, analyser):
    engine = Engine(epoch, analyser=analyser)
    started = time.process_time()
    engine.put_member(member("long", f"{HONEST}. " * 37_000))
    assert time.process_time() - started < 30, "a megabyte is a matter of seconds"
    engine.put_member(member("short", HONEST))
    engine.put_project(PROJECTS[0])
    ranked = engine.pin().rank("schools", DAY)
    points = dict(zip(ranked.members, ranked.points.tolist(), strict=True))
    assert points["long"] <= points["short"] > 0, "it repeats itself, and is long"


def test_marks_that_cannot_be_seen_hide_no_word_and_make_none(analyser):
    plain = analyser.runs("en", "rural schools network broadband")
    assert analyser.runs("en", TEXTS["zero width"]) == plain
    assert analyser.runs("en", "\u2066rural\u2069 \u202eschools\u202c net\u2060work broad\u180eband") == plain


@pytest.mark.parametrize(
    "mark",
    [
        "\u034f",
        "\u115f",
        "\u180b",
        "\u2065",
        "\u206a",
        "\u3164",
        "\ufe0f",
        "\ufff9",
        "\U000e0061",
        "\U000e0101",
    ],
)
def test_nor_does_any_other_mark_that_cannot_be_seen(analyser, mark):
    assert analyser.runs("en", f"ru{mark}ral sch{mark}ools") == analyser.runs("en", "rural schools")


def test_a_stress_mark_parts_no_russian_word(analyser):
    assert analyser.runs("ru", "се\u0301ть шко\u0301л") == analyser.runs("ru", "сеть школ")


@pytest.mark.parametrize("language", ["en", "fr", "es"])
def test_a_list_of_acronyms_does_not_shout_and_a_headline_does(analyser, language):
    assert analyser.runs(language, "LTE, VSAT, GPS, GSM") == ("=lte =vsat =gps =gsm",)
    assert analyser.runs("en", "LTE / VSAT / GSM / GPS / UMTS") == ("=lte =vsat =gsm =gps =umts",)
    assert analyser.runs(language, "UNESCO, UNICEF, UNESCO") == ("=unesco =unicef =unesco",)
    assert analyser.runs("en", "RURAL SCHOOLS NETWORK", whole=True) == ("rural school network",)
    assert analyser.runs("en", "RURAL SCHOOLS NETWORK OF UNESCO") == (
        "=rural =schools rural school network unesco",
        "=network =unesco",
    ), "what may be a name stays one, whatever follows"
    assert analyser.runs("en", "CAPACITY BUILDING FOR REGULATORS") == analyser.runs(
        "en", "capacity building for regulators"
    )


def test_what_looks_like_an_index_term_is_only_words(epoch, analyser):
    engine = Engine(epoch, analyser=analyser)
    engine.put_member(member("forger", "country:TCD offer:training sdg:4 lang:fr d:fr:ecol"))
    engine.put_project(PROJECTS[0])
    explained = engine.pin().explain("schools", "forger", DAY)
    assert {name for name, points in explained.components.items() if points} <= {"text"}
