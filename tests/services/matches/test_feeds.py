"""The match feed over HTTP: order, places, compaction, filters, waiting, and who sees what."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from typing import Any

import orjson
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from services.chassis.bus.restoring import republish
from services.chassis.identity.principal import Principal
from services.matches import events
from services.matches.commands.restoring import OWNER
from services.matches.queries import feeds as queries
from services.matches.queries.streaming import Streaming
from services.matches.rules.feeds import Asked
from tests.services.matches.town import Town, statements, uuid_of

FEED, CURRENT = "/v1/feeds/matches", "/v1/feeds/matches/current"


async def read(town: Town, path: str, *, who: Any = "bdt_admin") -> list[dict[str, Any]]:
    """Follow the feed by the ids of its entries until a batch is empty."""
    path, _, begin = path.partition("lastEventId=")
    found: list[dict[str, Any]] = []
    while True:
        last = found[-1]["id"] if found else begin
        asked = (
            f"{path}{'' if path.endswith(('?', '&')) else '&' if '?' in path else '?'}lastEventId={last}"
            if last
            else path
        )
        batch = await town.get(asked, who=who)
        if not batch:
            return found
        found += batch


def compacted(entries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What a reader has who keeps the newest entry of each subject and drops it at DELETE."""
    kept: dict[str, Any] = {}
    for entry in entries:
        if entry.get("method") == "DELETE":
            kept.pop(entry["subject"], None)
        else:
            kept[entry["subject"]] = entry["data"]
    return kept


async def as_read(town: Town, projects: Iterable[str]) -> dict[str, Any]:
    """The same state, asked of the read API."""
    state: dict[str, Any] = {}
    for project in projects:
        newest = (await town.versions(project))[0]
        version = await town.get(f"/v1/lists/{project}/versions/{newest['number']}")
        state[project] = (version["number"], version["digest"], [row["points"] for row in version["head"]])
        if version["final"]:
            continue
        for row in (await town.list_of(project))["candidates"]:
            if row["above_floor"]:
                state[f"{project}/{row['organisation']}"] = row["band"]
    return state


def as_fed(kept: dict[str, Any]) -> dict[str, Any]:
    return {
        subject: data["band"]
        if "/" in subject
        else (data["number"], data["digest"], [row["points"] for row in data["head"]])
        for subject, data in kept.items()
    }


async def busy(town: Town) -> list[str]:
    """Let lists be made, change, lose members and close."""
    for number in range(8):
        await town.organisation(f"One {number}", hq_country=("KEN", "UGA", "FRA")[number % 3])
    projects = [await town.published(name) for name in ("schools", "clinics", "harbours")]
    await town.settle()
    await town.organisation("One 3", languages=["en", "fr"])
    await town.withdraw(uuid_of("One 4"))
    await town.settle()
    await town.erase("organisations", uuid_of("One 5"))
    await town.organisation("One 9")
    await town.settle()
    await town.step(projects[1], "close", body={"reason": "Found."})
    await town.settle()
    return projects


async def test_who_reads_from_zero_has_exactly_what_the_read_api_says(town: Town) -> None:
    projects = await busy(town)
    told = await as_read(town, projects)
    assert len(told) > 12
    whole = await read(town, FEED)
    assert as_fed(compacted(whole)) == told
    current = await read(town, CURRENT)
    assert as_fed(compacted(current)) == told
    assert len({entry["subject"] for entry in current}) == len(current) < len(whole)
    # From any place on, what follows is exactly the rest.
    for place in range(0, len(whole), 7):
        assert await read(town, f"{FEED}?lastEventId={whole[place]['id']}") == whole[place + 1 :]


async def test_who_reads_current_while_it_changes_and_goes_on_in_the_feed_misses_nothing(town: Town) -> None:
    projects = await busy(town)
    first = await town.get(CURRENT)
    kept = first[:3]  # as if the page had ended here
    await town.withdraw(uuid_of("One 0"))
    await town.settle()
    kept += await town.get(f"{CURRENT}?lastEventId={kept[-1]['id']}")
    await town.withdraw(uuid_of("One 1"))
    await town.settle()
    kept += await read(town, f"{FEED}?lastEventId={kept[-1]['id']}")
    assert as_fed(compacted(kept)) == await as_read(town, projects)


async def test_what_is_republished_is_fed_once(town: Town) -> None:
    await busy(town)
    whole = await read(town, FEED)
    runtime = town.runtimes["matches"]
    assert await republish(runtime, OWNER) > 5
    await town.settle()
    assert await read(town, FEED) == whole


async def test_every_entry_is_a_cloudevent_without_persons(town: Town) -> None:
    await busy(town)
    answer = await town.call("GET", FEED)
    assert answer.headers["content-type"] == "application/cloudevents-batch+json"
    assert "desk@example.org" not in answer.text
    entries = answer.json()
    for entry in entries:
        read_by_sdk = JSONFormat().read(CloudEvent, orjson.dumps(entry))
        assert (read_by_sdk.get_id(), read_by_sdk.get_type()) == (entry["id"], entry["type"])
    assert {entry.get("method") for entry in entries} == {None, "DELETE"}
    assert all(("data" in entry) == ("method" not in entry) for entry in entries)
    assert (
        len({entry["id"] for entry in entries})
        == len({entry["eventid"] for entry in entries})
        == len(entries)
    )


async def test_the_place_moves_past_what_is_not_for_the_reader(town: Town) -> None:
    await busy(town)
    own = town.bearer("organisation_reader", organisation=uuid_of("One 0"))
    mine = await read(town, FEED, who=own)
    assert {entry["subject"].partition("/")[2] for entry in mine} == {uuid_of("One 0")}
    answer = await town.call("GET", f"{FEED}?lastEventId={mine[-1]['id']}", who=own)
    assert answer.json() == []
    head = (await read(town, FEED))[-1]["id"]
    assert (
        answer.links["next"]["url"] == f"{FEED}?lastEventId={head}" != f"{FEED}?lastEventId={mine[-1]['id']}"
    )
    nothing = await town.call("GET", f"{FEED}?flagship={uuid_of('none')}&type={events.STANDING_LOST}")
    assert nothing.json() == []
    assert nothing.links["next"]["url"].endswith(f"&type={events.STANDING_LOST}&lastEventId={head}")


async def test_a_list_whose_project_is_erased_is_no_more_for_whoever_follows_and_in_current(
    town: Town,
) -> None:
    projects = await busy(town)  # the second one is closed
    kept = await read(town, FEED)
    own = await read(town, f"{FEED}?region=AFR&project={projects[0]}")
    for project in projects[:2]:
        await town.erase("projects", project)
    await town.settle()
    gone = await read(town, f"{FEED}?lastEventId={kept[-1]['id']}")
    assert {entry["method"] for entry in gone} == {"DELETE"}
    assert {entry["subject"] for entry in gone if entry["type"] == events.LIST_REMOVED} == set(projects[:2])
    told = await as_read(town, projects[2:])
    assert as_fed(compacted([*kept, *gone])) == told
    for path in (FEED, CURRENT):
        assert as_fed(compacted(await read(town, path))) == told
    own += await read(town, f"{FEED}?region=AFR&project={projects[0]}&lastEventId={kept[-1]['id']}")
    assert compacted(own) == {}


async def test_a_team_reads_its_own_projects_as_long_as_it_is_the_team(town: Town) -> None:
    manager = town.bearer("project_manager", sub=uuid_of("manager"))
    await town.organisation("One")
    mine = await town.published("mine", who=manager)
    await town.published("another")
    await town.settle()
    seen = await read(town, FEED, who=manager)
    assert {entry["data"]["project"] for entry in seen} == {mine}
    assert {entry["type"] for entry in seen} == {events.LIST_VERSIONED, events.STANDING_CROSSED}
    assert await read(town, FEED, who=town.bearer("project_manager", sub="m-2")) == []
    await _team(town, mine, "PUT", uuid_of("another manager"))
    await _team(town, mine, "DELETE", uuid_of("manager"))
    await town.settle()
    assert await read(town, FEED, who=manager) == []
    assert (await town.call("GET", FEED, who="nobody")).status_code == 401


async def test_who_is_taken_into_a_team_or_out_of_it_has_by_current_what_the_feed_does_not_tell(
    town: Town,
) -> None:
    other = town.bearer("project_manager", sub=uuid_of("another manager"))
    await town.organisation("One")
    project = await town.published("mine")
    await town.settle()
    pair = f"{project}/{uuid_of('One')}"
    place = (await town.call("GET", CURRENT, who=other)).links["next"]["url"]
    for method, subjects in (("PUT", {project, pair}), ("DELETE", set[str]())):
        await _team(town, project, method, uuid_of("another manager"))
        await town.settle()
        fed = await read(town, place, who=other)
        assert pair not in {entry["subject"] for entry in fed}
        assert not [entry for entry in fed if "method" in entry]
        assert {entry["subject"] for entry in await read(town, CURRENT, who=other)} == subjects


async def _team(town: Town, project: str, method: str, person: str) -> None:
    match = f'"{town.revisions[project]}"'
    answer = await town.call(method, f"/v1/projects/{project}/team/{person}", If_Match=match)
    assert answer.status_code in {200, 204}, answer.text
    town.revisions[project] += 1


async def test_who_waits_is_told_when_something_comes_and_only_of_what_is_theirs(town: Town) -> None:
    stop = asyncio.Event()
    tail = town.runtimes["matches"].state["tail"]
    running = asyncio.create_task(tail.run(stop))
    try:
        await town.organisation("One")
        await town.organisation("Two")
        await town.published("first")
        await town.settle()
        head = (await read(town, FEED))[-1]["id"]
        own = town.bearer("organisation_reader", organisation=uuid_of("Two"))
        waiting = asyncio.create_task(town.get(f"{FEED}?lastEventId={head}&timeout=20000", who=own))
        await town.withdraw(uuid_of("One"))
        await town.settle()
        assert not (await asyncio.wait([waiting], timeout=0.2))[0]
        await town.withdraw(uuid_of("Two"))
        await town.settle()
        [entry] = await asyncio.wait_for(waiting, 5)
        assert (entry["method"], entry["subject"].endswith(uuid_of("Two"))) == ("DELETE", True)
        assert await town.get(f"{FEED}?lastEventId={entry['id']}&timeout=50", who=own) == []
        assert tail.waiting == 0
        # Who waits when the process stops is answered at once.
        waiting = asyncio.create_task(town.get(f"{FEED}?lastEventId={entry['id']}&timeout=20000", who=own))
        await asyncio.sleep(0.1)
        town.runtimes["matches"].stopping.set()
        assert await asyncio.wait_for(waiting, 5) == []
    finally:
        stop.set()
        await running


async def test_a_team_that_listens_hears_of_its_new_project_from_the_first_entry_on(town: Town) -> None:
    stop, runtime = asyncio.Event(), town.runtimes["matches"]
    running = asyncio.create_task(runtime.state["tail"].run(stop))
    manager = uuid_of("manager")
    who = town.bearer("project_manager", sub=manager)

    async def verify() -> Principal:
        return Principal(manager, frozenset({"project_manager"}))

    async def published(name: str) -> set[str]:
        """Publish, and return the ids of its entries; the settling itself reads nothing of the feed."""
        project = await town.published(name, who=who)
        await town.settle()
        return {entry["id"] for entry in await read(town, f"{FEED}?project={project}")}

    try:
        await town.organisation("One")
        await town.published("of others")
        await town.settle()
        streaming = Streaming(runtime=runtime, verify=verify, asked=Asked(), after=None)
        async with aclosing(streaming.pieces()) as pieces:
            await anext(pieces)
            told = b""
            listening = asyncio.create_task(anext(pieces))
            await asyncio.sleep(0.1)  # it knows its projects now: none
            for name in ("first", "second"):
                wanted = await published(name)
                async with asyncio.timeout(10):
                    while not all(f"id: {one}\n".encode() in told for one in wanted):
                        told += await listening
                        listening = asyncio.create_task(anext(pieces))
            listening.cancel()
            await asyncio.wait([listening])
    finally:
        stop.set()
        await running


async def crowd(town: Town, entries: int, *, number: int = 1) -> None:
    """Put so many pairs into the outbox and relay them."""
    runtime = town.runtimes["matches"]
    row = {"points": 1, "fit": 1, "band": "weak"}
    told = [
        events.standing_crossed(
            uuid_of("crowded"),
            row | {"organisation": uuid_of(f"body {n}")},
            number,
            incarnation=1,
            clock=runtime.clock,
        )
        for n in range(entries)
    ]
    from services.chassis.bus import outbox

    async with runtime.database.write() as connection:
        await outbox.post_all(connection, told, max_record_bytes=100_000)
    await town.relay()


async def test_past_pages_are_kept_by_caches_and_the_newest_is_asked_for_again(town: Town) -> None:
    await crowd(town, 700)
    first = await town.call("GET", FEED)
    assert len(first.json()) == queries.PAGE == 500
    assert first.headers["cache-control"] == "private, max-age=86400"
    assert first.headers["vary"] == "Authorization, Accept"
    second = await town.call("GET", first.links["next"]["url"])
    assert len(second.json()) == 200
    assert second.headers["cache-control"] == "private, no-cache"
    again = await town.call("GET", first.links["next"]["url"], If_None_Match=second.headers["etag"])
    assert again.status_code == 304
    await crowd(town, 1, number=2)
    assert (await town.call("GET", FEED)).headers["etag"] == first.headers["etag"]
    more = await town.call("GET", first.links["next"]["url"], If_None_Match=second.headers["etag"])
    assert (more.status_code, len(more.json())) == (200, 201)


async def test_a_page_that_the_reader_has_costs_no_entry_and_is_kept_only_while_it_cannot_change(
    town: Town,
) -> None:
    manager, body = uuid_of("manager"), uuid_of("body 0")
    await town.published("crowded", who=town.bearer("project_manager", sub=manager))
    await town.settle()
    for number in range(1, 3):
        await crowd(town, 300, number=number)
    roles: dict[str, Any] = {
        "bdt_analyst": town.bearer("bdt_analyst"),
        "team": town.bearer("project_manager", sub=manager),
        "organisation": town.bearer("organisation_reader", organisation=body),
    }
    for role, who in roles.items():
        for path in (FEED, CURRENT, f"{FEED}?lastEventId={(await read(town, FEED, who=who))[0]['id']}"):
            answer = await town.call("GET", path, who=who)
            past = len(answer.json()) == queries.PAGE and path != CURRENT
            assert past == (role != "organisation" and path != CURRENT)
            kept = "max-age=86400" if past and role == "bdt_analyst" else "no-cache"
            with statements() as told:
                again = await town.call("GET", path, who=who, If_None_Match=answer.headers["etag"])
            for each in (answer, again):
                assert each.headers["cache-control"] == f"private, {kept}"
                assert each.headers["vary"] == "Authorization, Accept"
                assert each.headers["link"] == answer.headers["link"]
            assert (again.status_code, again.content) == (304, b"")
            assert not [one for one in told if "feed.body" in one]
    # Whoever is taken into a team, or leaves it, has other pages at once, the old ones too.
    names = {role: (await town.call("GET", FEED, who=who)).headers["etag"] for role, who in roles.items()}
    await _team(town, uuid_of("crowded"), "PUT", roles_sub := uuid_of("another manager"))
    await _team(town, uuid_of("crowded"), "DELETE", manager)
    await town.settle()
    both = town.bearer("organisation_reader", organisation=body, sub=roles_sub)
    for who, name, entries in (
        (roles["team"], names["team"], 0),
        (both, names["organisation"], queries.PAGE),
    ):
        changed = await town.call("GET", FEED, who=who, If_None_Match=name)
        assert (changed.status_code, len(changed.json())) == (200, entries)
    known = names["bdt_analyst"]
    assert (await town.call("GET", FEED, who="bdt_analyst", If_None_Match=known)).status_code == 304
