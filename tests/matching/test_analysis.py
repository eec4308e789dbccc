from __future__ import annotations

import builtins
import tempfile
from pathlib import Path

import pytest

from matching import analysis
from matching.analysis import Analysed, Analyser, prove_analyser
from matching.golden import GOLDEN_HASH, GOLDEN_TEXTS
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
        ("zh", "农村学校的宽带网络。用5G", ["农村 学校 宽带 网络", "=5g"]),
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
