import orjson
import pytest
from pydantic import ValidationError

from schemas.http.members import OrganisationBody
from services.chassis.bus.errors import BusError
from services.chassis.identity.principal import ANONYMOUS, Principal
from services.chassis.reference import Reference
from services.chassis.web.problems import (
    Forbidden,
    InvalidBody,
    PreconditionRequired,
    StaleRevision,
    Unauthenticated,
)
from services.members.commands.put import put_organisation
from services.members.rules.problems import DuplicateExternalId

ONE = "018f3c2a-7d10-7000-8000-000000000001"
TWO = "018f3c2a-7d10-7000-8000-000000000002"
THREE = "018f3c2a-7d10-7000-8000-000000000003"
BODY = {
    "legal_name": "Mwangaza Networks",
    "category": "prospect",
    "hq_country": "KEN",
    "descriptions": [
        {"language": "en", "text": "We build solar-powered community networks for rural schools."}
    ],
    "offers": [{"kind": "training"}],
    "contact": {"name": "Front Desk", "email": "office@mwangaza.example"},
}

TWICE = [{"scheme": "bap", "code": "AFR1"}, {"scheme": "bap", "version": "2026-2029", "code": "AFR1"}]


def organisation(*roles, of=ONE):
    return Principal("client", frozenset({"public", *roles}), organisation=of)


async def test_six_fields_register_an_organisation_and_announce_it_without_its_contact(desk):
    answer = await desk.put()
    assert answer.status == 201
    assert answer.revision == 1
    assert answer.headers["Location"] == f"/v1/organisations/{ONE}"
    assert answer.body["contact"] == {"name": "Front Desk", "email": "office@mwangaza.example"}
    assert answer.body["token"] == {
        "topic": "members.v1",
        "id": ONE,
        "sequence": "1.1",
        "text": f"members.v1:{ONE}:1.1",
    }
    assert answer.body["warnings"] == []
    [event] = await desk.events()
    assert event.type == "org.comity.organisation.revised.v1"
    assert (event.topic, event.key, str(event.sequence)) == ("members.v1", ONE, "1.1")
    assert event.json()["legal_name"] == "Mwangaza Networks"
    assert b"Front Desk" not in event.data
    assert b"office@" not in event.data
    assert b"contact" not in event.data


async def test_what_is_stored_is_what_is_sent(desk):
    await desk.put(tags=[{"scheme": "kap", "code": "AFR1"}, {"scheme": "sdg", "code": "9"}])
    [row] = await desk.rows("organisations")
    [event] = await desk.events()
    assert orjson.loads(row["record"]) == event.json()
    assert event.json()["tags"] == [
        {"scheme": "kap", "version": "2023-2025", "code": "AFR1"},
        {"scheme": "sdg", "code": "9"},
    ]


async def test_every_write_leaves_one_audit_row(desk):
    await desk.put()
    await desk.put(match=1, short_name="Mwangaza")
    audit = await desk.rows("audit")
    assert [(row["action"], row["revision_before"], row["revision_after"]) for row in audit] == [
        ("organisation.registered", None, 1),
        ("organisation.revised", 1, 2),
    ]
    assert "Front Desk" not in str(audit)


async def test_replacing_needs_the_etag_that_was_read(desk):
    await desk.put()
    with pytest.raises(PreconditionRequired):
        await desk.put(short_name="M")
    with pytest.raises(StaleRevision):
        await desk.put(match=7, short_name="M")
    with pytest.raises(StaleRevision):
        await desk.put(TWO, match=1)
    answer = await desk.put(match=1, short_name="M")
    assert (answer.status, answer.revision) == (200, 2)
    assert len(await desk.events()) == 2
    assert [row["revision"] for row in await desk.rows("revisions")] == [1, 2]


async def test_the_same_profile_again_makes_no_new_revision(desk):
    await desk.put(tags=[{"scheme": "kap", "code": "AFR1"}])
    answer = await desk.put(match=1, tags=[{"scheme": "kap", "code": "AFR1"}])
    assert (answer.status, answer.revision) == (200, 1)
    assert len(await desk.events()) == 1
    assert [row["action"] for row in await desk.rows("audit")] == [
        "organisation.registered",
        "organisation.unchanged",
    ]


async def test_another_contact_alone_is_a_new_revision(desk):
    await desk.put()
    answer = await desk.put(
        match=1, contact={"name": "Other Desk", "email": "other@mwangaza.example", "role": "head"}
    )
    assert answer.revision == 2
    assert answer.body["contact"]["role"] == "head"
    assert len(await desk.rows("contacts")) == 1


async def test_what_an_import_filled_with_constants_is_kept_with_the_revision(desk):
    answer = await desk.put(provenance={"constants": ["contact", "offers"]})
    [event] = await desk.events()
    assert event.json()["provenance"] == {"constants": ["contact", "offers"]}
    assert "offer_texts" in answer.body["missing"]


async def test_several_imports_share_a_transaction(desk):
    async def two(unit):
        await put_organisation(unit, organisation_id=ONE, body=OrganisationBody.model_validate(BODY))
        unit.audits = 0
        child = OrganisationBody.model_validate(BODY | {"legal_name": "A branch", "parent": ONE})
        return await put_organisation(unit, organisation_id=TWO, body=child)

    await desk.run(two)
    assert [event.key for event in await desk.events()] == [ONE, TWO]


@pytest.mark.parametrize("role", ["organisation_editor", "organisation_admin"])
async def test_its_own_editors_register_and_replace_it(desk, role):
    assert (await desk.put(by=organisation(role))).status == 201
    assert (await desk.put(by=organisation(role), match=1, short_name="M")).revision == 2


@pytest.mark.parametrize(
    "who",
    [
        organisation("organisation_reader"),
        organisation("organisation_admin", of=TWO),
        organisation("organisation_admin", of=None),
        Principal("p", frozenset({"public", "project_manager"})),
        Principal("p", frozenset({"public", "office_officer"})),
        Principal("p", frozenset({"public", "bdt_analyst"})),
        Principal("p", frozenset({"public", "auditor"})),
    ],
)
async def test_nobody_else_writes_it(desk, who):
    with pytest.raises(Forbidden):
        await desk.put(by=who)
    assert await desk.rows("organisations") == []


async def test_nobody_unnamed_writes(desk):
    with pytest.raises(Unauthenticated):
        await desk.put(by=ANONYMOUS)


async def test_the_same_name_and_country_is_warned_and_not_blocked(desk):
    await desk.put()
    answer = await desk.put(TWO, legal_name="  MWANGAZA   networks. ")
    assert answer.status == 201
    [warning] = answer.body["warnings"]
    assert warning["rule"] == "same-name-and-country"
    assert warning["organisations"] == [ONE]
    assert (await desk.put(THREE, hq_country="UGA")).body["warnings"] == []


async def test_an_associate_without_a_study_group_is_warned_only(desk):
    answer = await desk.put(category="associate")
    assert [warning["rule"] for warning in answer.body["warnings"]] == ["associate-without-study-group"]
    assert (await desk.put(match=1, category="associate", study_group="SG2")).body["warnings"] == []


async def faults_of(desk, **changes):
    with pytest.raises(InvalidBody) as refused:
        await desk.put(**changes)
    assert await desk.rows("organisations") == []
    for error in refused.value.errors:
        assert error["fix"]
        assert error["detail"]
    return {(error["pointer"], error["rule"]) for error in refused.value.errors}


@pytest.mark.parametrize(
    ("changes", "pointer", "rule"),
    [
        ({"hq_country": "EL"}, "/hq_country", "country-code"),
        ({"operating_countries": ["KEN", "XXX"]}, "/operating_countries/1", "country-code"),
        ({"willing_countries": ["ke"]}, "/willing_countries/0", "country-code"),
        ({"willing_regions": ["EUROPE"]}, "/willing_regions/0", "region-code"),
        ({"tags": [{"scheme": "kap", "code": "AFR99"}]}, "/tags/0/code", "tag-code"),
        ({"tags": TWICE}, "/tags/1", "no-repeats"),
        (
            {"evidence": [{"id": "e1", "texts": [{"language": "en", "text": "Links."}], "tags": TWICE}]},
            "/evidence/0/tags/1",
            "no-repeats",
        ),
        ({"tags": [{"scheme": "kap", "version": "1999", "code": "AFR1"}]}, "/tags/0/version", "tag-version"),
        ({"tags": [{"scheme": "nope", "code": "1"}]}, "/tags/0/scheme", "tag-scheme"),
        (
            {"descriptions": [{"language": "ar", "text": "We build networks for schools in villages."}]},
            "/descriptions/0/text",
            "text-language",
        ),
        (
            {"descriptions": [{"language": "en", "text": "the and of"}]},
            "/descriptions/0/text",
            "text-stop-words-only",
        ),
        (
            {"expertise": [{"language": "zh", "text": "rural broadband planning"}]},
            "/expertise/0/text",
            "text-language",
        ),
        (
            {"offers": [{"kind": "training", "texts": [{"language": "fr", "text": "и для нас это важно"}]}]},
            "/offers/0/texts/0/text",
            "text-language",
        ),
        (
            {"seeks": [{"kind": "funding", "texts": [{"language": "en", "text": "of the"}]}]},
            "/seeks/0/texts/0/text",
            "text-stop-words-only",
        ),
        (
            {
                "evidence": [
                    {"id": "e1", "texts": [{"language": "en", "text": "Solar links."}], "countries": ["UK"]}
                ]
            },
            "/evidence/0/countries/0",
            "country-code",
        ),
        (
            {"evidence": [{"id": "e1", "texts": [{"language": "en", "text": "at the"}]}]},
            "/evidence/0/texts/0/text",
            "text-stop-words-only",
        ),
        ({"study_group": "SG1"}, "/study_group", "study-group-of-associates"),
        ({"review_by": "2026-11-23"}, "/review_by", "review-by-past"),
        ({"first_involved_on": "2026-11-25"}, "/first_involved_on", "first-involved-in-future"),
        ({"parent": ONE}, "/parent", "parent-self"),
        ({"parent": TWO}, "/parent", "parent-unknown"),
    ],
)
async def test_a_wrong_profile_is_told_where_and_how_to_mend_it(desk, changes, pointer, rule):
    assert await faults_of(desk, **changes) == {(pointer, rule)}


async def test_all_faults_are_named_at_once(desk):
    found = await faults_of(desk, hq_country="EL", study_group="SG1", willing_regions=["X"])
    assert len(found) == 3


async def test_dates_of_today_are_not_past(desk):
    assert (await desk.put(review_by="2026-11-24", first_involved_on="2026-11-24")).status == 201


def refused_by_shape(**changes):
    body = {name: value for name, value in (BODY | changes).items() if value is not None}
    with pytest.raises(ValidationError) as refused:
        OrganisationBody.model_validate_json(orjson.dumps(body))
    return {error["type"] for error in refused.value.errors()}


@pytest.mark.parametrize("field", sorted(BODY))
def test_each_of_the_six_fields_is_required(field):
    assert refused_by_shape(**{field: None}) == {"missing"}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"offers": []}, "too_short"),
        ({"descriptions": []}, "too_short"),
        ({"legal_name": "  \t"}, "text-without-words"),
        ({"legal_name": "\u3164 \uffa0"}, "text-without-words"),
        ({"legal_name": "Ac\u2028me"}, "one-line"),
        ({"legal_name": "Ac\u061cme"}, "no-bidi-controls"),
        ({"legal_name": "\u200fAcme"}, "no-bidi-controls"),
        ({"legal_name": "Acme\u200e 7"}, "no-bidi-controls"),
        ({"legal_name": "Net\u0000works"}, "no-control-characters"),
        ({"legal_name": "Net\u202eskrow"}, "no-bidi-controls"),
        ({"legal_name": "N" * 301}, "string_too_long"),
        ({"contact": {"name": "D\u2067esk", "email": "a@b.example"}}, "no-bidi-controls"),
        ({"contact": {"name": "Desk", "email": "no address"}}, "email"),
        ({"contact": {"name": "Desk", "email": "a@b.example\n"}}, "email"),
        ({"contact": {"name": "Desk", "email": "a\u202e@b.example"}}, "email"),
        ({"contact": {"name": "Desk", "email": "a@b..example"}}, "email"),
        ({"category": "friend"}, "literal_error"),
        ({"organisation_type": "99"}, "literal_error"),
        ({"offers": [{"kind": "love"}]}, "literal_error"),
        ({"study_group": ["SG1", "SG2"]}, "single-study-group"),
        ({"study_group": "SG3"}, "literal_error"),
        ({"descriptions": [{"language": "xx", "text": "Hello all."}]}, "language-tag"),
        ({"descriptions": [{"language": "english", "text": "Hello all."}]}, "language-tag"),
        (
            {"descriptions": [{"language": "en", "text": "One."}, {"language": "en", "text": "Two."}]},
            "one-per-language",
        ),
        ({"operating_countries": ["KEN", "KEN"]}, "no-repeats"),
        ({"external_ids": [{"scheme": "ror", "value": "1"}] * 2}, "no-repeats"),
        (
            {"evidence": [{"id": "e1", "texts": [{"language": "en", "text": "Links."}]}] * 2},
            "evidence-id",
        ),
        ({"membership": [{"state": "active", "from": "2025-01-01", "to": "2024-01-01"}]}, "term-order"),
        (
            {
                "membership": [
                    {"state": "active", "from": "2024-01-01"},
                    {"state": "ended", "from": "2025-01-01"},
                ]
            },
            "term-overlap",
        ),
        ({"provenance": {"constants": ["rank"]}}, "constant-field"),
        ({"fee_class": "1/4"}, "extra_forbidden"),
        ({"sme": {"flag": "yes"}}, "bool_type"),
        ({"first_involved_on": "last year"}, "date"),
        ({"first_involved_on": 1700000000}, "date"),
        ({"tags": [{"scheme": "sdg", "code": "9"}] * 101}, "too_long"),
        ({"evidence": [{"id": "a b", "texts": []}]}, "string_pattern_mismatch"),
        ({"parent": "not-a-uuid"}, "uuid_parsing"),
    ],
)
def test_a_wrong_shape_is_refused_by_its_rule(changes, rule):
    assert rule in refused_by_shape(**changes)


def test_a_constant_of_what_ranks_is_a_list_of_fields_that_exist():
    from schemas.http.members import CONSTANT_FIELDS

    assert set(OrganisationBody.model_fields) >= CONSTANT_FIELDS


async def test_a_cycle_of_parents_is_refused_with_its_path(desk):
    await desk.put(ONE, legal_name="Alpha")
    await desk.put(TWO, legal_name="Beta", parent=ONE)
    await desk.put(THREE, legal_name="Gamma", parent=TWO)
    with pytest.raises(InvalidBody) as refused:
        await desk.put(ONE, match=1, legal_name="Alpha", parent=THREE)
    [error] = refused.value.errors
    assert error["rule"] == "parent-cycle"
    names = ["Alpha", "Gamma", "Beta", "Alpha"]
    places = [error["detail"].index(names[0]), error["detail"].index("Gamma"), error["detail"].index("Beta")]
    assert places == sorted(places)
    assert error["detail"].count("Alpha") == 2


async def test_a_tree_has_a_greatest_depth(desk):
    ids = [f"018f3c2a-7d10-7000-8000-0000000001{n:02d}" for n in range(23)]
    await desk.put(ids[0], legal_name="Root")
    for below, above in zip(ids[1:20], ids, strict=False):
        await desk.put(below, legal_name=f"Level {below[-2:]}", parent=above)
    with pytest.raises(InvalidBody) as refused:
        await desk.put(ids[20], legal_name="Too deep", parent=ids[19])
    assert refused.value.errors[0]["rule"] == "parent-depth"


async def test_a_duplicate_external_id_names_its_holder_only_to_those_who_may_see_it(desk):
    taken = [{"scheme": "ror", "value": "04xx7yy85"}]
    await desk.put(ONE, external_ids=taken)
    with pytest.raises(DuplicateExternalId) as seen:
        await desk.put(TWO, legal_name="Other", external_ids=[{"scheme": "lei", "value": "X"}, *taken])
    assert seen.value.errors[0]["organisation"] == ONE
    assert seen.value.errors[0]["pointer"] == "/external_ids/1"
    assert ONE in seen.value.detail
    with pytest.raises(DuplicateExternalId) as unseen:
        await desk.put(TWO, by=organisation("organisation_admin", of=TWO), external_ids=taken)
    assert "organisation" not in unseen.value.errors[0]
    assert ONE not in str(unseen.value.body(public_url="", instance=""))


async def test_an_external_id_that_was_given_up_is_free(desk):
    taken = [{"scheme": "ror", "value": "04xx7yy85"}]
    await desk.put(ONE, external_ids=taken)
    await desk.put(ONE, match=1)
    assert (await desk.put(TWO, legal_name="Other", external_ids=taken)).status == 201


async def test_a_record_above_the_logs_limit_is_refused_and_nothing_is_stored(desk):
    text = "networks for schools " * 900
    evidence = [{"id": f"e{n}", "texts": [{"language": "en", "text": text}]} for n in range(60)]
    with pytest.raises(BusError) as refused:
        await desk.put(evidence=evidence)
    assert refused.value.status == 413
    assert await desk.rows("organisations") == []
    assert await desk.events() == []


async def test_what_could_buy_rank_has_no_field(desk):
    words = {"fee", "fees", "contribution", "contributions", "sponsorship", "pledge_value", "paid", "amount"}
    assert not words & set(OrganisationBody.model_fields)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"category": "sector_member"}, "/category"),
        ({"membership": [{"state": "active", "from": "1999-01-01"}]}, "/membership"),
        ({"first_involved_on": None}, "/first_involved_on"),
        ({"sme": {"flag": True, "basis": "verified"}}, "/sme/basis"),
    ],
)
async def test_an_organisation_does_not_change_its_own_standing(desk, changes, pointer):
    standing = {"first_involved_on": "2001-01-01"}
    await desk.put(**standing)
    own = organisation("organisation_editor")
    with pytest.raises(InvalidBody) as refused:
        await desk.put(by=own, match=1, **{**standing, **changes})
    assert [(one["pointer"], one["rule"]) for one in refused.value.errors] == [(pointer, "kept-by-bdt")]
    assert (await desk.put(by=own, match=1, **standing, languages=["en"])).revision == 2
    assert (await desk.put(match=2, **{**standing, **changes})).revision == 3


async def test_who_registers_itself_begins_without_standing(desk):
    own = organisation("organisation_editor")
    with pytest.raises(InvalidBody) as refused:
        await desk.put(by=own, category="member_state", first_involved_on="2001-01-01")
    assert {one["pointer"] for one in refused.value.errors} == {"/category", "/first_involved_on"}
    assert (await desk.put(by=own, category="other_entity")).status == 201


async def test_of_very_many_faults_the_first_hundred_are_looked_for(desk, monkeypatch):
    checked = []
    check = Reference.check_country

    def counted(self, value):
        checked.append(value)
        return check(self, value)

    monkeypatch.setattr(Reference, "check_country", counted)
    evidence = [
        {
            "id": f"e{n}",
            "texts": [{"language": "en", "text": "Masts for villages."}],
            "countries": [f"Atlantis {n} {m}" for m in range(250)],
        }
        for n in range(100)
    ]
    with pytest.raises(InvalidBody, match="At least 100 points") as refused:
        await desk.put(evidence=evidence)
    assert len(refused.value.errors) == 100
    assert len(checked) == 101


async def test_the_first_involvement_is_that_of_the_earliest_event_on_record(desk):
    events = [
        {"kind": kind, "on": day, "source": "Report of the meeting"}
        for kind, day in (("meeting", "2021-05-03"), ("pledge", "2019-02-01"))
    ]
    assert (await desk.put(involvements=events)).body["first_involved_on"] == "2019-02-01"
    own = organisation("organisation_editor")
    with pytest.raises(InvalidBody) as refused:
        await desk.put(by=own, match=1, involvements=events[:1])
    assert {one["pointer"] for one in refused.value.errors} == {"/involvements", "/first_involved_on"}
    with pytest.raises(InvalidBody) as refused:
        await desk.put(match=1, involvements=events, first_involved_on="2020-01-01")
    assert [one["rule"] for one in refused.value.errors] == ["involvement-before-first"]
    with pytest.raises(InvalidBody) as refused:
        await desk.put(match=1, involvements=[{**events[0], "on": "2026-11-25"}])
    assert [one["rule"] for one in refused.value.errors] == ["involvement-in-future"]


async def test_a_name_is_the_same_with_what_nobody_sees_in_it(desk):
    await desk.put(legal_name="Acme Networks")
    answer = await desk.put(TWO, legal_name="Ac\u200bme Net\u00adworks")
    assert [one["rule"] for one in answer.body["warnings"]] == ["same-name-and-country"]
