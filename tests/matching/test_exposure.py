"""Attention given and deserved, in integers that follow from a list alone; the lane, which moves nothing."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.exposure import ROW, Exposure, attention_of, gini, summed, with_lane
from matching.lists import RankedList
from matching.ties import id_bytes
from matching.weights import Weights

WEIGHTS = replace(Weights(), attention={"1": 100, "2": 60, "3": 50}, lane=2)


def listed(
    points: list[int], *, project: str = "p", low: int = 0, names: list[str] | None = None
) -> RankedList:
    """A list of candidates with these points in rank order, the last `low` of them below the floor."""
    members = names or [f"m{number}" for number in range(len(points))]
    size = len(points)
    ids = np.array([np.frombuffer(id_bytes(name), ">u8") for name in members], np.uint64).reshape(-1, 2)
    column = np.zeros(size, np.int64)
    return RankedList(
        project=project,
        project_revision=1,
        epoch="0" * 64,
        reference_date="2026-11-24",
        total_budget=1000,
        budgets={},
        serves_ldc=False,
        head=min(size, 2),
        members=members,
        ids=ids,
        revisions=column + 1,
        points=np.array(points, np.int64),
        components=np.zeros((size, 6), np.int64),
        fit=column.astype(np.int32),
        band=column.astype(np.uint8),
        above_floor=np.arange(size) < size - low,
        confidence=column.astype(np.int32),
        labels=column.astype(np.uint32),
        steps=column.astype(np.uint32),
        tie=np.array([crc32(f"{project}/{name}".encode()) for name in members], np.uint64),
        category=np.array([""] * size, object),
        sector=column.astype(np.uint8),
        country=np.array([""] * size, object),
        regions=column.astype(np.uint8),
        region_codes=(),
        offers=column.astype(np.uint16),
        need_weights={},
        excluded_members=[],
        excluded_rules=np.zeros(0, np.uint8),
    )


def alone(name: str) -> str:
    return name


def lane_of(exposure: Exposure, ranked: RankedList, **options) -> list[str]:
    rows = attention_of(ranked, WEIGHTS)
    return [one.member for one in exposure.lane(ranked, rows, WEIGHTS, root=options.get("root", alone))]


def test_the_first_rows_are_given_the_table_and_those_above_the_floor_deserve_its_sum_by_points():
    rows = attention_of(listed([500, 300, 200, 0, 7], low=2), WEIGHTS)
    assert rows["rank"].tolist() == [1, 2, 3]
    assert rows["given"].tolist() == [100, 60, 50]
    assert rows["deserved"].tolist() == [105, 63, 42]


def test_a_first_row_below_the_floor_is_given_attention_and_deserves_none():
    rows = attention_of(listed([500, 300], low=1), WEIGHTS)
    assert rows["given"].tolist() == [100, 60]
    assert rows["deserved"].tolist() == [160, 0]


def test_a_table_from_before_reads_as_off_is_written_as_it_was_and_records_nothing():
    body = Weights().to_json()
    before = {
        name: value for name, value in body.items() if name not in {"attention", "lane", "concentration"}
    }
    off = Weights.from_json(before | {"version": 6})
    assert (off.attention, off.lane, off.concentration) == ({}, 0, 0)
    assert off.to_json() == before | {"version": 6}
    ranked = listed([5, 4, 3])
    rows = attention_of(ranked, off)
    assert len(rows) == 0
    assert Exposure().lane(ranked, rows, off, root=alone) == ()
    assert len(with_lane(rows, (), off)) == 0


@given(st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=60), st.integers(0, 60))
def test_what_is_deserved_is_what_is_given_but_for_rounding(points, low):
    ranked = listed(sorted(points, reverse=True), low=min(low, len(points)))
    rows = attention_of(ranked, Weights())
    above = int(np.count_nonzero(ranked.above_floor & (ranked.points > 0)))
    owed, total = int(rows["deserved"].astype(np.int64).sum()), int(rows["given"].astype(np.int64).sum())
    assert owed == 0 if not above else total - above <= owed <= total


def test_the_lane_takes_who_is_given_least_elsewhere_and_nobody_of_the_first_rows_or_below_the_floor():
    exposure = Exposure()
    other = listed([9, 8, 7], project="q", names=["m3", "m5", "m9"])
    exposure.put("q", attention_of(other, WEIGHTS))
    ranked = listed([90, 80, 70, 60, 50, 40, 30, 20], low=1)
    assert set(lane_of(exposure, ranked)) == {"m4", "m6"}  # m3 and m5 are seen on q, m7 is below the floor


def test_equal_shares_are_settled_by_the_lists_keyed_hash():
    ranked = listed([90, 80, 70, 60, 50, 40, 30])
    ranked = replace(ranked, tie=np.array([0, 0, 0, 4, 1, 3, 2], np.uint64))
    assert lane_of(Exposure(), ranked) == ["m4", "m6"]


def test_a_lane_has_one_of_a_family():
    ranked = replace(listed([90, 80, 70, 60, 50, 40]), tie=np.arange(6, dtype=np.uint64))
    group = {"m3": "parent", "m4": "parent"}
    assert lane_of(Exposure(), ranked, root=lambda name: group.get(name, name)) == ["m3", "m5"]


def test_a_lists_own_attention_does_not_count_in_its_lane_so_the_same_lists_give_the_same_lane():
    exposure, ranked = Exposure(), listed([90, 80, 70, 60, 50, 40, 30])
    rows = attention_of(ranked, WEIGHTS)
    first = exposure.lane(ranked, rows, WEIGHTS, root=alone)
    exposure.put("p", with_lane(rows, first, WEIGHTS))
    assert exposure.lane(ranked, rows, WEIGHTS, root=alone) == first
    other = replace(listed([90, 80, 70, 60, 50, 40, 30], project="q"), tie=ranked.tie)
    assert not {one.member for one in first} & set(lane_of(exposure, other))


def test_a_lane_gives_what_the_last_of_the_first_rows_is_given_and_leaves_the_list_as_it_was():
    ranked = listed([90, 80, 70, 60, 50, 40])
    before = ranked.digest(), ranked.packed()
    exposure, rows = Exposure(), attention_of(ranked, WEIGHTS)
    chosen = exposure.lane(ranked, rows, WEIGHTS, root=alone)
    marked = with_lane(rows, chosen, WEIGHTS)
    assert sorted(marked["given"].tolist(), reverse=True) == [100, 60, 50, 50, 50, 0]
    assert marked["lane"].sum() == 2
    assert (ranked.digest(), ranked.packed()) == before


@given(st.lists(st.tuples(st.sampled_from("pqr"), st.booleans()), max_size=12))
def test_lists_that_come_and_go_leave_the_sums_of_those_that_stand(steps):
    made = {
        name: listed([9, 8, 7, 6, 5], project=name, names=[f"{name}{n}" for n in range(3)] + ["a", "b"])
        for name in "pqr"
    }
    exposure, standing = Exposure(), {}
    for name, stays in steps:
        if stays:
            standing[name] = attention_of(made[name], WEIGHTS)
            exposure.put(name, standing[name])
        else:
            standing.pop(name, None)
            exposure.drop(name)
    ranked = listed([9, 8, 7, 6, 5], project="s", names=["x", "y", "z", "a", "b"])
    fresh = Exposure()
    for name, rows in standing.items():
        fresh.put(name, rows)
    rows = attention_of(ranked, WEIGHTS)
    assert exposure.lane(ranked, rows, WEIGHTS, root=alone) == fresh.lane(ranked, rows, WEIGHTS, root=alone)
    assert exposure.lists.keys() == standing.keys()


def test_sums_tell_first_rows_from_lanes_by_organisation():
    exposure = Exposure()
    for name in "pq":
        ranked = listed([9, 8, 7, 6, 5], project=name)
        rows = attention_of(ranked, WEIGHTS)
        chosen = exposure.lane(ranked, rows, WEIGHTS, root=alone)
        exposure.put(name, with_lane(rows, chosen, WEIGHTS))
    sums = summed(exposure.lists.values(), head=2)
    found = dict(zip(sums.ids, sums.first.tolist(), strict=True))
    assert [found[id_bytes(f"m{n}")] for n in range(5)] == [200, 120, 100, 0, 0]
    assert sums.lane.sum() == 4 * 50
    assert sorted(sums.head.tolist()) == [0, 0, 0, 2, 2]
    assert sums.fits.tolist() == [2] * 5
    assert len(summed([np.zeros(0, ROW)], head=2).ids) == 0


@pytest.mark.parametrize(
    ("values", "expected"), [([], 0), ([0, 0], 0), ([5, 5, 5], 0), ([0, 0, 0, 8], 750), ([1, 2, 3], 222)]
)
def test_gini_of_whole_numbers(values, expected):
    assert gini(values) == expected
