"""People and clients: who may give which role, secrets shown once, removal that erases."""

from typing import Any
from uuid import uuid4

from sqlalchemy import select, text

from services.identity.tables import METADATA

OURS, THEIRS = str(uuid4()), str(uuid4())
PERSON = {"name": "A. N. Other", "email": "A.Other@example.org", "roles": ["project_manager"]}


async def test_a_secret_is_shown_when_it_is_made_and_never_again(desk: Any) -> None:
    admin = await desk.as_admin()
    body = {"name": "Loader", "roles": ["bdt_editor"]}
    headers = admin | {"Idempotency-Key": "k1"}
    first = await desk.http.post("/v1/clients", json=body, headers=headers)
    assert first.json()["secret"].startswith("comity_")
    again = await desk.http.post("/v1/clients", json=body, headers=headers)
    assert (again.json()["id"], again.json()["secret"]) == (first.json()["id"], None)
    read = await desk.http.get(first.headers["location"], headers=admin)
    assert "secret" not in read.json()
    async with desk.runtime.database.read() as connection:
        stored = (await connection.execute(text("SELECT body FROM idempotency"))).scalars().all()
    assert all(first.json()["secret"].encode() not in body for body in stored)


async def test_a_client_can_be_put_changed_and_revoked(desk: Any) -> None:
    admin, url = await desk.as_admin(), f"/v1/clients/{uuid4()}"
    made = await desk.http.put(url, json={"name": "One", "roles": ["auditor"]}, headers=admin)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    changed = await desk.http.put(
        url, json={"name": "Two", "roles": ["auditor"]}, headers=admin | {"If-Match": '"1"'}
    )
    assert (changed.status_code, changed.json()["name"], "secret" in changed.json()) == (200, "Two", False)
    stale = await desk.http.delete(url, headers=admin | {"If-Match": '"1"'})
    assert stale.status_code == 412
    token = await desk.ask(made.json()["id"], made.json()["secret"])
    assert token.status_code == 200
    gone = await desk.http.delete(url, headers=admin | {"If-Match": '"2"'})
    assert gone.status_code == 204
    assert (await desk.ask(made.json()["id"], made.json()["secret"])).status_code == 401
    back = await desk.http.put(
        url, json={"name": "Two", "roles": ["auditor"]}, headers=admin | {"If-Match": '"3"'}
    )
    assert (back.status_code, back.json()["code"]) == (409, "revoked")


async def test_two_secrets_live_while_one_replaces_the_other(desk: Any) -> None:
    admin, made = await desk.as_admin(), await desk.client("auditor")
    url = f"/v1/clients/{made['id']}/secrets"
    second = await desk.http.post(url, headers=admin)
    assert second.status_code == 201, second.text
    for secret in (made["secret"], second.json()["secret"]):
        assert (await desk.ask(made["id"], secret)).status_code == 200
    third = await desk.http.post(url, headers=admin)
    assert (third.status_code, third.json()["code"]) == (409, "too-many-secrets")
    assert (await desk.http.delete(f"{url}/{made['secrets'][0]['id']}", headers=admin)).status_code == 204
    assert (await desk.ask(made["id"], made["secret"])).status_code == 401
    assert (await desk.ask(made["id"], second.json()["secret"])).status_code == 200


async def test_an_organisation_administers_its_own_and_no_more(desk: Any) -> None:
    boss = await desk.as_client("organisation_admin", organisation=OURS)
    for body, status in (
        ({"roles": ["organisation_editor"], "organisation": OURS}, 201),
        ({"roles": ["organisation_editor"], "organisation": THEIRS}, 403),
        ({"roles": ["bdt_admin"], "organisation": OURS}, 403),
        ({"roles": ["project_manager"]}, 403),
    ):
        answer = await desk.http.post("/v1/clients", json={"name": "X"} | body, headers=boss)
        assert answer.status_code == status, answer.text
    other = await desk.client("organisation_reader", organisation=THEIRS)
    assert (await desk.http.get(f"/v1/clients/{other['id']}", headers=boss)).status_code == 404
    refused = await desk.http.delete(f"/v1/clients/{other['id']}", headers=boss | {"If-Match": '"1"'})
    assert refused.status_code == 403
    seen = (await desk.http.get("/v1/clients", headers=boss)).json()["items"]
    assert {client["organisation"] for client in seen} == {OURS}


async def test_other_roles_see_nothing_here(desk: Any) -> None:
    for role in ("project_manager", "bdt_editor", "bdt_analyst"):
        who = await desk.as_client(role)
        for path in ("/v1/clients", "/v1/people", f"/v1/people/{uuid4()}", "/v1/audit/identity"):
            assert (await desk.http.get(path, headers=who)).status_code == 403
        body = {"name": "X", "roles": ["auditor"]}
        assert (await desk.http.post("/v1/clients", json=body, headers=who)).status_code == 403
    assert (await desk.http.get("/v1/people")).status_code == 401


async def test_a_role_needs_what_it_belongs_to(desk: Any) -> None:
    answer = await desk.http.post(
        "/v1/clients",
        json={"name": "X", "roles": ["organisation_reader", "office_officer"]},
        headers=await desk.as_admin(),
    )
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/organisation", "/office"}
    wrong = await desk.http.post(
        "/v1/clients",
        json={"name": "X", "roles": ["office_officer"], "office": "atlantis"},
        headers=await desk.as_admin(),
    )
    assert wrong.json()["errors"][0]["pointer"] == "/office"


async def test_a_client_acts_for_a_person_with_the_roles_of_both(desk: Any) -> None:
    admin, person = await desk.as_admin(), str(uuid4())
    await desk.http.put(f"/v1/people/{person}", json=PERSON, headers=admin)
    made = await desk.client("project_manager", "bdt_editor", person=person)
    import jwt

    claims = jwt.decode(
        await desk.token(made["id"], made["secret"]), options={"verify_signature": False, "verify_aud": False}
    )
    assert (claims["sub"], claims["roles"], claims["client_id"]) == (person, ["project_manager"], made["id"])
    nobody = await desk.http.post(
        "/v1/clients", json={"name": "X", "roles": ["auditor"], "person": str(uuid4())}, headers=admin
    )
    assert (nobody.status_code, nobody.json()["errors"][0]["pointer"]) == (422, "/person")


async def test_removing_a_person_erases_them_and_revokes_their_clients(desk: Any) -> None:
    admin, person = await desk.as_admin(), str(uuid4())
    url = f"/v1/people/{person}"
    assert (await desk.http.put(url, json=PERSON, headers=admin)).status_code == 201
    twin = await desk.http.put(f"/v1/people/{uuid4()}", json=PERSON, headers=admin)
    assert (twin.status_code, twin.json()["code"]) == (409, "address-in-use")
    made = await desk.client("project_manager", person=person)
    auditor = await desk.as_client("auditor")
    seen = (await desk.http.get(url, headers=auditor)).json()
    assert (seen["name"], seen["email"], seen["roles"]) == (None, None, ["project_manager"])
    assert (await desk.http.delete(url, headers=admin)).status_code == 428
    assert (await desk.http.delete(url, headers=admin | {"If-Match": '"1"'})).status_code == 204
    after = (await desk.http.get(url, headers=admin)).json()
    assert (after["state"], after["name"], after["email"]) == ("removed", None, None)
    assert (await desk.ask(made["id"], made["secret"])).status_code == 401
    async with desk.runtime.database.read() as connection:
        for table in ("people", "audit", "clients"):
            rows = (await connection.execute(select(METADATA.tables[table]))).all()
            assert "other" not in str(rows).lower(), table


async def test_every_command_is_in_the_audit_trail(desk: Any) -> None:
    admin = await desk.as_admin()
    made = await desk.client("auditor")
    await desk.http.delete(f"/v1/clients/{made['id']}", headers=admin | {"If-Match": '"1"'})
    trail = (await desk.http.get("/v1/audit/identity", headers=admin)).json()["items"]
    assert [(row["action"], row["subject"]) for row in trail][:2] == [
        ("client.revoked", made["id"]),
        ("client.created", made["id"]),
    ]
    assert trail[-1]["principal"] == "system"
