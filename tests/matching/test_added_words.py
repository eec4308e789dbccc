"""Words of a project that are added to a profile after its publication count beside others, and the explanation says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matching.engine import Engine
from matching.epoch import Epoch
from matching.recording import as_recorded
from matching.records import Member, Recorded
from matching.sentences import LANGUAGES
from tests.matching.builders import DAY, member, offer, project, said

CALL = (
    "Satellite broadband for forty schools in remote villages. Teachers learn digital skills and run courses for women. "
    "A laboratory repairs phones, antennas, batteries and solar panels near the lake."
)
PUBLISHED = "2026-10-01"
HONEST = "Our weavers keep accounts. We train teachers."
OWN = ["broadband", "schools", "villages", "skills", "antennas", "solar"]
OTHERS = ["zebras", "graze", "weavers", "samarkand", "accounts"]

relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def viewed(epoch, analyser):
    """Return a view of one project and one organisation."""

    def pinned(one: Member, *, of: Epoch = epoch):
        engine = Engine(of, analyser=analyser)
        engine.put_project(project("p", CALL, published_on=PUBLISHED))
        engine.put_member(one)
        return engine.pin()

    return pinned


def before() -> Member:
    """A profile that stood before the project was published."""
    return replace(
        member("m", HONEST, offers=(offer("training"),)),
        recorded=Recorded(since="2026-09-01", texts="2026-09-01"),
    )


def edited(one: Member, on: str = DAY, **changes) -> Member:
    return as_recorded(replace(one, **changes), one, on=on)


def saying(one: Member, text: str, on: str = DAY) -> Member:
    return edited(one, on, descriptions=(*one.descriptions, *said(text)))


def in_place(one: Member, text: str, on: str = DAY) -> Member:
    return edited(one, on, descriptions=said(f"{one.descriptions[0].text[:-1]} {text}"))


def told(view) -> tuple[int, list[tuple[str, str]]]:
    """Points, which are the same by every way, and what is named without points."""
    explained = view.explain("p", "m", DAY)
    ranked, standings = view.rank("p", DAY), view.points_of(["m"], DAY)
    assert list(explained.components.values()) == ranked.components[0].tolist()
    assert ranked.components[0].tolist() == standings.components[0, 0].tolist()
    assert sum(part.points for part in explained.parts) == explained.points == ranked.points[0]
    named = [(part.code, part.fields[0]) for part in explained.parts if part.code in {"quoted", "added"}]
    return explained.points, named


@pytest.mark.parametrize("put", [saying, in_place])
@pytest.mark.parametrize("text", ["Broadband.", "Broadband, schools, antennas.", "broadband schools " * 40])
def test_the_projects_words_alone_add_nothing_and_are_named(viewed, put, text):
    points, named = told(viewed(before()))
    assert named == []
    assert told(viewed(put(before(), text))) == (points, [("added", "mission")])
    assert points > 0


def test_a_new_offer_or_expertise_is_asked_too(viewed):
    points, _ = told(viewed(before()))
    for changes, field in (
        ({"expertise": said("Solar antennas")}, "expertise"),
        ({"offers": (offer("training", "Courses for women"),)}, "offers"),
    ):
        assert told(viewed(edited(before(), **changes))) == (points, [("added", field)])


def test_a_sentence_with_words_of_its_own_counts(viewed):
    points, _ = told(viewed(before()))
    found = told(viewed(saying(before(), "Our weavers of Samarkand bring broadband to villages.")))
    assert found[0] > points
    assert found[1] == []


@pytest.mark.parametrize(("day", "counts"), [("2026-09-30", True), (PUBLISHED, False), ("2026-10-02", False)])
def test_what_was_added_before_the_publication_counts(viewed, day, counts):
    points, _ = told(viewed(before()))
    assert (told(viewed(saying(before(), "Broadband.", day)))[0] > points) == counts


def test_a_second_edit_makes_words_no_older_and_a_sentence_bears_out_earlier_words(viewed):
    points, _ = told(viewed(before()))
    once = saying(before(), "Broadband.", "2026-10-02")
    assert told(viewed(in_place(once, "antennas.")))[0] == points
    told_of = saying(once, "Zebras of Samarkand graze there.")
    found = told(viewed(told_of))
    assert found[0] > points
    assert found[1] == []


def test_who_mends_a_text_loses_nothing(viewed):
    wrong = replace(before(), offers=(offer("training", "Trainings in digital skils for women"),))
    mended = edited(wrong, offers=(offer("training", "Training in digital skills for women"),))
    assert told(viewed(mended))[0] >= told(viewed(wrong))[0]


def test_a_first_revision_and_a_profile_of_unknown_days_are_not_asked(viewed):
    bare = member("m", "Broadband, schools, antennas.")
    late = replace(bare, recorded=Recorded(since=DAY, texts=DAY))
    assert told(viewed(bare)) == told(viewed(late)) == (told(viewed(bare))[0], [])
    assert told(viewed(bare))[0] > 0


def test_an_epoch_of_version_10_asks_not_what_was_added(viewed, epoch):
    body = epoch.to_json()
    del body["weights"]["quoted"]["added"]
    old = Epoch.from_json(body)
    assert old.weights.quoted["added"] == 0
    assert Epoch.loads(old.dumps()).hash == old.hash != epoch.hash
    stuffed = saying(before(), "Broadband.")
    points, named = told(viewed(stuffed, of=old))
    assert points > told(viewed(stuffed))[0]
    assert named == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_said_in_six_languages(viewed, language):
    view = viewed(saying(before(), "Broadband, antennas."))
    explained = view.explain("p", "m", DAY, language=language)
    [part] = [part for part in explained.parts if part.code == "added"]
    assert "2" in part.sentence
    assert part.sentence in explained.reasons == view.reasons("p", "m", language=language)


def test_a_what_if_is_told_by_the_rule_and_a_suggestion_as_a_sentence_of_its_own(viewed):
    view = viewed(before())
    stuffed = replace(before(), descriptions=(*before().descriptions, *said("Broadband.")))
    assert view.what_if("p", stuffed, DAY).points == view.explain("p", "m", DAY).points
    assert [part.code for part in view.explain("p", "m", DAY, edited=stuffed).parts].count("added") == 1


@st.composite
def histories(draw) -> tuple[Member, Member]:
    """A profile of some age, and an edit of it."""
    words = st.lists(st.sampled_from([*OWN, *OTHERS, "teachers."]), min_size=1, max_size=12).map(" ".join)
    texts = st.one_of(words, st.sampled_from([CALL, *CALL.split(". ")]))
    one = replace(
        member("m", draw(texts)),
        expertise=said(draw(texts)),
        recorded=Recorded(since="2026-09-01", texts="2026-09-01"),
    )
    for _ in range(draw(st.integers(0, 2))):
        one = edited(one, draw(st.sampled_from(["2026-09-30", "2026-10-02"])), expertise=said(draw(texts)))
    more = draw(texts)
    if draw(st.booleans()):
        return one, edited(one, offers=(offer("training", more),))
    return one, edited(one, descriptions=said(f"{one.descriptions[0].text} {more}"))


@relaxed
@given(histories())
def test_all_ways_give_the_same_integers_and_an_addition_lowers_nothing_unseen(viewed, epoch, history):
    """Without the rules a text can lower a score by length alone; with them never by more, unless it is named."""
    one, other = history
    (points, _), (after, named) = told(viewed(one)), told(viewed(other))
    assert viewed(one).explain("p", "m", DAY, edited=other).points == after
    if after < points and not named:
        off = replace(epoch, weights=replace(epoch.weights, quoted=dict.fromkeys(epoch.weights.quoted, 0)))
        assert told(viewed(other, of=off))[0] < told(viewed(one, of=off))[0]


@relaxed
@given(
    st.lists(st.sampled_from([*OWN, *OTHERS]), min_size=1, max_size=8).map(" ".join),
    st.lists(st.sampled_from(OWN), min_size=1, max_size=8).map(" ".join),
    st.sampled_from([saying, in_place]),
)
def test_what_stood_before_the_publication_counts_as_it_did(viewed, old, more, put):
    one = replace(member("m", f"{old}."), recorded=Recorded(since="2026-09-01", texts="2026-09-01"))
    points, named = told(viewed(one))
    after, found = told(viewed(put(one, more)))
    assert after == points
    assert found
    assert named == []


def test_a_passage_that_stood_before_counts_though_the_profile_was_edited_after(viewed):
    one = replace(before(), descriptions=said(f"{HONEST} {CALL}"))
    points, named = told(viewed(one))
    assert named == []
    assert points > told(viewed(before()))[0]
    after, named = told(viewed(in_place(one, "weavers.")))
    assert named == []
    assert after > told(viewed(before()))[0]
    assert told(viewed(in_place(one, CALL))) == (points, [("quoted", "mission")])
    unknown = replace(in_place(one, "weavers."), recorded=Recorded(texts=DAY))
    assert told(viewed(unknown))[0] < after
