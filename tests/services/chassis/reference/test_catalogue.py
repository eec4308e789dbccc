from dataclasses import replace
from datetime import date

import pytest

from matching.columns import sector_of
from matching.lists import SECTORS
from services.chassis.reference import Reference, load_reference
from services.chassis.reference.catalogue import GROUPS, LANGUAGES, NAMED_GROUPS
from services.chassis.reference.files import parse_rows
from services.chassis.reference.rows import Plan, StudyGroup

TODAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return load_reference()


def test_the_six_regions_hold_the_194_member_states(reference):
    for region in reference.regions:
        members = [
            row
            for row in reference.country_rows
            if row.region == region.code and row.itu_status == "member_state"
        ]
        assert len(members) == region.member_states, region.code
    assert sum(region.member_states for region in reference.regions) == 194
    assert reference.region_of("PSE") == "ARB"
    assert reference.countries["PSE"].itu_status == "resolution_99"
    assert reference.region_of("GEO") == reference.region_of("UKR") == "EUR"
    assert reference.region_of("NIU") is None


def test_every_row_names_its_source_and_status(reference):
    lists = [
        reference.country_rows, reference.alias_rows, reference.name_rows, reference.regions, reference.offices,
        reference.group_terms, reference.pending_changes, reference.plans, reference.schemes, reference.code_rows,
        reference.kinds, reference.categories, reference.study_groups, reference.study_group_roles,
        reference.organisation_types,
    ]  # fmt: skip
    for rows in lists:
        assert rows
        for row in rows:
            assert row.source, row
            assert row.status, row


@pytest.mark.parametrize("country", ["KEN", "IND", "BRA", "EGY"])
def test_developing_is_not_the_union_of_the_four_groups(reference, country):
    assert reference.groups_of(country, TODAY) == ("other_developing",)
    assert reference.developing(country, TODAY)


@pytest.mark.parametrize("country", ["ARM", "UKR"])
def test_economies_in_transition_count_as_developing(reference, country):
    assert "transition" in reference.groups_of(country, TODAY)
    assert reference.developing(country, TODAY)


@pytest.mark.parametrize("country", ["FRA", "USA", "ISR", "AND"])
def test_developed_and_unclassified_countries_are_not_called_developing(reference, country):
    assert not reference.developing(country, TODAY)


def test_group_sizes_are_those_of_the_sources(reference):
    sizes = {
        g: sum(reference.in_group(c, g, date(2026, 11, 23)) for c in reference.countries) for g in GROUPS
    }
    assert sizes == {"ldc": 44, "lldc": 32, "sids": 53, "transition": 17, "other_developing": 55}


def test_a_graduation_that_nobody_confirmed_is_kept_but_not_applied(reference):
    pending = {row.country: row for row in reference.pending_changes}
    assert {"BGD", "LAO", "NPL"} <= set(pending)
    assert pending["LAO"].expected_on == date(2026, 11, 24)
    for country in ("BGD", "LAO", "NPL"):
        assert reference.in_group(country, "ldc", date(2026, 11, 25))


def departed(reference: Reference, country: str, *, on: date) -> Reference:
    """The lists with a country's last day among the least developed written down, as a row of the file says it."""
    terms = tuple(
        replace(term, valid_to=on) if (term.country, term.group) == (country, "ldc") else term
        for term in reference.group_terms
    )
    return replace(reference, group_terms=terms)


def test_a_loaded_graduation_holds_from_its_day_and_leaves_older_answers_alone(reference):
    later = departed(reference, "LAO", on=date(2026, 11, 24))
    assert later.in_group("LAO", "ldc", date(2026, 11, 23))
    assert not later.in_group("LAO", "ldc", date(2026, 11, 24))
    assert not later.in_group("LAO", "ldc", date(2026, 11, 25))
    assert reference.in_group("LAO", "ldc", date(2026, 11, 25))


def test_a_graduate_of_the_list_stays_developing(reference):
    later = departed(reference, "BGD", on=date(2029, 11, 24))
    assert later.groups_of("BGD", date(2029, 11, 24)) == ("other_developing",)
    assert later.groups_of("BGD", date(2029, 11, 23)) == ("ldc",)


def test_past_graduations_are_dated(reference):
    assert reference.in_group("STP", "ldc", date(2024, 12, 12))
    assert not reference.in_group("STP", "ldc", date(2024, 12, 13))
    assert reference.in_group("VUT", "ldc", date(2020, 12, 3))
    assert not reference.in_group("VUT", "ldc", TODAY)


def test_an_unknown_group_is_refused(reference):
    with pytest.raises(ValueError, match="no country group 'rich'"):
        reference.in_group("KEN", "rich", TODAY)


def test_names_in_six_languages_follow_united_nations_practice(reference):
    assert reference.country_name("TUR", "fr") == "Türkiye"
    assert reference.country_name("CIV", "es") == "Côte d'Ivoire"
    assert reference.country_name("PSE", "fr") == "État de Palestine"
    assert reference.country_name("LAO") == "Lao People's Democratic Republic"
    assert reference.country_name("KEN", "ar") == "كينيا"
    assert reference.country_name("RUS", "ru") == "Российская Федерация"
    assert reference.country_name("KEN", "de") == "Kenya"
    for language in LANGUAGES:
        names = reference.country_names[language]
        assert names.keys() == reference.countries.keys()
        assert all(names.values())
        assert len(set(names.values())) == len(names), language


def test_every_iso_code_is_there_and_alpha_2_is_unique(reference):
    assert len(reference.countries) == 250
    assert len({row.alpha2 for row in reference.country_rows}) == 250
    assert not {row.alias for row in reference.alias_rows} & set(reference.countries)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("EL", "Use alpha-3 GRC for Greece."),
        ("UK", "Use alpha-3 GBR for United Kingdom of Great Britain and Northern Ireland."),
        ("ke", "Use alpha-3 KEN for Kenya."),
        ("ken", "Use alpha-3 KEN for Kenya."),
        ("Kenya", "Use alpha-3 KEN for Kenya."),
        ("Kenia", "Use alpha-3 KEN if you mean Kenya."),
        ("Tanzania", "Use alpha-3 TZA for United Republic of Tanzania."),
        ("iran", "Use alpha-3 IRN for Iran (Islamic Republic of)."),
        ("Vietnam", "Use alpha-3 VNM for Viet Nam."),
        ("Tanzanya", "Use alpha-3 TZA if you mean United Republic of Tanzania."),
        ("Korea", "Use an ISO 3166-1 alpha-3 code such as KEN or LAO."),
        ("", "Use an ISO 3166-1 alpha-3 code such as KEN or LAO."),
    ],
)
def test_a_wrong_country_code_is_told_the_right_one(reference, value, advice):
    refusal = reference.check_country(value)
    assert refusal is not None
    assert refusal.rule == "country-code"
    assert refusal.fix == advice


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("EL", "GRC"), ("gr", "GRC"), ("grc", "GRC"), ("Greece", "GRC"),
        ("Tanzania", "TZA"), ("Tanzania, United Republic of", "TZA"), ("United Republic of Tanzania", "TZA"),
        ("Iran", "IRN"), ("Iran, Islamic Republic of", "IRN"), ("Islamic Republic of Iran", "IRN"),
        ("Iran (Islamic Rep. of)", "IRN"), ("Russia", "RUS"), ("Viet Nam", "VNM"), ("Vietnam", "VNM"),
        ("South Korea", "KOR"), ("Korea, Republic of", "KOR"), ("Korea (Rep. of)", "KOR"), ("North Korea", "PRK"),
        ("Dem. People's Rep. of Korea", "PRK"), ("Turkey", "TUR"), ("Turkiye", "TUR"), ("Czech Republic", "CZE"),
        ("Czech Rep.", "CZE"), ("Dominican Rep.", "DOM"), ("Central African Rep.", "CAF"), ("Swaziland", "SWZ"),
        ("Ivory Coast", "CIV"), ("Cote d'Ivoire", "CIV"), ("Côte d\u2019Ivoire", "CIV"), ("Palestine", "PSE"),
        ("Lao PDR", "LAO"), ("Lao P.D.R.", "LAO"), ("Laos", "LAO"), ("DRC", "COD"), ("DR Congo", "COD"),
        ("Dem. Rep. of the Congo", "COD"), ("Congo, the Democratic Republic of the", "COD"), ("Congo", "COG"),
        ("Congo (Rep. of the)", "COG"), ("Saint Lucia", "LCA"), ("St. Lucia", "LCA"), ("St Kitts & Nevis", "KNA"),
        ("Sao Tome and Principe", "STP"), ("São Tomé & Príncipe", "STP"), ("The Gambia", "GMB"), ("Gambia, The", "GMB"),
        ("Bolivia", "BOL"), ("Moldova", "MDA"), ("Cape Verde", "CPV"), ("Slovak Republic", "SVK"), ("Kosovo", "XKX"),
    ],
)  # fmt: skip
def test_a_country_is_known_by_the_english_names_in_use(reference, spelling, code):
    assert reference.country_code_of(spelling) == code


@pytest.mark.parametrize(
    "spelling", ["", " ", "Korea", "Saint", "Atlantis", "Republic", "The", "Virgin Islands", "()", ","]
)
def test_a_name_of_no_country_or_of_two_is_nobodys(reference, spelling):
    assert reference.country_code_of(spelling) is None


def test_each_country_has_its_own_spellings(reference):
    for code, country in reference.countries.items():
        for own in (code, code.lower(), country.alpha2, country.name, country.name.upper()):
            assert reference.country_code_of(own) == code
    for row in reference.alias_rows:
        assert reference.country_code_of(row.alias) == row.code


def test_known_codes_pass(reference):
    assert all(reference.check_country(code) is None for code in reference.countries)
    assert reference.check_tag("kap", "AFR1") is None
    assert reference.check_tag("kap", "AFR1", version="2023-2025") is None
    assert reference.check_tag("programme", "anything at all", version="2027") is None
    assert reference.check_tag("wsis", "C7-e-health") is None
    assert reference.check_study_group("SG2") is None
    assert reference.check_region("CIS") is None
    assert reference.check_office("new_delhi") is None


def test_unknown_codes_are_refused_with_the_nearest_one(reference):
    assert "Did you mean C2?" in reference.check_tag("wsis", "c2").fix
    assert reference.check_tag("kap", "AFR9").rule == "tag-code"
    assert reference.check_tag("kap", "AFR1", version="2026-2029").rule == "tag-version"
    assert "leave the version out" in reference.check_tag("kap", "AFR1", version="2026-2029").fix
    assert reference.check_tag("sdg", "9", version="2015").fix == "Leave the version out."
    assert reference.check_tag("wsiss", "C2").fix.startswith("Did you mean wsis?")
    assert reference.check_region("EU").rule == "region-code"


def test_an_error_repeats_a_wrong_value_shortened_and_printable(reference):
    detail = reference.check_country("X" * 5000 + "\u202e").detail
    assert len(detail) < 200
    assert "\u202e" not in reference.check_region("a\u202eb\x00").detail


def test_the_same_code_means_another_thing_in_another_plan(reference):
    assert reference.default_version("kap") == "2023-2025"
    assert reference.default_version("bap") == "2026-2029"
    assert reference.default_version("sdg") is None
    kigali = reference.codes["kap", "2023-2025"]["AMS1"]
    baku = reference.codes["bap", "2026-2029"]["AMS1"]
    assert kigali.title is None
    assert baku.title is not None


def test_a_title_that_was_not_verified_is_left_out(reference):
    for row in reference.code_rows:
        if row.scheme in {"kap", "bap"}:
            assert (row.title is not None) == (row.status == "verified"), row


def test_the_sector_by_which_lists_are_filtered_is_that_of_the_published_types(reference):
    for row in reference.organisation_types:
        for category in reference.categories:
            assert SECTORS[sector_of(category.code, row.code)] == row.sector
    assert SECTORS[sector_of("academia", None)] == "academic"
    assert SECTORS[sector_of("member_state", None)] == "public"
    assert SECTORS[sector_of("sector_member", None)] == "private"
    assert SECTORS[sector_of("prospect", None)] == "other"


def test_the_part_for_an_epoch_is_plain_and_in_a_fixed_order(reference):
    part = reference.as_json()
    assert part["countries"]["KEN"] == "AFR"
    assert ["STP", "ldc", None, "2024-12-13"] in part["groups"]
    assert part["groups"] == sorted(part["groups"], key=lambda row: tuple(cell or "" for cell in row))
    assert {row[1] for row in part["groups"]} == {*NAMED_GROUPS, "developing_list"}
    assert load_reference().as_json() == part


def test_a_file_that_does_not_fit_its_row_is_refused_with_its_line():
    with pytest.raises(ValueError, match=r"x\.csv: the header is"):
        parse_rows(StudyGroup, "code,title\n", file_name="x.csv")
    with pytest.raises(ValueError, match=r"x\.csv, line 2: the number of cells"):
        parse_rows(StudyGroup, "code,title,source,status\na,b,c\n", file_name="x.csv")
    header = "code,scheme,name,cycle,valid_from,valid_to,cited_by_resolution,source,status\n"
    with pytest.raises(ValueError, match=r"line 2: expected yes or no"):
        parse_rows(Plan, header + "A,a,n,c,2023-01-01,2026-01-01,maybe,s,v\n", file_name="x.csv")
    with pytest.raises(ValueError, match=r"line 2: month must be in"):
        parse_rows(Plan, header + "A,a,n,c,2023-13-01,2026-01-01,yes,s,v\n", file_name="x.csv")
