"""Promise 3: a score depends on the project, the candidate's own profile and the epoch, never on who else is there."""

from tests.services.matches.town import Town


async def test_a_score_stays_the_same_whoever_comes_changes_or_goes(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    alone = await town.row_of(project, "Ada")
    fields = ("points", "components", "fit", "band", "parts", "labels", "confidence", "above_floor")
    for number in range(15):
        await town.organisation(f"Other {number}", operating_countries=["KEN"], aliases=[f"o{number}"])
    await town.settle()
    crowded = await town.row_of(project, "Ada")
    assert crowded["rank"] > 1
    assert {name: crowded[name] for name in fields} == {name: alone[name] for name in fields}
    for number in range(15):
        await town.organisation(f"Other {number}", hq_country="KEN")
    await town.settle()
    changed = await town.row_of(project, "Ada")
    assert {name: changed[name] for name in fields} == {name: alone[name] for name in fields}
    other = await town.published("another")
    await town.settle()
    assert (await town.row_of(other, "Ada"))["points"] == alone["points"]
    assert (await town.row_of(project, "Ada"))["points"] == alone["points"]
