"""One webhook end to end: verified by ping, told of a crossing, signed, once."""

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

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
