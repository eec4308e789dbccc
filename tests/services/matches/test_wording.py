"""What people read: names, not codes; and no name that nobody knows."""

from matching.sentences import phrases_in
from services.chassis.reference import load_reference
from services.matches.rules.glossary import glossary_of
from tests.services.matches.town import Town, uuid_of


def test_every_country_region_and_titled_tag_has_a_name() -> None:
    reference = load_reference()
    names = glossary_of(reference)["en"]
    assert {f"country:{code}" for code in reference.countries} <= names.keys()
    for language, named in glossary_of(reference).items():
        assert named.keys() == names.keys()
        for region in reference.regions:
            assert phrases_in(language).name(f"region:{region.code}", code="region") != region.code
    assert glossary_of(reference)["fr"]["country:TCD"] == "Tchad"
    assert names["country:KEN"] == "Kenya"
    assert names["sdg:4"] == "sdg:4 (Quality education)"
    assert "bap:AFR1" not in names, "its title is not confirmed, so there is none to be shown"


async def test_sentences_speak_of_places_and_languages_by_name(town: Town) -> None:
    await town.organisation("Ada", hq_country="KEN")
    project = await town.published("schools", languages=["fr"])
    await town.settle()
    row = await town.row_of(project, "Ada")
    assert "The organisation is present in, or willing to work in, Kenya." in row["reasons"]
    assert "The organisation is present in, or willing to work in, the region Africa." in row["reasons"]
    assert "The profile does not name French among its languages." in [one["sentence"] for one in row["gaps"]]
    opportunities = (await town.get(f"/v1/opportunities?organisation={uuid_of('Ada')}"))["opportunities"]
    assert any("Kenya" in reason for reason in opportunities[0]["reasons"])
