"""Which lists a changed member can move, decided on points alone: a superset of what is material."""

from dataclasses import replace

import numpy as np
import pytest

from matching.lists import COMPONENTS, LABELS
from matching.standings import Standings
from services.matches.rules.material import Kept, touched

CUT = 1_000
"""Points at the last of the first rows: who has fewer stands on a later page."""


def standings(points: int, label: str) -> Standings:
    """One member, above the floor, on one project."""
    one = (1, 1)
    return Standings(
        members=("member",),
        projects=("project",),
        points=np.full(one, points),
        components=np.zeros((*one, len(COMPONENTS)), np.int64),
        fit=np.zeros(one, np.int32),
        band=np.ones(one, np.uint8),
        above_floor=np.ones(one, np.bool_),
        eligible=np.ones(one, np.bool_),
        rules=np.zeros(one, np.uint8),
        labels=np.full(one, 1 << LABELS.index(label), np.uint32),
    )


@pytest.mark.parametrize(
    ("label", "moved"), [("local", {"project"}), ("newcomer", {"project"}), ("international", set())]
)
def test_a_local_or_newcomer_below_the_first_rows_moves_a_list(label: str, moved: set[str]) -> None:
    """It may take or free a placed row; anybody else down there moves nothing that is told."""
    kept = {"project": Kept(number=1, cut=CUT)}
    before, after = standings(CUT - 500, label), standings(CUT - 400, label)
    assert touched(kept, before, after) == moved
    assert touched(kept, before, replace(before)) == set()


@pytest.mark.parametrize("label", ["local", "newcomer"])
def test_who_becomes_or_was_one_counts_too(label: str) -> None:
    kept = {"project": Kept(number=1, cut=CUT)}
    one, other = standings(CUT - 500, label), standings(CUT - 500, "international")
    assert touched(kept, one, other) == touched(kept, other, one) == {"project"}
