"""What explaining keeps of a record: made once, never another record's, and the short form says what the long one does."""

from collections import Counter
from dataclasses import replace

from matching.analysis import Analyser
from matching.documents import DocumentBuilder
from matching.engine import Engine
from matching.tokens import Tokeniser
from tests.matching.builders import DAY, MEMBERS, PROJECTS, said


class CountingAnalyser(Analyser):
    """Counts how often an organisation's texts are taken apart."""

    def __init__(self) -> None:
        super().__init__()
        self.members = 0

    def analyse_member(self, member):
        self.members += 1
        return super().analyse_member(member)


def loaded(engine):
    for one in MEMBERS:
        engine.put_member(one)
    for one in PROJECTS:
        engine.put_project(one)
    return engine.pin()


def test_the_reasons_of_a_page_are_those_of_the_explanation(engine):
    view = loaded(engine)
    for project in PROJECTS:
        for member in MEMBERS:
            assert view.reasons(project.id, member.id) == view.explain(project.id, member.id, DAY).reasons


def test_the_reasons_of_a_page_make_no_document_of_an_organisation(engine, monkeypatch):
    view, made, build = loaded(engine), [], DocumentBuilder.build

    def count(builder, member, analysed):
        made.append(member.id)
        return build(builder, member, analysed)

    monkeypatch.setattr(DocumentBuilder, "build", count)
    for project in PROJECTS:
        for member in MEMBERS:
            view.reasons(project.id, member.id)
    assert made == []
    view.explain(PROJECTS[0].id, MEMBERS[0].id, DAY)
    assert made == [MEMBERS[0].id], "what is counted above"


def test_the_text_of_a_project_is_taken_apart_once_to_be_found_and_to_be_told(epoch, monkeypatch):
    apart, pieces = Counter(), Tokeniser.pieces

    def count(tokeniser, language, text, *, whole=False):
        apart[text] += 1
        return pieces(tokeniser, language, text, whole=whole)

    monkeypatch.setattr(Tokeniser, "pieces", count)
    view = loaded(Engine(epoch, analyser=Analyser()))
    for member in MEMBERS:
        view.reasons("schools", member.id)
    schools = next(one for one in PROJECTS if one.id == "schools")
    texts = [text.text for text in (*schools.titles, *schools.summaries, *schools.objectives)]
    assert {text: apart[text] for text in texts} == dict.fromkeys(texts, 1)


def test_an_organisation_is_taken_apart_when_it_is_put_and_not_again_to_be_explained(epoch):
    analyser = CountingAnalyser()
    view = loaded(Engine(epoch, analyser=analyser))
    assert _taken_apart(view, analyser) == 0


def test_one_that_others_have_crowded_out_is_taken_apart_once_for_all_the_lists_it_is_explained_on(
    epoch, monkeypatch
):
    monkeypatch.setattr("matching.accounts._KEPT", 1)
    analyser = CountingAnalyser()
    view = loaded(Engine(epoch, analyser=analyser))
    assert _taken_apart(view, analyser) == 1


def kept_of(engine, analyser, secret, name):
    """Where something is kept that names an organisation or holds words of its texts."""
    accounts = engine.pin()._accounts
    found = {
        "its account": name in accounts._members._values,
        "its record": name in accounts._standing,
        "its reasons": any(name in pair for pair in accounts._told._values),
    }
    for place, cache in (("its words in order", analyser._runs), ("its words as written", analyser._told)):
        found[place] = any(secret in text for _, text, _ in cache._values)
    return {place for place, there in found.items() if there}


def test_of_an_erased_organisation_nothing_is_kept_nor_brought_back_by_a_query_that_runs(epoch):
    """A query reads the view that it began with: it answers from it, and leaves nothing behind."""
    analyser, secret = Analyser(), "Zanzibarella Quux"
    engine = Engine(epoch, analyser=analyser)
    loaded(engine)
    one = replace(MEMBERS[0], descriptions=said(f"Broadband for schools, run by {secret}"), revision=2)
    engine.put_member(one)
    view = engine.pin()
    before = view.explain("schools", one.id, DAY, passages=True), view.reasons("schools", one.id)
    assert {"its account", "its record", "its reasons"} <= kept_of(engine, analyser, secret, one.id)
    engine.remove_member(one.id)
    assert kept_of(engine, analyser, secret, one.id) == set()
    after = view.explain("schools", one.id, DAY, passages=True), view.reasons("schools", one.id)
    assert after == before
    view.what_ifs("schools", one.id, DAY)
    assert kept_of(engine, analyser, secret, one.id) == set()
    assert MEMBERS[1].id in engine.pin()._accounts._members._values


def test_of_a_text_that_was_replaced_nothing_is_kept(epoch):
    analyser, secret = Analyser(), "Zanzibarella Quux"
    engine = Engine(epoch, analyser=analyser)
    texts = said(f"Broadband, run by {secret}"), said("Schools and their teachers")
    one = replace(MEMBERS[0], descriptions=texts[0], expertise=texts[1], revision=2)
    engine.put_member(one)
    engine.put_member(replace(one, descriptions=said("Broadband"), revision=3))
    assert kept_of(engine, analyser, secret, one.id) == {"its account", "its record"}
    assert kept_of(engine, analyser, "their teachers", one.id) >= {"its words in order"}


def test_a_new_revision_and_an_edited_copy_are_told_from_the_record_that_stands(engine):
    view = loaded(engine)
    one = MEMBERS[0]
    before = view.explain("schools", one.id, DAY)
    edited = replace(one, descriptions=said("Nothing of the kind"), expertise=(), evidence=())
    assert view.explain("schools", one.id, DAY, edited=edited).points < before.points
    assert view.explain("schools", one.id, DAY) == before
    engine.put_member(replace(edited, revision=one.revision + 1))
    assert engine.pin().explain("schools", one.id, DAY).points < before.points
    assert view.explain("schools", one.id, DAY) == before, (
        "the pinned view still tells the record that it holds"
    )


def _taken_apart(view, analyser):
    """How often organisations are taken apart to explain one on every list, in short and in full."""
    analyser.members = 0
    for project in PROJECTS:
        view.reasons(project.id, MEMBERS[0].id)
        view.explain(project.id, MEMBERS[0].id, DAY)
    return analyser.members
