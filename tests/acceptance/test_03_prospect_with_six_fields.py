"""Acceptance 3: a university in Samoa, no member, with the six required fields alone, stands on the list as a newcomer."""

from tests.services.matches.town import Town, uuid_of

ISLANDS = [
    {
        "language": "en",
        "text": "Smart islands in the Pacific: schools, clinics and villages online by satellite.",
    }
]
STUDY = [
    {
        "language": "en",
        "text": "We study how villages on Pacific islands use satellite links for schools and clinics.",
    }
]


async def test_a_prospect_university_with_six_fields_is_listed_as_a_newcomer(town: Town) -> None:
    six = {
        "legal_name": "University of the Lagoon (fictional)",
        "category": "prospect",
        "hq_country": "WSM",
        "descriptions": STUDY,
        "offers": [{"kind": "research", "texts": STUDY}],
        "contact": {"name": "Registry", "email": "registry@lagoon.example"},
    }
    answer = await town.call("PUT", f"/v1/organisations/{uuid_of('lagoon')}", six)
    assert answer.status_code == 201, answer.text
    project = await town.published(
        "smart islands",
        titles=ISLANDS,
        summaries=ISLANDS,
        level="regional",
        regions=["ASP"],
        countries=["WSM", "TON"],
    )
    await town.settle()
    [row] = (await town.list_of(project))["candidates"]
    assert row["organisation"] == uuid_of("lagoon")
    assert {"newcomer", "non_member", "local"} <= set(row["labels"])
    assert row["above_floor"] is True
