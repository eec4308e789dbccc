"""Promise 6: bounded, published placement steps let newcomers and locals be seen; the raw score is left intact."""

from tests.services.matches.town import Town

WEAK = [{"language": "en", "text": "We sell radios and teach technicians in villages how to mend them."}]


async def test_a_local_and_newcomers_above_the_floor_stand_in_the_head_with_their_step_named(
    town: Town,
) -> None:
    for number in range(15):
        await town.organisation(f"Known {number:02}", first_involved_on="2015-01-01")
    await town.organisation(
        "Local",
        hq_country="KEN",
        operating_countries=[],
        languages=["fr"],
        descriptions=WEAK,
        offers=[{"kind": "funding", "texts": WEAK}],
        first_involved_on="2015-01-01",
    )
    for number in range(3):
        await town.organisation(
            f"New {number}", descriptions=WEAK, offers=[{"kind": "funding", "texts": WEAK}]
        )
    project = await town.published("schools")
    await town.settle()
    answer = await town.list_of(project)
    statement = await town.get("/v1/ranking-statement", who="nobody")
    head = answer["candidates"][: statement["head"]]
    assert answer["head"] == statement["head"] == 10
    assert sum("local" in row["labels"] for row in head) >= statement["local_minimum"]
    assert sum("newcomer" in row["labels"] for row in head) >= statement["newcomer_minimum"]
    placed = [row for row in head if {"local_minimum", "newcomer_minimum"} & set(row["steps"])]
    assert len(placed) == 3
    best = max(row["points"] for row in answer["candidates"][statement["head"] :])
    for row in placed:
        assert row["points"] < best
        assert any("score is unchanged" in reason for reason in row["reasons"])
        one = await town.row_of(project, row["name"])
        assert sum(part["points"] for part in one["parts"]) == row["points"] == one["points"]
    moved = [row for row in answer["candidates"][statement["head"] :] if "made_room" in row["steps"]]
    assert len(moved) == 3
    assert [row["points"] for row in head] == sorted((row["points"] for row in head), reverse=True)


async def test_nobody_below_the_floor_is_lifted_by_a_step(town: Town) -> None:
    for number in range(12):
        await town.organisation(f"Known {number:02}", first_involved_on="2015-01-01")
    far = [
        {"language": "en", "text": "We audit insurance contracts of shipping companies in large harbours."}
    ]
    await town.organisation(
        "Local", hq_country="KEN", descriptions=far, offers=[{"kind": "convening", "texts": far}]
    )
    project = await town.published("schools")
    await town.settle()
    rows = (await town.list_of(project))["candidates"]
    assert rows[-1]["name"] == "Local"
    assert rows[-1]["steps"] == ["below_floor"]
