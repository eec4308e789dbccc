"""Acceptance 5: a project that needs funding is not matched with those who seek funding in the same words."""

from tests.services.matches.town import Town

ASKS = [
    {
        "language": "en",
        "text": "Funding for broadband masts in mountain villages and for their yearly upkeep.",
    }
]
GIVES = [{"language": "en", "text": "Grants and guarantees for broadband masts in mountain villages."}]
BANK = [
    {
        "language": "en",
        "text": "A development bank that finances rural broadband in mountain regions with grants.",
    }
]
SCHOOL = [{"language": "en", "text": "A village school in the mountains with forty pupils and two teachers."}]
TEACHES = [{"language": "en", "text": "Evening classes in reading."}]


async def test_who_seeks_the_same_is_no_match_for_who_needs_it(town: Town) -> None:
    await town.organisation("Bank", descriptions=BANK, offers=[{"kind": "funding", "texts": GIVES}])
    offers = [{"kind": "convening", "texts": TEACHES}]
    await town.organisation(
        "Seeker", descriptions=SCHOOL, offers=offers, seeks=[{"kind": "funding", "texts": ASKS}]
    )
    await town.organisation("Silent", descriptions=SCHOOL, offers=offers)
    project = await town.published(
        "masts",
        titles=[{"language": "en", "text": "Broadband masts for mountain villages"}],
        summaries=ASKS,
        needs=[{"id": "money", "kind": "funding", "importance": 5, "texts": ASKS}],
    )
    await town.settle()
    rows = {row["name"]: row for row in (await town.list_of(project))["candidates"]}
    assert rows["Bank"]["rank"] == 1
    assert rows["Bank"]["components"]["needs"] > 0
    assert rows["Seeker"]["components"]["needs"] == 0
    assert rows["Seeker"]["points"] == rows["Silent"]["points"]
