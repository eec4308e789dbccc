"""Promise 4: no award, no lock, no early access, and everyone above the floor is told in the same cycle."""

from tests.services.matches.town import Town, uuid_of


async def test_everyone_above_the_floor_is_told_with_the_same_version_whatever_the_rank(town: Town) -> None:
    for number in range(15):
        await town.organisation(f"One {number:02}")
    project = await town.published("schools")
    await town.settle()
    above = {row["organisation"] for row in (await town.list_of(project))["candidates"] if row["above_floor"]}
    assert len(above) == 15
    told = await town.told("standings.v1")
    assert {one["organisation"] for one in told} == above
    assert {one["number"] for one in told} == {1}
    assert all("rank" not in one for one in told)


async def test_standing_on_one_list_takes_nothing_from_another(town: Town) -> None:
    await town.organisation("Ada")
    first = await town.published("first")
    await town.settle()
    alone = await town.list_of(first)
    second = await town.published("second")
    await town.settle()
    assert await town.names_of(second) == ["Ada"]
    assert (await town.list_of(first))["candidates"] == alone["candidates"]
    await town.step(second, "close", body={"reason": "Found."})
    await town.settle()
    assert (await town.list_of(first))["candidates"] == alone["candidates"]


async def test_no_address_and_no_field_awards_locks_or_excludes(town: Town) -> None:
    document = (await town.call("GET", "/openapi.json", who="nobody")).json()
    names = set(document["paths"])
    for schema in document["components"]["schemas"].values():
        names |= set(schema.get("properties", {}))
    for word in ("exclusive", "award", "winner", "lock", "reserve", "select_partner"):
        assert not [name for name in names if word in name], word


async def test_the_team_and_the_candidates_learn_of_a_list_at_the_same_moment(town: Town) -> None:
    """There is no earlier access for anybody: before the first version the list has no rows for those who see all."""
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.relay()
    await town.consume()
    own = town.bearer("organisation_admin", organisation=uuid_of("Ada"))
    for who in ("bdt_admin", own):
        assert (await town.list_of(project, who=who))["candidates"] == []
