"""Waiting for a write to count, and asking whether every list covers what was written."""

import asyncio
import time
from typing import Any

import pytest

from services.chassis.runtime import Runtime
from services.matches.queries.waiting import Token, on_its_way, preferred_wait
from services.matches.routes import lists
from tests.services.matches.town import Town, uuid_of


async def test_a_publishing_calls_token_waits_for_the_first_list(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.draft("schools")
    published = await town.step(project, "publish")
    await town.relay()
    await town.consume()
    path = published["links"]["candidates"]
    at_once = await town.call("GET", path)
    assert (at_once.json()["covers_token"], at_once.json()["state"]) == (False, "ranking")
    waiting = asyncio.create_task(town.call("GET", path, Prefer="wait=20"))
    await asyncio.sleep(0.05)
    await town.rank()
    answer = await waiting
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert (answer.json()["covers_token"], answer.json()["state"]) == (True, "ranked")
    assert len(answer.json()["candidates"]) == 1


async def test_a_project_that_is_still_on_its_way_is_being_ranked_and_not_unknown(town: Town) -> None:
    project = await town.draft("schools")
    published = await town.step(project, "publish")
    path = published["links"]["candidates"]
    for who in (
        "bdt_admin",
        "project_manager",
        town.bearer("organisation_reader", organisation=uuid_of("Ada")),
    ):
        body = await town.get(path, who=who)
        assert (body["state"], body["covers_token"], body["candidates"]) == ("ranking", False, [])
        assert body["project_revision"] is None, "nothing but the token says which"
        assert (body["list_version"], body["titles"]) == (None, [])
    await town.get(path, who="nobody", status=401)
    await town.get(path.partition("?")[0], status=404)
    other = uuid_of("another project")
    await town.get(f"/v1/lists/{other}/candidates?token={published['token']['text']}", status=404)
    await town.settle()
    assert (await town.get(path))["state"] == "ranked"
    await town.erase("projects", project)
    await town.settle()
    await town.get(path, status=404)


async def test_a_project_that_comes_in_while_it_is_asked_for_is_not_unknown(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await town.draft("schools")
    await town.settle()  # a draft is known here, and not to be shown
    published = await town.step(project, "publish")
    await town.relay()

    async def just_too_late(runtime: Runtime, project_id: str, token: Token) -> bool:
        await town.consume()
        return await on_its_way(runtime, project_id, token)

    monkeypatch.setattr(lists, "on_its_way", just_too_late)
    body = await town.get(published["links"]["candidates"])
    assert (body["state"], body["covers_token"]) == ("ranking", False)


async def test_without_a_token_a_project_that_is_not_known_yet_is_waited_for(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    path = f"/v1/lists/{project}/candidates"
    await town.get(path, status=404)
    await town.get(path, status=404, Prefer="wait=1")
    waiting = asyncio.create_task(town.call("GET", path, Prefer="wait=20"))
    await asyncio.sleep(0.05)
    await town.settle()
    answer = await waiting
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert (answer.json()["covers_token"], answer.json()["state"]) == (None, "ranked")


async def test_a_profiles_token_waits_until_its_row_is_the_new_one(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Ada", hq_country="KEN")
    token = f"members.v1:{uuid_of('Ada')}:1.{town.revisions[uuid_of('Ada')]}"
    before = await town.list_of(project, f"token={token}")
    assert before["covers_token"] is False
    await town.settle()
    after = await town.list_of(project, f"token={token}")
    assert after["covers_token"] is True
    assert after["candidates"][0]["hq_country"] == "KEN"


async def test_time_runs_out_and_the_answer_says_so(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    began = time.monotonic()
    answer = await town.call(
        "GET", f"/v1/lists/{project}/candidates?token=projects.v1:{project}:1.99", Prefer="wait=1"
    )
    assert time.monotonic() - began >= 1
    assert (answer.status_code, answer.json()["covers_token"]) == (200, False)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("wait=5", 5),
        ("respond-async, wait=7", 7),
        ('Wait = "3"', 3),
        ("wait=99999", 30),
        ("waiting=5", 0),
        ("wait=-1", 0),
        ("wait=x", 0),
    ],
)
def test_the_wait_is_read_as_rfc_7240_says(header: str | None, seconds: float) -> None:
    assert preferred_wait(header, longest=30) == seconds


async def test_progress_is_complete_only_once_everything_written_is_ranked(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.draft("schools")
    published = await town.step(project, "publish")
    token = published["token"]

    async def asked() -> Any:
        return (await town.call("POST", "/v1/ranking-progress", {"tokens": [token]})).json()

    await town.rank()
    assert (await asked())["complete"] is False  # it stands in the outbox still
    assert "1 tokens" in (await asked())["waiting_for"][0]
    await town.relay()
    assert (await asked())["complete"] is False
    assert (await town.get("/v1/ranking-progress"))["complete"] is False
    await town.consume()
    assert (await asked())["complete"] is False
    await town.rank()
    done = await asked()
    assert done["complete"] is True
    assert (done["projects"], done["lists"]) == (1, 1)
    assert all(line["behind"] == 0 for line in done["partitions"])
    assert (await town.call("POST", "/v1/days", {"day": "2026-11-24"})).status_code == 201
    assert (await asked())["complete"] is False
    await town.settle()
    assert (await asked())["complete"] is True


@pytest.mark.parametrize(
    "tokens",
    [
        [{"topic": "matches.v1", "id": uuid_of("x"), "sequence": "1.1"}],
        [{"topic": "members.v1", "id": "x", "sequence": "1.1"}],
        [{"topic": "members.v1", "id": uuid_of("x"), "sequence": "1"}],
        [{"topic": "members.v1", "id": uuid_of("x")}],
        [{"topic": "members.v1", "id": uuid_of("x"), "sequence": "1.1"}] * 20_001,
    ],
)
async def test_wrong_tokens_are_refused_by_their_place(town: Town, tokens: Any) -> None:
    answer = await town.call("POST", "/v1/ranking-progress", {"tokens": tokens})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
    assert answer.json()["errors"][0]["pointer"].startswith("/tokens")
