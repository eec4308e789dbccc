from __future__ import annotations

import pytest

from matching.documents import count_terms, text_impacts
from matching.epoch import PROFILE
from matching.fitting import fit_epoch
from matching.lexicon import DISCOUNT, Lexicon, compile_lexicon, shipped_lexicon
from matching.queries import build_query
from tests.matching.builders import LEXICON, MEMBERS, REFERENCE, member, project

SIX = {"ar", "en", "es", "fr", "ru", "zh"}


def test_the_shipped_lexicon_compiles_in_all_six_languages(analyser):
    source = shipped_lexicon()
    lexicon = compile_lexicon(source, analyser)
    assert len(lexicon.concepts) >= 1000
    for concept in source["concepts"]:
        assert set(concept["terms"]) == {"ar", "en", "es", "fr", "ru", "zh"}, concept["id"]
    assert Lexicon.from_json(lexicon.to_json()).to_json() == lexicon.to_json()


def test_the_longest_domain_term_wins(analyser):
    source = {
        "concepts": [
            {"id": "a", "status": "reviewed", "terms": {"en": ["internet", "internet exchange point"]}}
        ]
    }
    lexicon = compile_lexicon(source, analyser)
    found = lexicon.find("en", ["an", "internet", "exchang", "point", "internet"])
    assert [(one.start, one.stop) for one in found] == [(1, 4), (4, 5)]


def test_a_lexicon_with_an_unknown_status_or_an_empty_term_is_refused(analyser):
    for status, term in (("maybe", "school"), ("reviewed", "the"), ("reviewed", "one. two")):
        with pytest.raises(ValueError, match="concept x"):
            compile_lexicon({"concepts": [{"id": "x", "status": status, "terms": {"en": [term]}}]}, analyser)


def test_a_document_keeps_the_terms_inside_a_longer_one(analyser):
    """Otherwise a word more at the end of a field could take a term away from it."""
    terms = {"en": ["internet", "internet exchange", "exchange point", "LTE network"]}
    lexicon = compile_lexicon({"concepts": [{"id": "a", "status": "reviewed", "terms": terms}]}, analyser)
    counts = count_terms(["internet exchang point =lte network"], "en", lexicon=lexicon, bigrams=())
    assert {term for term in counts if term[0] == "d"} == {
        "d:en:internet",
        "d:en:internet exchang",
        "d:en:exchang point",
        "d:en:=lte network",
    }


def test_a_chinese_term_is_found_however_its_characters_were_cut(analyser):
    source = {"concepts": [{"id": "a", "status": "reviewed", "terms": {"zh": ["骨干网络", "数字经济"]}}]}
    lexicon = compile_lexicon(source, analyser)
    for run in (["骨干", "网络"], ["骨干网络"], ["骨", "干网", "络"]):
        assert [(one.start, one.stop) for one in lexicon.find("zh", run)] == [(0, len(run))]
    assert not lexicon.find("zh", ["骨干", "网络化"]), "a part of a token is not asked"
    assert [term.surface for term in lexicon.held(["骨干", "网络化", "数字", "经济"])] == [
        "骨干网络",
        "数字经济",
    ]


def test_each_concept_has_its_own_discount(analyser):
    source = {"concepts": [{**LEXICON["concepts"][1], "discount": 300}]}
    epoch = fit_epoch(MEMBERS, analyser=analyser, reference=REFERENCE, lexicon=source)
    fields = analyser.analyse_member(member("m", "A school")).fields
    found = text_impacts(fields, kind=PROFILE, epoch=epoch)
    assert found["d:fr:ecol"] == found["d:en:school"] * 300 // 1000
    for wrong in (0, 1001, -1):
        with pytest.raises(ValueError, match="discount"):
            compile_lexicon({"concepts": [{**LEXICON["concepts"][1], "discount": wrong}]}, analyser)


def test_a_general_concept_carries_words_to_other_languages_and_changes_nothing_within_one(analyser):
    """Otherwise common words would be asked above the rare ones of the subject, and loose synonyms would meet."""
    terms = {"en": ["villages", "hamlets"], "fr": ["villages", "hameaux"]}
    general = {"id": "village", "kind": "general", "status": "reviewed", "terms": terms}
    epoch = fit_epoch(MEMBERS, analyser=analyser, reference=REFERENCE, lexicon={"concepts": [general]})
    found = text_impacts(analyser.analyse_member(member("m", "Villages")).fields, kind=PROFILE, epoch=epoch)
    own = found["d:en:villag"]
    assert found["d:fr:hameau"] == found["d:fr:villag"] == own * DISCOUNT // 1000
    assert "d:en:hamlet" not in found
    asked = project("p", "Villages and lakes")
    weights = build_query(asked, analyser.analyse_project(asked), epoch).versions[0].text
    plain = fit_epoch(MEMBERS, analyser=analyser, reference=REFERENCE)
    before = build_query(asked, analyser.analyse_project(asked), plain).versions[0].text
    assert weights["d:en:villag"] == before["w:en:villag"]
    assert weights["w:en:lake"] == before["w:en:lake"]
    with pytest.raises(ValueError, match="kind"):
        compile_lexicon({"concepts": [general | {"kind": "loose"}]}, analyser)


def test_a_single_chinese_character_is_met_by_who_asks_it_and_carries_no_meaning_over(analyser):
    """It stands in many words: 水 is water, and 水平 is a level."""
    terms = {"en": ["water"], "zh": ["水", "用水"]}
    water = {"id": "water", "kind": "general", "status": "reviewed", "terms": terms}
    epoch = fit_epoch(MEMBERS, analyser=analyser, reference=REFERENCE, lexicon={"concepts": [water]})

    def held(language: str, text: str) -> dict[str, int]:
        fields = analyser.analyse_member(member("m", text, language=language)).fields
        return text_impacts(fields, kind=PROFILE, epoch=epoch)

    assert held("zh", "水平")["d:zh:水"]
    assert "d:en:water" not in held("zh", "水平")
    assert held("zh", "用水")["d:en:water"]
    assert held("en", "Water")["d:zh:水"]
