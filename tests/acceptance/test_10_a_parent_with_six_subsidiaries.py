"""Acceptance 10: of a parent and its six subsidiaries, at most the published number stands among the first."""

from tests.services.matches.town import Town


async def test_a_group_fills_no_more_of_the_head_than_the_cap(town: Town) -> None:
    parent = await town.organisation("Group", hq_country="KEN")
    for number in range(3):
        middle = await town.organisation(f"Group child {number}", hq_country="KEN", parent=parent)
    for number in range(3, 6):
        await town.organisation(f"Group child {number}", hq_country="KEN", parent=middle)
    for number in range(12):
        await town.organisation(f"Single {number:02}", aliases=[f"s{number}"])
    project = await town.published("schools")
    await town.settle()
    statement = await town.get("/v1/ranking-statement", who="nobody")
    rows = (await town.list_of(project))["candidates"]
    head = rows[: statement["head"]]
    assert sum(row["name"].startswith("Group") for row in head) == statement["parent_cap"] == 2
    capped = [row for row in rows[statement["head"] :] if row["name"].startswith("Group")]
    assert len(capped) == 5
    assert all("parent_cap" in row["steps"] for row in capped)
    assert capped[0]["points"] > head[-1]["points"]
