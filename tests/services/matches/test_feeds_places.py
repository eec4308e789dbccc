"""Filters of the match feed, and that who follows a flagship, a region or a level has what lies there now, also after a move."""

import asyncio
import itertools
from collections import Counter
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from services.matches import events
from services.matches.queries import feeds as queries
from services.matches.rules.feeds import Asked, Viewer, is_for
from services.matches.worker.feeding import MOVED_AT_ONCE, feeder
from tests.services.matches.test_feeds import CURRENT, FEED, compacted, read
from tests.services.matches.town import Town, uuid_of

FLAGSHIP = {
    "titles": [{"language": "en", "text": "A flagship"}],
    "level": "global",
    "reason": {"language": "en", "text": "Declared to be tested."},
}


async def test_filters_choose_the_same_in_the_database_and_in_the_stream(town: Town) -> None:
    for number in range(4):
        await town.organisation(f"One {number}")
    flagship = uuid_of("flagship")
    assert (await town.call("PUT", f"/v1/flagships/{flagship}", FLAGSHIP)).status_code == 201
    first = await town.published("first", flagship=flagship)
    await town.published("second", level="regional", countries=[], regions=["ARB"])
    third = await town.published("third", level="global", countries=[])
    await town.settle()
    await town.draft("third", level="national", countries=["KEN"])
    await town.settle()
    async with town.runtimes["matches"].database.read() as connection:
        everything = await queries.page(connection, Viewer(whole=True), None, after=queries.BEGINNING)
        assert {one.moved for one in everything.entries} == {False, True}
        chosen = set()
        for types, project, flag, region, level in itertools.product(
            (None, frozenset({events.STANDING_CROSSED})),
            (None, first),
            (None, flagship),
            (None, "AFR", "ARB"),
            (None, "national", "regional", "global"),
        ):
            asked = Asked(types=types, project=project, flagship=flag, region=region, level=level)
            for viewer in (
                Viewer(whole=True),
                Viewer(organisation=uuid_of("One 1")),
                Viewer(projects=frozenset({first})),
                Viewer(),
            ):
                page = await queries.page(connection, viewer, asked, after=queries.BEGINNING)
                wanted = [one for one in everything.entries if is_for(one, viewer, asked)]
                assert list(page.entries) == wanted, asked
                chosen.add(len(wanted))
    assert len(chosen) > 5
    assert {e["data"]["project"] for e in await town.get(f"{FEED}?region=AFR&level=national")} == {
        first,
        third,
    }
    for query in ("region=Afrika", f"type={events.STANDING_CROSSED}&type=what"):
        problem = await town.get(f"{FEED}?{query}", status=400)
        assert problem["errors"][0]["parameter"] == query.partition("=")[0]


async def test_who_follows_by_place_has_what_lies_there_now_and_nobody_else_hears_of_a_move(
    town: Town,
) -> None:
    flagships = [uuid_of("flagship"), uuid_of("another flagship")]
    for flagship in flagships:
        assert (await town.call("PUT", f"/v1/flagships/{flagship}", FLAGSHIP)).status_code == 201
    await town.organisation("One")
    await town.organisation("Two")
    project = await town.published("moving", flagship=flagships[0])
    await town.settle()
    own = town.bearer("organisation_reader", organisation=uuid_of("One"))
    followed = {
        query: (who, await read(town, f"{FEED}?{query}", who=who))
        for query, who in (
            (f"flagship={flagships[0]}", "bdt_analyst"),
            (f"flagship={flagships[1]}", "bdt_analyst"),
            ("region=AFR", "bdt_analyst"),
            ("region=EUR&level=national", own),
            ("", "bdt_analyst"),
        )
    }
    for flagship, countries in ((flagships[1], ["KEN"]), (flagships[1], ["FRA"]), (flagships[0], ["FRA"])):
        before = len(followed[""][1])
        await town.draft("moving", flagship=flagship, countries=countries)
        await town.settle()
        whole = compacted(await read(town, CURRENT))
        assert len(whole) == 3
        for query, (who, have) in followed.items():
            last = have[-1]["id"] if have else ""
            have.extend(await read(town, f"{FEED}?{query}&lastEventId={last}", who=who))
            told = {
                f"flagship={flagship}": whole,
                "region=AFR": whole if countries == ["KEN"] else {},
                "region=EUR&level=national": {
                    name: one
                    for name, one in whole.items()
                    if name.endswith(uuid_of("One")) and countries == ["FRA"]
                },
                "": whole,
            }.get(query, {})
            assert compacted(have) == told, query
            for path in (FEED, CURRENT):
                assert compacted(await read(town, f"{path}?{query}", who=who)) == told, (path, query)
        assert {entry["type"] for entry in followed[""][1][before:]} <= {events.LIST_VERSIONED}
    assert project in whole


async def test_who_saw_a_pair_come_sees_it_go_with_the_move_or_after_it(town: Town) -> None:
    await town.organisation("One")
    await town.organisation("Two")
    project = await town.published("moving")
    await town.settle()
    query = f"region=AFR&type={events.STANDING_CROSSED}&type={events.STANDING_LOST}"
    have = await read(town, f"{FEED}?{query}")
    assert len(have) == 2
    await town.draft("moving", countries=["FRA"])
    await town.withdraw(uuid_of("One"))
    await town.settle()
    have += await read(town, f"{FEED}?{query}&lastEventId={have[-1]['id']}")
    assert compacted(have) == compacted(await read(town, f"{FEED}?{query}")) == {}
    have = await read(town, f"{FEED}?region=EUR")
    assert set(compacted(have)) == {project, f"{project}/{uuid_of('Two')}"}
    await town.withdraw(uuid_of("Two"))
    await town.settle()
    have += await read(town, f"{FEED}?region=EUR&lastEventId={have[-1]['id']}")
    assert set(compacted(have)) == set(compacted(await read(town, f"{FEED}?region=EUR"))) == {project}


async def test_who_has_not_read_that_a_pair_went_is_told_so_after_the_move(town: Town) -> None:
    await town.organisation("One")
    await town.organisation("Two")
    project = await town.published("moving", review_by="2026-12-01")
    await town.settle()
    own = town.bearer("organisation_reader", organisation=uuid_of("One"))
    followed = {f"{FEED}?region=AFR": "bdt_analyst", FEED: own}
    have = {path: await read(town, path, who=who) for path, who in followed.items()}
    await town.withdraw(uuid_of("One"))
    await town.settle()
    await town.draft("moving", countries=["FRA"], review_by="2026-12-01")
    await town.settle()
    await town.rest(project)
    for path, who in followed.items():
        assert f"{project}/{uuid_of('One')}" in compacted(have[path])
        last = have[path][-1]["id"]
        have[path] += await read(town, f"{path}{'&' if '?' in path else '?'}lastEventId={last}", who=who)
        assert compacted(have[path]) == {}, path


async def test_who_waits_by_place_is_told_of_who_leaves_it(town: Town) -> None:
    stop = asyncio.Event()
    tail = town.runtimes["matches"].state["tail"]
    running = asyncio.create_task(tail.run(stop))
    try:
        await town.organisation("One")
        project = await town.published("moving")
        await town.settle()
        last = (await read(town, f"{FEED}?region=AFR"))[-1]["id"]
        waiting = asyncio.create_task(town.get(f"{FEED}?region=AFR&timeout=20000&lastEventId={last}"))
        while not tail.waiting:  # noqa: ASYNC110 - it is a count
            await asyncio.sleep(0.01)
        await town.draft("moving", countries=["FRA"])
        await town.settle()
        told = await asyncio.wait_for(waiting, 5)
        assert {(one["subject"], one["method"]) for one in told} == {
            (project, "DELETE"),
            (f"{project}/{uuid_of('One')}", "DELETE"),
        }
    finally:
        stop.set()
        await running


async def test_an_organisation_is_told_nothing_of_a_project_at_rest_and_everything_once_it_is_open_again(
    town: Town,
) -> None:
    for name in ("One", "Leaving"):
        await town.organisation(name)
    manager = town.bearer("project_manager", sub=uuid_of("manager"))
    project = await town.published("schools", who=manager, review_by="2026-12-01")
    await town.settle()
    readers: dict[str, Any] = {
        name: town.bearer("organisation_reader", organisation=uuid_of(name))
        for name in ("One", "Leaving", "New")
    } | {"manager": manager, "bdt_analyst": "bdt_analyst"}
    have: dict[str, list[Any]] = {name: await read(town, FEED, who=who) for name, who in readers.items()}

    async def told() -> dict[str, set[str]]:
        """What each has who follows, which is what each has who begins anew."""
        found = {}
        for name, who in readers.items():
            last = have[name][-1]["id"] if have[name] else ""
            have[name] += await read(town, f"{FEED}?lastEventId={last}", who=who)
            found[name] = set(compacted(have[name]))
            for path in (FEED, CURRENT, f"{CURRENT}?region=AFR"):
                assert set(compacted(await read(town, path, who=who))) == found[name], (name, path)
        return found

    pairs = {name: {f"{project}/{uuid_of(name)}"} for name in ("One", "Leaving", "New")}
    whole = {project, *pairs["One"], *pairs["Leaving"]}
    assert await told() == pairs | {"New": set(), "manager": whole, "bdt_analyst": whole}
    await town.rest(project)
    nothing: dict[str, set[str]] = {name: set() for name in pairs}
    assert await told() == nothing | {"manager": whole, "bdt_analyst": whole}
    await town.organisation("New")
    await town.withdraw(uuid_of("Leaving"))
    await town.settle()
    whole = {project, *pairs["One"], *pairs["New"]}
    assert await told() == nothing | {"manager": whole, "bdt_analyst": whole}
    assert have["New"] == []
    await town.draft("schools", who=manager, review_by="2027-06-01")
    await town.step(project, "publish", who=manager)
    await town.settle()
    assert await told() == pairs | {"Leaving": set(), "manager": whole, "bdt_analyst": whole}
    await town.step(project, "withdraw", who=manager, body={"reason": "No money."})
    await town.settle()
    assert await told() == nothing | {"manager": {project}, "bdt_analyst": {project}}
    assert len({entry["eventid"] for entry in have["bdt_analyst"]}) == len(have["bdt_analyst"])


async def test_a_project_with_many_pairs_moves_in_parts_and_pairs_before_its_first_list_do_not_move_it(
    town: Town,
) -> None:
    project = await town.published("moving")
    while await town.relay() + await town.consume():
        pass  # archived, and not ranked: what is fed is said here
    runtime = town.runtimes["matches"]
    pairs = 2 * MOVED_AT_ONCE + 1
    said = [
        events.standing_crossed(
            project,
            {"organisation": uuid_of(f"body {number}"), "points": number, "fit": 1, "band": "weak"},
            1,
            incarnation=1,
            clock=runtime.clock,
        )
        for number in range(pairs)
    ]
    asked: list[tuple[str, int, int]] = []  # of the entries: statement, sets of parameters, rows written

    def note(_: Any, cursor: Any, statement: str, parameters: Any, __: Any, many: bool) -> None:
        if "feed" in statement:
            asked.append((statement, len(parameters) if many else 1, cursor.rowcount))

    async def feed(*told: Any) -> None:
        asked.clear()
        async with runtime.database.write() as connection:
            await feeder(runtime)(connection, told)

    event.listen(Engine, "after_cursor_execute", note)
    try:
        await feed(*said)
        assert not [statement for statement, *_ in asked if "feed.project = " in statement]
        await feed(
            events.list_versioned({"project": project, "number": 1}, incarnation=1, clock=runtime.clock)
        )
        before = len(await read(town, FEED))
        await town.draft("moving", countries=["FRA"])
        while await town.relay() + await town.consume():
            pass
        await feed(
            events.list_versioned({"project": project, "number": 2}, incarnation=1, clock=runtime.clock)
        )
        assert max(max(sets, written) for _, sets, written in asked) == 2 * MOVED_AT_ONCE
        assert all(
            "LIMIT" in statement
            for statement, *_ in asked
            if ".body" in statement and "project =" in statement
        )
    finally:
        event.remove(Engine, "after_cursor_execute", note)
    assert before == pairs + 1
    there = compacted(await read(town, f"{FEED}?region=EUR"))
    assert there == compacted(await read(town, CURRENT))
    assert len(there) == pairs + 1
    gone = await read(town, f"{FEED}?region=AFR")
    assert Counter(one.get("method") for one in gone) == {"DELETE": pairs + 1}
