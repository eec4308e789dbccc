"""Dead letters over HTTP, on the service that has most to lose: what was set aside and replayed stands on the lists."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.chassis.bus.consumer import Consumer, Delivery
from services.chassis.bus.lane import LaneRules
from services.chassis.bus.limits import Limits
from services.chassis.web.health import readiness
from services.matches.consumers import ARCHIVE, archive
from tests.services.matches.town import Town, open_town, uuid_of

LETTERS = "/v1/dead-letters/matches"
Handle = Callable[[Delivery], Awaitable[None]]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def any_town(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Town]:
    """An empty town on either database."""
    sections: dict[str, Any] = {}
    if request.param == "postgresql":
        sections["database"] = {"url": request.getfixturevalue("postgresql_url")()}
    async with AsyncExitStack() as stack:
        yield await open_town(tmp_path / "town", stack, **sections)


@asynccontextmanager
async def consuming(town: Town, handle: Handle, *, in_a_row: int = 50) -> AsyncIterator[Consumer]:
    """Run the service's own group with a handler of the test's."""
    rules = LaneRules(tries=1, limits=Limits(in_a_row=in_a_row))
    consumer = Consumer(
        town.runtimes["matches"], group=ARCHIVE.group, topics=ARCHIVE.topics, handle=handle, rules=rules
    )
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    try:
        yield consumer
    finally:
        stop.set()
        await running


async def consume(town: Town, handle: Handle) -> None:
    """Relay, and consume to the end of the log."""
    await town.relay()
    async with consuming(town, handle) as consumer, asyncio.timeout(20):
        while True:
            figures = await consumer.progress()
            if figures["partitions"] and figures["lag"] == 0:
                return
            await asyncio.sleep(0.01)


async def halts(town: Town, where: dict[int, int]) -> list[dict[str, Any]]:
    """Wait until the partitions are halted at these offsets; nobody tells us when."""
    while True:
        found: list[dict[str, Any]] = (await town.get(f"{LETTERS}/halted"))["items"]
        if {each["partition"]: each["offset"] for each in found} == where:
            return found
        await asyncio.sleep(0.01)


def failing_on(name: str) -> Handle:
    """The service's handler with a bug about one organisation."""

    async def handle(delivery: Delivery) -> None:
        if delivery.event.key == uuid_of(name):
            raise ZeroDivisionError("a bug of ours")
        await archive(delivery)

    return handle


async def test_c25_a_mended_handler_and_a_replay_give_the_lists_of_a_run_without_the_bug(
    any_town: Town,
) -> None:
    town = any_town
    project = await town.published("schools")
    await town.organisation("Ada")
    await town.settle()

    await town.organisation("Grace")
    await town.organisation("Grace", aliases=["Amazing Grace"])
    await town.organisation("Linus")
    await consume(town, failing_on("Grace"))
    await town.rank()
    assert sorted(await town.names_of(project)) == ["Ada", "Linus"]

    page = await town.get(LETTERS)
    assert [(one["state"], one["key"], one["kind"]) for one in page["items"]] == [
        ("dead", uuid_of("Grace"), "unexpected"),
        ("parked", uuid_of("Grace"), ""),
    ]
    letter = page["items"][0]["id"]
    done = await town.call("POST", f"{LETTERS}/{letter}/replay")
    assert (done.status_code, done.json()["replayed"]) == (200, 2)
    await town.settle()
    assert sorted(await town.names_of(project)) == ["Ada", "Grace", "Linus"]
    assert (await town.get(LETTERS))["items"] == []

    # The same as the index that is built anew, and as later revisions say.
    later = await town.organisation("Grace", legal_name="Grace Hopper")
    await town.settle()
    assert sorted(await town.names_of(project)) == ["Ada", "Grace Hopper", "Linus"]
    rows = await town.rows("SELECT version, latest FROM documents WHERE id = :id ORDER BY version", id=later)
    assert [(row["version"], bool(row["latest"])) for row in rows] == [(1, False), (2, False), (3, True)]


async def test_a_letter_is_shown_as_it_stands_on_the_log(town: Town) -> None:
    await town.organisation("Grace")
    await consume(town, failing_on("Grace"))
    (short,) = (await town.get(LETTERS, who="auditor"))["items"]
    whole = await town.get(f"{LETTERS}/{short['id']}", who="auditor")
    (record,) = await town.records("members.v1")
    assert whole["value"] == (record.value or b"").decode()
    assert [(one["name"], one["value"]) for one in whole["headers"]] == [
        (name, value.decode()) for name, value in record.headers
    ]
    assert "desk@example.org" not in str(whole)  # a contact is no part of the record
    assert "a bug of ours" in whole["stack"]
    assert {name: whole[name] for name in short} == short


async def test_letters_page_to_the_end_and_can_be_narrowed(town: Town) -> None:
    for name in ("Ada", "Grace", "Linus"):
        await town.organisation(name)

    async def buggy(delivery: Delivery) -> None:
        raise ZeroDivisionError("a bug of ours")

    await consume(town, buggy)
    seen, path = [], f"{LETTERS}?limit=1"
    while path:
        page = await town.get(path)
        seen += page["items"]
        path = f"{LETTERS}?limit=1&cursor={page['next']}" if page["next"] else ""
    assert sorted(one["key"] for one in seen) == sorted(map(uuid_of, ("Ada", "Grace", "Linus")))
    narrowed = await town.get(f"{LETTERS}?key={uuid_of('Ada')}&state=dead&topic=members.v1&group=matches")
    assert [one["key"] for one in narrowed["items"]] == [uuid_of("Ada")]
    assert (await town.get(f"{LETTERS}?state=parked"))["items"] == []


async def test_a_replay_that_fails_changes_nothing_and_says_why(town: Town, monkeypatch: Any) -> None:
    await town.organisation("Grace")
    await consume(town, failing_on("Grace"))
    before = (await town.get(LETTERS))["items"]

    async def unreadable(*_: object) -> None:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr("services.matches.consumers.newest", unreadable)
    answer = await town.call("POST", f"{LETTERS}/{before[0]['id']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "replay-failed")
    assert (await town.get(LETTERS))["items"] == before
    assert (await town.get("/v1/audit/matches"))["items"] == []


async def test_a_discarded_record_is_gone_and_what_waited_behind_it_can_be_replayed(any_town: Town) -> None:
    town = any_town
    await town.organisation("Grace")
    await town.organisation("Grace", legal_name="Grace Hopper")
    await consume(town, failing_on("Grace"))
    dead, parked = (await town.get(LETTERS))["items"]
    answer = await town.call("POST", f"{LETTERS}/{dead['id']}/discard", {"reason": "Superseded."})
    assert answer.json() == {"topic": "members.v1", "key": uuid_of("Grace"), "waiting": 1}
    again = await town.call("POST", f"{LETTERS}/{dead['id']}/discard", {"reason": "Superseded."})
    assert again.status_code == 404
    answer = await town.call("POST", f"{LETTERS}/{parked['id']}/replay")
    assert answer.json()["replayed"] == 1
    rows = await town.rows("SELECT version FROM documents WHERE id = :id", id=uuid_of("Grace"))
    assert [row["version"] for row in rows] == [2]
    audit = (await town.get("/v1/audit/matches", who="auditor"))["items"]
    assert [(row["action"], row["why"]) for row in audit] == [
        ("dead_letter.replayed", None),
        ("dead_letter.discarded", "Superseded."),
    ]


async def test_a_halted_partition_is_told_by_readiness_and_resumed_by_the_administrator(town: Town) -> None:
    for number in range(12):
        await town.organisation(f"Organisation {number}")
    await town.relay()

    async def buggy(delivery: Delivery) -> None:
        raise ZeroDivisionError("a bad deployment")

    runtime = town.runtimes["matches"]
    assert (await readiness(runtime))["matches.partitions"] is None
    async with consuming(town, buggy, in_a_row=2), asyncio.timeout(20):
        halted = await halts(town, {0: 2, 1: 2})
        assert "Halted" in ((await readiness(runtime))["matches.partitions"] or "")
        ready = await town.call("GET", "/readyz", who="nobody")
        assert (ready.status_code, "members.v1/0 at 2" in ready.json()["detail"]) == (503, True)
        one = next(each for each in halted if each["partition"] == 0)
        assert one["offset"] == 2
        body = {name: one[name] for name in ("group", "topic", "partition")} | {
            "reason": "All of it is known."
        }
        assert (await town.call("POST", f"{LETTERS}/halted/resume", body)).status_code == 200
        await halts(town, {0: 4, 1: 2})
    away = body | {"topic": "projects.v1"}
    answer = await town.call("POST", f"{LETTERS}/halted/resume", away)
    assert (answer.status_code, answer.json()["code"]) == (409, "not-halted")
    assert [row["action"] for row in (await town.get("/v1/audit/matches"))["items"]] == ["partition.resumed"]


@pytest.mark.parametrize("who", ["nobody", "organisation_admin", "bdt_editor", "bdt_analyst", "auditor"])
async def test_only_an_administrator_decides_and_only_auditors_read_beside_it(town: Town, who: str) -> None:
    refused = 401 if who == "nobody" else 403
    for path in ("", "/halted", "/1"):
        answer = await town.call("GET", LETTERS + path, who=who)
        seen = 404 if path == "/1" else 200
        assert answer.status_code == (seen if who == "auditor" else refused), path
    body = {"group": "matches", "topic": "members.v1", "partition": 0, "reason": "A try."}
    for path, sent in (("/1/replay", None), ("/1/discard", {"reason": "A try."}), ("/halted/resume", body)):
        assert (await town.call("POST", LETTERS + path, sent, who=who)).status_code == refused
