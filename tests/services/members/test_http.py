"""The service behind its real edge: tokens, views, conditions, pages, problems."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from openapi_spec_validator import validate

from services.chassis.identity.verification import Verifier
from services.chassis.web.application import build_application

ONE = "018f3c2a-7d10-7000-8000-000000000001"
TWO = "018f3c2a-7d10-7000-8000-000000000002"
UNKNOWN = "018f3c2a-7d10-7000-8000-0000000000ff"
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


class Http:
    """A client of the application, with tokens of any role."""

    def __init__(self, client: httpx2.AsyncClient, key: Ed25519PrivateKey, settings: Any) -> None:
        self.client, self.key, self.settings = client, key, settings

    def bearer(self, *roles: str, organisation: str | None = None) -> dict[str, str]:
        now = datetime.now(UTC)
        claims: dict[str, Any] = {
            "sub": "someone",
            "roles": list(roles),
            "iss": self.settings.issuer,
            "aud": self.settings.identity.audience,
            "iat": now,
            "exp": now + timedelta(minutes=5),
        }
        if organisation:
            claims["organisation"] = organisation
        token = jwt.encode(claims, self.key, algorithm="EdDSA", headers={"kid": "k1"})
        return {"Authorization": f"Bearer {token}"}

    async def ask(
        self,
        method: str,
        path: str,
        *roles: str,
        of: str | None = None,
        match: int | None = None,
        **rest: Any,
    ) -> httpx2.Response:
        headers = rest.pop("headers", {})
        if roles:
            headers |= self.bearer(*roles, organisation=of)
        if match is not None:
            headers["If-Match"] = f'"{match}"'
        return await self.client.request(method, f"/v1/organisations{path}", headers=headers, **rest)

    async def put(self, organisation: str = ONE, *roles: str, **rest: Any) -> httpx2.Response:
        changes = rest.pop("changes", {})
        return await self.ask(
            "PUT", f"/{organisation}", *(roles or ("bdt_admin",)), json=BODY | changes, **rest
        )


@pytest.fixture
async def http(desk) -> AsyncIterator[Http]:
    key = Ed25519PrivateKey.generate()
    x = (
        base64.urlsafe_b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        .rstrip(b"=")
        .decode()
    )

    async def keys() -> dict[str, Any]:
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1", "alg": "EdDSA", "use": "sig"}]}

    settings = desk.runtime.settings
    verifier = Verifier(keys, issuer=settings.issuer, audience=settings.identity.audience)
    application = build_application(desk.runtime, verifier=verifier)
    transport = httpx2.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://comity.test") as client:
        yield Http(client, key, settings)


async def test_register_read_replace(http):
    made = await http.put(ONE, "organisation_editor", of=ONE)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert made.headers["location"] == f"/v1/organisations/{ONE}"
    read = await http.ask("GET", f"/{ONE}", "organisation_reader", of=ONE)
    assert read.status_code == 200
    assert read.headers["etag"] == '"1"'
    body = read.json()
    assert (body["view"], body["contact"]["name"], body["completeness"]) == ("full", "Front Desk", 0)
    assert "sme" in body["missing"]
    replaced = await http.put(
        ONE, "organisation_editor", of=ONE, match=1, changes={"languages": ["en", "sw"]}
    )
    assert (replaced.status_code, replaced.json()["revision"]) == (200, 2)
    again = await http.ask("GET", f"/{ONE}", "bdt_admin", headers={"If-None-Match": '"2"'})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("roles", "of", "seen"),
    [
        ((), None, "public"),
        (("public",), None, "public"),
        (("organisation_admin",), TWO, "public"),
        (("organisation_reader",), ONE, "full"),
        (("project_manager",), None, "profile"),
        (("bdt_analyst",), None, "profile"),
        (("auditor",), None, "profile"),
        (("office_officer",), None, "full"),
        (("bdt_editor",), None, "full"),
    ],
)
async def test_each_role_sees_what_it_may(http, roles, of, seen):
    await http.put()
    answer = await http.ask("GET", f"/{ONE}", *roles, of=of)
    body = answer.json()
    assert body["view"] == seen
    assert ("contact" in body) == (seen == "full")
    if seen == "public":
        assert set(body) == {"id", "legal_name", "category", "hq_country", "fictional", "view"}
    for path in ("/revisions", "/revisions/1", "/study-group-role?study_group=SG1&role=attend"):
        status = (await http.ask("GET", f"/{ONE}{path}", *roles, of=of)).status_code
        assert status == (200 if seen != "public" else (403 if roles else 401)), path


async def test_one_etag_names_one_body(http):
    await http.put(ONE, "organisation_editor", of=ONE)
    readers = (("organisation_reader", ONE), ("bdt_admin", None), ("project_manager", None), ("public", None))
    answers = [await http.ask("GET", f"/{ONE}", role, of=of) for role, of in readers]
    assert len({answer.content for answer in answers}) == 3, "full, without its contact, in public"
    assert len({(answer.headers["etag"], answer.content) for answer in answers}) == 3
    assert len({answer.headers["etag"] for answer in answers}) == 3
    assert answers[0].headers["etag"] == '"1"'


async def test_lists_page_to_the_end_in_the_order_of_ids(http):
    ids = [f"018f3c2a-7d10-7000-8000-0000000000{n:02d}" for n in range(11)]
    for organisation in reversed(ids):
        await http.put(organisation, changes={"legal_name": f"Body {organisation[-2:]}"})
    for size in (1, 3, 11, 12):
        seen, path = [], f"?limit={size}"
        while path:
            page = (await http.ask("GET", path)).json()
            seen += [item["id"] for item in page["items"]]
            assert len(page["items"]) <= size
            path = f"?limit={size}&cursor={page['next']}" if page["next"] else None
        assert seen == ids


async def test_a_list_never_holds_a_contact(http):
    await http.put()
    answer = await http.ask("GET", "", "bdt_admin")
    [item] = answer.json()["items"]
    assert item["view"] == "profile"
    assert "office@" not in answer.text


async def test_an_organisation_sees_its_own_profile_in_the_list_and_others_by_name(http):
    await http.put(ONE)
    await http.put(TWO, changes={"legal_name": "Other body"})
    page = (await http.ask("GET", "", "organisation_reader", of=ONE)).json()
    assert [item["view"] for item in page["items"]] == ["profile", "public"]


async def test_filters_select(http):
    await http.put(ONE, changes={"external_ids": [{"scheme": "ror", "value": "A1"}], "sme": {"flag": True}})
    await http.put(
        TWO, changes={"legal_name": "Lao body", "hq_country": "LAO", "category": "academia", "parent": ONE}
    )

    async def found(query):
        answer = await http.ask("GET", f"?{query}", "bdt_analyst")
        assert answer.status_code == 200, answer.text
        return [item["id"][-1] for item in answer.json()["items"]]

    assert await found("category=academia") == ["2"]
    assert await found("country=KEN") == ["1"]
    assert await found("region=ASP") == ["2"]
    assert await found("sme=true") == ["1"]
    assert await found("sme=false") == ["2"]
    assert await found(f"parent={ONE}") == ["2"]
    assert await found("name=mwangaza%20NETWORKS") == ["1"]
    assert await found("external_scheme=ror&external_id=A1") == ["1"]
    assert await found("external_scheme=lei&external_id=A1") == []
    assert await found("membership_state=none") == ["1", "2"]
    await http.ask("POST", f"/{ONE}/withdraw", "bdt_admin", match=1, json={"reason": "Leaving."})
    assert await found("limit=5") == ["2"]
    assert await found("state=withdrawn") == ["1"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("country=EL", 400),
        ("region=EUROPE", 400),
        ("limit=0", 400),
        ("limit=-1", 400),
        ("limit=1000000000", 400),
        ("colour=red", 400),
        ("external_scheme=ror", 400),
        ("cursor=abc", 400),
        ("parent=nonsense", 400),
        ("category=friend", 400),
    ],
)
async def test_wrong_parameters_are_refused(http, query, status):
    answer = await http.ask("GET", f"?{query}", "bdt_admin")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


async def test_a_wrong_country_filter_is_told_the_right_code(http):
    assert "GRC" in (await http.ask("GET", "?country=EL")).text


async def test_filters_on_what_profiles_say_need_a_role_that_sees_them(http):
    for query in (
        "state=withdrawn",
        "sme=true",
        f"parent={ONE}",
        "external_id=A1",
        "membership_state=active",
    ):
        assert (await http.ask("GET", f"?{query}")).status_code == 401
        assert (await http.ask("GET", f"?{query}", "organisation_admin", of=ONE)).status_code == 403


async def test_a_cursor_counts_for_its_list_its_filters_and_its_caller_only(http):
    for organisation in (ONE, TWO):
        await http.put(organisation, changes={"legal_name": f"Body {organisation[-1]}"})
    cursor = (await http.ask("GET", "?limit=1")).json()["next"]
    assert (await http.ask("GET", f"?limit=1&cursor={cursor}")).status_code == 200
    assert (await http.ask("GET", f"?limit=1&country=KEN&cursor={cursor}")).json()["code"] == "invalid-cursor"
    assert (await http.ask("GET", f"?cursor={cursor}", "bdt_admin")).json()["code"] == "invalid-cursor"
    assert (await http.ask("GET", f"?cursor={cursor[:-2]}AA")).json()["code"] == "invalid-cursor"
    await http.put(ONE, match=1, changes={"short_name": "B"})
    other = (await http.ask("GET", f"/{ONE}/revisions?limit=1", "bdt_admin")).json()["next"]
    answer = await http.ask("GET", f"/{TWO}/revisions?limit=1&cursor={other}", "bdt_admin")
    assert answer.json()["code"] == "invalid-cursor"


async def test_the_history_shows_each_revision_without_its_contact(http):
    await http.put(changes={"category": "associate", "study_group": "SG1"})
    await http.put(match=1, changes={"category": "associate", "study_group": "SG2"})
    page = await http.ask("GET", f"/{ONE}/revisions", "auditor")
    assert [(one["revision"], one["action"], one["study_group"]) for one in page.json()["items"]] == [
        (2, "revised", "SG2"),
        (1, "registered", "SG1"),
    ]
    first = await http.ask("GET", f"/{ONE}/revisions/1", "auditor")
    assert first.json()["record"]["study_group"] == "SG1"
    assert "office@" not in page.text + first.text
    assert (await http.ask("GET", f"/{ONE}/revisions/9", "auditor")).status_code == 404
    assert (await http.ask("GET", f"/{ONE}/revisions/0", "auditor")).status_code == 400


async def test_an_associate_is_refused_a_role_in_another_study_group_with_its_code(http):
    await http.put(changes={"category": "associate", "study_group": "SG2", "hq_country": "UGA"})
    answer = await http.ask("GET", f"/{ONE}/study-group-role?study_group=SG1&role=rapporteur", "bdt_analyst")
    assert (answer.json()["allowed"], answer.json()["rule"]) == (False, "single-study-group")
    answer = await http.ask("GET", f"/{ONE}/study-group-role?study_group=SG2&role=contribute", "bdt_analyst")
    assert answer.json() == {"study_group": "SG2", "role": "contribute", "allowed": True}


async def test_withdrawn_is_out_of_public_sight_and_erased_is_gone(http):
    await http.put()
    gone = await http.ask(
        "POST", f"/{ONE}/withdraw", "organisation_admin", of=ONE, match=1, json={"reason": "Leaving."}
    )
    assert (gone.status_code, gone.headers["etag"]) == (200, '"2"')
    assert (await http.ask("GET", f"/{ONE}")).status_code == 404
    assert (await http.ask("GET", f"/{ONE}", "bdt_admin")).json()["state"] == "withdrawn"
    erased = await http.ask("DELETE", f"/{ONE}", "organisation_admin", of=ONE, match=2)
    assert (erased.status_code, erased.content) == (204, b"")
    for roles in ((), ("bdt_admin",)):
        answer = await http.ask("GET", f"/{ONE}", *roles)
        assert (answer.status_code, answer.json()["code"]) == (410, "organisation-erased")
    assert (await http.put()).json()["code"] == "organisation-erased"


async def test_erasure_reaches_the_answers_that_were_kept_for_repeats(http, desk):
    await http.put()
    headers = {"Idempotency-Key": "leave-2"}
    await http.ask("POST", f"/{ONE}/withdraw", "bdt_admin", match=1, json={"reason": "A."}, headers=headers)
    assert "Mwangaza" in str(await desk.rows("idempotency"))
    await http.ask("DELETE", f"/{ONE}", "bdt_admin", match=2)
    assert await desk.rows("idempotency") == []


async def test_the_same_idempotency_key_withdraws_once(http):
    await http.put()
    headers = {"Idempotency-Key": "leave-1"}
    first = await http.ask(
        "POST", f"/{ONE}/withdraw", "bdt_admin", match=1, json={"reason": "A."}, headers=dict(headers)
    )
    again = await http.ask(
        "POST", f"/{ONE}/withdraw", "bdt_admin", match=1, json={"reason": "A."}, headers=dict(headers)
    )
    assert (first.status_code, again.status_code, first.content) == (200, 200, again.content)
    other = await http.ask(
        "POST", f"/{ONE}/withdraw", "bdt_admin", match=1, json={"reason": "B."}, headers=dict(headers)
    )
    assert other.json()["code"] == "idempotency-mismatch"


async def test_writes_without_or_with_a_stale_etag_are_refused(http):
    await http.put()
    assert (await http.put()).status_code == 428
    assert (await http.put(match=9)).status_code == 412
    assert (await http.ask("DELETE", f"/{ONE}", "bdt_admin")).status_code == 428
    assert (await http.ask("DELETE", f"/{UNKNOWN}", "bdt_admin", match=1)).status_code == 404


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "malformed-body"),
        (b'{"legal_name": "A", "legal_name": "B"}', 400, "malformed-body"),
        (b'{"legal_name": NaN}', 400, "malformed-body"),
        (b'{"legal_name": 1e400}', 400, "malformed-body"),
        (b'{"legal_name": "\xff"}', 400, "malformed-body"),
        (b'{"legal_name": "\\ud800"}', 422, "invalid-body"),
        (b"[" * 100 + b"]" * 100, 400, "malformed-body"),
        (b"[]", 422, "invalid-body"),
        (b"{}", 422, "invalid-body"),
        (b" " * 1_100_000, 413, "body-too-large"),
    ],
)
async def test_bodies_that_cannot_be_read_lose_nothing(http, content, status, code):
    headers = {"Content-Type": "application/json"}
    answer = await http.ask("PUT", f"/{ONE}", "bdt_admin", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await http.ask("GET", f"/{ONE}", "bdt_admin")).status_code == 404


async def test_faults_are_listed_with_place_rule_and_fix(http):
    answer = await http.put(
        changes={"hq_country": "EL", "descriptions": [{"language": "zh", "text": "Only Latin letters."}]}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
    assert [(error["pointer"], error["rule"]) for error in answer.json()["errors"]] == [
        ("/hq_country", "country-code"),
        ("/descriptions/0/text", "text-language"),
    ]
    assert "GRC" in answer.json()["errors"][0]["fix"]


async def test_a_name_with_a_misleading_character_is_refused_with_its_rule(http):
    answer = await http.put(changes={"legal_name": "Mwangaza\u202e skrowteN"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/legal_name"
    assert "U+202E" in answer.text


async def test_an_id_that_is_no_uuid_is_refused(http):
    for method in ("GET", "PUT", "DELETE"):
        answer = await http.ask(
            method, "/not-a-uuid", "bdt_admin", **({"json": BODY} if method == "PUT" else {})
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")


async def test_two_organisations_cannot_have_one_external_id(http):
    taken = {"external_ids": [{"scheme": "ror", "value": "04xx7yy85"}]}
    await http.put(changes=taken)
    answer = await http.put(TWO, changes=taken | {"legal_name": "Other"})
    assert (answer.status_code, answer.json()["code"]) == (409, "duplicate-external-id")


async def test_the_audit_trail_is_for_auditors(http):
    await http.put()
    assert (await http.client.get("/v1/audit/members")).status_code == 401
    refused = await http.client.get("/v1/audit/members", headers=http.bearer("bdt_editor"))
    assert refused.status_code == 403
    read = await http.client.get("/v1/audit/members", headers=http.bearer("auditor"))
    assert [row["action"] for row in read.json()["items"]] == ["organisation.registered"]
    assert "office@" not in read.text


async def test_the_openapi_document_is_valid_and_shows_an_example(http):
    document = (await http.client.get("/openapi.json")).json()
    validate(document)
    paths = document["paths"]
    assert {"/v1/organisations", "/v1/organisations/{organisation_id}"} <= set(paths)
    schema = document["components"]["schemas"]["OrganisationBody"]
    assert schema["examples"][0]["legal_name"].endswith("(fictional)")
    made = await http.ask("PUT", f"/{ONE}", "bdt_admin", json=schema["examples"][0])
    assert made.status_code == 201
