"""Epochs and days: the frame of every list, published once, never going back."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from matching.epoch import Epoch, canonical
from services.matches.commands import first_epoch, open_frame
from tests.services.matches.town import Town, changed_epoch


async def test_the_first_epoch_is_public_and_its_bytes_are_its_hash(town: Town) -> None:
    [line] = (await town.get("/v1/epochs", who="nobody"))["items"]
    one = await town.get("/v1/epochs/0", who="nobody")
    assert one["hash"] == line["hash"]
    body = await town.call("GET", "/v1/epochs/0/body", who="auditor")
    assert hashlib.sha256(body.content).hexdigest() == one["hash"]
    assert (await town.call("GET", "/v1/epochs/1")).status_code == 404


async def test_a_new_epoch_ranks_every_list_anew_and_is_told(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    before = await town.row_of(project, "Ada")
    budgets = dict(Epoch.loads(first_epoch(None)).weights.budgets) | {"needs": 100_000_000}
    content = changed_epoch(version=99, budgets=budgets)
    answer = await town.call("POST", "/v1/epochs", content)
    assert answer.status_code == 201
    assert answer.json() == {
        "number": 1,
        "hash": hashlib.sha256(content).hexdigest(),
        "weights_version": "99",
    }
    assert answer.headers["Location"] == "/v1/epochs/1"
    await town.settle()
    after = await town.row_of(project, "Ada")
    assert after["epoch"] == answer.json()["hash"] != before["epoch"]
    assert after["components"]["needs"] < before["components"]["needs"]
    newest = (await town.versions(project))[0]
    assert (newest["number"], newest["reasons"]) == (2, ["epoch"]) or "epoch" in newest["reasons"]
    told = [one for one in await town.told("epochs.v1") if "hash" in one]
    assert [one["number"] for one in told] == [0, 1]
    statement = await town.get("/v1/ranking-statement", who="nobody")
    assert (statement["version"], statement["epoch"]["number"]) == ("99", 1)
    [audit] = (await town.get("/v1/audit/matches"))["items"]
    assert (audit["action"], audit["subject"]) == ("epoch.published", answer.json()["hash"])


async def test_the_same_epoch_twice_is_refused(town: Town) -> None:
    assert (await town.call("POST", "/v1/epochs", changed_epoch(version=99))).status_code == 201
    answer = await town.call("POST", "/v1/epochs", changed_epoch(version=99))
    assert (answer.status_code, answer.json()["code"]) == (409, "epoch-known")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "it has no 'format'"),
        (b"[]", "of another kind"),
        (b'{"format": 1}', "epoch format 1 is not 2"),
        (b'{"format": 2}', "it has no 'analyser'"),
        (first_epoch(None) + b" ", "canonical form"),
        (first_epoch(None)[:-1] + b',"more":1}', "canonical form"),
        (first_epoch(None).replace(b'["ar","', b'["ar"],["ar","', 1), "is no term"),
        (first_epoch(None).replace(b'"KEN":"AFR"', b'"KEN":null'), "the region of KEN"),
        (first_epoch(None).replace(b'"number":4', b'"number":"4"'), "analyser's number"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_what_is_no_epoch_is_refused(town: Town, content: bytes, said: str) -> None:
    answer = await town.call("POST", "/v1/epochs", content)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
    assert said in answer.json()["detail"]


async def test_an_epoch_with_more_countries_than_have_a_place_is_refused(town: Town) -> None:
    """Those that are known here count: profiles and projects name them."""
    body = json.loads(changed_epoch())
    body["reference"]["regions"] |= {f"X{letter}Z": "AFR" for letter in "ABCDEFG"}
    answer = await town.call("POST", "/v1/epochs", canonical(body))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
    assert "257; 256 have a place" in answer.json()["detail"]


async def test_an_epoch_of_another_analyser_is_refused(town: Town) -> None:
    body = json.loads(first_epoch(None))
    body["analyser"]["number"] = 99
    answer = await town.call("POST", "/v1/epochs", canonical(body))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
    assert "analyser" in answer.json()["detail"]


async def test_days_never_go_back(town: Town) -> None:
    assert (await town.call("POST", "/v1/days", {"day": "2026-11-30"})).status_code == 201
    for day in ("2026-11-30", "2026-11-29"):
        answer = await town.call("POST", "/v1/days", {"day": day})
        assert (answer.status_code, answer.json()["code"]) == (409, "day-passed")
    far = await town.call("POST", "/v1/days", {"day": "2099-01-01"})
    assert (far.status_code, far.json()["code"]) == (409, "day-too-far")
    assert [row["day"] for row in await town.rows("SELECT day FROM days ORDER BY day")] == [
        "2026-11-23",
        "2026-11-30",
    ]


async def test_a_clock_that_was_wrong_once_opens_no_day_that_nobody_could_take_back(
    town: Town, logged: list[Any]
) -> None:
    """Nor does one that is right after years of rest: a person opens the day then."""
    town.clock.moment = datetime(2099, 1, 1, tzinfo=UTC)
    await open_frame(town.runtimes["matches"])
    assert [entry["last"] for entry in logged if entry["event"].startswith("a day so far ahead")] == [
        "2026-11-23"
    ]
    town.clock.moment = datetime(2026, 11, 24, tzinfo=UTC)
    await open_frame(town.runtimes["matches"])
    town.clock.moment = datetime(2028, 11, 24, tzinfo=UTC)
    assert (await town.call("POST", "/v1/days", {"day": "2028-11-24"})).status_code == 201
    assert [row["day"] for row in await town.rows("SELECT day FROM days ORDER BY day")] == [
        "2026-11-23",
        "2026-11-24",
        "2028-11-24",
    ]


async def test_the_statement_is_the_epochs_own_table(town: Town) -> None:
    statement = await town.get("/v1/ranking-statement", who="nobody")
    weights = Epoch.loads(first_epoch(None)).weights
    assert statement["weights"] == json.loads(json.dumps(weights.to_json()))
    assert sum(one["budget"] for one in statement["components"]) == statement["total_budget"]
    assert statement["floor"]["text"] == weights.floors["text"]
    assert statement["tie_key"] == Epoch.loads(first_epoch(None)).tie_key
    assert any("fees" in one for one in statement["not_inputs"])
