from pathlib import Path

import pytest

from services.chassis.reference import Reference, load_reference
from services.console.importing.checking import rule_check, shaped
from services.console.mapping.bodies import Mapper, RowRefused
from services.console.mapping.identifiers import identifier_of
from services.console.mapping.language import MapError, load_map, shipped

MAPS = Path(__file__).parents[3] / "data" / "maps"
PARTNER = {
    "code": "7",
    "name": "Aegean Networks",
    "kind": "LTD",
    "country": "EL",
    "small": "yes",
    "skills": "radio links | solar power|",
    "joined": "2021-03-04",
    "mother": "3",
}
CALL = {
    "ref": "C-1",
    "title": "Links for islands",
    "goal": "Link ten islands.",
    "where": "GR, Cyprus",
    "until": "",
}


@pytest.fixture(scope="module")
def reference() -> Reference:
    return load_reference()


@pytest.fixture
def partners(reference: Reference) -> Mapper:
    return Mapper(
        load_map(str(MAPS / "partners.toml"), kind="organisations"), kind="organisations", reference=reference
    )


@pytest.fixture
def calls(reference: Reference) -> Mapper:
    return Mapper(load_map(str(MAPS / "calls.toml"), kind="projects"), kind="projects", reference=reference)


def test_a_row_becomes_a_body_with_translated_codes(partners: Mapper) -> None:
    body = partners.body(PARTNER).body
    assert body["legal_name"] == "Aegean Networks"
    assert body["hq_country"] == "GRC"
    assert body["category"] == "other_entity"
    assert body["sme"] == {"flag": True}
    assert body["expertise"] == [
        {"language": "en", "text": "radio links"},
        {"language": "en", "text": "solar power"},
    ]
    assert shaped("organisations", body).hq_country == "GRC"


def test_the_id_follows_from_the_external_id_alone(partners: Mapper) -> None:
    found = partners.body(PARTNER)
    assert (
        found.id
        == partners.body({**PARTNER, "name": "Renamed"}).id
        == identifier_of("organisations", "register", "7")
    )
    assert found.id != partners.body({**PARTNER, "code": "8"}).id
    assert found.id != identifier_of("projects", "register", "7")
    assert found.body["external_ids"] == [{"scheme": "register", "value": "7"}]
    assert found.body["parent"] == identifier_of("organisations", "register", "3")


@pytest.mark.parametrize("given", [{"a": 1}, ["7"], True, 7.5])
def test_an_id_is_a_text_or_a_whole_number(partners: Mapper, given: object) -> None:
    assert partners.body({**PARTNER, "code": 7}).id == partners.body(PARTNER).id
    for column, target in (("code", "/code"), ("mother", "/parent")):
        with pytest.raises(RowRefused) as refused:
            shaped("organisations", partners.body({**PARTNER, column: given}).body)
        assert [fault.pointer for fault in refused.value.faults] == [target]


@pytest.mark.parametrize(("column", "target"), [("name", "/legal_name"), ("joined", "/first_involved_on")])
@pytest.mark.parametrize("given", [["2021-03-04"], {"a": "2021-03-04"}])
def test_a_list_or_an_object_is_no_text(partners: Mapper, column: str, target: str, given: object) -> None:
    with pytest.raises(RowRefused) as refused:
        shaped("organisations", partners.body({**PARTNER, column: given}).body)
    assert refused.value.faults[0].pointer.startswith(target)


def test_an_object_is_not_joined_to_a_text(calls: Mapper) -> None:
    with pytest.raises(RowRefused) as refused:
        calls.body({**CALL, "goal": {"a": 1}})
    assert (refused.value.faults[0].pointer, refused.value.faults[0].rule) == ("/objectives", "shape")


def test_a_fault_of_shape_has_the_fix_that_the_api_gives(partners: Mapper) -> None:
    with pytest.raises(RowRefused) as refused:
        shaped(
            "organisations", {**partners.body(PARTNER).body, "legal_name": 5, "contact": None, "nothing": 1}
        )
    said = {fault.pointer: (fault.rule, fault.fix) for fault in refused.value.faults}
    assert said["/legal_name"] == ("string-type", "Send text.")
    assert said["/nothing"][0] == "extra-forbidden"
    assert "accordingly" not in str(said)


def test_constants_and_defaults_are_provenance_and_given_values_are_not(partners: Mapper) -> None:
    assert partners.body(PARTNER).body["provenance"] == {"constants": ["contact", "descriptions", "offers"]}
    described = partners.body({**PARTNER, "about": "Builds links."}).body
    assert described["provenance"] == {"constants": ["contact", "offers"]}
    assert described["descriptions"] == [{"language": "en", "text": "Builds links."}]


def test_a_skip_rule_says_why(partners: Mapper) -> None:
    assert partners.skipped(PARTNER) is None
    assert partners.skipped({**PARTNER, "kind": "TEST"}) == "a row of the register's own tests"


def test_all_faults_of_a_row_are_named_at_once(partners: Mapper) -> None:
    with pytest.raises(RowRefused) as refused:
        partners.body({**PARTNER, "country": "Atlantis", "small": "perhaps"})
    assert {fault.pointer for fault in refused.value.faults} == {"/hq_country", "/sme/flag"}
    assert all(fault.fix for fault in refused.value.faults)


def test_a_row_without_an_external_id_is_refused(partners: Mapper) -> None:
    with pytest.raises(RowRefused, match="code is empty"):
        partners.body({**PARTNER, "code": " "})


def test_several_rules_make_one_list_and_texts_are_joined(calls: Mapper) -> None:
    body = calls.body({**CALL, "topics": ["fibre", "radio"], "sdg": "4,9"}).body
    assert body["objectives"] == [{"language": "en", "text": "Link ten islands.\nfibre\nradio"}]
    assert body["countries"] == ["GRC", "CYP"]
    assert body["tags"] == [
        {"scheme": "sdg", "code": "4"},
        {"scheme": "sdg", "code": "9"},
        {"scheme": "programme", "code": "calls"},
    ]
    assert "deadline" not in body


def test_the_services_rules_are_applied_without_a_service(calls: Mapper, reference: Reference) -> None:
    from datetime import date

    check = rule_check("projects", reference, date(2026, 11, 24))
    check(shaped("projects", calls.body({**CALL, "until": "2027-01-31"}).body))
    with pytest.raises(RowRefused) as refused:
        check(shaped("projects", calls.body({**CALL, "until": "2020-01-31"}).body))
    assert refused.value.faults[0].pointer == "/deadline"


def test_a_row_without_a_map_is_a_body_already(reference: Reference) -> None:
    plain = Mapper(None, kind="organisations", reference=reference)
    known = "018f3c2a-7d10-7000-8000-000000000001"
    assert plain.body({"id": known, "legal_name": "A"}).id == known
    numbered = plain.body({"legal_name": "A", "external_ids": [{"scheme": "ror", "value": "x"}]})
    assert numbered.id == identifier_of("organisations", "ror", "x")
    with pytest.raises(RowRefused, match="neither an id"):
        plain.body({"legal_name": "A"})
    with pytest.raises(RowRefused, match="no UUID"):
        plain.body({"id": "seven"})


def test_past_projects_become_evidence_once_each(reference: Reference) -> None:
    past = [
        {
            "id": "P1",
            "title": "Mesh",
            "text": "Mesh networks.",
            "keywords": ["mesh"],
            "start": "2022-05-01",
            "programme_part": "H.1",
            "topic": "HORIZON-CL4-2021-HUMAN-01-24",
            "coordinator_country": "EL",
        }
    ]
    mapper = Mapper(
        load_map("cordis-organisations", kind="organisations"),
        kind="organisations",
        reference=reference,
        past=past,
    )
    row = {"id": "9", "name": "Lab", "country": "UK", "type": "HES", "sme": None, "short_name": "12-3"}
    history = [
        {"project": "P1", "role": "coordinator"},
        {"project": "P1", "role": "participant"},
        {"project": "P2", "role": "participant"},
    ]
    body = mapper.body({**row, "history": history}).body
    assert body["evidence"] == [
        {
            "id": "P1",
            "kind": "project",
            "texts": [{"language": "en", "title": "Mesh", "text": "Mesh networks.\nmesh"}],
            "role": "lead",
            "year": 2022,
            "tags": [
                {"scheme": "programme", "code": "H.1"},
                {"scheme": "programme", "code": "HORIZON-CL4"},
                {"scheme": "programme", "code": "HORIZON-CL4-HUMAN"},
            ],
            "countries": ["GRC"],
        }
    ]
    assert (body["hq_country"], body["organisation_type"], body["category"]) == ("GBR", "80", "academia")
    assert "short_name" not in body
    assert "sme" not in body
    shaped("organisations", body)


def test_texts_that_were_decoded_wrongly_are_mended(reference: Reference) -> None:
    mapper = Mapper(load_map("worldbank-projects", kind="projects"), kind="projects", reference=reference)
    row = {
        "id": "P1",
        "title": "Water",
        "text": "The city\x92s wells\x00",
        "keywords": [],
        "country": "World",
    }
    body = mapper.body(row).body
    assert body["objectives"][0]["text"] == "The city’s wells"
    assert "countries" not in body


def test_an_agency_known_by_its_name_alone_is_described_by_it(reference: Reference) -> None:
    description = load_map("worldbank-organisations", kind="organisations")
    mapper = Mapper(description, kind="organisations", reference=reference, past=[])
    row = {"id": "wb-1", "name": "Ministry of Health (MINSA)", "country": "Republic of Panama", "history": []}
    body = mapper.body(row).body
    assert body["descriptions"] == [{"language": "en", "text": "Ministry of Health (MINSA)"}]
    assert body["provenance"] == {"constants": ["category", "contact", "offers", "organisation_type"]}
    shaped("organisations", body)


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("Institute of Road Safety", "en"),
        ("Association pour la recherche et le conseil de la mer et des ports", "fr"),
        ("Fundación para el estudio de los caminos y la seguridad del mar", "es"),
        ("河南科隆集团有限公司", "zh"),
        ("Қазақстан", "en"),  # in none of them: the check refuses it as it does a written one
    ],
)
def test_a_name_is_described_in_the_first_language_in_which_it_can_stand(
    reference: Reference, name: str, language: str
) -> None:
    given = load_map("cordis-organisations", kind="organisations")
    mapper = Mapper(given, kind="organisations", reference=reference, past=[])
    row = {"id": "9", "name": name, "country": "FR", "type": "REC", "sme": False, "history": []}
    body = mapper.body(row).body
    assert body["descriptions"] == [{"language": language, "text": name}]
    assert body["provenance"] == {"constants": ["contact", "offers"]}
    shaped("organisations", body)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_map_reads(name: str) -> None:
    assert load_map(name, kind=name.rpartition("-")[2]).columns(joined=False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("kind = 'organisations'", "wrong at scheme"),
        ("kind = 'projects'\nscheme='a'\nid='b'\n[fields]\n", "is for projects"),
        ("kind = 'organisations'\nscheme='a'\nid='b'\n[fields.x]\nform = 'y'", "fields.x"),
        ("kind =", "no TOML"),
    ],
)
def test_a_wrong_map_is_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "m.toml").write_text(content, "utf-8")
    with pytest.raises(MapError, match=said):
        load_map(str(tmp_path / "m.toml"), kind="organisations")


def test_an_unknown_map_names_the_shipped_ones() -> None:
    with pytest.raises(MapError, match="cordis-organisations"):
        load_map("nowhere", kind="organisations")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('legal_nam = "name"', "legal_nam is no field \\(legal_nam: did you mean legal_name"),
        ('"sme.flags" = "small"', "sme.flags is no field \\(flags: did you mean flag"),
        ('"legal_name.text" = "name"', "legal_name.text is no field"),
    ],
)
def test_a_target_that_no_body_has_is_told_before_the_first_row(tmp_path, fields, said) -> None:
    text = f'kind = "organisations"\nscheme = "x"\nid = "id"\n[fields]\n{fields}\n'
    (tmp_path / "m.toml").write_text(text, "utf-8")
    with pytest.raises(MapError, match=said):
        load_map(str(tmp_path / "m.toml"), kind="organisations")


def test_half_of_a_surrogate_pair_is_told_as_the_api_tells_it() -> None:
    with pytest.raises(RowRefused) as told:
        shaped("organisations", {"legal_name": "a\ud800"})
    fault = next(one for one in told.value.faults if one.pointer == "/legal_name")
    assert (fault.rule, fault.fix) == ("no-lone-surrogates", "Send the whole character.")
