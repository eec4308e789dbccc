"""Acceptance 7, the list half: the same profile event delivered five times makes one list version."""

from tests.services.matches.town import Town


async def test_five_deliveries_make_one_version(town: Town) -> None:
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Ada")
    await town.relay()
    [record] = await town.records("members.v1")
    for _ in range(5):
        await town.deliver_again([record])
        await town.settle()
    assert [one["number"] for one in await town.versions(project)] == [2, 1]
    assert len(await town.rows("SELECT * FROM documents WHERE kind = 'member'")) == 1
    assert len([one for one in await town.told("matches.v1") if one["number"] == 2]) == 1
    assert len(await town.told("standings.v1")) == 1
