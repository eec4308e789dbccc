"""Acceptance 18: Kenya and India are developing though in none of the four named groups."""

from tests.services.matches.town import Town


async def test_kenya_and_india_are_developing_and_no_ldc(town: Town) -> None:
    for name, country in (("Kenyan", "KEN"), ("Indian", "IND"), ("Chadian", "TCD"), ("French", "FRA")):
        await town.organisation(name, hq_country=country)
    project = await town.published("schools")
    await town.settle()
    labels = {row["name"]: set(row["labels"]) for row in (await town.list_of(project))["candidates"]}
    for name in ("Kenyan", "Indian"):
        assert "developing_entity" in labels[name]
        assert "ldc_entity" not in labels[name]
    assert {"developing_entity", "ldc_entity"} <= labels["Chadian"]
    assert not {"developing_entity", "ldc_entity"} & labels["French"]
