"""Where a head comes from, and the warning where one region holds too much of a global project's."""

from typing import Any

from tests.services.matches.town import Town


async def spread(town: Town, **changes: Any) -> Any:
    project = await town.published("schools", **changes)
    await town.settle()
    return (await town.get(f"/v1/lists/{project}/coverage"))["spread"]


async def crowd(town: Town, africans: int) -> None:
    for number in range(10):
        country = "TCD" if number < africans else "CHE"
        await town.organisation(f"Org {number}", hq_country=country)


async def test_a_region_above_the_published_part_of_a_global_head_is_named(town: Town) -> None:
    await crowd(town, africans=7)
    found = await spread(town, level="global", countries=[])
    assert found["regions"] == {"AFR": 7, "EUR": 3}
    assert (found["head"], found["ldc"], found["sme"], found["newcomer"]) == (10, 7, 0, 10)
    assert found["concentrated"] == ["AFR"]


async def test_exactly_the_published_part_is_no_concentration(town: Town) -> None:
    await crowd(town, africans=6)
    assert (await spread(town, level="global", countries=[]))["concentrated"] == []


async def test_a_national_project_is_expected_to_find_its_own_region(town: Town) -> None:
    await crowd(town, africans=10)
    found = await spread(town, countries=["TCD"])
    assert (found["regions"], found["local"], found["concentrated"]) == ({"AFR": 10}, 10, [])
