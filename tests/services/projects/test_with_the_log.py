"""The service on the log itself: its records leave by the relay, and list versions come in by its own loops."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from schemas import contracts
from schemas.envelope import Event, Sequence, new_event
from schemas.topics import LIST_VERSIONED, PROJECT_ERASED, TOPICS
from services.chassis.bus.rebuilding import AbsentFromLog, rebuild
from services.chassis.bus.relay import Relay
from services.projects import SERVICE
from services.projects.consumers import LISTS


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    for _ in range(400):
        if found := await holds():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in eight seconds")


async def read_all(transport: Any, topic: str) -> list[Event]:
    found = []
    for partition in range(await transport.partitions(topic)):
        batch = await transport.read(topic, partition, offset=0, limit=1000)
        found += [Event.from_record(record) for record in batch.records]
    return found


async def test_revisions_and_the_tombstone_reach_the_log_in_order(bench: Any, body: Any) -> None:
    transport = bench.runtime.transport
    await transport.create_topics(list(TOPICS.values()))
    stop = asyncio.Event()
    relay = asyncio.create_task(Relay(bench.runtime).run(stop))
    project_id = await bench.published()
    await bench.call("PUT", f"/v1/projects/{project_id}", body(countries=["UGA"]), If_Match='"2"')
    await bench.call("DELETE", f"/v1/projects/{project_id}", who="bdt_admin", If_Match='"3"')

    async def all_gone() -> bool:
        return await bench.events() == []

    await until(all_gone)
    stop.set()
    await relay
    events = await read_all(transport, "projects.v1")
    assert [event.sequence for event in events] == [Sequence(1, number) for number in (1, 2, 3, 4)]
    assert {event.key for event in events} == {project_id}
    for event in events:
        contracts.read(event)
    assert (events[-1].type, events[-1].data) == (PROJECT_ERASED, None)


async def test_a_list_version_on_the_log_reaches_the_flagship_s_page(bench: Any, declaration: Any) -> None:
    transport = bench.runtime.transport
    await transport.create_topics(list(TOPICS.values()))
    flagship_id = str(uuid4())
    await bench.call("PUT", f"/v1/flagships/{flagship_id}", declaration())
    project_id = await bench.published(flagship=flagship_id)
    stop = asyncio.Event()
    tasks = [asyncio.create_task(loop.run(stop)) for loop in SERVICE.loops(bench.runtime)]
    async with transport.appender("matches") as appender:
        await appender.append([version(bench, project_id, number) for number in (1, 2)])

    async def newest() -> bool:
        page = (await bench.call("GET", f"/v1/flagships/{flagship_id}")).json()
        return page["projects"][0]["list"].get("number") == 2

    await until(newest)
    assert SERVICE.progress is not None
    figures = await SERVICE.progress(bench.runtime)
    assert figures["consumers"]["projects.lists"]["dead"] == 0
    stop.set()
    await asyncio.gather(*tasks)


async def test_figures_that_the_log_lacks_are_named_by_a_rebuild_and_come_back_with_it(bench: Any) -> None:
    """Of a log that was filled again in part: the figures of every list would go, and nothing would say so."""
    transport = bench.runtime.transport
    await transport.create_topics(list(TOPICS.values()))
    kept, lost = str(uuid4()), str(uuid4())
    async with transport.appender("matches") as appender:
        await appender.append([version(bench, kept, 1), version(bench, lost, 1)])
    await rebuild(bench.runtime, LISTS)
    summaries = "SELECT * FROM list_summaries ORDER BY project"
    before = await bench.rows(summaries)
    assert {row["project"] for row in before} == {kept, lost}
    async with transport.database.write() as connection:
        await connection.execute(text("DELETE FROM log_record WHERE key = :lost"), {"lost": lost})
    with pytest.raises(AbsentFromLog, match=f"{lost}.*`comity republish matches --all`"):
        await rebuild(bench.runtime, LISTS)
    assert await bench.rows(summaries) == before
    assert (await rebuild(bench.runtime, LISTS, erase_absent=True)).erased == (lost,)
    assert await bench.rows(summaries) == [row for row in before if row["project"] == kept]


def version(bench: Any, project_id: str, number: int) -> Event:
    data = {
        "project": project_id,
        "project_revision": 2,
        "number": number,
        "epoch": "e" * 64,
        "reference_date": "2026-11-24",
        "as_of": [],
        "counts": {"candidates": 9, "above_floor": 6, "excluded": 0, "local_above_floor": 5},
        "digest": "0" * 64,
        "reasons": ["first"],
    }
    return new_event(
        "matches.v1",
        LIST_VERSIONED,
        key=project_id,
        sequence=Sequence(1, number),
        data=data,
        source="/comity/matches",
        clock=bench.clock,
    )
