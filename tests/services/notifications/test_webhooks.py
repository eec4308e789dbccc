"""One webhook end to end: verified by ping, told of a crossing, signed, once."""

import json

import httpx2
import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from matching.notices import Notices
from services.notifications.mail.letters import LANGUAGES
from services.notifications.worker import reasons
from services.notifications.worker.messages import statement_in
from services.notifications.worker.reasons import SENTENCES_TOLD
from tests.services.matches.town import uuid_of
from tests.services.notifications.village import Receiver, Village, verified


async def test_a_crossing_reaches_a_verified_receiver_with_its_reasons(
    village: Village, receiver: Receiver
) -> None:
    await village.town.organisation("Ada")
    endpoint, secret = await village.endpoint("Ada", receiver)
    found = await village.town.get(f"/v1/endpoints/{endpoint}", who=village.own("Ada"))
    assert found["state"] == "active"
    subscription = await village.subscribe("Ada", endpoint=endpoint)
    project = await village.town.published("schools")
    await village.settle()
    [event] = receiver.events()
    headers, body = receiver.taken[-1]
    assert verified(secret, headers, body, now=village.town.clock.moment) == event
    assert headers["webhook-id"] == event["id"]
    assert "." not in event["id"]
    assert event["type"] == "org.comity.match.proposed.v1"
    assert event["subject"] == f"{project}/{uuid_of('Ada')}"
    data = event["data"]
    assert (data["project"], data["subscription"], data["list_version"]) == (project, subscription, 1)
    assert data["why"]["rule"] == "above-floor"
    assert {"school", "community network"} & {
        term.lower().rstrip("s") for term in data["why"]["shared_terms"]
    }
    assert data["why"]["reasons"]
    assert "suggestion" in data["statement"]
    assert len(body) < 20_000
    for private in (b'"rank"', b"desk@example.org", b"Front desk"):
        assert private not in body
    with pytest.raises(WebhookVerificationError):
        verified(secret, headers, body + b" ", now=village.town.clock.moment)
    await village.settle()
    assert len(receiver.events()) == 1


async def test_the_public_page_is_open_before_anybody_is_told(village: Village, receiver: Receiver) -> None:
    await village.town.organisation("Ada")
    await village.hooked("Ada", receiver)
    seen = []

    async def look(body: bytes) -> None:
        event = json.loads(body)
        page = await village.town.client.get(f"/v1/projects/{event['data']['project']}")  # as anybody
        listed = await village.town.client.get("/v1/feeds/opportunities.atom")
        assert event["data"]["project"] in listed.text
        seen.append((page.status_code, page.json()["published_at"] <= event["time"]))

    receiver.look = look
    await village.town.published("schools")
    await village.settle()
    assert seen == [(200, True)]


async def test_each_message_gives_its_reasons_in_the_language_of_its_subscription(
    village: Village, receiver: Receiver
) -> None:
    await village.town.organisation("Ada")
    endpoint, _ = await village.endpoint("Ada", receiver)
    chosen = {
        await village.subscribe("Ada", endpoint=endpoint, language=language): language
        for language in LANGUAGES
    }
    await village.town.published("schools")
    await village.settle()
    events = receiver.events()
    assert {one["data"]["subscription"] for one in events} == chosen.keys()
    said = {}
    for event in events:
        data = event["data"]
        language = chosen[data["subscription"]]
        assert data["language"] == language
        answer = await village.town.client.get(
            f"/v1/lists/{data['project']}/candidates/{data['organisation']}?language={language}",
            headers=village.own("Ada"),
        )
        assert data["why"]["reasons"] == answer.json()["reasons"][:SENTENCES_TOLD]
        assert data["statement"] == statement_in(language)
        said[language] = (tuple(data["why"]["reasons"]), data["statement"])
    assert len({reasons for reasons, _ in said.values()}) == len(LANGUAGES)
    assert len({statement for _, statement in said.values()}) == len(LANGUAGES)
    assert (
        len({json.dumps(one["data"]["why"]["shared_terms"]) for one in events}) == 1
    )  # of the texts themselves
    notices = await village.town.get("/v1/notices", who=village.own("Ada"))
    assert {one["subscription"]: tuple(one["data"]["why"]["reasons"]) for one in notices["items"]} == {
        subscription: said[language][0] for subscription, language in chosen.items()
    }


async def test_many_are_asked_for_at_once_and_each_pair_is_worked_out_once_for_all_its_languages(
    village: Village, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reasons, "MOST_ASKED", 3)
    names = ["Ada", "Ben", "Cleo", "Dora", "Eve"]
    for name in names:
        await village.town.organisation(name)
        await village.hooked(name, receiver, language="fr")
        if name != "Ada":  # who is told in one language, and so in a question of her own
            await village.subscribe(name, channel="feed", language="zh")
    asked: list[tuple[str, int]] = []
    pairs: list[str] = []
    real = Notices.of

    async def look(request: httpx2.Request) -> None:
        if request.method == "POST" and request.url.path.startswith("/v1/lists"):
            asked.append(
                (request.url.path.rpartition("/")[2], len(json.loads(request.content)["organisations"]))
            )

    def count(notices: Notices, organisation: str, languages: tuple[str, ...]) -> object:
        pairs.append(organisation)
        return real(notices, organisation, languages)

    village.town.client.event_hooks = {"request": [look]}
    monkeypatch.setattr(Notices, "of", count)
    await village.town.published("schools")
    await village.settle()
    assert len(receiver.events()) == len(names)
    assert sorted(asked) == [("reasons", 1), ("reasons", 1), ("reasons", 3)]
    assert sorted(pairs) == sorted(uuid_of(name) for name in names)
    [heard] = [one for one in receiver.events() if one["data"]["organisation"] == uuid_of("Eve")]
    answer = await village.town.client.get(
        f"/v1/lists/{heard['data']['project']}/candidates/{uuid_of('Eve')}?language=fr",
        headers=village.own("Eve"),
    )
    assert heard["data"]["why"]["reasons"] == answer.json()["reasons"][:SENTENCES_TOLD]
