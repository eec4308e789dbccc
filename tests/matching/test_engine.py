from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from matching.columns import MEMBER_ROW
from matching.engine import AnotherAnalyser, Engine
from matching.recording import as_recorded
from matching.records import Member, Term, Text
from matching.view import View
from tests.matching.builders import DAY, MEMBERS, PROJECTS, member, need, offer, project, proof, said, tag


def loaded(engine: Engine, members=MEMBERS, projects=PROJECTS) -> View:
    for one in members:
        engine.put_member(one)
    for one in projects:
        engine.put_project(one)
    return engine.pin()


def points(view: View, name: str, project_id: str) -> dict[str, int]:
    return dict(view.explain(project_id, name, DAY).components)


def test_every_member_is_ranked_or_excluded_with_a_code(engine):
    view = loaded(engine)
    for name in view.projects:
        ranked = view.rank(name, DAY)
        named = [*ranked.members, *(one.member for one in ranked.excluded)]
        assert sorted(named) == sorted(view.members)
        assert ranked.position_of(ranked.members[-1]) == len(ranked)
        assert ranked.position_of("nobody") is None
    assert [one.code for one in view.rank("world", DAY).excluded] == ["owner"]


def test_parts_sum_to_the_points_that_the_index_gave(engine):
    view = loaded(engine)
    for name in view.projects:
        ranked = view.rank(name, DAY)
        for row in ranked.rows():
            explanation = view.explain(name, row.member, DAY)
            assert sum(part.points for part in explanation.parts) == explanation.points == row.points
            assert dict(explanation.components) == dict(row.components)
            for component, value in explanation.components.items():
                assert sum(part.points for part in explanation.parts if part.component == component) == value
            assert sum(explanation.shown.values()) == explanation.fit == row.fit
            assert (explanation.band, explanation.labels) == (row.band, row.labels)
            assert explanation.confidence == row.confidence
            assert all(part.sentence for part in explanation.parts)


def test_both_indexes_give_the_same_integers(engine):
    view = loaded(engine)
    standings = view.points_of(view.members, DAY)
    assert standings.projects == view.projects
    for column, name in enumerate(standings.projects):
        ranked = view.rank(name, DAY)
        for row, one in enumerate(standings.members):
            place = ranked.position_of(one)
            assert bool(standings.eligible[row, column]) == (place is not None)
            if place:
                found = ranked.row(place)
                assert standings.points[row, column] == found.points
                assert standings.components[row, column].tolist() == list(found.components.values())
                assert standings.fit[row, column] == found.fit
                assert standings.labels[row, column] == ranked.labels[place - 1]
                assert bool(standings.above_floor[row, column]) == found.above_floor
                assert standings.band[row, column] == ranked.band[place - 1]


def test_a_pinned_view_does_not_change_while_puts_go_on(engine):
    view = loaded(engine)
    before = view.rank("schools", DAY)
    packed, explained = before.packed(), view.explain("schools", "trainer", DAY)
    engine.put_member(replace(MEMBERS[0], revision=2, descriptions=said("Nothing of the kind"), evidence=()))
    engine.remove_member("carrier")
    for number in range(1500):
        engine.put_member(member(f"new-{number}", "Broadband for rural schools"))
    assert view.rank("schools", DAY).packed() == packed
    assert view.explain("schools", "trainer", DAY) == explained
    after = engine.pin().rank("schools", DAY)
    assert len(after) == len(before) - 1 + 1500
    assert after.position_of("carrier") is None
    trainer = after.position_of("trainer")
    assert trainer
    assert after.row(trainer).components["evidence"] == 0


def test_a_higher_incarnation_goes_before_a_higher_revision(epoch, analyser):
    restored = replace(MEMBERS[0], revision=2, descriptions=said("Other words"))
    engine, fresh = Engine(epoch, analyser=analyser), Engine(epoch, analyser=analyser)
    assert engine.put_member(replace(MEMBERS[0], revision=3), incarnation=1)
    assert engine.put_member(restored, incarnation=2)
    assert not engine.put_member(replace(MEMBERS[0], revision=4), incarnation=1)
    assert fresh.put_member(restored)
    for one in (engine, fresh):
        one.put_project(PROJECTS[0])
    assert engine.pin().rank(PROJECTS[0].id, DAY).packed() == fresh.pin().rank(PROJECTS[0].id, DAY).packed()


def test_an_older_or_equal_revision_is_ignored(engine):
    view = loaded(engine)
    assert not engine.put_member(replace(MEMBERS[0], descriptions=said("Other words")))
    assert not engine.put_project(replace(PROJECTS[0], objectives=said("Other words")))
    assert engine.pin().rank("schools", DAY).packed() == view.rank("schools", DAY).packed()
    assert engine.put_member(replace(MEMBERS[0], revision=2, descriptions=said("Other words")))
    assert engine.remove_member("trainer")
    assert not engine.remove_member("trainer")
    assert engine.put_member(MEMBERS[0])
    assert engine.pin().rank("schools", DAY).packed() == view.rank("schools", DAY).packed()
    with pytest.raises(KeyError):
        engine.pin().rank("unknown", DAY)


def test_a_need_meets_an_offer_and_never_what_is_sought(engine):
    wanted = project("money", "We need funding for rural broadband from a donor", needs=(need("funding", 5),))
    seeker = Member(
        id="seeker", seeks=(offer("funding", "We seek funding for rural broadband from a donor"),)
    )
    donor = Member(id="donor", offers=(offer("funding", "Funding of broadband from a donor, by grants"),))
    view = loaded(engine, (seeker, donor), (wanted,))
    assert points(view, "seeker", "money")["needs"] == 0
    assert sum(points(view, "seeker", "money").values()) == 0
    assert view.rank("money", DAY).members[0] == "donor"
    met = view.rank("money", DAY).need_points("need-funding").tolist()
    assert met == [points(view, "donor", "money")["needs"], 0]
    assert met[0] > 0


def test_good_words_without_evidence_outrank_three_loosely_related_past_projects(engine):
    able = member("able", "We bring broadband to rural schools and train teachers in digital skills.",
                  offers=(offer("training", "Courses for teachers"), offer("connectivity")))  # fmt: skip
    loose = member(
        "loose",
        "A consultancy.",
        offers=(offer("training"), offer("connectivity")),
        evidence=(
            proof("l1", "Roads to rural schools and markets in the hills"),
            proof("l2", "A satellite image archive for forests"),
            proof("l3", "Skills of nurses in clinics"),
        ),
    )
    view = loaded(engine, (able, loose), PROJECTS)
    assert points(view, "loose", "schools")["evidence"] > 0, "else the comparison is empty"
    assert view.rank("schools", DAY).members == ["able", "loose"]


def test_a_french_project_finds_an_english_profile_on_its_subject(engine):
    view = loaded(engine)
    explanation = view.explain("debit", "trainer", DAY)
    bridged = [part for part in explanation.parts if part.code == "bridge" and part.component == "text"]
    assert {part.asked for part in bridged} >= {"écoles", "enseignants"}
    assert all(part.bridged_from.startswith("d:en:") for part in bridged)
    assert explanation.above_floor
    assert points(view, "kuandai", "debit")["text"] > 0


def test_plan_versions_share_a_term_and_kinds_of_tags_do_not(engine):
    one = project("kap", "Broadband for villages", tags=(tag("kap", "ASP1", "2023-2025"),))
    other = project("bap", "Broadband for villages", tags=(tag("bap", "ASP1", "2026-2029"),))
    tagged = member("tagged", "Broadband for villages", tags=(tag("kap", "ASP1", "2018-2021"),))
    view = loaded(engine, (tagged,), (one, other))
    assert points(view, "tagged", "kap")["tags"] > 0
    assert points(view, "tagged", "bap")["tags"] == 0


def test_places_are_nested_and_willingness_counts_less(engine):
    there = Member(id="there", hq_country="TCD")
    willing = Member(id="willing", hq_country="FRA", willing_countries=("TCD",))
    near = Member(id="near", operating_countries=("KEN",))
    view = loaded(engine, (there, willing, near), PROJECTS)
    found = {name: points(view, name, "schools")["places"] for name in ("there", "willing", "near")}
    assert found["there"] > found["willing"] > found["near"] > 0
    assert view.rank("world", DAY).budgets["places"] == 0


def test_constants_are_never_scored_and_lower_confidence(engine):
    full = member("full", "Broadband for rural schools", hq_country="TCD", offers=(offer("training"),))
    empty = replace(full, id="empty", constants=frozenset({"descriptions", "offers", "hq_country"}))
    view = loaded(engine, (full, empty), PROJECTS)
    assert sum(points(view, "empty", "schools").values()) == 0
    ranked = view.rank("schools", DAY)
    by_name = {row.member: row for row in ranked.rows()}
    assert by_name["empty"].confidence == 0 < by_name["full"].confidence
    assert "local" not in by_name["empty"].labels
    schools = next(one for one in PROJECTS if one.id == "schools")
    engine.put_project(replace(schools, id="constant", constants=frozenset({"countries", "regions"})))
    assert not any("local" in row.labels for row in engine.pin().rank("constant", DAY).rows())


def test_presence_required_leaves_out_who_is_not_there(engine):
    strict = replace(
        PROJECTS[0], id="strict", presence_required=True, presence_reason="licences are national"
    )
    view = loaded(engine, MEMBERS, (strict,))
    ranked = view.rank("strict", DAY)
    assert set(ranked.members) == {"trainer", "ecoles"}, "headquarters there, and willing to work there"
    assert {one.code for one in ranked.excluded} == {"presence_required"}
    explanation = view.explain("strict", "fund", DAY)
    assert explanation.failed_rules == ("presence_required",)
    assert "licences are national" in explanation.rule_sentences[0]


def test_owner_and_affiliates_withdrawn_and_dormant_are_no_candidates(engine):
    family = (
        Member(id="child", parent="branch"),
        Member(id="branch", parent="ministry"),
        Member(id="sister", parent="ministry"),
        Member(id="gone", state="withdrawn"),
        Member(id="asleep", state="dormant"),
        Member(id="free"),
        Member(id="ministry"),
    )
    ranked = loaded(engine, family, PROJECTS).rank("schools", DAY)
    assert ranked.members == ["free"]
    assert {one.member: one.code for one in ranked.excluded} == {
        "ministry": "owner",
        "branch": "affiliate_of_owner",
        "child": "affiliate_of_owner",
        "sister": "affiliate_of_owner",
        "gone": "withdrawn",
        "asleep": "dormant",
    }


def test_dated_facts_are_those_of_the_reference_date(engine):
    terms = (Term(state="active", since="2020-01-01", until="2026-11-24"),)
    laos = Member(
        id="laos", category="associate", hq_country="LAO", membership=terms, first_involved_on="2026-10-02"
    )
    view = loaded(engine, (laos,), PROJECTS)
    assert {"ldc_entity", "newcomer"} <= set(view.rank("schools", "2026-11-23").row(1).labels)
    assert "non_member" not in view.rank("schools", "2026-11-24").row(1).labels
    later = view.rank("schools", "2026-11-25").row(1).labels
    assert "ldc_entity" not in later
    assert "non_member" in later
    assert view.rank("schools", "2026-11-25").serves_ldc
    engine.put_member(replace(laos, revision=2, first_involved_on="2026-09-30"))
    assert "newcomer" not in engine.pin().rank("schools", DAY).row(1).labels


def test_the_best_language_version_makes_the_text_component(engine):
    both = replace(
        PROJECTS[2],
        id="both",
        objectives=(*PROJECTS[2].objectives, Text(language="en", text="Forestry and timber trade")),
    )
    view = loaded(engine, MEMBERS, (both, PROJECTS[2]))
    assert points(view, "ecoles", "both")["text"] == points(view, "ecoles", "debit")["text"]
    parts = view.explain("both", "ecoles", DAY).parts
    assert {part.language for part in parts if part.component == "text"} == {"fr"}


def test_an_edited_profile_is_rescored_as_if_it_were_put(engine):
    view = loaded(engine)
    told = "We lend to farms, and bring broadband to rural schools and their teachers"
    edited = replace(MEMBERS[4], revision=2, descriptions=said(told))
    proposed = view.what_if("schools", edited, DAY)
    engine.put_member(as_recorded(edited, MEMBERS[4], on=DAY))
    ranked = engine.pin().rank("schools", DAY)
    found = next(row for row in ranked.rows() if row.member == "fund")
    assert (proposed.points, proposed.fit, proposed.labels, proposed.tie) == (
        found.points, found.fit, found.labels, found.tie)  # fmt: skip
    by_points = sorted(ranked.rows(), key=lambda row: (-row.points, row.tie))
    assert [row.member for row in by_points].index("fund") + 1 == proposed.rank
    explained = view.explain("schools", "fund", DAY, edited=edited)
    assert explained.points == found.points


def test_need_points_add_up_to_the_needs_component_as_far_as_texts_bear_them_out(engine):
    view = loaded(engine)
    ranked = view.rank("schools", DAY)
    total = sum(ranked.need_points(name) for name in ("need-training", "need-connectivity"))
    told = ranked.components[:, :2].sum(axis=1) * view.weights.backed["needs"] // 1000
    assert list(map(min, total, told)) == ranked.components[:, 2].tolist()
    assert (total <= told).any()


def test_an_epoch_of_an_unknown_analyser_is_refused(epoch):
    with pytest.raises(AnotherAnalyser, match="analyser"):
        Engine(replace(epoch, analyser=99))


def test_stems_of_another_analyser_are_made_anew(engine, epoch, analyser):
    view = loaded(engine)
    other = Engine(epoch, analyser=analyser)
    for one in MEMBERS:
        other.put_member(one, replace(analyser.analyse_member(one), analyser=99, fields=(), evidence=()))
    for one in PROJECTS:
        other.put_project(one, replace(analyser.analyse_project(one), analyser=99, fields=()))
    for name in view.projects:
        assert other.pin().rank(name, DAY).digest() == view.rank(name, DAY).digest()


def test_the_same_stems_from_the_archive_give_the_same_list(engine, epoch, analyser):
    view = loaded(engine)
    other = Engine(epoch, analyser=analyser)
    for one in MEMBERS:
        stems = analyser.analyse_member(one)
        other.put_member(Member.from_json(one.to_json()), type(stems).from_json(stems.to_json()))
    for one in PROJECTS:
        other.put_project(one, analyser.analyse_project(one))
    for name in view.projects:
        assert other.pin().rank(name, DAY).digest() == view.rank(name, DAY).digest()


def test_views_rank_in_threads_while_the_engine_takes_puts(engine):
    view = loaded(engine)
    expected = {name: view.rank(name, DAY).digest() for name in view.projects}
    with ThreadPoolExecutor(2) as pool:
        running = [
            pool.submit(
                lambda name: (name, view.rank(name, DAY).digest(), view.explain(name, "fund", DAY).points),
                name,
            )
            for _ in range(30)
            for name in view.projects
        ]
        for number in range(400):
            engine.put_member(
                member(f"late-{number}", f"Broadband for school number {number}", hq_country="KEN")
            )
            engine.pin()
        for one in running:
            name, digest, points_there = one.result()
            assert digest == expected[name]
            assert points_there == view.explain(name, "fund", DAY).points
    assert len(engine.pin()) == len(view) + 400


def test_a_change_of_parent_changes_the_whole_family(engine):
    text = "Broadband for rural schools and their teachers"
    family = [member(f"f{number}", text, parent="top") for number in range(6)]
    others = [member(f"o{number}", "Satellite links") for number in range(12)]
    view = loaded(engine, [*family, *others, member("top", text), member("above", text)], PROJECTS)
    ranked = view.rank("schools", DAY)
    head = ranked.members[: ranked.head]
    assert sum(name.startswith("f") or name == "top" for name in head) == 2
    engine.put_member(member("top", text, revision=2, parent="above"))
    changed = engine.pin().rank("schools", DAY)
    head = changed.members[: changed.head]
    assert sum(name[0] == "f" or name in {"top", "above"} for name in head) == 2
    for one in ("f0", "o0", "top", "above"):
        places = ranked.position_of(one), changed.position_of(one)
        assert ranked.row(places[0]).points == changed.row(places[1]).points
    owned = replace(PROJECTS[0], id="owned", owner="above")
    engine.put_project(owned)
    assert {one.code for one in engine.pin().rank("owned", DAY).excluded} == {"owner", "affiliate_of_owner"}


def test_near_duplicate_items_count_once(engine):
    text = "Broadband for rural schools and digital skills of their teachers"
    copies = tuple(proof(f"c{number}", f"{text} {number}") for number in range(8))
    single, copied = Member(id="single", evidence=copies[:1]), Member(id="copied", evidence=copies)
    view = loaded(engine, (single, copied), PROJECTS)
    ones = view.explain("schools", "single", DAY)
    assert ones.components["evidence"] > 0
    assert points(view, "copied", "schools") == points(view, "single", "schools")
    ranked = view.rank("schools", DAY)
    assert ranked.points[0] == ranked.points[1] == ones.points


def test_evidence_below_the_threshold_counts_nothing_and_says_so(engine):
    view = loaded(engine)
    parts = view.explain("schools", "carrier", DAY).parts
    items = {part.evidence for part in parts if part.evidence and part.code != "duplicate"}
    assert 0 < len(items) <= 3
    for item in items:
        own = [part for part in parts if part.evidence == item]
        assert [part.points < 0 for part in own] == [False] * (len(own) - 1) + [True]
        assert own[-1].code == "threshold"
        assert sum(part.points for part in own) > 0
    subjects = " ".join(f"{letter}{vowel}rn" for letter in "bcdfghjklmnp" for vowel in "aeiou")
    engine.put_project(project("many", f"{subjects} quarries"))
    far = Member(id="far", evidence=(proof("x", "A long study of marble quarries and a satellite"),))
    engine.put_member(far)
    engine.put_member(replace(far, id="near", evidence=(proof("x", subjects[:80]),)))
    pinned = engine.pin()
    assert points(pinned, "far", "many")["evidence"] == 0 < points(pinned, "near", "many")["evidence"]
    assert [part for part in pinned.explain("many", "far", DAY).parts if part.evidence] == []


def test_empty_sides_give_empty_answers(engine):
    engine.put_project(PROJECTS[0])
    ranked = engine.pin().rank("schools", DAY)
    assert (len(ranked), ranked.members, ranked.excluded, ranked.packed()) == (0, [], (), b"")
    assert len(ranked.digest()) == 64
    engine.remove_project("schools")
    engine.put_member(MEMBERS[1])
    standings = engine.pin().points_of(["carrier"], DAY)
    assert standings.points.shape == (1, 0)
    assert engine.pin().points_of([], DAY).points.shape == (0, 0)


def test_presence_required_without_any_place_leaves_nobody_out(engine):
    nowhere = replace(PROJECTS[3], presence_required=True, owner="somebody")
    assert len(loaded(engine, MEMBERS, (nowhere,)).rank("world", DAY)) == len(MEMBERS)


def test_a_glossary_names_codes_in_sentences_and_changes_no_point(epoch, analyser):
    names = {"country:KEN": "Kenya", "sdg:4": "sdg:4 (Quality education)", "lang:fr": "French"}
    record = member("one", "solar", hq_country="KEN", tags=(tag("sdg", "4"),), languages=("en",))
    asked = project(
        "asked", "solar", countries=("KEN",), tags=(tag("sdg", "4"), tag("sdg", "9")), languages=("fr",)
    )
    plain, named = (
        loaded(Engine(epoch, analyser=analyser, glossary=glossary), [record], [asked]).explain(
            "asked", "one", DAY, gaps=True
        )
        for glossary in (None, {"en": names})
    )
    assert (named.points, named.components) == (plain.points, plain.components)
    assert [(part.term, part.points) for part in named.parts] == [
        (part.term, part.points) for part in plain.parts
    ]
    said_of = {part.term: part.sentence for part in (*named.parts, *named.gaps)}
    assert said_of["country:KEN"] == "The organisation is present in, or willing to work in, Kenya."
    assert said_of["sdg:4"] == "Both carry the tag sdg:4 (Quality education)."
    assert said_of["sdg:9"] == "The profile does not carry the tag sdg:9."
    assert said_of["lang:fr"] == "The profile does not name French among its languages."
    assert any("Kenya" in reason for reason in named.reasons)


def test_tending_changes_no_list(engine):
    for number in range(70):
        engine.put_member(replace(MEMBERS[number % 6], id=f"copy {number}"))
    engine.put_project(PROJECTS[0])
    before = engine.pin()
    assert engine.tend()
    after = engine.pin()
    assert after.rank("schools", DAY).packed() == before.rank("schools", DAY).packed()
    assert (after.points_of(["copy 3"], DAY).points == before.points_of(["copy 3"], DAY).points).all()


@pytest.mark.parametrize(("before", "after"), [("ministry", None), (None, "ministry"), ("ministry", "other"), ("other", "ministry")])  # fmt: skip
def test_an_edited_copy_has_its_own_parent_and_no_other(engine, before, after):
    """What it is told it would be is what it is once it is put: also who its owner's group is."""
    for one in ("ministry", "other"):
        engine.put_member(member(one, "x"))
    kid = member("kid", "Broadband for rural schools", parent=before)
    engine.put_member(kid)
    for asked in (PROJECTS[0], replace(PROJECTS[0], id="own", owner="kid")):
        engine.put_project(asked)
    moved = replace(kid, parent=after, revision=2)
    view = engine.pin()
    told = [view.explain(name, "kid", DAY, edited=moved).failed_rules for name in ("schools", "own")]
    ranks = [view.what_if(name, moved, DAY).rank for name in ("schools", "own")]
    engine.put_member(moved)
    then = engine.pin()
    assert told == [then.explain(name, "kid", DAY).failed_rules for name in ("schools", "own")]
    assert ranks == [then.rank(name, DAY).position_of("kid") or 0 for name in ("schools", "own")]
    assert ("affiliate_of_owner" in told[0]) == (after == "ministry")


def test_a_pin_copies_of_many_facts_those_that_a_revision_changes(engine):
    for number in range(200):
        engine.put_member(replace(MEMBERS[0], id=f"member {number}"))
    before = engine.pin()._members
    engine.put_member(replace(MEMBERS[0], id="member 7", revision=2))
    after = engine.pin()._members
    shared = {name for name in MEMBER_ROW.names if np.shares_memory(before.rows[name], after.rows[name])}
    assert set(MEMBER_ROW.names) - shared == {"revision"}
    assert (before.rows["revision"][7], after.rows["revision"][7]) == (1, 2)
    assert np.shares_memory(before.roots, after.roots)
    assert (before.parents, before.intervals) == (after.parents, after.intervals)
    assert before.parents is after.parents
    assert before.intervals is after.intervals
    assert before.state("member 7") is not after.state("member 7")
    assert before.state("member 8") is after.state("member 8")
