from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from matching import snapshots
from matching.engine import Engine
from matching.passages import END
from matching.records import Addition, Recorded
from matching.snapshots import Basis, Snapshot, SnapshotRefused, pieces, read
from tests.matching.builders import DAY, MEMBERS, PROJECTS

BASIS = Basis(epoch="a" * 64, build="c" * 64, log="log 1", positions={"members.v1/3": 17})


def key_of(member):
    return hashlib.sha256(repr(member).encode()).hexdigest()


def archived(members):
    return {one.id: ((1, one.revision), key_of(one)) for one in members}


def filled(engine, members, snapshot=None):
    engine.recall(snapshot)
    for one in members:
        engine.put_member(one, incarnation=1, key=key_of(one))
    for one in PROJECTS:
        engine.put_project(one)
    return engine


def saved(engine, members=MEMBERS, basis=BASIS):
    return b"".join(engine.snapshot(basis, archived(members)))


def everything(engine):
    view = engine.pin()
    lists = {name: view.rank(name, DAY) for name in view.projects}
    told = {
        (name, member): view.explain(name, member, DAY, passages=True, gaps=True)
        for name, ranked in lists.items()
        for member in ranked.members
    }
    return [(ranked.digest(), ranked.components.tolist()) for ranked in lists.values()], told


@pytest.fixture
def made(epoch, analyser):
    return lambda: Engine(epoch, analyser=analyser)


def test_an_engine_that_recalls_a_snapshot_gives_the_same_lists_and_reasons(made):
    first = filled(made(), MEMBERS)
    snapshot = read(saved(first), basis=BASIS)
    assert len(snapshot) == len(MEMBERS)
    again = filled(made(), [*reversed(MEMBERS)], snapshot)
    assert len(snapshot) == 0, "everybody was to be taken from it"
    assert everything(again) == everything(first)
    assert again.unknown_words() == first.unknown_words()
    third = filled(made(), MEMBERS, read(saved(again), basis=BASIS))  # and it can be saved again
    assert everything(third) == everything(first)


def test_what_is_not_in_it_or_has_changed_is_weighed(made):
    changed = [replace(MEMBERS[0], descriptions=MEMBERS[1].descriptions, revision=9), *MEMBERS[1:]]
    snapshot = read(saved(filled(made(), MEMBERS[:4]), MEMBERS[:4]), basis=BASIS)
    again = filled(made(), changed, snapshot)
    assert len(snapshot) == 1  # the revision before
    assert everything(again) == everything(filled(made(), changed))


def test_a_revision_that_the_engine_has_not_reached_is_left_out(made):
    newer = [replace(MEMBERS[0], revision=9), *MEMBERS[1:]]
    found = read(saved(filled(made(), MEMBERS), newer), basis=BASIS)
    assert len(found) == len(MEMBERS) - 1


def test_it_holds_no_word_of_who_was_removed(made):
    engine = filled(made(), MEMBERS)
    word = "zebrafinch"
    gone = replace(
        MEMBERS[0],
        id="gone",
        descriptions=(replace(MEMBERS[0].descriptions[0], text=f"The {word} school"),),
    )
    engine.put_member(gone, incarnation=1)
    assert word.encode() in saved(engine, [*MEMBERS, gone])
    engine.remove_member("gone")
    assert word.encode() not in saved(engine, [*MEMBERS, gone])


def test_words_are_numbered_only_where_a_document_that_holds_them_is_taken(made):
    engine = made()
    whole = filled(made(), MEMBERS)
    engine.recall(read(saved(whole), basis=BASIS))
    before = len(engine._vocabulary)
    assert engine._vocabulary.since(before) == []
    engine.put_member(MEMBERS[0], incarnation=1, key=key_of(MEMBERS[0]))
    alone = filled(made(), MEMBERS[:1])
    assert set(engine._vocabulary.since(before)) <= set(alone._vocabulary.since(0))


def test_what_was_added_is_read_from_the_record(made):
    added = Recorded(
        since="2026-09-01",
        texts="2026-09-01",
        added=(Addition(on="2026-11-01", field="descriptions", language="en", text="rural schools online"),),
    )
    members = [replace(one, recorded=added) for one in MEMBERS]
    first = filled(made(), members)
    again = filled(made(), members, read(saved(first, members), basis=BASIS))
    assert everything(again) == everything(first)


def test_no_piece_is_a_large_one(made, monkeypatch):
    whole = saved(filled(made(), MEMBERS))
    monkeypatch.setattr(snapshots, "PIECE", 100)
    parts = list(filled(made(), MEMBERS).snapshot(BASIS, archived(MEMBERS)))
    assert max(map(len, parts)) == 100
    assert b"".join(parts) == whole


@pytest.mark.parametrize("place", [0, 9, 300, -40, -1])
def test_a_snapshot_with_one_byte_changed_is_refused(made, place):
    content = bytearray(saved(filled(made(), MEMBERS)))
    content[place] ^= 1
    with pytest.raises(SnapshotRefused, match="torn"):
        read(content, basis=BASIS)


@pytest.mark.parametrize("kept", [0, 7, 39, 40, 700, -1])
def test_a_snapshot_that_was_not_written_to_its_end_is_refused(made, kept):
    with pytest.raises(SnapshotRefused, match="torn"):
        read(saved(filled(made(), MEMBERS))[:kept], basis=BASIS)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"epoch": "b" * 64}, "of epoch aaaaaaaaaaaa, not bbbbbbbbbbbb"),
        ({"build": "d" * 64}, "of build cccccccccccc, not dddddddddddd"),
        ({"log": "log 2"}, "of log log 1, not log 2"),
        ({"log": None}, "of log log 1, not None"),
        ({"positions": {"members.v1/3": 16}}, "to 17 of members.v1/3, the archive to 16"),
        ({"positions": {"members.v1/2": 99}}, "to 17 of members.v1/3, the archive to 0"),
    ],
)
def test_a_snapshot_on_another_basis_is_refused_by_name(made, changed, said):
    content = saved(filled(made(), MEMBERS))
    with pytest.raises(SnapshotRefused, match=said):
        read(content, basis=replace(BASIS, **changed))


def test_a_snapshot_of_a_place_that_the_archive_has_passed_is_read(made):
    further = replace(BASIS, positions={"members.v1/3": 18, "projects.v1/0": 4})
    assert len(read(saved(filled(made(), MEMBERS)), basis=further)) == len(MEMBERS)


def test_a_snapshot_of_nobody_is_read_too(made):
    assert len(read(saved(made(), []), basis=BASIS)) == 0


@pytest.mark.parametrize(
    "said",
    [
        b"not json!",
        b"[]",
        b'"comity snapshot 2"',
        b"\xff\xfe",
        b"",
        b'{"form": "comity snapshot 1"}',
        b'{"form": "comity snapshot 2"}',
        b'{"form": "comity snapshot 2", "basis": {"epoch": "a"}}',
        json.dumps(
            {
                "form": "comity snapshot 2",
                "basis": {"epoch": "a" * 64, "build": "c" * 64, "log": "log 1", "positions": {}},
                "lengths": [9, 9, 9, 9, 9],
            }
        ).encode(),
    ],
)
def test_a_foreign_file_with_a_digest_of_its_own_is_refused(said):
    body = len(said).to_bytes(8, "big") + said
    with pytest.raises(SnapshotRefused, match="form"):
        read(body + hashlib.sha256(body).digest(), basis=BASIS)


def test_the_end_of_a_field_has_no_name():
    assert END == -1  # a snapshot's places of terms begin at 0, and its last number stands for it
    assert pieces.__module__ == Snapshot.__module__
