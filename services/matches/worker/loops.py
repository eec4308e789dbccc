"""The background loops of this service: archive, ranker, feed, calendar, the check that parts add up, what follows.

*What.* Wires consumer, ownership, index and ranker together. *Why the follower is apart.* Every process that ranks or
reads follows the archive; only workers consume and rank. *Never:* decide anything that its parts decide.
"""

import asyncio
import os
import socket
from datetime import date

from services.chassis.bus.consumer import Consumer
from services.chassis.database import DatabaseAway
from services.chassis.runtime import Loop, Runtime
from services.matches.commands import add_day_by_clock
from services.matches.consumers import GROUP, analyse, archive
from services.matches.worker.feeding import prune
from services.matches.worker.index import FOLLOWED, Index
from services.matches.worker.ownership import PROJECTS_TOPIC, Ownership
from services.matches.worker.ranker import Ranker
from services.matches.worker.reconciling import sample
from services.matches.worker.tail import Tail

CALENDAR_SECONDS = 30.0


def followers(runtime: Runtime) -> tuple[Loop, ...]:
    """Return the loops that every role runs: the index follows what is archived, the tail what is fed."""
    index: Index = runtime.state["index"]
    tail: Tail = runtime.state["tail"]
    return (Loop(name="matches.index", run=index.run), Loop(name="matches.tail", run=tail.run))


def loops(runtime: Runtime) -> tuple[Loop, ...]:
    """Return the loops of the role that archives and ranks."""
    owned = Ownership(runtime, f"{socket.gethostname()}:{os.getpid()}", group=lambda: consumer.assigned)
    runtime.state["owned"] = owned
    ranker = Ranker(runtime, runtime.state["index"], owned)
    consumer = Consumer(
        runtime,
        group=GROUP,
        topics=(PROJECTS_TOPIC, "members.v1"),
        handle=archive,
        ahead=analyse,
        on_assigned=owned.assigned,
        on_revoked=owned.revoked,
    )
    runtime.state["consumer"] = consumer
    return (
        Loop(name="matches.archive", run=consumer.run),
        Loop(name="matches.ranker", run=ranker.run),
        Loop(name="matches.feed", run=lambda stop: prune(runtime, stop)),
        Loop(name="matches.calendar", run=lambda stop: calendar(runtime, stop)),
        Loop(name="matches.reconciling", run=lambda stop: sample(runtime, stop)),
    )


async def calendar(runtime: Runtime, stop: asyncio.Event) -> None:
    """Open a day when the date changes; the ranking itself reads no clock, it reads the last day opened."""
    opened: date | None = None
    while not stop.is_set():
        today = runtime.clock.now().date()
        if today != opened:
            try:
                async with runtime.database.write() as connection:
                    added = await add_day_by_clock(connection, runtime, today)
            except DatabaseAway:
                added = False  # tried again at the next turn
            else:
                opened = today
            if added:
                runtime.signals.notify(f"consumed:{GROUP}")  # the index reads the frame when it follows
                runtime.signals.notify(FOLLOWED)
        try:
            await asyncio.wait_for(stop.wait(), CALENDAR_SECONDS)
        except TimeoutError:
            continue
