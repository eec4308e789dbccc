"""What a message said, and where a webhook goes, is its organisation's own: role by role, in every answer and every mail."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from services.notifications.rules.redaction import redacted_event, shortened, without_secrets
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed
from tests.services.notifications.test_endpoints import failing_for_days
from tests.services.notifications.village import Receiver

OWN = ("organisation_reader", "organisation_editor", "organisation_admin")
OTHERS = ("bdt_admin", "auditor")
PATH, QUERY = "services-T0PSECRET", "token=s3same"
SAID = "what only Ada's receiver says"


@asynccontextmanager
async def chatty() -> AsyncIterator[str]:
    """A receiver whose address is a secret, and that repeats what it was sent; its URL."""

    async def answer(request: web.Request) -> web.Response:
        said = {"said": SAID, "got": dict(request.headers), "body": await request.json()}
        return web.json_response(said | {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})

    application = web.Application()
    application.router.add_post(f"/{PATH}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/{PATH}?{QUERY}"
    finally:
        await runner.cleanup()


async def told(hall: Hall, url: str) -> tuple[str, str]:
    """An endpoint of Ada's and a message with news that has come there; their ids."""
    endpoint = (await hall.call("POST", "/v1/endpoints", {"url": url}, status=201))["id"]
    await hall.dispatch()
    await hall.subscribe(channel="webhook", endpoint=endpoint)
    await hall.rank(await hall.open_project(), 1, {await hall.member("Ada"): "good"})
    await hall.settle()
    [message] = await hall.rows("SELECT id FROM deliveries WHERE type LIKE '%proposed%'")
    return endpoint, message["id"]


async def everything(hall: Hall, role: str, endpoint: str, message: str) -> dict[str, Any]:
    """What this role reads of Ada's, by every address that shows a message or an endpoint."""
    claims = {"organisation": uuid_of("Ada")} if role in OWN else {}
    whose = f"?organisation={uuid_of('Ada')}"
    found = {}
    for path in (
        f"/v1/deliveries/{message}", f"/v1/deliveries{whose}", f"/v1/notices{whose}",
        f"/v1/endpoints/{endpoint}", f"/v1/endpoints{whose}", "/v1/audit/notifications",
    ):  # fmt: skip
        answer = await hall.http.get(path, headers=hall.bearer(role, **claims))
        if not path.startswith("/v1/audit") or role not in OWN:
            assert answer.status_code == 200, (path, answer.text)
        found[path.partition("?")[0].removesuffix(message).removesuffix(endpoint)] = answer.json()
    return found


@pytest.mark.parametrize("role", OWN)
async def test_the_organisation_sees_what_was_sent_and_answered_but_no_secret(hall: Hall, role: str) -> None:
    async with chatty() as url:
        endpoint, message = await told(hall, url)
        found = await everything(hall, role, endpoint, message)
    delivery = found["/v1/deliveries/"]
    assert delivery["redacted"] is False
    assert delivery["body"]["data"]["project"] == uuid_of("schools")
    [one] = delivery["tries"]
    assert SAID in one["response"]
    assert found["/v1/notices"]["items"][0]["data"]["title"] == "Community networks for rural schools"
    assert found["/v1/endpoints/"]["url"] == found["/v1/endpoints"]["items"][0]["url"] == url
    assert "whsec_…" in one["response"]
    assert '"v1,…"' in one["response"]
    shown = json.dumps(found, ensure_ascii=False)
    assert "whsec_M" not in shown
    assert "v1,…" in shown.replace('\\"', '"')


@pytest.mark.parametrize("role", OTHERS)
async def test_who_is_not_of_the_organisation_sees_envelopes_lengths_and_hosts(hall: Hall, role: str) -> None:
    async with chatty() as url:
        endpoint, message = await told(hall, url)
        found = await everything(hall, role, endpoint, message)
    [stored] = await hall.rows("SELECT body, response FROM deliveries JOIN attempts ON id = delivery "
                               "WHERE id = :one", one=message)  # fmt: skip
    sent = json.loads(stored["body"])
    delivery = found["/v1/deliveries/"]
    assert delivery["redacted"] is True
    length = len(json.dumps(sent["data"], ensure_ascii=False, separators=(",", ":")).encode())
    assert delivery["body"] == sent | {"subject": "project/…", "data": {"redacted_bytes": length}}
    [one] = delivery["tries"]
    assert (one["outcome"], one["status"]) == ("delivered", 200)
    assert one["response"] == f"[redacted: {len(stored['response'])} bytes]"
    [notice] = found["/v1/notices"]["items"]
    assert notice["data"].keys() == {"redacted_bytes"}
    assert (notice["project"], notice["rule"]) == (uuid_of("schools"), "above-floor")
    host = url.partition(PATH)[0]
    assert found["/v1/endpoints/"]["url"] == found["/v1/endpoints"]["items"][0]["url"] == f"{host}…"
    shown = json.dumps(found, ensure_ascii=False)
    for said in (PATH, QUERY, SAID, "Community networks", "shared_terms", "whsec_", "v1,"):
        assert said not in shown, said


async def test_an_administrator_changes_an_endpoint_whose_address_is_hidden_from_him(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    path, who = f"/v1/endpoints/{endpoint}", hall.bearer("bdt_admin")

    async def put(revision: int, **body: Any) -> Any:
        return await hall.http.put(path, json=body, headers=who | {"If-Match": f'"{revision}"'})

    shown = (await hall.http.get(path, headers=who)).json()
    assert shown["url"] == shortened(receiver.url)
    answer = await put(shown["revision"], url=shown["url"], description="Helped", paused=True)
    assert (answer.status_code, answer.json()["url"]) == (200, shown["url"])
    kept = await hall.call("GET", path)
    assert (kept["url"], kept["description"], kept["state"]) == (receiver.url, "Helped", "paused")
    answer = await put(shown["revision"] + 1, url=shown["url"].replace("127.0.0.1", "127.0.0.2"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["rule"] == "webhook-url-shortened"
    assert (await hall.call("GET", path))["url"] == receiver.url


async def test_mails_and_news_of_an_endpoint_name_its_host_alone(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    receiver.url += f"?{QUERY}"
    await failing_for_days(hall, receiver)
    told = [message for to, message in sink.taken if to == ADDRESS][-2:]
    for message in told:
        for part in ("plain", "html"):
            content = message.get_body((part,)).get_content()
            assert shortened(receiver.url) in content
            assert QUERY not in content
            assert "/hook" not in content
    bodies = await hall.rows("SELECT body FROM deliveries WHERE type NOT LIKE '%tested%'")
    assert QUERY not in str(bodies)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.org/a/b?c=d#e", "https://hooks.example.org/…"),
        ("https://hooks.example.org", "https://hooks.example.org/…"),
        ("https://Hooks.Example.org:8443/a", "https://hooks.example.org:8443/…"),
        ("https://user:password@hooks.example.org/a", "https://hooks.example.org/…"),
        ("http://[::1]:80/a", "http://[::1]/…"),
        ("", ""),
    ],
)
def test_an_address_is_shortened_to_its_host(url: str, shown: str) -> None:
    assert shortened(url) == shown


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (b"bad v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= here", "bad v1,… here"),
        (b"v1,K5oZfzN95Z9UVu1EsfQmfVNQh", "v1,…"),  # cut short
        (rb"whsec_MfKQ9r8GKYqr\/TwjUPD8ILPZIo2LaLaSw==", "whsec_…"),
        (b"all well, in version v1, thank you", "all well, in version v1, thank you"),
    ],
)
def test_what_a_receiver_repeats_of_a_secret_is_not_kept(said: bytes, kept: str) -> None:
    assert without_secrets(said).decode() == kept


def test_a_redacted_ping_is_about_an_endpoint() -> None:
    event = {
        name: name
        for name in ("specversion", "id", "source", "time", "datacontenttype", "dataschema", "subject")
    }
    event |= {"type": "org.comity.endpoint.pinged.v1", "data": {"endpoint": "e"}}
    shown = redacted_event(json.dumps(event).encode())
    assert (shown["subject"], shown["id"]) == ("endpoint/…", "id")
