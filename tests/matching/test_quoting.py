"""Quoted passages: the project's own text in a profile or an evidence item is not counted, and the explanation says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matching.documents import DocumentBuilder
from matching.engine import Engine
from matching.epoch import Epoch
from matching.quoting import Quoting, Stems
from matching.records import Evidence, Member, Recorded
from matching.sentences import LANGUAGES, phrases_in
from matching.vocabulary import Vocabulary
from matching.weights import Weights
from tests.matching.builders import DAY, member, project, proof, said

CALL = (
    "Satellite broadband for forty schools in remote villages. Teachers learn digital skills and run courses for women. "
    "A laboratory repairs phones, antennas, batteries and solar panels near the lake."
)
HONEST = "We train teachers of rural schools and repair antennas."
WORDS = sorted({word.strip(".,") for word in CALL.split()})

relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def quoted(epoch, analyser):
    """Return a view of one project and some members, by record."""

    def pinned(*members: Member, of: Epoch = epoch):
        engine = Engine(of, analyser=analyser)
        engine.put_project(project("p", CALL))
        for one in members:
            engine.put_member(one)
        return engine.pin()

    return pinned


def points(view, name: str) -> int:
    ranked = view.rank("p", DAY)
    return int(ranked.points[ranked.position_of(name) - 1])


def codes(explained) -> list[str]:
    return [part.code for part in explained.parts]


@pytest.mark.parametrize(
    "taken",
    [CALL, " ".join(reversed(CALL.split())), ", ".join(WORDS), " ".join(WORDS[:5] * 20)],
    ids=["pasted", "turned round", "listed", "repeated"],
)
def test_the_projects_own_words_in_a_row_add_nothing_to_a_profile(quoted, taken):
    alone = member("m", HONEST)
    both = replace(alone, descriptions=(*alone.descriptions, *said(f"Zebras graze there. {taken}")))
    assert points(quoted(both), "m") <= points(quoted(alone), "m")
    assert points(quoted(alone), "m") > 0


OWN = "Weavers mend antennas near Bukhara, glue phones in Merv, sell batteries around Khiva, praise panels through winter"


@pytest.mark.parametrize("text", [f"{CALL} {OWN}.", f"{OWN}. {CALL}"])
@pytest.mark.parametrize("document", ["profile", "evidence"])
def test_the_words_and_the_passage_shown_are_of_what_counts(quoted, text, document):
    """A passage that is not counted gave no points, so none of its sentences may stand beside them."""
    one = member(
        "m", text if document == "profile" else "", evidence=(proof("e", text),) * (document != "profile")
    )
    explained = quoted(one).explain("p", "m", DAY, passages=True)
    [part] = [part for part in explained.parts if part.asked == "antennas"]
    assert part.points > 0
    assert "quoted" in codes(explained)
    assert (part.found, part.found_passage) == ("antennas", OWN)


def test_a_sentence_that_quotes_in_part_is_cut_around_its_own_words(quoted):
    """A word is looked for behind what stands before it, also where that is not counted."""
    one = member("m", f"{' '.join(WORDS)} {'zebras graze ' * 15}near glue and antennas of Samarkand")
    explained = quoted(one).explain("p", "m", DAY, passages=True)
    [part] = [part for part in explained.parts if part.asked == "antennas"]
    assert "quoted" in codes(explained)
    assert part.found_passage.endswith("glue and antennas of Samarkand")


def test_a_pasted_evidence_item_gives_nothing_and_is_named(quoted):
    view = quoted(member("m", HONEST, evidence=(proof("e", CALL),)))
    explained = view.explain("p", "m", DAY)
    assert explained.components["evidence"] == 0
    [part] = [part for part in explained.parts if part.code == "quoted"]
    assert (part.component, part.evidence, part.points, part.fields) == ("evidence", "e", 0, ("evidence",))
    assert "not counted" in part.sentence
    assert any("not counted" in reason for reason in view.reasons("p", "m"))


def test_what_an_organisation_says_itself_counts_beside_a_passage(quoted):
    own = "Our weavers of Samarkand keep honest accounts"
    view = quoted(
        member("m", f"{own}, and repair antennas with zebras. {CALL}"), member("o", f"{own}. {CALL}")
    )
    explained = view.explain("p", "m", DAY)
    assert "quoted" in codes(explained)
    assert explained.points == points(view, "m") > points(view, "o") == 0


def test_a_chinese_passage_counts_the_words_that_are_matched_and_all_ways_give_the_same_integers(
    epoch, analyser
):
    call = "为偏远村庄的四十所学校提供卫星宽带，教师学习数字技能并且为妇女开设课程，实验室修理电话和天线以及电池与太阳能电池板。"
    for text, copied in (
        (call, True),
        (call[:15], False),
        (f"{call[:15]}通过的和在而且{call[18:30]}", False),
    ):
        engine = Engine(epoch, analyser=analyser)
        engine.put_project(replace(project("p", "x"), titles=(), objectives=said(call, "zh")))
        engine.put_member(Member(id="m", descriptions=said(f"我们的合唱团在老城。{text}", "zh")))
        view = engine.pin()
        ranked, explained = view.rank("p", DAY), view.explain("p", "m", DAY)
        assert list(explained.components.values()) == ranked.components[0].tolist()
        assert ranked.components[0].tolist() == view.points_of(["m"], DAY).components[0, 0].tolist()
        assert sum(part.points for part in explained.parts) == explained.points == ranked.points[0]
        assert ("quoted" in codes(explained)) == copied
        assert (explained.components["text"] > 0) != copied


def test_words_are_no_passage_before_the_published_number(quoted, epoch):
    any_order = epoch.weights.quoted["any_order"]
    fewer = [word for word in WORDS if len(word) > 3][: any_order - 1]
    explained = quoted(member("m", " ".join(fewer))).explain("p", "m", DAY)
    assert "quoted" not in codes(explained)
    assert explained.points > 0


@pytest.mark.parametrize("every", [2, 3, 7])
def test_foreign_words_between_hide_no_passage(quoted, every):
    diluted = " ".join(
        f"{word} zebras" if number % every == 0 else word for number, word in enumerate(CALL.split(), 1)
    )
    view = quoted(member("m", HONEST, evidence=(proof("e", diluted),)))
    explained = view.explain("p", "m", DAY)
    assert explained.components["evidence"] == 0
    assert "quoted" in codes(explained)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_passage_is_named_in_six_languages(quoted, language):
    view = quoted(member("m", CALL, evidence=(proof("e", CALL),)))
    explained = view.explain("p", "m", DAY, language=language)
    told = [part for part in explained.parts if part.code == "quoted"]
    assert [part.evidence for part in told] == ["", "e"]
    assert all(any(character.isdigit() for character in part.sentence) for part in told)
    assert explained.reasons == view.reasons("p", "m", language=language)
    assert len(explained.reasons) == 3


def test_an_epoch_from_before_the_rule_counts_as_it_did(quoted, epoch):
    body = epoch.to_json()
    del body["weights"]["quoted"]
    before = Epoch.from_json(body)
    assert set(before.weights.quoted.values()) == {0}
    assert Epoch.loads(before.dumps()).hash == before.hash != epoch.hash
    assert b'"quoted"' not in before.dumps()
    view = quoted(member("m", CALL, evidence=(proof("e", CALL),)), of=before)
    explained = view.explain("p", "m", DAY)
    assert "quoted" not in codes(explained)
    assert explained.points == points(view, "m") > points(quoted(member("m", CALL)), "m")


def on_record(one: Member, texts: str | None, evidence: str | None = None) -> Member:
    days = tuple((item.id, evidence) for item in one.evidence if evidence)
    return replace(one, recorded=Recorded(texts=texts, evidence=days))


PUBLISHED = "2026-10-01"


@pytest.mark.parametrize(
    ("day", "counts"), [("2026-09-30", True), (PUBLISHED, False), ("2026-10-02", False), (None, False)]
)
def test_what_was_on_record_before_the_project_was_published_is_no_copy_of_it(quoted, day, counts):
    profile = on_record(member("m", CALL), day)
    proved = on_record(member("m", HONEST, evidence=(proof("e", CALL),)), None, day)
    for one, component in ((profile, "text"), (proved, "evidence")):
        explained = quoted(one).explain("p", "m", DAY)
        assert (explained.components[component] > 0) == counts or component == "text"
        assert ("quoted" in codes(explained)) != counts


def test_an_epoch_of_version_3_asks_not_since_when(quoted, epoch):
    body = epoch.to_json()
    del body["weights"]["quoted"]["earlier"]
    before = Epoch.from_json(body)
    assert Epoch.loads(before.dumps()).hash == before.hash != epoch.hash
    assert before.to_json()["weights"]["quoted"] == body["weights"]["quoted"]
    view = quoted(on_record(member("m", CALL), "2026-01-01"), of=before)
    assert "quoted" in codes(view.explain("p", "m", DAY))


def test_an_epoch_of_version_7_ends_a_passage_at_a_foreign_word(quoted, epoch):
    body = epoch.to_json()
    for name in ("foreign", "share", "field"):
        del body["weights"]["quoted"][name]
    before = Epoch.from_json(body)
    assert before.weights.quoted["foreign"] == 0
    assert Epoch.loads(before.dumps()).hash == before.hash != epoch.hash
    assert before.to_json()["weights"]["quoted"] == body["weights"]["quoted"]
    diluted = member("m", " zebras ".join(CALL.split()))
    counted = quoted(diluted, of=before).explain("p", "m", DAY)
    assert "quoted" not in codes(counted)
    assert counted.points > points(quoted(diluted), "m")


def echo(every: int) -> str:
    """The project's text backwards, with another word of no subject after every so many."""
    words = reversed(CALL.replace(".", "").split())
    return " ".join(
        f"{word} {'zyxwvu'[number % 6]}{number}" if number % every == 0 else word
        for number, word in enumerate(words, 1)
    )


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_project_that_is_shuffled_and_thinned_with_words_that_differ_adds_nothing(quoted, every):
    alone = member("m", HONEST)
    both = replace(alone, expertise=said(echo(every)), evidence=(proof("e", echo(every)),))
    explained = quoted(both).explain("p", "m", DAY)
    assert explained.points <= points(quoted(alone), "m")
    assert {part.evidence for part in explained.parts if part.code == "quoted"} == {"", "e"}
    assert any("not counted" in reason for reason in explained.reasons)


def test_what_an_organisation_says_itself_counts_beside_a_passage_though_both_would_be_an_echo(quoted):
    view = quoted(member("m", f"{HONEST} Zebras graze there. {CALL}"))
    explained = view.explain("p", "m", DAY)
    assert "quoted" in codes(explained)
    assert 0 < explained.points <= points(quoted(member("m", HONEST)), "m")


def test_an_epoch_of_version_9_knows_no_echo(quoted, epoch):
    body = epoch.to_json()
    for name in ("share", "field"):
        del body["weights"]["quoted"][name]
    before = Epoch.from_json(body)
    assert Epoch.loads(before.dumps()).hash == before.hash != epoch.hash
    assert before.to_json()["weights"]["quoted"] == body["weights"]["quoted"]
    echoing = member("m", echo(2))
    counted = quoted(echoing, of=before).explain("p", "m", DAY)
    assert "quoted" not in codes(counted)
    assert counted.points > points(quoted(echoing), "m")


def test_since_when_moves_no_point_of_who_quotes_nothing(quoted):
    honest = member("m", HONEST, evidence=(proof("e", "Antennas on forty schools, and nothing else."),))
    found = {points(quoted(on_record(honest, day, day)), "m") for day in (None, "1990-01-01", DAY)}
    assert len(found) == 1
    assert found != {0}


def test_an_edit_is_not_older_than_itself(quoted):
    one = on_record(member("m", HONEST, evidence=(proof("e", "Antennas."),)), "2026-01-01", "2026-01-01")
    view = quoted(one)
    pasted = replace(one, descriptions=said(f"{HONEST} {CALL}"))
    proved = replace(one, evidence=(proof("e", CALL),))
    moved = replace(one, evidence=(*one.evidence, proof("f", CALL)))
    for edited in (pasted, proved, moved, replace(pasted, id="new")):
        assert "quoted" in codes(view.explain("p", "m", DAY, edited=edited))
    assert view.explain("p", "m", DAY, edited=replace(one, legal_name="Another")).points == points(view, "m")


@pytest.mark.parametrize(
    ("texts", "evidence", "labelled"),
    [
        (None, None, False),
        ("2026-09-01", "2026-09-30", False),
        (PUBLISHED, PUBLISHED, False),
        ("2026-10-02", "2026-09-01", True),
        ("2026-09-01", "2026-10-02", True),
    ],
)
def test_who_wrote_after_the_publication_is_labelled_and_loses_nothing(quoted, texts, evidence, labelled):
    plain = member("m", HONEST, evidence=(proof("e", "Antennas."),))
    view = quoted(on_record(plain, texts, evidence))
    ranked, standings = view.rank("p", DAY), view.points_of(["m"], DAY)
    labels = ranked.row(1).labels
    assert ("edited_after_publication" in labels) == labelled
    assert ranked.labels[0] == standings.labels[0, 0]
    assert view.explain("p", "m", DAY).labels == labels
    assert points(view, "m") == points(quoted(plain), "m")


def test_the_label_of_a_later_text_leaves_the_points_to_the_parts(quoted):
    """The same text has other points a day after the publication: the label must not say that this changes none."""
    before, after = (quoted(on_record(member("m", CALL), day)) for day in ("2026-09-30", "2026-10-02"))
    explained = after.explain("p", "m", DAY)
    assert explained.points < points(before, "m")
    assert "edited_after_publication" in explained.labels
    assert "quoted" in codes(explained)
    sentences = [phrases_in(language).label("edited_after_publication") for language in LANGUAGES]
    for sentence, parts in zip(
        sentences, ("parts", "détail", "detalle", "составе", "تفاصيل", "分数明细"), strict=True
    ):
        assert parts in sentence


def test_a_project_without_a_day_of_publication_labels_nobody_and_spares_nobody(epoch, analyser):
    engine = Engine(epoch, analyser=analyser)
    engine.put_project(project("p", CALL, published_on=None))
    engine.put_member(on_record(member("m", CALL), "2026-01-01"))
    explained = engine.pin().explain("p", "m", DAY)
    assert "quoted" in codes(explained)
    assert "edited_after_publication" not in explained.labels


def test_a_member_that_is_put_again_or_removed_quotes_no_more(epoch, analyser):
    engine = Engine(epoch, analyser=analyser)
    engine.put_project(project("p", CALL))
    engine.put_member(member("m", CALL, revision=1))
    old = engine.pin()
    assert points(old, "m") == 0
    engine.put_member(member("m", HONEST, revision=2))
    assert points(engine.pin(), "m") > 0
    assert points(old, "m") == 0
    engine.remove_member("m")
    assert len(engine.pin().rank("p", DAY)) == 0


def test_a_changed_project_is_quoted_by_other_passages(epoch, analyser):
    engine = Engine(epoch, analyser=analyser)
    engine.put_project(project("p", HONEST, revision=1))
    engine.put_member(member("m", CALL))
    assert points(engine.pin(), "m") > 0
    engine.put_project(project("p", CALL, revision=2))
    assert points(engine.pin(), "m") == 0


def test_numbered_words_give_the_fields_back(analyser):
    one = member("m", "LTE-A for schools. Wi-Fi; 5G, e-health!", evidence=(proof("e", "ITU-T X.509"),))
    fields = analyser.analyse_member(one).fields
    vocabulary = Vocabulary()
    assert Stems.of(fields, vocabulary).fields(vocabulary) == fields


@st.composite
def quoting_members(draw) -> Member:
    """Texts of the project's words with others between, so that passages begin and end anywhere."""
    words = st.lists(st.sampled_from([*CALL.split(), "zebras", "weavers."]), max_size=60).map(" ".join)
    whole = st.sampled_from([CALL, echo(1), echo(2)])
    pieces = st.lists(st.one_of(words, whole, st.sampled_from(CALL.split(". "))), max_size=3)
    texts = pieces.map(". ".join).filter(str.strip)
    items = draw(st.lists(texts, max_size=4))
    evidence = tuple(Evidence(id=f"e{n}", role="lead", texts=said(one)) for n, one in enumerate(items))
    days = st.sampled_from([None, "2026-09-30", "2026-10-02"])
    known = {item.id: draw(days) for item in evidence}
    return Member(
        id="m",
        descriptions=said(draw(texts)),
        expertise=said(draw(texts)) if draw(st.booleans()) else (),
        evidence=evidence,
        recorded=Recorded(
            texts=draw(days), evidence=tuple((item, day) for item, day in known.items() if day)
        ),
    )


@relaxed
@given(quoting_members())
def test_all_ways_give_the_same_integers(quoted, one):
    view = quoted(one)
    ranked, standings = view.rank("p", DAY), view.points_of(["m"], DAY)
    explained = view.explain("p", "m", DAY)
    edited = view.explain("p", "m", DAY, edited=one)
    assert ranked.components[0].tolist() == standings.components[0, 0].tolist()
    assert ranked.components[0].tolist() == list(explained.components.values())
    assert sum(part.points for part in explained.parts) == explained.points == ranked.points[0]
    assert (edited.points, edited.parts) == (explained.points, explained.parts)
    assert view.what_if("p", one, DAY).points == explained.points
    assert view.notices("p", ["m"]).of("m", ("en",))["en"][1] == explained.reasons


@relaxed
@given(quoting_members(), st.sampled_from([CALL, echo(2), *CALL.split(". ")]))
def test_adding_evidence_never_lowers_even_if_it_quotes(quoted, one, more):
    view = quoted(one)
    richer = replace(one, evidence=(*one.evidence, Evidence(id="z", role="lead", texts=said(more))))
    assert view.explain("p", "m", DAY, edited=richer).points >= view.explain("p", "m", DAY).points


@relaxed
@given(quoting_members(), st.sampled_from(["zebras", "broadband", *CALL.split(". "), CALL]))
def test_a_text_that_lowers_a_score_is_shown_as_quoted_or_is_longer_than_the_mean(quoted, one, more):
    """Without the rule a text can lower a score by length alone; with it, never by more, unless a passage is shown."""
    longer = replace(one, descriptions=said(f"{one.descriptions[0].text} {more}"))
    view = quoted(one)
    after = view.explain("p", "m", DAY, edited=longer)
    if after.points < view.explain("p", "m", DAY).points and "quoted" not in codes(after):
        off = quoted(one, of=_without(view, quoted))
        assert off.explain("p", "m", DAY, edited=longer).points < off.explain("p", "m", DAY).points


def _without(view, quoted) -> Epoch:
    epoch = view._epoch
    return replace(epoch, weights=replace(epoch.weights, quoted=dict.fromkeys(epoch.weights.quoted, 0)))


def test_the_prefilter_finds_what_is_cut(epoch, analyser):
    vocabulary = Vocabulary()
    fields = analyser.analyse_project(project("p", CALL)).fields
    weights = Weights()
    quoting = Quoting(
        fields,
        builder=DocumentBuilder(epoch),
        weights=weights,
        budgets=weights.budgets,
        vocabulary=vocabulary,
        published_on=None,
    )
    texts = [CALL, HONEST, CALL.split(". ", maxsplit=1)[0], "zebras", ", ".join(WORDS), echo(2)]
    documents = [analyser.analyse_member(member("m", text)).fields for text in texts]
    numbered = [Stems.of(one, vocabulary) for one in documents]
    cut = [place for place, one in enumerate(documents) if quoting.text(one)]
    assert cut == quoting.which_quote(numbered)
    assert cut == [place for place, one in enumerate(numbered) if quoting.which_quote([one])]
    assert cut[0] == 0
    assert 1 not in cut
