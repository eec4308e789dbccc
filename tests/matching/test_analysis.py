from __future__ import annotations

import builtins
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching import analysis
from matching.analysis import Analysed, Analyser, prove_analyser
from matching.documents import count_terms
from matching.golden import GOLDEN_HASH, GOLDEN_TEXTS
from matching.lexicon import compile_lexicon
from matching.records import Member
from tests.matching.builders import MEMBERS, offer, said


def tokens(analyser: Analyser, language: str, text: str) -> list[str]:
    return list(analyser.runs(language, text))


@pytest.mark.parametrize(
    ("language", "text", "runs"),
    [
        ("en", "The training of teachers. They train well!", ["train teacher", "train"]),
        ("en", "IoT, LTE and ICTs for 5G; 12 towns", ["=iot =lte =ict =5g", "=12 town"]),
        ("en", "e-health, Wi-Fi, COVID-19, last-mile", ["ehealth =wifi =covid19 mile"]),
        ("en", "CAPACITY BUILDING FOR REGULATORS", ["capac build regul"]),
        ("fr", "L’accès des écoles à l'internet", ["acces ecol internet"]),
        ("fr", "Œuvre et oeuvre", ["oeuvr oeuvr"]),
        ("es", "La capacitación de niñas", ["capacit nin"]),
        ("ru", "Ещё сельские школы с 5G и Starlink", ["сельск школ =5g =starlink"]),
        ("ar", "مُدَرِّسُ المدرسة ٢٠٢٦", ["مدرس مدرس =2026"]),
        ("ar", "الصحة والصحة للصحة التي في المدارس", ["صحه صحه صحه مدارس"]),
        ("zh", "农村学校的宽带网络。用5G", ["农村 学校 的 宽带 网络", "用 =5g"]),
        ("zh", "教师队伍建设", ["教师 队伍 建设"]),
        ("zh", "建设学校，培训教师", ["建设 学校", "培训 教师"]),
        ("en", "The 学校 of 5G", ["学 校 =5g"]),
        ("pt", "Escolas rurais", ["escolas rurais"]),
        ("en", "the of and", []),
        ("en", "", []),
    ],
)
def test_texts_become_stems(analyser, language, text, runs):
    assert tokens(analyser, language, text) == runs


def test_declared_golden_outputs_are_reproduced(analyser):
    assert {language for language, _ in GOLDEN_TEXTS} >= {"ar", "en", "es", "fr", "ru", "zh"}
    assert analyser.golden_hash() == GOLDEN_HASH
    assert prove_analyser().number == analyser.number


def test_an_analyser_with_other_outputs_is_refused(monkeypatch):
    monkeypatch.setattr(analysis, "GOLDEN_HASH", "0" * 64)
    with pytest.raises(RuntimeError, match="other outputs"):
        prove_analyser()


def test_analysed_survives_json(analyser):
    for member in MEMBERS:
        found = analyser.analyse_member(member)
        assert Analysed.from_json(found.to_json()) == found
        assert found.evidence or not member.evidence


def test_what_is_sought_and_what_is_constant_is_not_analysed(analyser):
    member = Member(
        id="m",
        descriptions=said("constant words"),
        offers=(offer("training", "teachers"),),
        seeks=(offer("funding", "donors"),),
        constants=frozenset({"descriptions"}),
    )
    fields = analyser.analyse_member(member).fields
    assert [(field.name, field.runs) for field in fields] == [("offers", ("teacher",))]


def test_chinese_is_cut_without_a_cache_file_or_a_message(capfd, monkeypatch):
    opened: list[str] = []
    plain = builtins.open

    def watched(file, mode="r", *args, **keywords):
        if set(mode) & set("wax+"):
            opened.append(str(file))
        return plain(file, mode, *args, **keywords)

    monkeypatch.setattr(builtins, "open", watched)
    before = set(Path(tempfile.gettempdir()).iterdir())
    assert Analyser().runs("zh", "农村学校") == ("农村 学校",)
    after = set(Path(tempfile.gettempdir()).iterdir())
    assert not [one for one in after - before if "jieba" in one.name]
    assert opened == []
    assert capfd.readouterr() == ("", "")


def test_language_tags_are_analysed_by_their_primary_subtag(analyser):
    member = Member(id="m", descriptions=said("农村学校", "zh-Hans"))
    assert analyser.analyse_member(member).fields[0].language == "zh"


CHARACTERS = "教师队伍农村学校建设网络安全互联物认可以信通过中心数据大人工智能计算机水平台的和"
LEXICON = {
    "concepts": [
        {"id": name, "status": "reviewed", "terms": {"zh": terms}}
        for name, terms in {
            "teacher": ["教师"],
            "net": ["物联网", "互联网"],
            "data": ["数据中心", "可及"],
        }.items()
    ]
}


class Every:
    """Stands for all bigrams."""

    def __contains__(self, bigram: object) -> bool:
        return True


@given(st.text(CHARACTERS, max_size=12), st.text(CHARACTERS + "，。", min_size=1, max_size=6))
def test_characters_that_follow_take_no_chinese_term_away(analyser, text, more):
    def terms(said: str) -> Counter[str]:
        return Counter(count_terms(analyser.runs("zh", said), "zh", lexicon=lexicon, bigrams=Every()))

    lexicon = compile_lexicon(LEXICON, analyser)
    assert terms(text) <= terms(text + more)


def test_a_chinese_word_or_concept_within_a_longer_one_is_held_and_function_words_are_not(analyser):
    lexicon = compile_lexicon(LEXICON, analyser)
    found = count_terms(analyser.runs("zh", "通过教师队伍的数据中心"), "zh", lexicon=lexicon, bigrams=())
    assert {"w:zh:教师", "w:zh:队伍", "w:zh:教师队伍", "d:zh:教师", "d:zh:数据 中心"} <= found.keys()
    assert not {"w:zh:通过", "w:zh:的", "s:zh:的"} & found.keys()


CAPITALS = [
    "RURAL",
    "SCHOOLS",
    "NETWORK",
    "CAPACITY",
    "FOR",
    "LTE",
    "ICTs",
    "TEACHERS,",
    "rural",
    "for",
    "WHO",
    "5G.",
]


@given(st.lists(st.sampled_from(CAPITALS), max_size=12), st.lists(st.sampled_from(CAPITALS), min_size=1))
def test_words_that_follow_make_no_other_of_those_in_capitals(analyser, words, more):
    def terms(said: list[str]) -> Counter[str]:
        runs = analyser.runs("en", " ".join(said))
        return Counter(count_terms(runs, "en", lexicon=lexicon, bigrams=Every()))

    lexicon = compile_lexicon({"concepts": []}, analyser)
    assert terms(words) <= terms([*words, *more])
