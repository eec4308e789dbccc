"""The demo data is what it says: enough of it, of every kind, fictional where it must be, and from no template."""

import json
import re
import uuid
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "demo"
LANGUAGES = ("ar", "es", "fr", "ru", "zh")
CATEGORIES = {"member_state", "sector_member", "associate", "academia", "other_entity", "prospect"}
KINDS = {
    "funding", "equipment", "connectivity", "software", "expertise", "training", "research", "data",
    "local_implementation", "convening", "policy_support", "in_kind",
}  # fmt: skip
SCHEMES = {"kap", "bap", "wsis", "sdg", "dac", "p2c", "theme", "programme"}
FICTION = re.compile(r"\((?:fictional|fictive|fictif|ficticia|ficticio|خيالي|خيالية|вымышлен\w*|虚构)\)$")
REGION_OF = {
    "AFR": "AGO BDI BEN BFA BWA CAF CIV CMR COD COG CPV ERI ETH GAB GHA GIN GMB GNB GNQ KEN LBR LSO MDG MLI MOZ MUS "
    "MWI NAM NER NGA RWA SEN SLE SSD STP SWZ SYC TCD TGO TZA UGA ZAF ZMB ZWE",
    "AMS": "ARG ATG BHS BLZ BOL BRA BRB CAN CHL COL CRI CUB DMA DOM ECU GRD GTM GUY HND HTI JAM KNA LCA MEX NIC PAN "
    "PER PRY SLV SUR TTO URY USA VCT VEN",
    "ARB": "ARE BHR COM DJI DZA EGY IRQ JOR KWT LBN LBY MAR MRT OMN PSE QAT SAU SDN SOM SYR TUN YEM",
    "ASP": "AFG AUS BGD BRN BTN CHN FJI FSM IDN IND IRN JPN KHM KIR KOR LAO LKA MDV MHL MMR MNG MYS NPL NRU NZL PAK "
    "PHL PLW PNG PRK SGP SLB THA TLS TON TUV VNM VUT WSM",
    "CIS": "ARM AZE BLR KAZ KGZ RUS TJK TKM UZB",
    "EUR": "ALB AND AUT BEL BGR BIH CHE CYP CZE DEU DNK ESP EST FIN FRA GBR GEO GRC HRV HUN IRL ISL ISR ITA LIE LTU "
    "LUX LVA MCO MDA MKD MLT MNE NLD NOR POL PRT ROU SMR SRB SVK SVN SWE TUR UKR VAT",
}
COUNTRY_REGION = {country: region for region, line in REGION_OF.items() for country in line.split()}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def organisations() -> list[dict[str, Any]]:
    return [row for path in sorted(DEMO.glob("organisations-*.jsonl")) for row in rows(path)]


def initiatives() -> list[dict[str, Any]]:
    return [row for path in sorted(DEMO.glob("initiatives*.jsonl")) for row in rows(path)]


def texts_of(value: Any) -> list[dict[str, str]]:
    """Every {language, text} below a value."""
    if isinstance(value, list):
        return [found for item in value for found in texts_of(item)]
    if isinstance(value, dict):
        own = [value] if {"language", "text"} <= value.keys() and "url" not in value else []
        return own + [found for item in value.values() for found in texts_of(item)]
    return []


def words(text: str, language: str) -> int:
    if language == "zh":
        return len(re.findall(r"[\u4e00-\u9fff]", text)) // 2
    return len(text.split())


def shingles(text: str, language: str) -> frozenset[tuple[str, ...]]:
    """Sets of three neighbours: words, or characters where a text has no spaces."""
    units = re.findall(r"[\u4e00-\u9fff]" if language == "zh" else r"\w+", text.lower())
    return frozenset(zip(units, units[1:], units[2:], strict=False))


def test_there_is_enough_of_everything() -> None:
    assert len(organisations()) >= 120
    assert len(initiatives()) >= 24
    assert len(rows(DEMO / "organisations-en.jsonl")) >= 75
    assert len(rows(DEMO / "initiatives.jsonl")) >= 16


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_its_own_organisations_and_initiatives(language: str) -> None:
    found_organisations = rows(DEMO / f"organisations-{language}.jsonl")
    found_initiatives = rows(DEMO / f"initiatives-{language}.jsonl")
    assert len(found_organisations) >= 10
    assert len(found_initiatives) >= 2
    assert {text["language"] for text in texts_of(found_organisations + found_initiatives)} == {language}


def test_every_category_and_every_region_is_there() -> None:
    found = organisations()
    assert {row["category"] for row in found} == CATEGORIES
    assert min(Counter(row["category"] for row in found).values()) >= 5
    assert min(Counter(COUNTRY_REGION[row["hq_country"]] for row in found).values()) >= 8
    flagged = [row for row in found if row.get("sme", {}).get("flag")]
    assert len(flagged) >= 15
    assert len({row["category"] for row in flagged}) >= 3


def test_every_organisation_is_plainly_fictional() -> None:
    for row in organisations():
        assert FICTION.search(row["legal_name"]), row["legal_name"]
        assert row["fictional"] is True
        assert re.search(r"@([\w-]+\.)*example(\.org)?$", row["contact"]["email"]), row["contact"]["email"]
    for row in initiatives():
        assert not row.get("fictional", False)
        assert row["sources"], row["id"]


def test_descriptions_have_thirty_to_a_hundred_and_fifty_words() -> None:
    off = {
        row["legal_name"]: words(text["text"], text["language"])
        for row in organisations()
        for text in row["descriptions"]
        if not 30 <= words(text["text"], text["language"]) <= 150
    }
    assert off == {}


def test_no_two_descriptions_come_from_one_template() -> None:
    described = [
        (row["legal_name"], text["language"], shingles(text["text"], text["language"]))
        for row in organisations()
        for text in row["descriptions"]
    ]
    alike = [
        (name, other, round(len(first & second) / len(first | second), 3))
        for (name, language, first), (other, other_language, second) in combinations(described, 2)
        if language == other_language and len(first & second) > 0.05 * len(first | second)
    ]
    assert alike == []


def test_the_near_duplicate_check_sees_a_template() -> None:
    first = shingles("We build networks in Kenya and train local staff to keep them running for years", "en")
    second = shingles("We build networks in Ghana and train local staff to keep them running for years", "en")
    assert len(first & second) > 0.05 * len(first | second)


def test_ids_are_fixed_uuids_and_unique() -> None:
    everything = organisations() + initiatives()
    inner = [item["id"] for row in organisations() for item in row.get("evidence", [])]
    inner += [need["id"] for row in initiatives() for need in row["needs"]]
    ids = [row["id"] for row in everything]
    assert all(str(uuid.UUID(identifier)) == identifier for identifier in ids)
    assert len(set(ids)) == len(ids)
    assert len(set(inner)) == len(inner)


def test_references_lead_somewhere() -> None:
    known = {row["id"] for row in organisations()}
    flagships = {row["_flagship"]["id"] for row in initiatives() if "_flagship" in row}
    assert {row["parent"] for row in organisations() if "parent" in row} <= known
    assert {row["owner"] for row in initiatives()} <= known
    assert {row["flagship"] for row in initiatives() if "flagship" in row} <= flagships
    assert len(flagships) >= 5


def test_codes_are_known_ones() -> None:
    for row in organisations():
        assert {offer["kind"] for offer in row["offers"]} <= KINDS
        countries = {
            row["hq_country"],
            *row.get("operating_countries", []),
            *row.get("willing_countries", []),
        }
        assert countries <= COUNTRY_REGION.keys(), row["legal_name"]
        assert set(row.get("willing_regions", [])) <= REGION_OF.keys()
        assert "study_group" not in row or row["category"] == "associate"
    for row in initiatives():
        assert {need["kind"] for need in row["needs"]} <= KINDS
        assert 2 <= len(row["needs"]) <= 6
        assert set(row["countries"]) <= COUNTRY_REGION.keys()
        assert set(row["regions"]) <= REGION_OF.keys()
        assert row["level"] != "national" or row["countries"]
        assert row["level"] != "regional" or row["regions"]
        assert row["deadline"].startswith("2027-")
    for row in organisations() + initiatives():
        assert {tag["scheme"] for tag in row.get("tags", [])} <= SCHEMES


def test_initiatives_are_told_at_length() -> None:
    for row in initiatives():
        language = row["titles"][0]["language"]
        told = sum(words(text["text"], language) for text in row["summaries"] + row["objectives"])
        least = 100 if language == "en" else 70  # Arabic and Russian say the same in fewer words
        assert least <= told <= 250, (row["titles"][0]["text"], told)


def test_the_profiles_that_the_acceptance_scenarios_need_are_there() -> None:
    found = organisations()
    samoa = [row for row in found if row["hq_country"] == "WSM" and row["category"] == "prospect"]
    six_fields = {
        "id",
        "fictional",
        "legal_name",
        "category",
        "hq_country",
        "offers",
        "descriptions",
        "contact",
    }
    assert any(row.keys() == six_fields for row in samoa)
    chad = [row for row in found if row["hq_country"] == "TCD" and row.get("sme", {}).get("flag")]
    assert len(chad) >= 3
    children = Counter(row["parent"] for row in found if "parent" in row)
    assert max(children.values()) >= 6
    assert any("seeks" in row for row in found)
    assert any(row.get("membership", [{}])[-1].get("state") == "suspended" for row in found)
    without_evidence = sum(not row.get("evidence") for row in found)
    assert 0.3 * len(found) <= without_evidence <= 0.8 * len(found)
    assert any(
        row["presence_required"]["required"] and row["presence_required"]["reason"] for row in initiatives()
    )
    assert len({tag["version"] for row in initiatives() for tag in row["tags"] if tag["code"] == "ASP1"}) == 2


def test_eighty_organisations_can_be_candidates_of_the_printed_initiative() -> None:
    judged = json.loads((DEMO / "judged.json").read_text(encoding="utf-8"))
    (printed,) = [row for row in initiatives() if row["id"] == judged["printed"]]
    assert printed["presence_required"] == {"required": False}
    assert len([row for row in organisations() if row["id"] != printed["owner"]]) >= 80


def test_judgements_name_things_that_exist() -> None:
    judged = json.loads((DEMO / "judged.json").read_text(encoding="utf-8"))
    names = {row["id"]: row["legal_name"] for row in organisations()}
    titles = {row["id"]: row["titles"][0]["text"] for row in initiatives()}
    owners = {row["id"]: row["owner"] for row in initiatives()}
    assert len(judged["judged"]) == len({entry["initiative"] for entry in judged["judged"]}) == 10
    for entry in judged["judged"]:
        assert titles[entry["initiative"]] == entry["title"]
        lines = entry["first_ten"] + entry["not_first_ten"]
        assert len(entry["first_ten"]) == len(entry["not_first_ten"]) == 5
        assert len({line["organisation"] for line in lines}) == 10
        assert owners[entry["initiative"]] not in {line["organisation"] for line in lines}
        for line in lines:
            assert names[line["organisation"]] == line["name"]
            assert line["why"]
