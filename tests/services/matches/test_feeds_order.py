"""Places in the feed are given after the commit: whoever holds a transaction open, a reader loses nothing.

Sixteen writers post into the outbox and hold their transactions open for a while, each for another; the relay runs, is
replaced by another in between, and a reader follows by the place alone. On SQLite writers queue, so there the holding shows
in the relay's turn; on PostgreSQL transactions commit in another order than they began.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from migrations.running import migrate_owners
from schemas.topics import topics_of
from services.chassis.bus import outbox
from services.chassis.bus.relay import Relay
from services.chassis.bus.transports.sql.log import SqlTransport
from services.chassis.database import Database, for_log
from services.chassis.runtime import Runtime
from services.chassis.settings import load_settings
from services.matches import SERVICE, events
from services.matches.queries import feeds
from services.matches.rules.feeds import Asked, Viewer
from services.matches.worker.feeding import feeder
from tests.services.matches.town import uuid_of

WRITERS, ROUNDS = 16, 6
EVERYTHING = Viewer(whole=True)


async def write(runtime: Runtime, writer: int, done: set[str]) -> None:
    random = Random(writer)
    for number in range(1, ROUNDS + 1):
        row = {"organisation": uuid_of(f"body {writer}"), "points": number, "fit": 1, "band": "weak"}
        event = events.standing_crossed(
            uuid_of(f"project {writer}"), row, number, incarnation=1, clock=runtime.clock
        )
        async with runtime.database.write() as connection:
            await asyncio.sleep(random.uniform(0, 0.01))
            await outbox.post(connection, event, max_record_bytes=100_000)
            held = 0.6 if number % 3 == writer % 3 else random.uniform(0, 0.03)
            await asyncio.sleep(held if runtime.database.dialect == "postgresql" else held / 40)
        done.add(event.id)


async def relay(runtime: Runtime, stop: asyncio.Event) -> None:
    """Run one relay after the other; the one before is left in the middle of its work, and the next fences it."""
    while not stop.is_set():
        running = asyncio.create_task(Relay(runtime, batch=7, relayed=feeder(runtime)).run(asyncio.Event()))
        await asyncio.wait([running], timeout=0.15)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def follow(runtime: Runtime, stop: asyncio.Event) -> list[feeds.Entry]:
    found: list[feeds.Entry] = []
    place = feeds.BEGINNING
    while True:
        stopping = stop.is_set()
        async with runtime.database.read() as connection:
            page = await feeds.page(connection, EVERYTHING, Asked(), after=place, limit=5)
        found += page.entries
        place = page.behind
        if stopping and not page.entries:
            return found
        await asyncio.sleep(0.002)


async def lose_nothing(folder: Path, **sections: Any) -> None:
    settings = load_settings(data_folder=folder, **sections)
    await migrate_owners(settings, ["log", "matches"])
    log, database = for_log(settings), Database.for_service(settings, "matches")
    transport = SqlTransport(log, partitions=2)
    await transport.open()
    await transport.create_topics(topics_of("matches"))
    runtime = Runtime(settings=settings, service=SERVICE, database=database, transport=transport)
    done: set[str] = set()
    relayed, read = asyncio.Event(), asyncio.Event()
    relaying, reading = (
        asyncio.create_task(relay(runtime, relayed)),
        asyncio.create_task(follow(runtime, read)),
    )
    try:
        await asyncio.gather(*(write(runtime, writer, done) for writer in range(WRITERS)))
        async with asyncio.timeout(30):
            while True:
                async with database.read() as connection:
                    if not await connection.scalar(text("SELECT count(*) FROM outbox")):
                        break
                await asyncio.sleep(0.05)
        relayed.set()
        await relaying
        read.set()
        found = await reading
    finally:
        for task in (relaying, reading):
            task.cancel()
        await asyncio.gather(relaying, reading, return_exceptions=True)
        await transport.close()
        await log.close()
        await database.close()
    # Each exactly once, in rising places, and each writer's in its own order.
    told = [one.body for one in found]
    assert len(done) == len(found) == WRITERS * ROUNDS
    assert all(sum(event.encode() in body for body in told) == 1 for event in done)
    assert [one.position for one in found] == sorted({one.position for one in found})
    for writer in range(WRITERS):
        points = [
            one.body.partition(b'"points":')[2]
            for one in found
            if one.project == uuid_of(f"project {writer}")
        ]
        assert [int(one.partition(b",")[0]) for one in points] == list(range(1, ROUNDS + 1))


async def test_sixteen_writers_lose_nothing_on_sqlite(tmp_path: Path) -> None:
    await lose_nothing(tmp_path)


@pytest.mark.postgresql
@pytest.mark.xdist_group("postgresql")
async def test_sixteen_writers_that_hold_transactions_open_lose_nothing_on_postgresql(
    tmp_path: Path, postgresql_url: Callable[[], str]
) -> None:
    await lose_nothing(tmp_path, database={"url": postgresql_url(), "pool_size": WRITERS + 6})
