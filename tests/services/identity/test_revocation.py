"""What ends a token before its time: whatever makes it say more than its client may."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.chassis.settings import LONGEST_LEEWAY_SECONDS, LONGEST_TOKEN_SECONDS, load_settings
from services.identity.commands.tokens import key_set

OURS = str(uuid4())
PERSON = {"name": "A. N. Other", "email": "a.other@example.org", "roles": ["project_manager", "auditor"]}


async def answers(desk: Any, token: str) -> str:
    """Ask with a token after the verifier has fetched the keys' document anew; "accepted" or the problem's code."""
    verifier = desk.http._transport.app.state.verifier
    if verifier._fetched_at is not None:
        verifier._fetched_at -= 61
    answer = await desk.http.get("/v1/clients", headers={"Authorization": f"Bearer {token}"})
    return "accepted" if answer.status_code in {200, 403} else str(answer.json()["code"])


def test_a_token_lives_for_a_quarter_of_an_hour() -> None:
    assert load_settings().identity.token_seconds == 15 * 60


async def test_a_revoked_client_gets_no_token_and_the_one_that_it_has_is_refused(desk: Any) -> None:
    admin, made = await desk.as_admin(), await desk.client("auditor")
    token = await desk.token(made["id"], made["secret"])
    assert await answers(desk, token) == "accepted"
    gone = await desk.http.delete(f"/v1/clients/{made['id']}", headers=admin | {"If-Match": '"1"'})
    assert gone.status_code == 204
    assert (await desk.ask(made["id"], made["secret"])).json()["code"] == "invalid-client"
    assert await answers(desk, token) == "token-revoked"
    assert await answers(desk, admin["Authorization"][7:]) == "accepted"


async def test_a_deleted_secret_ends_the_tokens_of_before_and_the_other_secret_gets_new_ones(
    desk: Any,
) -> None:
    admin, made = await desk.as_admin(), await desk.client("auditor")
    url = f"/v1/clients/{made['id']}/secrets"
    second = (await desk.http.post(url, headers=admin)).json()
    token = await desk.token(made["id"], made["secret"])
    assert (await desk.http.delete(f"{url}/{made['secrets'][0]['id']}", headers=admin)).status_code == 204
    assert await answers(desk, token) == "token-revoked"
    assert await answers(desk, await desk.token(made["id"], second["secret"])) == "accepted"


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"name": "Another name"}, "accepted"),
        ({"roles": ["organisation_reader"]}, "token-revoked"),
        ({"organisation": str(uuid4())}, "token-revoked"),
    ],
)
async def test_a_change_of_rights_ends_a_token_and_a_change_of_name_does_not(
    desk: Any, change: dict[str, Any], outcome: str
) -> None:
    body = {"name": "A program", "roles": ["organisation_editor"], "organisation": OURS}
    made = await desk.client(*body["roles"], organisation=OURS)
    token = await desk.token(made["id"], made["secret"])
    headers = await desk.as_admin() | {"If-Match": '"1"'}
    changed = await desk.http.put(f"/v1/clients/{made['id']}", json=body | change, headers=headers)
    assert changed.status_code == 200
    assert "tokens_from" not in changed.json()
    assert await answers(desk, token) == outcome
    assert await answers(desk, await desk.token(made["id"], made["secret"])) == "accepted"


@pytest.mark.parametrize(
    ("change", "outcome", "afterwards"),
    [
        ({"name": "Another Name"}, "accepted", 200),
        ({"roles": ["project_manager"]}, "token-revoked", 200),
        ({"roles": ["organisation_reader"], "organisation": OURS}, "token-revoked", 401),
        (None, "token-revoked", 401),
    ],
    ids=["name", "roles", "another organisation", "removed"],
)
async def test_what_a_person_loses_their_clients_lose(
    desk: Any, change: dict[str, Any] | None, outcome: str, afterwards: int
) -> None:
    admin, url = await desk.as_admin(), f"/v1/people/{uuid4()}"
    assert (await desk.http.put(url, json=PERSON, headers=admin)).status_code == 201
    made = await desk.client("project_manager", "auditor", person=url.rpartition("/")[2])
    token = await desk.token(made["id"], made["secret"])
    assert await answers(desk, token) == "accepted"
    headers = admin | {"If-Match": '"1"'}
    if change is None:
        done = await desk.http.delete(url, headers=headers)
    else:
        done = await desk.http.put(url, json=PERSON | change, headers=headers)
    assert done.is_success, done.text
    assert await answers(desk, token) == outcome
    assert (await desk.ask(made["id"], made["secret"])).status_code == afterwards


async def test_the_document_names_a_revocation_for_as_long_as_such_a_token_may_live(
    desk: Any, monkeypatch: Any
) -> None:
    admin, made = await desk.as_admin(), await desk.client("auditor")
    await desk.http.delete(f"/v1/clients/{made['id']}", headers=admin | {"If-Match": '"1"'})
    now = desk.runtime.clock.now()
    longest = timedelta(seconds=LONGEST_TOKEN_SECONDS + LONGEST_LEEWAY_SECONDS)
    for moment, named in ((now + longest - timedelta(seconds=5), True), (now + longest, False)):
        monkeypatch.setattr(type(desk.runtime.clock), "now", lambda _, moment=moment: moment)
        assert (await key_set(desk.runtime))["revoked"] == ({made["id"]: 2} if named else {})
