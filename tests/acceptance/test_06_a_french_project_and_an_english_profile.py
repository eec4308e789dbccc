"""Acceptance 6: a French project finds an English profile on its subject, by the texts alone."""

from tests.services.matches.town import Town

ENGLISH = [
    {
        "language": "en",
        "text": "We connect rural schools to broadband by satellite and train teachers in digital skills.",
    }
]
OTHER = [{"language": "en", "text": "A press that prints novels and sheet music for wind orchestras."}]
FRENCH = {
    "titles": [{"language": "fr", "text": "Le haut débit dans les écoles rurales"}],
    "summaries": [
        {
            "language": "fr",
            "text": "Relier les écoles des zones rurales au haut débit par satellite et former les enseignants aux "
            "compétences numériques.",
        }
    ],
    "needs": [
        {"id": "n1", "kind": "research", "importance": 1}
    ],  # none is no project; nobody offers this one
    "countries": [],
    "regions": [],
    "tags": [],
    "level": "global",
    "languages": ["fr"],
}
BARE = {"offers": [{"kind": "convening"}], "tags": [], "languages": ["en"]}


async def test_the_english_profile_is_above_the_floor_and_the_pair_of_words_is_shown(town: Town) -> None:
    await town.organisation("Schools", descriptions=ENGLISH, **BARE)
    await town.organisation("Press", descriptions=OTHER, **BARE)
    project = await town.published("debit", **FRENCH)
    await town.settle()
    rows = {row["name"]: row for row in (await town.list_of(project))["candidates"]}
    assert rows["Schools"]["rank"] == 1
    assert rows["Schools"]["above_floor"]
    assert not rows["Press"]["above_floor"]
    assert rows["Schools"]["points"] == rows["Schools"]["components"]["text"], (
        "nothing but the texts gave points"
    )
    answer = await town.row_of(project, "Schools")
    met = {(part["asked"], part["found"]) for part in answer["parts"] if part["code"] == "bridge"}
    assert ("écoles", "schools") in met
    assert any("“écoles” ↔ “schools”" in reason for reason in answer["reasons"])
