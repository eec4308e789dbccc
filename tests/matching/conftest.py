"""A small corpus of the engine's own: organisations and projects in several languages, and an epoch fitted on them."""

from __future__ import annotations

import pytest

from matching.analysis import Analyser
from matching.engine import Engine
from matching.epoch import Epoch
from matching.fitting import fit_epoch
from tests.matching.builders import LEXICON, MEMBERS, PROJECTS, REFERENCE


@pytest.fixture(scope="session")
def analyser() -> Analyser:
    return Analyser()


@pytest.fixture(scope="session")
def epoch(analyser: Analyser) -> Epoch:
    return fit_epoch(MEMBERS, analyser=analyser, reference=REFERENCE, lexicon=LEXICON, projects=PROJECTS)


@pytest.fixture
def engine(epoch: Epoch, analyser: Analyser) -> Engine:
    return Engine(epoch, analyser=analyser)
