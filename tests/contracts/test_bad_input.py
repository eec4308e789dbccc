"""Bad input over HTTP: each gets its exact status, code and place, changes nothing and loses nothing."""

import base64
import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import jwt
import pytest

from tests.contracts.world import DESK, World, profile, project, started

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("contracts"), pytest.mark.timeout(300)]

ENGLISH = "We lay fibre to rural schools and keep it working for years."
JSON = {"Content-Type": "application/json"}


def state(world: World, path: str) -> tuple[int, str | None, Any]:
    """Return what a write could have changed: what is there, its revision, and its audit trail."""
    answer = world.ask("admin", "GET", path)
    service = "members" if "/organisations/" in path else "projects"
    trail = world.get("admin", f"/v1/audit/{service}?subject={path.rsplit('/', 1)[1]}")["items"]
    return answer.status_code, answer.headers.get("etag"), (answer.json().get("revision"), len(trail))


@pytest.fixture(params=["new", "existing"])
def target(request: pytest.FixtureRequest, world: World) -> tuple[str, dict[str, str]]:
    """Return the address of an organisation to be written, once not there and once there, and the write's headers."""
    if request.param == "new":
        return f"/v1/organisations/{uuid4()}", {}
    identifier, etag = world.new_organisation()
    return f"/v1/organisations/{identifier}", {"If-Match": etag}


def refused(
    world: World, path: str, *, method: str = "PUT", caller: str = "admin", **sent: Any
) -> dict[str, Any]:
    """Send a write and return its problem, having seen that nothing changed."""
    before = state(world, path)
    answer = world.ask(caller, method, path, **sent)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert state(world, path) == before
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    return problem


VALID = json.dumps(profile()).encode()


@pytest.mark.parametrize(
    ("body", "status", "code", "said"),
    [
        (b"", 422, "invalid-body", "missing"),
        (b"{", 400, "malformed-body", "line 1"),
        (VALID[:-1], 400, "malformed-body", "not JSON"),
        (VALID + b"x", 400, "malformed-body", "Extra data"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400, "malformed-body", "32 levels"),
        (b"[" * 100_000, 400, "malformed-body", "levels"),
        (VALID.replace(b"fibre", b"fibr\xe9"), 400, "malformed-body", "not UTF-8"),
        (json.dumps(profile()).encode("utf-16"), 400, "malformed-body", "not UTF-8"),
        (b"\xef\xbb\xbf" + VALID, 400, "malformed-body", "byte order mark"),
        (b'{"category":"prospect",' + VALID[1:], 400, "malformed-body", "category"),
        (b'{"year":NaN,' + VALID[1:], 400, "malformed-body", "NaN"),
        (b'{"year":-Infinity,' + VALID[1:], 400, "malformed-body", "Infinity"),
        (b'{"year":1e400,' + VALID[1:], 400, "malformed-body", "too large"),
        (b'{"year":' + b"9" * 5000 + b"," + VALID[1:], 400, "malformed-body", "too large"),
        (b'{"x":"' + b"x" * 1_000_000 + b'"}', 413, "body-too-large", "1,000,000"),
        (b'{"x":"' + b"x" * 20_000_000 + b'"}', 413, "body-too-large", "1,000,000"),
        (b"[]", 422, "invalid-body", "body"),
        (b"null", 422, "invalid-body", "body"),
    ],
    ids=[
        *("empty", "open", "cut", "trailing", "deep", "very-deep", "latin-1", "utf-16", "bom", "duplicate"),
        *("nan", "infinity", "1e400", "long-number", "large", "very-large", "array", "null"),
    ],
)
def test_a_body_that_cannot_be_read(
    world: World, target: tuple[str, dict[str, str]], body: bytes, status: int, code: str, said: str
) -> None:
    path, headers = target
    problem = refused(world, path, content=body, headers=headers | JSON)
    assert (problem["status"], problem["code"]) == (status, code)
    assert said in json.dumps(problem, ensure_ascii=False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_a_body_of_a_type_that_is_not_read(
    world: World, target: tuple[str, dict[str, str]], headers: dict[str, str]
) -> None:
    path, conditions = target
    problem = refused(world, path, content=VALID, headers=conditions | headers)
    assert (problem["status"], problem["code"]) == (415, "unsupported-media")


def described(text: str, language: str = "en") -> dict[str, Any]:
    return {"descriptions": [{"language": language, "text": text}]}


@pytest.mark.parametrize(
    ("changes", "pointer", "rule"),
    [
        ({"legal_name": "Name \u202e gnihtemos"}, "/legal_name", "no-bidi-controls"),
        ({"legal_name": "Name \u2066 something"}, "/legal_name", "no-bidi-controls"),
        ({"legal_name": "Name \x07 bell"}, "/legal_name", "no-control-characters"),
        ({"legal_name": "  \t "}, "/legal_name", "text-without-words"),
        ({"legal_name": "12 345"}, "/legal_name", "text-without-words"),
        ({"legal_name": "x" * 301}, "/legal_name", "string-too-long"),
        (described("   \n  "), "/descriptions/0/text", "text-without-words"),
        (described("x" * 20_001), "/descriptions/0/text", "string-too-long"),
        (described("the and of with for"), "/descriptions/0/text", "text-stop-words-only"),
        (described("Мы строим сети для сельских школ."), "/descriptions/0/text", "text-language"),
        (described(ENGLISH, "ru"), "/descriptions/0/text", "text-language"),
        (described(f"{ENGLISH} They are yours.", "fr"), "/descriptions/0/text", "text-language"),
        (described(ENGLISH, "xx"), "/descriptions/0/language", "language-tag"),
        (described(ENGLISH, "english"), "/descriptions/0/language", "language-tag"),
        ({"hq_country": "KE"}, "/hq_country", "country-code"),
        ({"hq_country": "XQZ"}, "/hq_country", "country-code"),
        ({"willing_regions": ["AFRICA"]}, "/willing_regions/0", "region-code"),
        ({"tags": [{"scheme": "bap", "version": "1999", "code": "AFR1"}]}, "/tags/0/version", "tag-version"),
        ({"tags": [{"scheme": "sdg", "code": "18"}]}, "/tags/0/code", "tag-code"),
        ({"tags": [{"scheme": "nonsense", "code": "1"}]}, "/tags/0/scheme", "tag-scheme"),
        ({"offers": [{"kind": "miracles"}]}, "/offers/0/kind", "literal-error"),
        ({"offers": []}, "/offers", "too-short"),
        ({"category": "friend"}, "/category", "literal-error"),
        ({"exclusive": True}, "/exclusive", "extra-forbidden"),
        ({"contact": {"name": "Desk", "email": "no address"}}, "/contact/email", "email"),
        ({"aliases": [f"Alias {n}" for n in range(21)]}, "/aliases", "too-long"),
        ({"parent": "not-a-uuid"}, "/parent", "uuid-parsing"),
        ({"parent": str(uuid4())}, "/parent", "parent-unknown"),
    ],
)
def test_a_profile_that_breaks_a_rule(
    world: World, target: tuple[str, dict[str, str]], changes: dict[str, Any], pointer: str, rule: str
) -> None:
    path, headers = target
    problem = refused(world, path, json=profile() | changes, headers=headers)
    assert (problem["status"], problem["code"]) == (422, "invalid-body")
    errors = {(error["pointer"], error["rule"]): error for error in problem["errors"]}
    assert list(errors) == [(pointer, rule)]
    assert all(errors[pointer, rule][part].strip() for part in ("detail", "fix"))


@pytest.mark.parametrize(
    ("escape", "rule"),
    [("\\ud800", "no-lone-surrogates"), ("\\udc00x", "no-lone-surrogates"), ("\\u0000", "no-nul")],
)
def test_a_name_with_half_a_character(
    world: World, target: tuple[str, dict[str, str]], escape: str, rule: str
) -> None:
    path, headers = target
    body = VALID.replace(b'"legal_name": "', b'"legal_name": "' + escape.encode())
    problem = refused(world, path, content=body, headers=headers | JSON)
    assert (problem["status"], problem["code"]) == (422, "invalid-body")
    assert [(error["pointer"], error["rule"]) for error in problem["errors"]] == [("/legal_name", rule)]


def test_a_whole_number_is_one_however_it_is_spelt(world: World) -> None:
    spelt = project(needs=[{"id": "n1", "kind": "data", "importance": 4.0}])
    answer = world.made("PUT", f"/v1/projects/{uuid4()}", json=spelt)
    assert b'"importance":4,' in answer.content.replace(b" ", b"")
    for wrong in (4.5, "4", True):
        spelt["needs"][0]["importance"] = wrong
        problem = refused(world, f"/v1/projects/{uuid4()}", json=spelt)
        assert [error["pointer"] for error in problem["errors"]] == ["/needs/0/importance"]


def test_alpha_2_is_told_the_alpha_3_code_and_all_faults_are_named_at_once(world: World) -> None:
    body = profile(hq_country="KE", tags=[{"scheme": "sdg", "code": "18"}], willing_regions=["XXX"])
    problem = refused(world, f"/v1/organisations/{uuid4()}", json=body)
    fixes = {error["pointer"]: error["fix"] for error in problem["errors"]}
    assert fixes.keys() == {"/hq_country", "/willing_regions/0", "/tags/0/code"}
    assert "KEN" in fixes["/hq_country"]


@pytest.mark.parametrize(
    ("changes", "pointer", "rule"),
    [
        ({"deadline": "2020-01-01", "period": None}, "/deadline", "deadline-past"),
        ({"deadline": "2026-12-31"}, "/deadline", "deadline-before-period"),
        ({"deadline": "31.12.2027"}, "/deadline", "date"),
        (
            {"period": {"start": "2028-01-01", "end": "2027-01-01"}, "deadline": None},
            "/period/end",
            "period-order",
        ),
        ({"presence_required": {"required": True}}, "/presence_required/reason", "presence-needs-reason"),
        ({"needs": [{"id": "n1", "kind": "miracles"}]}, "/needs/0/kind", "literal-error"),
        (
            {"needs": [{"id": "n1", "kind": "data", "importance": 6}]},
            "/needs/0/importance",
            "less-than-equal",
        ),
        ({"flagship": str(uuid4())}, "/flagship", "flagship-known"),
        ({"office": "atlantis"}, "/office", "office-code"),
        ({"countries": ["XQZ"]}, "/countries/0", "country-code"),
        (
            {"titles": [{"language": "fr", "text": "Волоконная связь для школ"}]},
            "/titles/0/text",
            "text-language",
        ),
    ],
)
def test_a_project_that_breaks_a_rule(world: World, changes: dict[str, Any], pointer: str, rule: str) -> None:
    identifier, etag = world.new_project()
    for where, headers in ((identifier, {"If-Match": etag}), (str(uuid4()), {})):
        problem = refused(world, f"/v1/projects/{where}", json=project() | changes, headers=headers)
        assert (problem["status"], problem["code"]) == (422, "invalid-body")
        assert [(error["pointer"], error["rule"]) for error in problem["errors"]] == [(pointer, rule)]


def test_a_national_project_without_a_country_is_a_draft_that_cannot_be_published(world: World) -> None:
    identifier, etag = world.new_project(countries=[])
    path = f"/v1/projects/{identifier}"
    before = state(world, path)
    answer = world.ask("admin", "POST", f"{path}/publish", headers={"If-Match": etag})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-publishable")
    named = [(error["pointer"], error["rule"]) for error in answer.json()["errors"]]
    assert named == [("/countries", "national-needs-country")]
    assert state(world, path) == before


def test_a_closed_project_is_not_edited(world: World) -> None:
    path = f"/v1/projects/{world.ids['closed']}"
    etag = world.ask("admin", "GET", path).headers["ETag"]
    problem = refused(world, path, json=project(), headers={"If-Match": etag})
    assert (problem["status"], problem["code"]) == (409, "project-closed")


def test_a_profile_that_is_its_own_parent_or_closes_a_circle(world: World) -> None:
    upper, etag = world.new_organisation()
    lower, _ = world.new_organisation(parent=upper)
    lowest, _ = world.new_organisation(parent=lower)
    for parent, rule in ((upper, "parent-self"), (lower, "parent-cycle"), (lowest, "parent-cycle")):
        problem = refused(
            world, f"/v1/organisations/{upper}", json=profile(parent=parent), headers={"If-Match": etag}
        )
        assert (problem["status"], problem["code"]) == (422, "invalid-body")
        assert [(error["pointer"], error["rule"]) for error in problem["errors"]] == [("/parent", rule)]


@pytest.mark.parametrize("noun", ["organisations", "projects"])
def test_an_external_id_belongs_to_one_record(world: World, noun: str) -> None:
    taken = {"external_ids": [{"scheme": "ror", "value": uuid4().hex}]}
    make = profile if noun == "organisations" else project
    (world.new_organisation if noun == "organisations" else world.new_project)(**taken)
    problem = refused(world, f"/v1/{noun}/{uuid4()}", json=make() | taken)
    assert (problem["status"], problem["code"]) == (409, "duplicate-external-id")
    named = [(error["pointer"], error["rule"]) for error in problem["errors"]]
    assert named == [("/external_ids/0", "external-id-unique")]
    again = {"external_ids": taken["external_ids"] * 2}
    assert refused(world, f"/v1/{noun}/{uuid4()}", json=make() | again)["code"] == "invalid-body"


def test_a_record_above_the_log_s_limit_is_refused_and_never_stuck(world: World) -> None:
    identifier, etag = world.new_organisation()
    texts = [{"id": f"e{n}", "texts": [{"language": "en", "text": ENGLISH * 240}]} for n in range(64)]
    path = f"/v1/organisations/{identifier}"
    problem = refused(world, path, json=profile(evidence=texts), headers={"If-Match": etag})
    assert (problem["status"], problem["code"]) == (413, "record-too-large")
    changed = world.made("PUT", path, json=profile(), headers={"If-Match": etag})
    assert changed.headers["ETag"] == '"2"'
    world.settle()  # the outbox runs empty, so nothing is stuck in it


def test_a_write_without_or_with_a_stale_etag(world: World) -> None:
    identifier, etag = world.new_organisation()
    path = f"/v1/organisations/{identifier}"
    problem = refused(world, path, json=profile())
    assert (problem["status"], problem["code"]) == (428, "precondition-required")
    world.made("PUT", path, json=profile(), headers={"If-Match": etag})
    problem = refused(world, path, json=profile(), headers={"If-Match": etag})
    assert (problem["status"], problem["code"]) == (412, "stale-revision")
    problem = refused(world, f"/v1/organisations/{uuid4()}", json=profile(), headers={"If-Match": '"1"'})
    assert (problem["status"], problem["code"]) == (412, "stale-revision")


def test_an_idempotency_key_belongs_to_one_body(world: World) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    body = {"name": "A client", "roles": ["auditor"]}
    first = world.made("POST", "/v1/clients", json=body, headers=headers)
    answer = world.ask("admin", "POST", "/v1/clients", json=body | {"name": "Another"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-mismatch")
    again = world.made("POST", "/v1/clients", json=body, headers=headers)
    assert (again.json()["id"], again.json()["secret"]) == (first.json()["id"], None)


@pytest.mark.parametrize("limit", ["0", "-1", "1000000000", "201", "ten", "1.5", "", "9" * 400])
@pytest.mark.parametrize("path", ["/v1/projects", "/v1/lists/{open}/candidates", "/v1/audit/members"])
def test_a_limit_out_of_bounds(world: World, path: str, limit: str) -> None:
    answer = world.ask("admin", "GET", path.format_map(world.ids), params={"limit": limit})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")
    assert [error["parameter"] for error in answer.json()["errors"]] == ["limit"]


@pytest.mark.parametrize(
    "identifier", ["7", "not-a-uuid", "018f3c2a-7d10-7000-8000-00000000000", "%00", "..%2F.."]
)
def test_an_id_that_is_no_uuid(world: World, identifier: str) -> None:
    for path in (
        f"/v1/projects/{identifier}",
        f"/v1/organisations/{identifier}",
        f"/v1/lists/{identifier}/coverage",
    ):
        answer = world.ask("admin", "GET", path)
        assert answer.status_code in {400, 404}
        assert answer.json()["code"] in {"invalid-parameter", "not-found"}
        if identifier.isalnum() or identifier.startswith(("not", "018")):
            assert answer.json()["errors"][0]["rule"] == "uuid-parsing"


@pytest.mark.parametrize(
    ("method", "header", "value"),
    [
        ("PUT", "If-Match", "7"),
        ("PUT", "If-Match", '"7'),
        ("POST", "Idempotency-Key", "a b"),
        ("POST", "Idempotency-Key", "k" * 256),
    ],
)
def test_a_header_that_cannot_be_read(world: World, method: str, header: str, value: str) -> None:
    path = f"/v1/organisations/{uuid4()}" if method == "PUT" else "/v1/clients"
    body = profile() if method == "PUT" else {"name": "A client", "roles": ["auditor"]}
    answer = world.ask("admin", method, path, json=body, headers={header: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")
    assert [error["header"] for error in answer.json()["errors"]] == [header]


def signed(world: World, **changes: Any) -> str:
    """Sign a token with the system's own key, with these claims changed."""
    [path] = signing_keys(world)
    key = json.loads(path.read_text("utf-8"))
    claims = jwt.decode(world.tokens["admin"], options={"verify_signature": False}) | changes
    private = jwt.PyJWK.from_dict(key, algorithm="EdDSA").key
    return jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": key["kid"]})


def signing_keys(world: World) -> Iterator[Any]:
    """Yield the files that hold a signing key, wherever in the data folder they are."""
    for path in world.folder.rglob("*.json"):
        if '"d"' in path.read_text("utf-8"):
            yield path


def test_a_token_that_cannot_be_used(world: World) -> None:
    now = int(time.time())
    header, claims, signature = world.tokens["admin"].split(".")
    nobody = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    other_claims = base64.urlsafe_b64encode(b'{"sub":"x","roles":["bdt_admin"]}').rstrip(b"=").decode()
    known = jwt.get_unverified_header(world.tokens["admin"])["kid"]
    payload = jwt.decode(world.tokens["admin"], options={"verify_signature": False})
    cases = {
        signed(world, exp=now - 3600, iat=now - 7200): "token-expired",
        signed(world, aud="another-system"): "token-wrong-audience",
        signed(world, iss="https://elsewhere.example"): "token-wrong-issuer",
        f"{nobody}.{claims}.": "token-wrong-algorithm",
        jwt.encode(payload, "s" * 32, algorithm="HS256", headers={"kid": known}): "token-wrong-algorithm",
        f"{header}.{other_claims}.{signature}": "token-invalid",
        "rubbish": "token-invalid",
    }
    assert world.ask(
        "public", "GET", "/v1/clients", headers={"Authorization": f"Bearer {signed(world)}"}
    ).is_success
    for token, code in cases.items():
        for path in ("/v1/clients", "/v1/projects"):  # a public route too: a token that is sent must be good
            answer = world.ask("public", "GET", path, headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["code"]) == (401, code)
            assert answer.headers["www-authenticate"].startswith("Bearer ")
    without = world.ask("public", "GET", "/v1/clients")
    assert (without.status_code, without.json()["code"]) == (401, "unauthenticated")


class TestCursors:
    """A cursor is good for the list, the filters and the caller that it was made for."""

    def first(self, world: World, path: str, caller: str = "admin") -> str:
        cursor = world.get(caller, f"{path}{'&' if '?' in path else '?'}limit=1")["next"]
        assert cursor, path
        return str(cursor)

    def refused(self, world: World, path: str, cursor: str, caller: str = "admin") -> None:
        answer = world.ask(caller, "GET", path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor"), path

    def test_tampered_with(self, world: World) -> None:
        for path in (f"/v1/lists/{world.ids['open']}/candidates", "/v1/projects", "/v1/audit/members"):
            cursor = self.first(world, path)
            assert world.ask("admin", "GET", path, params={"cursor": cursor}).is_success
            middle = len(cursor) // 2
            swapped = "A" if cursor[middle] != "A" else "B"
            for wrong in (
                cursor[:middle] + swapped + cursor[middle + 1 :],
                cursor[:-2],
                cursor + "AA",
                cursor + "=",
                cursor[::-1],
                "",
                "x",
                "é",
            ):
                self.refused(world, path, wrong)

    def test_of_another_project(self, world: World) -> None:
        cursor = self.first(world, f"/v1/lists/{world.ids['open']}/candidates")
        self.refused(world, f"/v1/lists/{world.ids['presence']}/candidates", cursor)
        self.refused(world, f"/v1/lists/{world.ids['open']}/versions", cursor)

    def test_of_another_role(self, world: World) -> None:
        path = f"/v1/lists/{world.ids['open']}/candidates"
        self.refused(world, path, self.first(world, path, "admin"), "auditor")
        self.refused(world, path, self.first(world, path, "auditor"), "reader_a")
        self.refused(world, "/v1/projects", self.first(world, "/v1/projects", "admin"), "public")

    def test_of_another_filter(self, world: World) -> None:
        path = f"/v1/lists/{world.ids['open']}/candidates"
        cursor = self.first(world, path)
        for narrowed in ("min_fit=1", "sector=private", "eligibility=excluded"):
            answer = world.ask("admin", "GET", f"{path}?{narrowed}&cursor={cursor}")
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor"), narrowed
        answer = world.ask(
            "admin", "GET", f"/v1/projects?level=national&cursor={self.first(world, '/v1/projects')}"
        )
        assert answer.json()["code"] == "invalid-cursor"


@pytest.fixture(scope="module")
def own_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A system of its own, whose databases the tests may hold back."""
    with started(tmp_path_factory.mktemp("away"), database={"busy_seconds": 0.5}) as running:
        running.made("PUT", f"/v1/organisations/{DESK}", json=profile())
        yield running


def test_with_its_database_away_a_write_is_refused_and_can_be_sent_again(own_world: World) -> None:
    path = f"/v1/organisations/{uuid4()}"
    held = sqlite3.connect(own_world.folder / "members.db", isolation_level=None, timeout=10)
    try:
        held.execute("BEGIN EXCLUSIVE")
        answer = own_world.ask("admin", "PUT", path, json=profile())
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        held.execute("ROLLBACK")
        held.close()
    assert own_world.ask("admin", "GET", path).status_code == 404
    own_world.made("PUT", path, json=profile())


def test_with_the_log_away_a_write_is_accepted_and_durable(own_world: World) -> None:
    own_world.settle()
    identifier = str(uuid4())
    held = sqlite3.connect(own_world.folder / "log.db", isolation_level=None, timeout=10)
    try:
        held.execute("BEGIN EXCLUSIVE")
        own_world.made("PUT", f"/v1/organisations/{identifier}", json=profile())
        time.sleep(1.5)  # longer than the relay waits for the lock
        waiting = own_world.get("public", "/progress")["services"]["members"]["outbox_rows"]
        assert waiting == 1
    finally:
        held.execute("ROLLBACK")
        held.close()
    own_world.settle()
