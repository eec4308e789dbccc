"""Tokens that are not ours, not now, not for us or not signed as we want are refused, each with its code."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.chassis.identity.verification import fetch_keys


async def code_of(bench: Any, token: str) -> str:
    answer = await bench.client.get("/v1/notes", headers={"Authorization": f"Bearer {token}"})
    if answer.status_code == 200:
        return "accepted"
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    return str(answer.json()["code"])


async def test_a_good_token_is_accepted_even_on_a_public_route(bench: Any) -> None:
    assert await code_of(bench, bench.issuer.token("bdt_admin")) == "accepted"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": datetime.now(UTC) - timedelta(hours=1)}, "token-expired"),
        ({"aud": "another"}, "token-wrong-audience"),
        ({"aud": ["another"]}, "token-wrong-audience"),
        ({"iss": "https://evil.example"}, "token-wrong-issuer"),
        ({"exp": None}, "token-invalid"),
        ({"sub": None}, "token-invalid"),
        ({"kid": "unknown"}, "token-invalid"),
        ({"roles": "bdt_admin"}, "token-invalid"),
        ({"nbf": datetime.now(UTC) + timedelta(hours=1)}, "token-invalid"),
    ],
)
async def test_a_wrong_claim_has_its_own_code(bench: Any, claims: dict[str, Any], code: str) -> None:
    assert await code_of(bench, bench.issuer.token("bdt_admin", **claims)) == code


async def test_an_expired_token_is_refused_though_it_was_accepted_before(bench: Any) -> None:
    within_leeway = bench.issuer.token("bdt_admin", exp=datetime.now(UTC) - timedelta(seconds=5))
    assert await code_of(bench, within_leeway) == "accepted"
    bench.application.state.verifier._leeway = 0
    assert await code_of(bench, within_leeway) == "token-expired"


async def test_another_key_or_algorithm_is_refused(bench: Any) -> None:
    stranger = bench.issuer.token("bdt_admin", key=Ed25519PrivateKey.generate())
    assert await code_of(bench, stranger) == "token-invalid"
    public = (await bench.issuer.keys())["keys"][0]["x"]
    confused = bench.issuer.token("bdt_admin", key=public, alg="HS256")
    assert await code_of(bench, confused) == "token-wrong-algorithm"
    unsigned = jwt.encode({"sub": "x"}, None, algorithm="none", headers={"kid": "k1"})  # type: ignore[arg-type]
    assert await code_of(bench, unsigned) == "token-wrong-algorithm"
    for nonsense in ("nonsense", "a.b.c", base64.b64encode(b"{}").decode()):
        assert await code_of(bench, nonsense) == "token-invalid"
    answer = await bench.client.get("/v1/notes", headers={b"Authorization": "Bearer é".encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")


async def test_a_changed_token_is_refused(bench: Any) -> None:
    head, body, signature = bench.issuer.token("auditor").split(".")
    other = bench.issuer.token("bdt_admin").split(".")[1]
    assert await code_of(bench, f"{head}.{other}.{signature}") == "token-invalid"
    assert await code_of(bench, f"{head}.{body}.") == "token-invalid"


async def test_keys_are_fetched_once_and_again_for_a_new_one(bench: Any) -> None:
    for _ in range(5):
        await code_of(bench, bench.issuer.token("auditor", sub=str(_)))
    assert bench.issuer.fetches == 1
    bench.issuer.key = Ed25519PrivateKey.generate()
    original = bench.issuer.keys

    async def rotated() -> Any:
        keys = await original()
        return {"keys": [key | {"kid": "k2"} for key in keys["keys"]]}

    bench.application.state.verifier._fetch = rotated
    assert await code_of(bench, bench.issuer.token("auditor", kid="k2")) == "accepted"


async def test_the_issuer_being_away_is_a_503(bench: Any) -> None:
    async def away() -> Any:
        raise ConnectionRefusedError

    bench.application.state.verifier._fetch = away
    answer = await bench.client.get("/v1/notes", headers=bench.bearer())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "retry-after" in answer.headers


async def test_keys_that_come_drop_by_drop_are_not_waited_for_without_end(bench: Any) -> None:
    over = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while not over.is_set():
            await answer.write(b" ")
            await asyncio.sleep(0.05)
        return answer

    application = web.Application()
    application.router.add_get("/jwks", drip)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/jwks"
    bench.application.state.verifier._fetch = lambda: fetch_keys(address, seconds=0.5)
    try:
        async with asyncio.timeout(10):
            answer = await bench.client.get(
                "/v1/notes", headers={"Authorization": f"Bearer {bench.issuer.token('bdt_admin')}"}
            )
    finally:
        over.set()
        await runner.cleanup()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_other_schemes_are_no_tokens(bench: Any) -> None:
    for header in ("Basic YTpi", "Bearer", "Bearer ", "Token abc"):
        answer = await bench.client.get("/v1/notes", headers={"Authorization": header})
        assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")


async def test_roles_that_do_not_exist_are_dropped(bench: Any) -> None:
    answer = await bench.client.get("/v1/audit/notes", headers=bench.bearer("superuser"))
    assert answer.status_code == 403


def later(bench: Any, seconds: float) -> None:
    """Let the keys' document be so much older."""
    bench.application.state.verifier._fetched_at -= seconds


async def test_a_revoked_token_is_refused_within_a_minute_and_a_newer_one_is_not(bench: Any) -> None:
    old, new = (bench.issuer.token("auditor", client_id="c", client_revision=number) for number in (1, 2))
    unnumbered, other = (
        bench.issuer.token("auditor", client_id="c"),
        bench.issuer.token("auditor", client_id="d"),
    )
    for token in (old, new, unnumbered, other):
        assert await code_of(bench, token) == "accepted"
    bench.issuer.revoked = {"c": 2}
    later(bench, 55)
    assert await code_of(bench, old) == "accepted"
    later(bench, 5.1)
    assert [await code_of(bench, token) for token in (old, unnumbered)] == ["token-revoked"] * 2
    assert [await code_of(bench, token) for token in (new, other)] == ["accepted"] * 2
    assert bench.issuer.fetches == 2


async def test_with_the_issuer_away_the_last_document_stands_and_few_requests_wait_for_another(
    bench: Any,
) -> None:
    revoked, good = (bench.issuer.token("auditor", client_id=client, client_revision=1) for client in "cd")
    bench.issuer.revoked = {"c": 2}
    assert await code_of(bench, good) == "accepted"
    tries = 0

    async def away() -> Any:
        nonlocal tries
        tries += 1
        raise ConnectionRefusedError

    bench.application.state.verifier._fetch = away
    later(bench, 3_600)
    for _ in range(5):
        assert await code_of(bench, good) == "accepted"
        assert await code_of(bench, revoked) == "token-revoked"
    assert tries == 1


async def test_a_key_that_is_no_longer_published_ends_its_tokens_within_a_minute(bench: Any) -> None:
    token = bench.issuer.token("auditor")
    assert await code_of(bench, token) == "accepted"

    async def another() -> Any:
        return {"keys": [key | {"kid": "k2"} for key in (await bench.issuer.keys())["keys"]]}

    bench.application.state.verifier._fetch = another
    later(bench, 60.1)
    assert await code_of(bench, token) == "token-invalid"


@pytest.mark.parametrize("revoked", [{"c": "many"}, ["c"], 7])
async def test_a_document_that_cannot_be_read_is_a_503(bench: Any, revoked: Any) -> None:
    bench.issuer.revoked = revoked
    answer = await bench.client.get("/v1/notes", headers=bench.bearer())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
