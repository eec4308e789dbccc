"""Tokens: by form and by HTTP Basic, refused clearly, signed with a key that can be replaced."""

import base64
import stat
from typing import Any

import jwt
from sqlalchemy import text

from services.chassis.web.secrets import service_secret
from services.identity.commands import ensure_first_admin
from services.identity.commands.signing import SIGNING


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


async def test_the_first_administrator_is_made_once_and_stored_hashed(desk: Any) -> None:
    assert await ensure_first_admin(desk.runtime) is None
    async with desk.runtime.database.read() as connection:
        [row] = (await connection.execute(text("SELECT hash FROM secrets"))).all()
    assert row.hash.startswith("$argon2id$")
    assert desk.admin[1] not in row.hash
    assert (await desk.http.get("/v1/clients", headers=await desk.as_admin())).status_code == 200


async def test_a_token_says_who_what_and_for_whom(desk: Any) -> None:
    organisation = "019ab3c2-7d4e-7f00-8a11-3c5e9d7b2f60"
    made = await desk.client("organisation_editor", organisation=organisation)
    token = await desk.token(made["id"], made["secret"])
    keys = (await desk.http.get("/v1/jwks")).json()["keys"]
    assert [sorted(key) for key in keys] == [["alg", "crv", "kid", "kty", "use", "x"]]
    claims = jwt.decode(
        token,
        jwt.PyJWK.from_dict(keys[0]),
        algorithms=["EdDSA"],
        audience="comity",
        issuer="http://127.0.0.1:8080",
    )
    assert (claims["sub"], claims["roles"]) == (made["id"], ["organisation_editor"])
    assert claims["organisation"] == organisation
    assert claims["exp"] - claims["iat"] == 900


async def test_http_basic_does_too(desk: Any) -> None:
    answer = await desk.http.post(
        "/v1/tokens", data={"grant_type": "client_credentials"}, headers=basic(*desk.admin)
    )
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["token_type"] == "Bearer"


async def test_wrong_credentials_are_refused_alike(desk: Any) -> None:
    client_id, secret = desk.admin
    for pair in ((client_id, "wrong"), ("nobody", secret), (client_id, ""), (client_id, "x" * 5000)):
        answer = await desk.ask(*pair)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid-client")
        assert answer.json()["error"] == "invalid_client"
        assert answer.headers["www-authenticate"].startswith("Basic")
    nonsense = await desk.http.post(
        "/v1/tokens", data={"grant_type": "client_credentials"}, headers={"Authorization": "Basic !!!"}
    )
    assert nonsense.status_code == 401


async def test_what_is_no_token_request_is_said_so(desk: Any) -> None:
    for fields, status, error in (
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
    ):
        answer = await desk.http.post(
            "/v1/tokens",
            content="&".join(f"{k}={v}" for k, v in fields.items()) or "x=y",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert answer.headers["content-type"] == "application/problem+json"
    twice = await desk.http.post(
        "/v1/tokens",
        content="grant_type=client_credentials&client_id=a&client_id=b&client_secret=c",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert twice.status_code == 400
    as_json = await desk.http.post("/v1/tokens", json={"grant_type": "client_credentials"})
    assert as_json.status_code == 415


async def test_a_new_key_signs_and_the_old_one_still_verifies(desk: Any) -> None:
    old = await desk.as_admin()
    assert (await desk.http.get("/v1/clients", headers=old)).status_code == 200
    added = desk.runtime.state[SIGNING].add_key(desk.runtime.clock.now())
    new = {"Authorization": f"Bearer {await desk.token(*desk.admin)}"}
    assert jwt.get_unverified_header(new["Authorization"][7:])["kid"] == added
    assert (await desk.http.get("/v1/clients", headers=new)).status_code == 200
    assert (await desk.http.get("/v1/clients", headers=old)).status_code == 200
    assert len((await desk.http.get("/v1/jwks")).json()["keys"]) == 2


async def test_key_files_are_for_their_owner_only(desk: Any) -> None:
    files = list((desk.runtime.settings.data_folder / "keys").iterdir())
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600]


async def test_asking_too_often_is_429(tmp_path: Any, desk: Any) -> None:
    http = desk.runtime.settings.http.model_copy(update={"token_requests_per_minute": 3})
    from services.chassis.web.admission import RateLimits

    desk.http._transport.app.state.rate_limits = RateLimits(http, desk.runtime.clock)
    answers = [(await desk.ask("nobody", "x")) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].headers["ratelimit-policy"] == '"tokens";q=3;w=60'


async def test_a_service_of_the_system_proves_itself_by_the_system_s_key(desk: Any) -> None:
    client = "comity:notifications"
    secret = service_secret(desk.runtime.settings, client)
    token = await desk.token(client, secret)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["roles"]) == (client, ["bdt_analyst"])
    refused = await desk.ask(client, "0" * len(secret))
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid-client")
    assert (
        await desk.ask("comity:nobody", service_secret(desk.runtime.settings, "comity:nobody"))
    ).status_code == 401
