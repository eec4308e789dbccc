from datetime import date

import pytest

from matching.lists import OFFER_KINDS
from schemas.events.members import MembershipTerm
from schemas.events.parts import NeedKind
from schemas.http.members import Category, OrganisationType
from services.chassis.reference import load_reference
from services.members.rules.completeness import OPTIONAL, completeness, missing_parts
from services.members.rules.names import name_key
from services.members.rules.rights import may_erase, may_write, view_of
from services.members.rules.standing import dormant, membership_state, study_group_role

REFERENCE = load_reference()


def role(category, own, group, name):
    refusal = study_group_role(REFERENCE, category=category, own_group=own, group=group, role=name)
    return None if refusal is None else refusal.rule


def test_an_associate_of_sg2_is_refused_as_rapporteur_of_sg1_by_the_single_study_group():
    assert role("associate", "SG2", "SG1", "rapporteur") == "single-study-group"


def test_an_associate_attends_contributes_and_comments_in_its_own_study_group():
    for name in ("attend", "contribute", "comment_before_adoption"):
        assert role("associate", "SG2", "SG2", name) is None
        assert role("associate", "SG2", "SG1", name) == "single-study-group"
        assert role("associate", None, "SG1", name) == "single-study-group"
    for name in ("rapporteur", "chair", "editor", "vote"):
        assert role("associate", "SG2", "SG2", name) == "study-group-role"


@pytest.mark.parametrize("category", ["member_state", "sector_member"])
def test_members_take_any_role_in_any_study_group(category):
    assert role(category, None, "SG1", "rapporteur") is None
    assert role(category, None, "SG2", "chair") is None


def test_academia_takes_part_without_office_and_others_come_as_guests():
    assert role("academia", None, "SG1", "contribute") is None
    assert role("academia", None, "SG1", "chair") == "study-group-role"
    assert role("other_entity", None, "SG1", "attend") == "study-group-role"
    assert role("prospect", None, "SG1", "attend") == "study-group-role"


def test_unknown_groups_and_roles_are_told_the_known_ones():
    assert role("sector_member", None, "SG9", "attend") == "study-group-code"
    assert role("sector_member", None, "SG1", "king") == "study-group-role"


def term(state, start, end=None):
    return MembershipTerm.model_validate({"state": state, "from": start, "to": end})


def test_the_state_of_membership_on_a_day():
    terms = [term("active", "2024-01-01", "2024-12-31"), term("suspended", "2025-02-01", "2025-02-28")]
    assert membership_state(terms, date(2023, 12, 31)) == "none"
    assert membership_state(terms, date(2024, 12, 31)) == "active"
    assert membership_state(terms, date(2025, 1, 15)) == "ended"
    assert membership_state(terms, date(2025, 2, 28)) == "suspended"
    assert membership_state([], date(2025, 1, 1)) == "none"
    assert not dormant(date(2025, 1, 1), date(2025, 1, 1))
    assert dormant(date(2025, 1, 1), date(2025, 1, 2))


def test_completeness_counts_the_optional_parts_and_no_constants():
    thin = {"offers": [{"kind": "data"}], "provenance": {"constants": []}}
    assert completeness(thin) == 0
    assert set(missing_parts(thin)) == set(OPTIONAL)
    full = {
        "organisation_type": "70",
        "sme": {"flag": False, "basis": "self_declared"},
        "operating_countries": ["KEN"],
        "willing_regions": ["AFR"],
        "expertise": [{}],
        "offers": [{"texts": [{}]}],
        "evidence": [{}],
        "languages": ["en"],
        "tags": [{}],
        "first_involved_on": "2020-01-01",
    }
    assert completeness(full) == 100
    assert missing_parts(full | {"provenance": {"constants": ["expertise", "offers"]}}) == (
        "expertise",
        "offer_texts",
    )


def test_the_same_name_is_noticed_in_other_spellings():
    assert name_key("ACME  Networks, Ltd.") == name_key("Acme networks ltd")
    assert name_key("Ａｃｍｅ") == name_key("acme")
    assert name_key("شركة النور") != name_key("شركة النجم")


ONE = "018f3c2a-7d10-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("roles", "own", "seen", "writes", "erases"),
    [
        (set(), None, "public", False, False),
        ({"organisation_reader"}, ONE, "full", False, False),
        ({"organisation_editor"}, ONE, "full", True, False),
        ({"organisation_admin"}, ONE, "full", True, True),
        ({"organisation_admin"}, "another", "public", False, False),
        ({"organisation_admin"}, None, "public", False, False),
        ({"project_manager"}, ONE, "profile", False, False),
        ({"bdt_analyst"}, None, "profile", False, False),
        ({"auditor"}, None, "profile", False, False),
        ({"office_officer"}, None, "full", False, False),
        ({"bdt_editor"}, None, "full", True, False),
        ({"bdt_admin"}, None, "full", True, True),
    ],
)
def test_rights_by_role(roles, own, seen, writes, erases):
    assert view_of(ONE, roles=roles, own=own) == seen
    assert may_write(ONE, roles=roles, own=own) is writes
    assert may_erase(ONE, roles=roles, own=own) is erases


def test_the_shapes_and_the_reference_lists_name_the_same_codes():
    assert set(Category.__args__) == {row.code for row in REFERENCE.categories}
    assert set(NeedKind.__args__) == {row.code for row in REFERENCE.kinds} == set(OFFER_KINDS)
    assert set(OrganisationType.__args__) == {row.code for row in REFERENCE.organisation_types}
