"""The HTTP rules hold on every route: conditions, keys, parameters, pages, documents."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.catalogue import SERVICES
from services.chassis.settings import load_settings
from services.chassis.web.application import merged_openapi
from tests.contracts.world import World, profile, project, started

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("contracts"), pytest.mark.timeout(300)]

SNAPSHOT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get("public", "/openapi.json")
    return found


def addresses(world: World, document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, address and description of every operation, with ids of things that are there."""
    ids = {
        "project_id": world.ids["open"],
        "organisation_id": world.ids["a"],
        "flagship_id": world.ids["flagship"],
        "client_id": world.clients["reader_a"],
        "person_id": str(uuid4()),
        "secret_id": str(uuid4()),
        "principal": "018f3c2a-7d10-7000-8000-00000000050b",
        "letter_id": "1",
        "subscription_id": world.ids["subscription"],
        "endpoint_id": world.ids["endpoint"],
        "delivery_id": world.ids["delivery"],
        "token": world.ids["link"],
        "file": "projects.csv",
        "list_file": f"{world.ids['open']}.csv",
    }
    for path, methods in document["paths"].items():
        number = "0" if path.startswith("/v1/epochs") else "2" if "/v1/projects/" in path else "1"
        filled = path.format_map(ids | {"number": number, "revision": number})
        for method, operation in methods.items():
            yield method.upper(), filled, operation


def test_unknown_parameters_are_refused_on_every_route(world: World, document: dict[str, Any]) -> None:
    asked = 0
    for method, path, _ in addresses(world, document):
        answer = world.ask("admin", method, f"{path}?nonsense=1")
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (400, "unknown-parameter"), (method, path)
        assert problem["errors"][0]["parameter"] == "nonsense"
        asked += 1
    assert asked > 50
    twice = world.ask("admin", "GET", "/v1/projects?limit=1&limit=2").json()
    assert (twice["code"], twice["errors"][0]["rule"]) == ("invalid-parameter", "given-once")


OF_SOMEBODY = {
    "/v1/opportunities",
    "/v1/subscriptions",
    "/v1/endpoints",
    "/v1/deliveries",
    "/v1/notices",
    "/v1/dismissals",
}
"""Reads that need to be told whose they are, where the token speaks for nobody."""


def test_every_read_has_a_strong_etag_that_answers_304(world: World, document: dict[str, Any]) -> None:
    moving = {"/healthz", "/readyz", "/progress", "/v1/ranking-progress", "/v1/streams/matches"}
    seen = 0
    for method, path, operation in addresses(world, document):
        if method != "GET" or path in moving:
            continue
        required = {one["name"] for one in operation.get("parameters", ()) if one.get("required")}
        query = "?study_group=SG1&role=attend" if "role" in required else ""
        query = f"?organisation={world.ids['a']}" if path in OF_SOMEBODY else query
        first = world.ask("admin", "GET", path + query)
        if first.status_code == 404:
            assert "/v1/people/" in path or "/v1/dead-letters/" in path
            continue
        assert first.status_code == 200, (path, first.text)
        tag = first.headers["etag"]
        assert re.fullmatch(r'"[^"]+"', tag), path
        for condition in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = world.ask("admin", "GET", path + query, headers={"If-None-Match": condition})
            assert (again.status_code, again.content) == (304, b""), (path, condition)
            assert again.headers["etag"] == tag
        other = world.ask("admin", "GET", path + query, headers={"If-None-Match": '"other"'})
        assert other.status_code == 200
        seen += 1
    assert seen > 25


def test_a_question_that_is_posted_is_answered_whoever_has_the_answer(world: World) -> None:
    answer = world.ask("admin", "POST", "/v1/ranking-progress", json={}, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.json()["complete"]) == (200, True)


def test_a_stream_has_no_etag_and_is_never_known_already(world: World) -> None:
    answer = world.ask("admin", "GET", "/v1/streams/matches", headers={"If-None-Match": "*"})
    assert answer.status_code == 200
    assert "etag" not in answer.headers


def test_every_write_to_what_exists_asks_for_if_match(world: World) -> None:
    draft, etag = world.new_project()
    published, _ = world.new_project()
    organisation, _ = world.new_organisation()
    client = world.made("POST", "/v1/clients", json={"name": "A client", "roles": ["auditor"]}).json()["id"]
    person = str(uuid4())
    human = {"name": "A Person", "email": f"{person[:8]}@people.example", "roles": ["auditor"]}
    world.made("PUT", f"/v1/people/{person}", json=human)
    world.made("POST", f"/v1/projects/{published}/publish", headers={"If-Match": etag})
    writes = [
        ("PUT", f"/v1/projects/{draft}", project()),
        ("POST", f"/v1/projects/{draft}/publish", None),
        ("POST", f"/v1/projects/{published}/close", {"reason": "It is done."}),
        ("POST", f"/v1/projects/{draft}/withdraw", {"reason": "It is done."}),
        ("PUT", f"/v1/projects/{draft}/team/{uuid4()}", None),
        ("DELETE", f"/v1/projects/{draft}", None),
        ("PUT", f"/v1/organisations/{organisation}", profile()),
        ("POST", f"/v1/organisations/{organisation}/withdraw", {"reason": "It is done."}),
        ("DELETE", f"/v1/organisations/{organisation}", None),
        ("PUT", f"/v1/clients/{client}", {"name": "A client", "roles": ["auditor"]}),
        ("DELETE", f"/v1/clients/{client}", None),
        ("PUT", f"/v1/people/{person}", human),
        ("DELETE", f"/v1/people/{person}", None),
    ]
    for method, path, body in writes:
        given = {} if body is None else {"json": body}
        missing = world.ask("admin", method, path, **given)
        assert (missing.status_code, missing.json()["code"]) == (428, "precondition-required"), path
        stale = world.ask("admin", method, path, headers={"If-Match": '"12345"'}, **given)
        assert (stale.status_code, stale.json()["code"]) == (412, "stale-revision"), path
        tag = missing.headers["etag"]
        only_new = world.ask("admin", method, path, headers={"If-None-Match": "*", "If-Match": tag}, **given)
        assert only_new.status_code == 412, path


def test_the_flagship_s_etag_with_its_digest_is_taken_whole_or_its_revision_alone(world: World) -> None:
    path = f"/v1/flagships/{uuid4()}"
    body = {
        "titles": [{"language": "en", "text": "A flagship"}],
        "level": "global",
        "reason": {"language": "en", "text": "Declared to be tested."},
    }
    world.made("PUT", path, json=body)
    assert world.ask("admin", "PUT", path, json=body).status_code == 428
    whole = world.ask("admin", "GET", path).headers["etag"]
    assert world.ask("admin", "PUT", path, json=body, headers={"If-Match": whole}).is_success
    assert world.ask("admin", "PUT", path, json=body, headers={"If-Match": whole}).status_code == 412
    assert world.ask("admin", "PUT", path, json=body, headers={"If-Match": '"2"'}).is_success


def test_every_post_that_changes_something_takes_an_idempotency_key(
    world: World, document: dict[str, Any]
) -> None:
    named = {
        path: [one["name"] for one in methods["post"].get("parameters", ())]
        for path, methods in document["paths"].items()
        if "post" in methods
    }
    without = {path for path, parameters in named.items() if "Idempotency-Key" not in parameters}
    # Questions, and a link that a second time changes nothing: nothing to be done twice.
    assert without == {
        "/v1/tokens",
        "/v1/ranking-progress",
        "/v1/subscription-previews",
        "/v1/lists/{project_id}/reasons",
        "/v1/mail-links/{token}",
    }


def test_a_request_sent_again_under_its_key_is_done_once(world: World) -> None:
    identifier, etag = world.new_project()
    path = f"/v1/projects/{identifier}/publish"
    headers = {"If-Match": etag, "Idempotency-Key": uuid4().hex}
    first = world.made("POST", path, headers=headers)
    again = world.made("POST", path, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    trail = world.get("admin", f"/v1/audit/projects?subject={identifier}")["items"]
    assert [row["action"] for row in trail] == ["project.published", "project.created"]
    others = world.ask("editor", "POST", path, headers=headers)  # another caller's key of the same name
    assert (others.status_code, others.json()["code"]) == (412, "stale-revision")


PAGED = (
    ("/v1/projects", "items"),
    ("/v1/organisations", "items"),
    ("/v1/clients", "items"),
    ("/v1/audit/members", "items"),
    ("/v1/audit/identity?subject={client}", "items"),
    ("/v1/lists/{open}/candidates", "candidates"),
    ("/v1/lists/{presence}/candidates?eligibility=excluded", "excluded"),
    ("/v1/projects/{open}/revisions", "items"),
    ("/v1/opportunities?organisation={a}", "opportunities"),
)


@pytest.mark.parametrize(("path", "key"), PAGED)
def test_links_lead_through_every_page(world: World, path: str, key: str) -> None:
    filled = path.format_map(world.ids | {"client": world.clients["reader_a"]})
    joined = f"{filled}{'&' if '?' in filled else '?'}limit="
    whole = world.get("admin", f"{joined}200")
    assert whole["next"] is None
    following: str | None = f"{joined}2"
    walked: list[Any] = []
    while following:
        answer = world.ask("admin", "GET", following)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        links = dict(re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["link"]))
        by_name = {name: address for address, name in links.items()}
        assert set(by_name) == ({"first", "next"} if page["next"] else {"first"})
        assert "cursor" not in by_name["first"]
        assert world.ask("admin", "GET", by_name["first"]).status_code == 200
        assert len(page[key]) <= 2
        walked += page[key]
        following = by_name.get("next")
    assert len(walked) == len(whole[key])
    assert walked == whole[key] or key == "candidates"


def test_every_list_in_the_document_has_bounded_limits_and_an_opaque_cursor(document: dict[str, Any]) -> None:
    paged = 0
    for methods in document["paths"].values():
        for operation in methods.values():
            parameters = {one["name"]: one for one in operation.get("parameters", ())}
            assert ("limit" in parameters) == ("cursor" in parameters)
            if "limit" in parameters:
                schema = parameters["limit"]["schema"]
                assert (schema["minimum"], schema["maximum"], schema["default"]) == (1, 200, 50)
                paged += 1
    assert paged >= 14


def test_a_failing_commit_is_never_a_2xx(tmp_path: Path) -> None:
    with started(tmp_path) as own:
        accepted = f"/v1/organisations/{uuid4()}"
        own.made("PUT", accepted, json=profile())
        with sqlite3.connect(own.folder / "members.db", isolation_level=None, timeout=10) as database:
            # A deferred constraint is looked at by the commit, and by nothing before it.
            database.execute(
                "CREATE TABLE doom (id TEXT REFERENCES organisations (id) DEFERRABLE INITIALLY DEFERRED)"
            )
            database.execute(
                "CREATE TRIGGER doomed AFTER INSERT ON audit BEGIN INSERT INTO doom VALUES ('nobody'); END"
            )
        path, etag = f"/v1/organisations/{uuid4()}", '"1"'
        writes = [
            ("PUT", path, {"json": profile()}),
            ("PUT", accepted, {"json": profile(), "headers": {"If-Match": etag}}),
            ("POST", f"{accepted}/withdraw", {"json": {"reason": "Done."}, "headers": {"If-Match": etag}}),
            ("DELETE", accepted, {"headers": {"If-Match": etag}}),
        ]
        for method, where, sent in writes:
            answer = own.ask("admin", method, where, **sent)
            assert answer.status_code >= 500, (method, where)
            assert answer.headers["content-type"] == "application/problem+json"
        assert own.ask("admin", "GET", path).status_code == 404
        assert own.ask("admin", "GET", accepted).headers["etag"] == etag
        with sqlite3.connect(own.folder / "members.db", isolation_level=None, timeout=10) as database:
            database.execute("DROP TRIGGER doomed")
        own.made("PUT", path, json=profile())
        own.settle()


@pytest.mark.parametrize("path", ["/", "/docs", "/problems", "/problems/conflict"])
def test_pages_load_nothing_from_elsewhere(world: World, path: str) -> None:
    page = world.ask("public", "GET", path, headers={"Accept": "text/html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.findall(
        r"""(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}""", page.text.replace("comity.example", "")
    )
    for address in re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text):  # data: is in the page itself
        assert address.startswith("/"), address
        assert world.ask("public", "GET", address).status_code in {200, 503}, address
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "//" not in policy


def test_the_documentation_page_s_own_document_is_of_its_dialect(world: World) -> None:
    from openapi_spec_validator import OpenAPIV30SpecValidator

    made = world.get("public", "/docs/openapi.json")
    assert made["openapi"].startswith("3.0.")
    OpenAPIV30SpecValidator(made).validate()
    assert set(made["paths"]) == set(world.get("public", "/openapi.json")["paths"])


def test_the_merged_document_is_valid_and_what_is_served(world: World, document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()
    settings = load_settings(public_url=world.address)
    assert json.loads(json.dumps(merged_openapi(tuple(SERVICES.values()), settings))) == document


def test_the_document_in_the_repository_is_that_of_the_code() -> None:
    made = merged_openapi(tuple(SERVICES.values()), load_settings(public_url="http://127.0.0.1:8080"))
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    assert SNAPSHOT.read_text("utf-8") == text, "Renew it: comity schemas openapi > docs/openapi.json"


def test_every_answer_carries_the_house_headers(world: World) -> None:
    for path in ("/healthz", "/v1/projects", "/nowhere", "/docs"):
        headers = world.ask("public", "GET", path, headers={"X-Request-ID": "my-request-1"}).headers
        assert headers["x-request-id"] == "my-request-1"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["referrer-policy"] == "no-referrer"
    made_up = world.ask("public", "GET", "/healthz", headers={"X-Request-ID": "bad id\t<script>"})
    assert "script" not in made_up.headers["x-request-id"]
