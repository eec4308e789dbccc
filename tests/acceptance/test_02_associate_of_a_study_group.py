"""Acceptance 2, the list half: an Associate of study group 2 stands on the list of a national project in Kenya."""

from tests.services.matches.town import Town


async def test_an_associate_is_a_candidate_like_any_other(town: Town) -> None:
    await town.organisation("Associate", category="associate", study_group="SG2")
    await town.organisation("Sector Member", category="sector_member")
    project = await town.published("schools", level="national", countries=["KEN"])
    await town.settle()
    rows = {row["name"]: row for row in (await town.list_of(project))["candidates"]}
    assert set(rows) == {"Associate", "Sector Member"}
    assert rows["Associate"]["points"] == rows["Sector Member"]["points"]
