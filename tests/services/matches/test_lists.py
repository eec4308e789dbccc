"""`GET /v1/lists/{project}/candidates`: what a page says, and who may see it."""

from tests.services.matches.town import Town, uuid_of


async def test_a_published_project_has_a_list_of_every_organisation(town: Town) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        await town.organisation(name)
    project = await town.published("schools")
    await town.settle()
    answer = await town.list_of(project, "include=parts")
    assert answer["state"] == "ranked"
    assert answer["list_version"] == 1
    assert sorted(row["name"] for row in answer["candidates"]) == ["Alpha", "Beta", "Gamma"]
    assert [row["rank"] for row in answer["candidates"]] == [1, 2, 3]
    for row in answer["candidates"]:
        assert sum(part["points"] for part in row["parts"]) == row["points"] > 0
        assert sum(part["per_mille"] for part in row["parts"]) == row["fit"] == sum(row["shown"].values())
        assert row["reasons"]
    assert uuid_of("Alpha") in {row["organisation"] for row in answer["candidates"]}
