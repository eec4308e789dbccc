"""A project's emphasis over HTTP: refused beyond the bounds, shown to everybody, counted alike for every candidate."""

import pytest

from tests.services.matches.town import Town, project


async def test_an_emphasis_divides_the_same_total_otherwise_and_makes_a_version(town: Town) -> None:
    await town.organisation("Ada")
    await town.organisation("Bea", hq_country="FRA", operating_countries=[])
    identifier = await town.published("schools")
    await town.settle()
    path = f"/v1/lists/{identifier}/candidates?include=parts"
    before = await town.get(path)
    emphasis = {"places": 2000, "text": 500}
    await town.draft("schools", emphasis=emphasis)
    await town.settle()
    after = await town.get(path)
    assert after["list_version"] == before["list_version"] + 1
    assert abs(after["total_budget"] - before["total_budget"]) < len(after["budgets"])
    assert after["budgets"]["places"] > 2 * before["budgets"]["places"]
    assert after["budgets"]["text"] < before["budgets"]["text"]
    assert all(sum(part["points"] for part in row["parts"]) == row["points"] for row in after["candidates"])
    shown = await town.get(f"/v1/projects/{identifier}", who="nobody")
    assert {name: share for name, share in shown["emphasis"].items() if share} == emphasis


async def test_a_closed_list_keeps_the_budgets_that_it_was_ranked_by(town: Town) -> None:
    await town.organisation("Ada")
    identifier = await town.published("schools", emphasis={"needs": 2000})
    await town.settle()
    open_list = await town.get(f"/v1/lists/{identifier}/candidates")
    await town.step(identifier, "close", body={"reason": "Enough."})
    await town.settle()
    closed = await town.get(f"/v1/lists/{identifier}/candidates?include=parts")
    assert (closed["state"], closed["budgets"]) == ("closed", open_list["budgets"])
    [row] = closed["candidates"]
    assert sum(part["points"] for part in row["parts"]) == row["points"]


@pytest.mark.parametrize(
    ("emphasis", "pointer"),
    [
        ({"places": 499}, "/emphasis/places"),
        ({"text": 2001}, "/emphasis/text"),
        ({"evidence": 1.5}, "/emphasis/evidence"),
        ({"fees": 1000}, "/emphasis/fees"),
    ],
)
async def test_what_is_beyond_the_bounds_is_refused_by_name(
    town: Town, emphasis: dict[str, float], pointer: str
) -> None:
    path = "/v1/projects/018f3c2a-7d10-7000-8000-000000000009"
    answer = await town.call("PUT", path, project(emphasis=emphasis))
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
