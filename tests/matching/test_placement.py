from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.lists import STEPS, names_of
from matching.placement import place
from matching.weights import Weights

WEIGHTS = Weights()


def placed(size: int, *, roots=None, low=(), local=(), newcomer=(), weights=WEIGHTS):
    def marked(numbers) -> np.ndarray:
        found = np.zeros(size, np.bool_)
        found[list(numbers)] = True
        return found

    return place(
        np.array(roots if roots is not None else range(size), np.int64),
        above_floor=~marked(low),
        local=marked(local),
        newcomer=marked(newcomer),
        weights=weights,
    )


def steps(found, candidate: int) -> tuple[str, ...]:
    return names_of(int(found.steps[candidate]), STEPS)


def test_without_groups_the_head_is_the_sorted_order():
    found = placed(15, local=[0], newcomer=[1, 2])
    assert found.order.tolist() == list(range(15))
    assert found.head == 10
    assert not found.steps.any()


def test_a_parent_has_at_most_its_cap_in_the_head():
    found = placed(15, roots=[7, 7, 7, 7, *range(100, 111)], local=[0], newcomer=[5, 6])
    assert found.order.tolist()[:10] == [0, 1, 4, 5, 6, 7, 8, 9, 10, 11]
    assert found.order.tolist()[10:] == [2, 3, 12, 13, 14]
    assert [steps(found, one) for one in (1, 2, 3)] == [(), ("parent_cap",), ("parent_cap",)]


def test_the_best_local_above_the_floor_replaces_the_lowest_that_is_not():
    found = placed(20, low=[11], local=[11, 13, 14], newcomer=[0, 1])
    assert found.order.tolist()[:10] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 13]
    assert steps(found, 13) == ("local_minimum",)
    assert steps(found, 9) == ("made_room",)
    assert steps(found, 11) == ("below_floor",)


def test_a_local_whose_group_is_full_replaces_the_lowest_of_its_group():
    found = placed(20, roots=[50, 50, *range(2, 12), 50, *range(13, 20)], local=[12], newcomer=[2, 3])
    assert found.order.tolist()[:10] == [0, 2, 3, 4, 5, 6, 7, 8, 9, 12]
    assert steps(found, 1) == ("made_room",)


def test_newcomers_never_displace_a_placed_or_needed_local():
    needed = placed(20, local=[9], newcomer=[15, 16, 17])
    assert needed.order.tolist()[:10] == [0, 1, 2, 3, 4, 5, 6, 9, 15, 16]
    arrived = placed(20, local=[18], newcomer=[15, 16, 17])
    assert arrived.order.tolist()[:10] == [0, 1, 2, 3, 4, 5, 6, 15, 16, 18]
    assert steps(arrived, 15) == ("newcomer_minimum",)


def test_one_candidate_may_satisfy_both():
    found = placed(20, local=[14], newcomer=[14, 16])
    assert found.order.tolist()[:10] == [0, 1, 2, 3, 4, 5, 6, 7, 14, 16]


def test_who_left_the_head_and_came_back_is_not_said_to_have_left():
    found = placed(20, local=[12], newcomer=[9, 3])
    assert found.order.tolist()[:10] == [0, 1, 2, 3, 4, 5, 6, 7, 9, 12]
    assert steps(found, 9) == ("newcomer_minimum",)
    assert steps(found, 8) == ("made_room",)


def test_short_lists_and_empty_ones():
    assert placed(0).order.tolist() == []
    found = placed(3, roots=[1, 1, 1], low=[0, 1, 2], local=[2], newcomer=[2])
    assert found.order.tolist() == [0, 1, 2]
    assert found.head == 2


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 40))
def test_placement_keeps_everyone_the_cap_and_the_minima(seed, size):
    rng = np.random.default_rng(seed)
    roots = rng.integers(0, max(1, size // 2), size)
    low, local, newcomer = (np.flatnonzero(rng.random(size) < share) for share in (0.3, 0.2, 0.3))
    found = placed(size, roots=roots, low=low, local=local, newcomer=newcomer)
    order = found.order.tolist()
    assert sorted(order) == list(range(size))
    head, rest = order[: found.head], order[found.head :]
    assert head == sorted(head)
    assert rest == sorted(rest)
    for root in set(roots[head].tolist()):
        assert sum(roots[one] == root for one in head) <= WEIGHTS.parent_cap
    above = set(range(size)) - set(low.tolist())
    if above & set(local.tolist()):
        assert set(head) & set(local.tolist()), (
            "where nobody in the head is local, a local can always be placed"
        )
    for one in range(size):
        said = set(steps(found, one))
        assert not said & (
            {"parent_cap", "made_room"} if one in head else {"local_minimum", "newcomer_minimum"}
        )
    twice = placed(size, roots=roots, low=low, local=local, newcomer=newcomer)
    assert twice.order.tolist() == order
