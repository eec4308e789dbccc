"""Acceptance 11: a national project in Chad with three local SMEs above the floor has one among the first at least."""

from tests.services.matches.town import Town

SMALL = [{"language": "en", "text": "We mend radios and teach technicians of village schools in the Sahel."}]


async def test_a_local_sme_is_among_the_first(town: Town) -> None:
    for number in range(14):
        await town.organisation(f"Big {number:02}", category="sector_member", first_involved_on="2010-01-01")
    for number in range(3):
        await town.organisation(
            f"Local {number}",
            hq_country="TCD",
            sme={"flag": True, "basis": "self_declared"},
            descriptions=SMALL,
            offers=[{"kind": "convening", "texts": SMALL}],
            languages=["fr"],
            first_involved_on="2010-01-01",
        )
    project = await town.published("schools", countries=["TCD"], level="national")
    await town.settle()
    answer = await town.list_of(project)
    local = [row for row in answer["candidates"] if "local" in row["labels"]]
    assert len(local) == 3
    assert all(row["above_floor"] and "sme" in row["labels"] for row in local)
    head = answer["candidates"][: answer["head"]]
    assert [row["name"] for row in head if "local" in row["labels"]]
    assert answer["counts"]["local_above_floor"] == 3
    assert [row["name"] for row in (await town.list_of(project, "scope=local&sme=true"))["candidates"]] == [
        row["name"] for row in local
    ]
