from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from matching.analysis import Analyser
from matching.bounds import LARGEST_TOTAL
from matching.documents import DocumentBuilder, text_impacts
from matching.engine import Engine
from matching.epoch import EVIDENCE, IDF_ONE, PROFILE, Epoch, canonical
from matching.fitting import fit_epoch, idf
from matching.lexicon import DISCOUNT
from matching.queries import build_query
from matching.records import Member, Project, Text
from matching.reference import ReferenceData
from matching.weights import Weights
from tests.matching.builders import DAY, LEXICON, MEMBERS, PROJECTS, REFERENCE, member, project, said

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_an_epoch_is_named_by_its_canonical_bytes(epoch):
    again = Epoch.loads(epoch.dumps())
    assert again.hash == epoch.hash
    assert len(epoch.hash) == 64
    assert again.to_json() == epoch.to_json()
    spaced = json.dumps(json.loads(epoch.dumps())).encode()
    with pytest.raises(ValueError, match="canonical"):
        Epoch.loads(spaced)
    for broken in (b"{}", b"[]", b"\xff", b"nothing"):
        with pytest.raises(ValueError, match=r".+"):
            Epoch.loads(broken)


def test_an_epoch_holds_no_float(epoch):
    assert "." not in json.dumps(epoch.to_json()["statistics"])
    with pytest.raises(TypeError, match="integers"):
        canonical({"weight": 0.5})


def test_fitting_does_not_depend_on_the_order_of_the_corpus(epoch, analyser):
    again = fit_epoch(
        MEMBERS[::-1], analyser=Analyser(), reference=REFERENCE, lexicon=LEXICON, projects=PROJECTS[::-1]
    )
    assert again.hash == epoch.hash
    other = fit_epoch(MEMBERS[1:], analyser=analyser, reference=REFERENCE, lexicon=LEXICON, projects=PROJECTS)
    assert other.hash != epoch.hash


def test_a_loaded_epoch_ranks_like_the_one_that_was_fitted(epoch, analyser):
    digests = []
    for one in (epoch, Epoch.loads(epoch.dumps())):
        engine = Engine(one, analyser=analyser)
        for known in MEMBERS:
            engine.put_member(known)
        for asked in PROJECTS:
            engine.put_project(asked)
        digests.append([engine.pin().rank(asked.id, DAY).digest() for asked in PROJECTS])
    assert digests[0] == digests[1]


def test_idf_is_bm25s_and_an_unknown_word_has_that_of_frequency_0(epoch):
    assert idf(1000, 10) == round(IDF_ONE * math.log(1 + (1000 - 10 + 0.5) / 10.5))
    assert idf(1000, 0) > idf(1000, 1) > idf(1000, 500) > 0
    assert epoch.idf(PROFILE, "w:en:unheardof") == epoch.profile.of("en").idf[0]
    assert epoch.idf(EVIDENCE, "n:x9") > 0
    assert epoch.idf(PROFILE, "w:sw:mtandao") == epoch.profile.unseen.idf[0]


def test_a_bigram_takes_part_only_from_two_documents_on_and_at_half_its_idf(epoch):
    twice = "b:en:broadband satellit"
    assert epoch.evidence.frequencies[twice] == 2
    assert epoch.idf(EVIDENCE, twice) == epoch.evidence.of("en").idf[2] // 2
    assert epoch.idf(EVIDENCE, "b:en:microwav link") == 0
    assert epoch.idf(EVIDENCE, "b:en:never seen") == 0


def test_evidence_texts_that_several_organisations_share_are_counted_once(analyser):
    shared = MEMBERS[1]
    twins = [replace(shared, id=name, descriptions=said(f"Text of {name}")) for name in ("a", "b", "c")]
    fitted = fit_epoch(twins, analyser=analyser, reference=REFERENCE)
    assert fitted.corpus == {"profile": 3, "evidence": 4, "pairs": 0}


def test_a_corpus_without_text_is_refused(analyser):
    with pytest.raises(ValueError, match="no text"):
        fit_epoch([Member(id="m")], analyser=analyser, reference=REFERENCE)


def test_reference_vocabularies_count_as_documents(analyser):
    words = [Text(language="en", text="tariff policy") for _ in range(3)]
    fitted = fit_epoch(MEMBERS, analyser=analyser, reference=REFERENCE, vocabularies=words)
    assert fitted.profile.frequencies["w:en:tariff"] == 3


def test_bands_lie_at_percentiles_of_the_reference_pairs(epoch):
    assert 0 < epoch.bands[0] < epoch.bands[1] < epoch.bands[2]
    assert [epoch.band_of(fit) for fit in (0, *epoch.bands)] == [0, 1, 2, 3]


def test_an_impact_saturates_and_a_short_text_is_as_long_as_the_mean(epoch, analyser):
    def impact(text: str) -> int:
        fields = analyser.analyse_member(member("m", text)).fields
        return text_impacts(fields, kind=PROFILE, epoch=epoch)["w:en:satellit"]

    once = impact("satellite")
    assert impact("satellite lake") == once
    assert 255 > impact("satellite satellite") > once
    assert impact("satellite " + "lake boat " * 60) < once


def test_bridges_are_made_in_the_document_at_a_discount(epoch, analyser):
    fields = analyser.analyse_member(member("m", "Broadband")).fields
    found = text_impacts(fields, kind=PROFILE, epoch=epoch)
    own = found["d:en:broadband"]
    assert found["d:fr:haut deb"] == own * DISCOUNT // 1000
    assert found["d:en:high speed internet"] == found["d:fr:haut deb"] == found["d:zh:宽带"]
    assert "w:en:broadband" in found
    assert "d:fr:urbain" not in found, "a rejected concept takes no part"


def test_a_project_asks_its_own_terms_only_and_no_word_twice(epoch, analyser):
    asked = project("p", "Haut débit rural", language="fr")
    query = build_query(asked, analyser.analyse_project(asked), epoch)
    assert set(query.versions[0].text) == {"d:fr:haut deb", "w:fr:rural"}


def test_bigrams_that_take_no_part_are_not_weighed(epoch, analyser, monkeypatch):
    """They are nearly every second term of a text, and each list waits for its project's query."""
    weighed, weigh = set(), Epoch.idf

    def count(one, kind, term):
        weighed.add((kind, term))
        return weigh(one, kind, term)

    monkeypatch.setattr(Epoch, "idf", count)
    for one in PROJECTS:
        build_query(one, analyser.analyse_project(one), epoch)
    pairs = {(kind, term) for kind, term in weighed if term.startswith("b:")}
    assert len(weighed) > len(pairs)
    assert [one for one in pairs if one[1] not in epoch.bigrams[one[0]]] == []


def test_acronyms_of_the_lexicon_have_no_language(epoch, analyser):
    found = text_impacts(analyser.analyse_member(member("m", "IoT")).fields, kind=PROFILE, epoch=epoch)
    assert {"n:iot", "d::=iot", "d:fr:internet objet"} <= set(found)


def test_weights_never_exceed_their_budgets(epoch, analyser):
    for one in PROJECTS:
        query = build_query(one, analyser.analyse_project(one), epoch)
        for version in query.versions:
            assert 0 < 255 * sum(version.text.values()) <= epoch.weights.budgets["text"]
            assert 0 < 255 * sum(version.evidence.values()) <= epoch.weights.budgets["evidence"] // 3
        for name, weights in query.structured.items():
            assert 255 * sum(weights.values()) <= query.budgets[name] <= epoch.weights.budgets[name]
        assert query.total <= LARGEST_TOTAL


def test_a_long_project_text_is_worth_no_more_than_a_short_one(epoch, analyser):
    short = project("p", "Broadband for rural schools")
    long = replace(short, objectives=said("Broadband for rural schools. " * 30))
    queries = [build_query(one, analyser.analyse_project(one), epoch) for one in (short, long)]
    assert queries[0].versions == queries[1].versions


def test_a_project_without_any_text_drops_the_text_budgets(epoch, analyser):
    query = build_query(Project(id="p"), analyser.analyse_project(Project(id="p")), epoch)
    assert query.total == 0


def test_budgets_above_the_bound_are_refused():
    with pytest.raises(ValueError, match="budgets"):
        Weights(budgets={"text": LARGEST_TOTAL + 1})
    body = Weights().to_json()
    assert Weights.from_json(body) == Weights()
    with pytest.raises(ValueError, match="names"):
        Weights.from_json({**body, "surprise": 1})


def budgets(**changed):
    return {"budgets": {**Weights().budgets, **changed}}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"evidence_items": 2}, "evidence_items"),  # the kernel takes three
        ({"floors": {"x": 1}}, "floors holds exactly"),
        ({"roles": {}}, "roles holds exactly"),
        ({"place_impacts": {"hq": 300, "operating": 1, "willing": 1}}, "place_impacts.hq"),
        ({"place_shares": {"country": 0, "region": 0}}, "place_shares"),
        ({"k1": -2000}, "k1"),
        (budgets(text=669_999_999), "half of the total"),
        (budgets(needs=0, text=779_999_999), "half of the total"),
        ({"head": True}, "head"),
        ({"local_minimum": 6, "newcomer_minimum": 6}, "more than head"),
        ({"band_percentiles": {"possible": 900, "good": 800, "strong": 990}}, "rise"),
        ({"tag_shares": 3}, "tag_shares"),
        ({"attention": {"1": 10, "3": 5}}, "ranks from 1 on"),
        ({"attention": {"1": 10, "2": 11}}, "never rises"),
    ],
)
def test_weights_that_would_break_a_promise_are_refused_by_name(changed, named):
    with pytest.raises(ValueError, match=named):
        Weights.from_json({**Weights().to_json(), **changed})


def test_evidence_may_have_half_of_what_a_project_with_needs_gives():
    assert (
        Weights.from_json({**Weights().to_json(), **budgets(text=670_000_000)}).budgets["text"] == 670_000_000
    )


def test_statistics_out_of_bounds_are_no_epoch(epoch):
    for path, value in (
        (("profile", "unseen", "idf"), {"1": 5}),
        (("profile", "unseen", "mean"), 0),
        (("profile", "frequencies"), {"w:en:school": "3"}),
        (("profile", "frequencies"), {"w:en:school": -1}),
        (("profile", "frequencies"), {"": 1}),
        (("profile", "frequencies"), {"offer:training": 1}),
    ):
        body = json.loads(epoch.dumps())
        found = body["statistics"]
        for step in path[:-1]:
            found = found[step]
        found[path[-1]] = value
        with pytest.raises(ValueError, match=r"frequency|mean length"):
            Epoch.loads(canonical(body))


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("lexicon", "school"), ["domain", 700, ["en", "x"]], "no term"),
        (("lexicon", "school"), ["domain", 700, ["en", 5, "x"]], "no term"),
        (("lexicon", "school"), ["domain", 700, [5, "five", "x"]], "no term"),
        (("lexicon", "school"), ["domain", 700, ["zh", "", "x"]], "no term"),
        (("lexicon", "school"), ["domain", 700, ["en", "a  b", "x"]], "no term"),
        (("lexicon", "school"), ["domain", 700, ["en:x", "a", "x"]], "no term"),
        (("lexicon", "school"), ["domain", 700, ["en", "x", None]], "no term"),
        (("lexicon", "school"), ["domain", True, ["en", "x", "x"]], "discount"),
        (("reference", "regions"), {"KEN": None}, "region of KEN"),
        (("reference", "regions"), {"KEN": 5}, "region of KEN"),
        (("reference", "regions"), {"KE": "AFR"}, "country's code"),
        (("reference", "regions"), {f"A{a}{b}": "AFR" for a in LETTERS for b in LETTERS}, "more than 256"),
        (("reference", "regions"), {f"AA{a}": f"R{a}" for a in LETTERS[:9]}, "more than .* 8 regions"),
        (("reference", "groups"), [["ldc", "KEN", 5, None]], "a day of KEN"),
        (("reference", "groups"), [["ldc", "KEN", None]], "values to unpack"),
        (("analyser", "number"), "4", "analyser's number"),
        (("analyser", "golden"), "4", "golden"),
        (("corpus",), [1], "another kind"),
        (("corpus",), {"profile": "many"}, "count of the corpus"),
        (("corpus",), {"profile": 1.5}, "count of the corpus"),
        (("statistics", "profile", "unseen", "idf"), {"0": 5, "-3": 5}, "below 0"),
        (("bands",), [1, 2, 3, 4], "values to unpack"),
    ],
)
def test_what_no_list_could_be_ranked_under_is_no_epoch(epoch, path, value, named):
    """A worker that follows such an epoch would stop: it is refused where it is read, and named."""
    body = json.loads(epoch.dumps())
    found = body
    for step in path[:-1]:
        found = found[step]
    found[path[-1]] = value
    with pytest.raises(ValueError, match=named):
        Epoch.loads(json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def test_what_lies_in_itself_without_end_is_no_epoch():
    with pytest.raises(ValueError, match="without end"):
        Epoch.loads(b"[" * 200_000)


@pytest.mark.parametrize("key", ["", "00", "zz", "A" * 32, "0" * 31])
def test_a_tie_key_that_is_none_is_no_epoch(epoch, key):
    body = json.loads(epoch.dumps()) | {"tie_key": key}
    with pytest.raises(ValueError, match="tie_key"):
        Epoch.loads(canonical(body))


def test_groups_are_resolved_at_a_day():
    assert "LAO" in REFERENCE.members_of("ldc", "2026-11-24")
    assert "LAO" not in REFERENCE.members_of("ldc", "2026-11-25")
    assert {"KEN", "KAZ", "WSM", "TCD"} <= REFERENCE.developing("2026-11-24")
    assert "FRA" not in REFERENCE.developing("2026-11-24")
    assert ReferenceData.from_json(REFERENCE.to_json()).to_json() == REFERENCE.to_json()


def test_the_document_of_a_role_is_scaled(epoch, analyser):
    one = MEMBERS[0]
    lead = DocumentBuilder(epoch).build(one, analyser.analyse_member(one)).evidence[0]
    partner_record = replace(one, evidence=(replace(one.evidence[0], role="partner"),))
    partner = DocumentBuilder(epoch).build(partner_record, analyser.analyse_member(one)).evidence[0]
    share = epoch.weights.roles["partner"]
    assert 0 < share < epoch.weights.roles["lead"] == 1000
    assert all(partner.impacts[term] == lead.impacts[term] * share // 1000 for term in lead.impacts)
