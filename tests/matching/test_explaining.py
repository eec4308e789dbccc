"""What is told of a pair: the words and passages of both texts, in six languages, and changes that are proved."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from matching.changes import changes_of
from matching.engine import Engine
from matching.gaps import having
from matching.records import Member, Text
from matching.sentences import LANGUAGES, MOST_LISTED, phrases_in
from matching.wording import LONGEST_PASSAGE
from tests.matching.builders import DAY, MEMBERS, PROJECTS, member, offer, project, proof


@pytest.fixture
def view(epoch, analyser):
    engine = Engine(epoch, analyser=analyser)
    for one in MEMBERS:
        engine.put_member(one)
    for one in PROJECTS:
        engine.put_project(one)
    return engine.pin()


def test_the_pair_of_words_that_met_is_shown_with_both_passages(view):
    explained = view.explain("debit", "trainer", DAY, passages=True)
    part = next(one for one in explained.parts if one.asked == "écoles" and one.component == "text")
    assert (part.code, part.found) == ("bridge", "schools")
    assert part.asked_passage == "Haut débit pour les écoles rurales, avec une formation des enseignants"
    assert part.found_passage.startswith("We train teachers of rural schools in digital skills")
    assert any("“écoles” ↔ “schools”" in reason for reason in explained.reasons)


def test_passages_are_given_only_where_they_are_asked_for_and_change_nothing(view):
    plain, told = view.explain("debit", "trainer", DAY), view.explain("debit", "trainer", DAY, passages=True)
    assert not any(part.asked_passage or part.found_passage for part in plain.parts)
    assert plain.parts == tuple(replace(part, asked_passage="", found_passage="") for part in told.parts)


def test_a_long_passage_is_cut_around_the_words(epoch, analyser):
    engine = Engine(epoch, analyser=analyser)
    far = " ".join(["filler"] * 60)
    engine.put_member(member("one", f"{far} broadband {far}"))
    engine.put_project(project("p", "broadband"))
    [part] = engine.pin().explain("p", "one", DAY, passages=True).parts
    assert "broadband" in part.found_passage
    assert len(part.found_passage) <= LONGEST_PASSAGE + 2
    assert part.found_passage[0] == part.found_passage[-1] == "…"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_is_told_in_six_languages_and_no_point_changes(view, language):
    english = view.explain("schools", "carrier", DAY, gaps=True)
    told = view.explain("schools", "carrier", DAY, language=language, gaps=True)
    assert [(gap.term, gap.points) for gap in told.gaps] == [(gap.term, gap.points) for gap in english.gaps]
    assert (told.points, told.components, told.labels) == (english.points, english.components, english.labels)
    assert [(part.term, part.points) for part in told.parts] == [
        (part.term, part.points) for part in english.parts
    ]
    assert len(told.reasons) == len(english.reasons) > 2
    assert all(part.sentence for part in (*told.parts, *told.gaps))
    if language != "en":
        assert not {part.sentence for part in told.parts} & {part.sentence for part in english.parts}
        assert not set(told.reasons) & set(english.reasons)


def test_an_evidence_item_is_named_in_the_readers_language_where_it_has_a_title_in_it(epoch, analyser):
    carrier = next(one for one in MEMBERS if one.id == "carrier")
    first = carrier.evidence[0]
    french = Text(language="fr", text=first.texts[0].text, title="Le haut débit par satellite")
    engine = Engine(epoch, analyser=analyser)
    engine.put_member(replace(carrier, evidence=(replace(first, texts=(*first.texts, french)),)))
    engine.put_project(next(one for one in PROJECTS if one.id == "schools"))
    view = engine.pin()
    told = {
        language: " ".join(view.reasons("schools", "carrier", language=language)) for language in LANGUAGES
    }
    named = {language for language, reasons in told.items() if french.title in reasons}
    assert named == {"fr"}
    assert first.texts[0].text[:40] in told["en"]


def test_each_language_words_every_label_step_rule_and_field():
    from matching.lists import LABELS, OFFER_KINDS, STEPS
    from matching.rules import RULES

    said = {}
    for language in LANGUAGES:
        phrases = phrases_in(language)
        said[language] = [
            *(phrases.label(name) for name in LABELS),
            *(phrases.step(name) for name in STEPS),
            *(phrases.rule(rule.code, "") for rule in RULES),
            *(phrases.name(f"offer:{kind}", code="need") for kind in OFFER_KINDS),
        ]
    assert all(len(set(lines)) == len(lines) for lines in said.values())
    with pytest.raises(KeyError):
        phrases_in("de")


def test_a_change_is_proved_by_ranking_anew(epoch, analyser):
    """What is promised for a change is what an engine gives that holds the changed record."""
    answers = "We bring broadband to rural schools by satellite and teach their teachers digital skills"
    everybody = (
        *MEMBERS,
        member("silent", f"{answers} and more.", hq_country="TCD"),
        member("offering", f"{answers}.", hq_country="TCD", offers=(offer("training"),)),
    )
    engine = Engine(epoch, analyser=analyser)
    for one in everybody:
        engine.put_member(one)
    engine.put_project(PROJECTS[0])
    view = engine.pin()
    proved = [
        (name, one)
        for name in ("carrier", "fund", "shield", "kuandai", "silent")
        for one in view.what_ifs("schools", name, DAY)
    ]
    assert {one.code for _, one in proved} >= {"words", "need"}
    for name, one in proved:
        record = view.member(name)
        explained = view.explain("schools", name, DAY, gaps=True)
        [change] = [
            change
            for change in changes_of(explained, record, supposed(view, "schools"))
            if (change.code, tuple(gap.term for gap in change.gaps)) == (one.code, one.terms)
        ]
        engine = Engine(epoch, analyser=analyser)
        for other in everybody:
            engine.put_member(replace(change.edited, revision=2) if other.id == name else other)
        engine.put_project(view.project("schools"))
        ranked = engine.pin().rank("schools", DAY)
        assert ranked.position_of(name) == one.rank < view.rank("schools", DAY).position_of(name)
        assert ranked.points[one.rank - 1] == one.points > explained.points


def supposed(view, name):
    """Points of a record that stands nowhere, as a new organisation would have them."""
    return lambda record: view.explain(name, "", DAY, edited=replace(record, id="new")).points


def test_a_gap_gives_what_it_is_said_to_give_in_an_engine_that_holds_it(epoch, analyser, view):
    seen, revisions, engine = set(), itertools.count(1), Engine(epoch, analyser=analyser)
    for one in PROJECTS:
        engine.put_project(one)
    for name in view.projects:
        for one in view.members:
            explained = view.explain(name, one, DAY, gaps=True)
            assert list(explained.gaps) == sorted(explained.gaps, key=lambda gap: (-gap.points, gap.term))
            for gap in explained.gaps:
                more = having(view.member(one), [gap])
                if gap.code == "region":
                    more = replace(more, operating_countries=(*more.operating_countries, NEIGHBOUR[gap.term]))
                engine.put_member(replace(more, revision=next(revisions)))
                held = engine.pin().explain(name, one, DAY)
                assert held.points - explained.points == gap.points, gap
                seen.add(gap.code)
    assert {"word", "concept", "need", "country", "region", "tag", "language"} <= seen


NEIGHBOUR = {"region:AFR": "UGA", "region:ASP": "LAO", "region:EUR": "CHE"}
"""A country of a region that no project asks for."""


def test_the_words_of_a_change_are_those_that_give_most(epoch, analyser):
    """A term of several words brings them along, so that of the largest weight need not be the one."""
    call = (
        "Early warning by cell broadcast and community radio. Early warning saves lives. Cell towers. Radio."
    )
    members = [
        member("one", "We run a theatre."),
        member("two", "We print early novels and broadcast operas."),
        member("three", "Community work in villages, with a warning."),
    ]
    engine = Engine(epoch, analyser=analyser)
    for one in (*members, *MEMBERS):
        engine.put_member(one)
    again = (
        "High-speed internet for a ferry. Internet on a ferry. Internet and internet in a harbour. Harbour."
    )
    for one in (*PROJECTS, project("warn", call), project("ferry", again)):
        engine.put_project(one)
    view = engine.pin()
    for name in view.projects:
        points = supposed(view, name)
        for one in view.members:
            record, explained = view.member(one), view.explain(name, one, DAY, gaps=True)
            words = [gap for gap in explained.gaps if gap.component == "text"]
            chosen = ()
            for change in changes_of(explained, record, points):
                if change.code == "words":
                    assert change.gaps[:-1] == chosen
                    best = max(points(having(record, [*chosen, gap])) for gap in words if gap not in chosen)
                    assert points(change.edited) == best
                    chosen = change.gaps


def test_gaps_are_looked_for_only_where_they_are_asked_for(view):
    assert view.explain("schools", "carrier", DAY).gaps == ()


def test_words_are_supposed_in_the_description_of_their_language_where_there_is_one(view):
    """A profile holds one description in each language, so a second one is no record that could be written."""
    for name in view.projects:
        for one in view.members:
            record, explained = view.member(one), view.explain(name, one, DAY, gaps=True)
            for change in changes_of(explained, record, supposed(view, name)):
                languages = [text.language for text in change.edited.descriptions]
                assert len(languages) == len(set(languages))


def test_there_is_no_change_for_the_first_nor_for_one_that_is_left_out(view):
    first = view.rank("schools", DAY).members[0]
    assert view.what_ifs("schools", first, DAY) == ()
    assert view.what_ifs("world", "carrier", DAY) == (), "it owns the project"


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("ar", "نوفر النطاق العريض للمدارس الريفية", "المدارس"),
        ("zh", "我们为农村学校建设宽带网络", "学校"),
        ("ru", "Мы подключаем сельские школы", "школы"),
    ],
)
def test_scripts_without_latin_letters_or_spaces_are_told_with_their_own_words(
    analyser, language, text, words
):
    from matching.fitting import fit_epoch
    from matching.lexicon import shipped_lexicon
    from tests.matching.builders import REFERENCE

    epoch = fit_epoch(MEMBERS, analyser=analyser, reference=REFERENCE, lexicon=shipped_lexicon())
    engine = Engine(epoch, analyser=analyser)
    engine.put_member(replace(member("one"), descriptions=(Text(language=language, text=text),)))
    engine.put_project(project("p", "Connect rural schools"))
    explained = engine.pin().explain("p", "one", DAY, passages=True)
    part = next(one for one in explained.parts if one.asked == "schools")
    assert part.code == "bridge"
    assert words.removeprefix("ال") in part.found
    assert part.found in part.found_passage


def test_a_notice_says_the_reasons_and_the_dearest_words_of_the_explanation_in_every_language(view):
    """Held against the parts that an explanation names, which a notice does not make."""
    shared = set()
    for name in view.projects:
        for one in view.members:
            told = view.notices(name, [one]).of(one, LANGUAGES)
            for language in LANGUAGES:
                explained = view.explain(name, one, DAY, language=language)
                parts = sorted(
                    (
                        part
                        for part in explained.parts
                        if part.component in {"text", "evidence"} and part.asked and part.points > 0
                    ),
                    key=lambda part: (-part.points, part.asked),
                )
                words = tuple(dict.fromkeys(part.asked for part in parts))[:MOST_LISTED]
                assert told[language] == (words, explained.reasons)
                shared.add(len(words))
    assert {0, MOST_LISTED} <= shared


def test_evidence_that_does_not_count_beside_other_is_named(engine):
    """One that says nearly the same as another, and what is beyond the best three: in a part without points each."""
    text = "Broadband for rural schools and digital skills of their teachers in"
    others = (
        "Satellite links that connect rural schools",
        "Training of teachers",
        "Digital courses in schools",
        "Skills of teachers",
    )
    items = [proof(f"e{number}", f"{text} {place}") for number, place in enumerate(("Chad", "Kenya"))]
    items += [proof(f"f{number}", words) for number, words in enumerate(others)]
    opera = "Opera and marble, quarries and choirs, orchestras and weavers, boats and locks of an old museum with schools"
    items += [proof("g", opera), proof("h", "Marble quarries")]
    engine.put_project(PROJECTS[0])
    engine.put_member(Member(id="m", evidence=tuple(items)))
    view = engine.pin()
    explained = view.explain("schools", "m", DAY)
    assert sum(part.points for part in explained.parts) == explained.points
    counted = {part.evidence for part in explained.parts if part.code == "threshold"}
    assert len(counted) == 3
    [twin] = [part for part in explained.parts if part.code == "duplicate"]
    assert (twin.points, {twin.evidence} | counted & {"e0", "e1"}) == (0, {"e0", "e1"})
    assert twin.sentence in explained.reasons
    assert (
        "Chad” says nearly the same as" in twin.sentence or "Kenya” says nearly the same as" in twin.sentence
    )
    [further] = [part for part in explained.parts if part.code == "further"]
    assert (further.points, further.evidence, further.sentence[-2:]) == (0, "", "2.")
    [below] = [part for part in explained.parts if part.code == "below"]
    assert (below.points, below.evidence, below.sentence[-2:]) == (0, "", "1.")
    for language in LANGUAGES:
        told = view.explain("schools", "m", DAY, language=language)
        assert told.reasons == view.reasons("schools", "m", language=language)
        assert all(part.sentence for part in told.parts if part.code in {"duplicate", "further", "below"})
    alone = view.explain("schools", "m", DAY, edited=Member(id="m", evidence=(items[0],)))
    assert not {"duplicate", "further", "below"} & {part.code for part in alone.parts}
