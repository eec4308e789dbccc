"""Telling many organisations of one project: who is left out, and how much is done for each."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import pytest

from matching.engine import Engine
from matching.epoch import Epoch
from matching.view import View
from services.chassis.reference import load_reference
from services.console.corpus import read_corpus
from services.console.loading import DEMO_FOLDER
from services.matches.commands import first_epoch

MOST_CALLS = 800
"""Calls of Python functions for a pair: 420 to 560 for these projects, more than 1,000 where each pair is met alone."""


@pytest.fixture(scope="module")
def demo(analyser) -> View:
    corpus = read_corpus(Path(DEMO_FOLDER), load_reference())
    engine = Engine(Epoch.loads(first_epoch(None)), analyser=analyser)
    for member in corpus.members:
        engine.put_member(member)
    for project in corpus.projects[:4]:
        engine.put_project(project)
    return engine.pin()


def test_who_is_not_here_is_left_out_and_not_told(demo):
    project, member = demo.projects[0], demo.members[0]
    notices = demo.notices(project, ["nobody", member])
    assert notices.of(member, ("en",))["en"][1] == demo.reasons(project, member)
    with pytest.raises(KeyError):
        notices.of("nobody", ("en",))


def test_nobody_at_all_may_be_asked_about(demo):
    with pytest.raises(KeyError):
        demo.notices(demo.projects[0], []).of(demo.members[0], ("en",))


def test_what_depends_on_the_project_alone_is_not_made_again_for_each_pair(demo):
    """Counted, not timed: the same on a busy machine."""

    def tell_all(project: str) -> None:
        notices = demo.notices(project, demo.members)
        for member in demo.members:
            notices.of(member, ("en",))

    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    for project in demo.projects:
        tell_all(project)  # the analyser meets the texts
        calls, before = 0, sys.getprofile()
        sys.setprofile(count)
        try:
            tell_all(project)
        finally:
            sys.setprofile(before)
        assert 0 < calls < MOST_CALLS * len(demo.members)
