"""The page of a problem shows what the product answers: the same request gives the same document."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from services.chassis.web.pages import problem_examples
from services.matches.commands import first_epoch
from tests.contracts.world import World, profile, project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("contracts"), pytest.mark.timeout(300)]

HOST = "https://comity.example"
INSTANCE = "urn:request:019ab3c2-7d4e-7f00-8a11-3c5e9d7b2f60"
TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
VOLATILE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "an id"),
    (re.compile(r"[0-9a-f]{64}"), "a hash"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"), "a time"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "a day"),
)
"""What is another at each request: it is compared by its form."""


def examples(world: World) -> Iterator[tuple[str, Any]]:
    """Yield codes with the answers to requests that bring them about, for every code that one request can show."""
    yield from of_the_edge(world)
    yield from of_tokens(world)
    yield from of_projects(world)
    yield from of_the_others(world)


def of_the_edge(world: World) -> Iterator[tuple[str, Any]]:
    ask, path = world.ask, f"/v1/projects/{world.ids['open']}"
    yield "unknown-parameter", ask("public", "GET", "/v1/flagships?limt=10")
    yield "invalid-parameter", ask("public", "GET", "/v1/projects?limit=500")
    yield "invalid-cursor", ask("public", "GET", "/v1/projects?cursor=made-up")
    yield "malformed-body", ask("admin", "PUT", path, content=b'{"level":}', headers=JSON)
    yield "unsupported-media", ask("admin", "PUT", path, content=b"x", headers=TEXT)
    yield "body-too-large", ask("admin", "PUT", path, content=b" " * 1_000_001, headers=JSON)
    yield "unauthenticated", ask("public", "GET", "/v1/clients")
    yield "forbidden", ask("manager", "GET", "/v1/audit/projects")
    yield "not-found", ask("public", "GET", "/nowhere")
    yield "method-not-allowed", ask("public", "PATCH", "/v1/epochs")
    yield "precondition-required", ask("admin", "PUT", path, json=project())
    yield "stale-revision", ask("admin", "PUT", path, json=project(), headers={"If-Match": '"99"'})
    body = project(countries=["KE"], office="atlantis")
    yield "invalid-body", ask("admin", "PUT", f"/v1/projects/{uuid4()}", json=body)
    key = {"Idempotency-Key": str(uuid4())}
    world.made("POST", "/v1/clients", json={"name": "One", "roles": ["auditor"]}, headers=key)
    two = {"name": "Two", "roles": ["auditor"]}
    yield "idempotency-mismatch", ask("admin", "POST", "/v1/clients", json=two, headers=key)


def of_tokens(world: World) -> Iterator[tuple[str, Any]]:
    def bearer(token: str) -> Any:
        return world.ask("public", "GET", "/v1/clients", headers={"Authorization": f"Bearer {token}"})

    yield "token-invalid", bearer("x")
    yield "token-wrong-algorithm", bearer("eyJhbGciOiJIUzI1NiJ9.e30.AAAA")
    ask = world.ask
    secret = {"client_id": str(uuid4()), "client_secret": "guessed"}
    grant = {"grant_type": "client_credentials"}
    yield "invalid-client", ask("public", "POST", "/v1/tokens", data=grant | secret)
    yield "invalid-token-request", ask("public", "POST", "/v1/tokens", data=secret)
    yield (
        "unsupported-grant-type",
        ask("public", "POST", "/v1/tokens", data={"grant_type": "password"} | secret),
    )


def of_projects(world: World) -> Iterator[tuple[str, Any]]:
    ask, match = world.ask, {"If-Match": "*"}
    draft = f"/v1/projects/{world.new_project(titles=[], countries=[])[0]}"
    yield "not-publishable", ask("admin", "POST", f"{draft}/publish", headers=match)
    yield "wrong-state", ask("admin", "POST", f"{draft}/close", json={"reason": "It is done."}, headers=match)
    mine = f"/v1/projects/{world.new_project(caller='manager')[0]}"
    last = f"{mine}/team/{world.clients['manager']}"
    yield "last-team-member", ask("manager", "DELETE", last, headers=match)
    closed = f"/v1/projects/{world.ids['closed']}"
    yield "project-closed", ask("admin", "PUT", closed, json=project(), headers=match)
    yield "id-in-use", ask("admin", "PUT", f"/v1/projects/{world.ids['flagship']}", json=project())
    erased = f"/v1/projects/{world.new_project()[0]}"
    world.made("DELETE", erased, headers=match)
    yield "project-erased", ask("admin", "PUT", erased, json=project())
    full = f"/v1/projects/{world.new_project()[0]}/team"
    for _ in range(199):
        world.made("PUT", f"{full}/{uuid4()}", headers=match)
    yield "team-full", ask("admin", "PUT", f"{full}/{uuid4()}", headers=match)


def of_the_others(world: World) -> Iterator[tuple[str, Any]]:
    ask, match = world.ask, {"If-Match": "*"}
    yield (
        "list-restricted",
        ask("reader_a", "GET", f"/v1/lists/{world.ids['open']}/candidates/{world.ids['b']}"),
    )
    known = {"external_ids": [{"scheme": "ror", "value": "04xx7yy85"}]}
    world.new_organisation(**known)
    again = ask("admin", "PUT", f"/v1/organisations/{uuid4()}", json=profile(**known))
    yield "duplicate-external-id", again
    gone = f"/v1/organisations/{world.new_organisation()[0]}"
    world.made("POST", f"{gone}/withdraw", json={"reason": "Its own wish."}, headers=match)
    body = {"reason": "Its own wish."}
    yield "organisation-withdrawn", ask("admin", "POST", f"{gone}/withdraw", json=body, headers=match)
    world.made("DELETE", gone, headers=match)
    yield "organisation-erased", ask("admin", "PUT", gone, json=profile())
    yield "day-passed", ask("admin", "POST", "/v1/days", json={"day": "2020-01-01"})
    yield "day-too-far", ask("admin", "POST", "/v1/days", json={"day": "2199-11-24"})
    yield "epoch-known", ask("admin", "POST", "/v1/epochs", content=first_epoch(None), headers=JSON)
    yield "endpoint-not-active", ask("owner_a", "POST", f"/v1/endpoints/{world.ids['endpoint']}/test")
    yield "link-invalid", ask("public", "POST", "/v1/mail-links/unsubscribe.made-up")
    made = world.made("POST", "/v1/clients", json={"name": "A client", "roles": ["auditor"]}).json()["id"]
    world.made("POST", f"/v1/clients/{made}/secrets")
    yield "too-many-secrets", ask("admin", "POST", f"/v1/clients/{made}/secrets")
    world.made("DELETE", f"/v1/clients/{made}", headers=match)
    changed = {"name": "A client", "roles": ["auditor"]}
    yield "revoked", ask("admin", "PUT", f"/v1/clients/{made}", json=changed, headers=match)
    person = {"name": "A Person", "email": f"{uuid4().hex}@people.example", "roles": ["auditor"]}
    world.made("PUT", f"/v1/people/{uuid4()}", json=person)
    yield "address-in-use", ask("admin", "PUT", f"/v1/people/{uuid4()}", json=person)
    yield "feed-place-gone", ask("admin", "GET", "/v1/feeds/matches?lastEventId=9-42")
    resume = {"group": "matches", "topic": "projects.v1", "partition": 0, "reason": "It was mended."}
    yield "not-halted", ask("admin", "POST", "/v1/dead-letters/matches/halted/resume", json=resume)


UNSHOWN = {
    # two at the same moment
    *("conflict", "idempotency-in-flight"),
    # something here is broken or away, or about to be
    *("internal", "unavailable", "replay-failed", "delivery-under-way"),
    # limits and settings that this world does not have
    *("too-many-requests", "record-too-large", "too-many-endpoints", "endpoint-in-use"),
    # tokens of another time or issuer
    *("token-expired", "token-revoked", "token-wrong-audience", "token-wrong-issuer"),
}
"""Codes that one request to a system in good health does not bring about."""


@pytest.fixture(scope="module")
def answered(world: World) -> Mapping[str, Any]:
    return dict(examples(world))


def test_each_example_is_what_the_product_answers(world: World, answered: Mapping[str, Any]) -> None:
    pages = problem_examples()
    assert set(pages) - set(answered) == UNSHOWN
    wrong = {}
    for code, answer in answered.items():
        said = answer.json() | {"instance": INSTANCE}
        if lasting(said, world.address) != lasting(pages[code], HOST):
            wrong[code] = answer.json()
    assert not wrong, json.dumps(wrong, indent=2)


def lasting(problem: Mapping[str, Any], host: str) -> str:
    """Return a problem without what is another at each request."""
    text = json.dumps(dict(problem), sort_keys=True).replace(host, "")
    for form, name in VOLATILE:
        text = form.sub(name, text)
    return text
