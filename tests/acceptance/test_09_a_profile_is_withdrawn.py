"""Acceptance 9, the list half: a withdrawn profile leaves all open lists, and the deltas say so."""

from tests.services.matches.town import Town


async def test_a_withdrawn_profile_leaves_every_open_list(town: Town) -> None:
    ada = await town.organisation("Ada")
    await town.organisation("Bea")
    projects = [await town.published("schools"), await town.published("clinics")]
    await town.settle()
    await town.withdraw(ada)
    await town.settle()
    for project in projects:
        assert await town.names_of(project) == ["Bea"]
        newest = (await town.versions(project))[0]
        version = await town.get(f"/v1/lists/{project}/versions/{newest['number']}")
        assert version["delta"]["removed"] == [ada]
        [left_out] = (await town.list_of(project, "eligibility=excluded"))["excluded"]
        assert (left_out["organisation"], left_out["code"]) == (ada, "withdrawn")
    lost = [record for record in await town.records("standings.v1") if record.value is None]
    assert sorted(record.key for record in lost) == sorted(
        f"{project}/{ada}".encode() for project in projects
    )
