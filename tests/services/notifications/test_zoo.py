"""Receivers that hang, drip, pour, lie and break: the healthy ones are served at once, and memory is bounded."""

import asyncio
import resource
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from services.notifications.worker import slots
from services.notifications.worker.webhooks import MOST_KEPT
from tests.services.notifications.beasts import BEASTS, at_large
from tests.services.notifications.hall import Hall, open_hall
from tests.services.notifications.village import Receiver, receiving


async def made(hall: Hall, url: str, number: int) -> str:
    """Put an active endpoint there without asking it: a beast would not answer its ping."""
    from sqlalchemy import insert

    from services.notifications.rules.keys import Keys, new_secret
    from services.notifications.tables import ENDPOINTS, SECRETS

    keys: Keys = hall.runtime.state["keys"]
    identifier, now = f"00000000-0000-4000-8000-{number:012d}", "2026-11-23T12:00:00.000000Z"
    row = {"id": identifier, "organisation": f"o{number}", "revision": 1, "state": "active", "url": url}
    async with hall.runtime.database.write() as connection:
        await connection.execute(
            insert(ENDPOINTS).values(row | {"failures": 0, "created_at": now, "changed_at": now})
        )
        secret = {"id": f"s{number}", "endpoint": identifier, "sealed": keys.seal(new_secret())}
        await connection.execute(insert(SECRETS).values(secret | {"created_at": now}))
    return identifier


async def queue(hall: Hall, endpoint: str, count: int) -> None:
    from sqlalchemy import insert

    from services.notifications.commands.queueing import event_row
    from services.notifications.tables import DELIVERIES

    row = {"id": endpoint, "organisation": "o", "failing_since": None}
    rows = [
        event_row(row, "org.comity.endpoint.tested.v1", to=endpoint, now=hall.clock.moment)
        for _ in range(count)
    ]
    async with hall.runtime.database.write() as connection:
        await connection.execute(insert(DELIVERIES), rows)


async def drive(hall: Hall, *, until: Callable[[], bool]) -> None:
    while not until():
        if not await hall.dispatcher.turn() and hall.dispatcher._tasks:
            await asyncio.wait(hall.dispatcher._tasks, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)


async def test_the_healthy_are_served_at_once_beside_a_whole_zoo(tmp_path: Path) -> None:
    few = {"attempt_seconds": 2.0, "concurrency": 64, "endpoint_concurrency": 4}
    async with AsyncExitStack() as stack:
        hall = await stack.enter_async_context(open_hall(tmp_path, notifications=few))
        loop = asyncio.get_running_loop()
        healthy: list[Receiver] = [await stack.enter_async_context(receiving()) for _ in range(50)]
        ends = [await made(hall, one.url, number) for number, one in enumerate(healthy, 100)]

        async def served() -> list[float]:
            """Queue four messages for each of the healthy; how long each took to arrive, the longest last."""
            begun, arrived = loop.time(), []
            for one, end in zip(healthy, ends, strict=True):
                one.taken.clear()
                await queue(hall, end, 4)

            def all_of_them() -> bool:
                count = sum(len(one.taken) for one in healthy)
                arrived.extend([loop.time() - begun] * (count - len(arrived)))
                return count == 200

            await drive(hall, until=all_of_them)
            return arrived

        worked = time.process_time()
        alone = await served()  # what this machine needs for them without a zoo
        others = max(1.0, alone[-1] / (time.process_time() - worked))  # so much of it is somebody else's
        await hall.dispatch()
        named = {}
        for number, (name, beast) in enumerate(BEASTS.items(), 1):
            named[name] = await made(hall, await stack.enter_async_context(at_large(beast, tmp_path)), number)
            await queue(hall, named[name], 12)  # in front of everybody else's
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        arrived = await served()
        print(f"p99 of 200 first tries: {arrived[197]:.2f} s, without a zoo {alone[197]:.2f} s")  # noqa: T201 - with -rP
        assert arrived[197] <= max(5.0 * others, 10 * alone[197])
        await drive(hall, until=lambda: not hall.dispatcher._tasks and not hall.dispatcher._ended)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 100 * 1024  # kB
        first = await hall.rows(
            "SELECT outcome FROM attempts WHERE number = 1 AND endpoint >= :first", first=ends[0]
        )
        assert [one["outcome"] for one in first] == ["delivered"] * 400
        for name, beast in BEASTS.items():
            tries = await hall.rows(
                "SELECT error, status, outcome, length(response) AS size FROM attempts WHERE endpoint = :endpoint",
                endpoint=named[name],
            )
            ended = [one for one in tries if one["outcome"] is not None]
            words = {one["error"] for one in ended}
            assert words <= beast.errors | {"connect", "timeout"}, (name, ended)  # the machine may be busy
            assert words & beast.errors, (name, ended)
            assert all(one["status"] in {beast.status, None} for one in ended), (name, ended)
            assert all((one["size"] or 0) <= MOST_KEPT for one in ended), name
            if beast.holds:
                assert len(tries) <= 4 * 4, name  # four at once, and a try lasts two seconds


async def test_twenty_that_hang_leave_the_places_of_the_others_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "SLOW_AFTER", 0.3)
    async with AsyncExitStack() as stack:
        hall = await stack.enter_async_context(open_hall(tmp_path))  # 64 places, 15 seconds for a try
        for number in range(1, 21):
            await queue(
                hall,
                await made(hall, await stack.enter_async_context(at_large(BEASTS["hang"], tmp_path)), number),
                12,
            )
        healthy = [await stack.enter_async_context(receiving()) for _ in range(20)]
        for number, one in enumerate(healthy, 100):
            await queue(hall, await made(hall, one.url, number), 5)
        async with asyncio.timeout(60):
            await drive(hall, until=lambda: sum(len(one.taken) for one in healthy) == 100)
        ended = await hall.rows("SELECT error FROM attempts WHERE ended_at IS NOT NULL")
        assert {one["error"] for one in ended} <= {None}  # no try that hangs had to end for them
        [begun] = await hall.rows("SELECT count(*) AS n FROM attempts")
        assert begun["n"] == 100 + 20 * 4  # those that hang were not begun anew beside it
        for task in hall.dispatcher._tasks:
            task.cancel()


async def test_those_that_timed_out_have_a_part_of_the_places_together(tmp_path: Path) -> None:
    few = {"attempt_seconds": 0.3, "concurrency": 16}
    async with AsyncExitStack() as stack:
        hall = await stack.enter_async_context(open_hall(tmp_path, notifications=few))
        for number in range(1, 9):
            await queue(
                hall,
                await made(hall, await stack.enter_async_context(at_large(BEASTS["hang"], tmp_path)), number),
                30,
            )
        while await hall.rows("SELECT id FROM endpoints WHERE failures = 0"):
            await hall.dispatcher.turn()
            if hall.dispatcher._tasks:
                await asyncio.wait(hall.dispatcher._tasks)
        await hall.dispatcher.turn()
        assert len(hall.dispatcher._tasks) == 16 // slots.HANGING_PART
        healthy = await stack.enter_async_context(receiving())
        await queue(hall, await made(hall, healthy.url, 100), 4)
        await hall.dispatcher.turn()
        assert len(hall.dispatcher._tasks) == 16 // slots.HANGING_PART + 4  # all of its own, at once
        while hall.dispatcher._tasks:
            await asyncio.wait(hall.dispatcher._tasks)


async def test_long_backlogs_of_those_that_take_their_time_hold_up_nobody(tmp_path: Path) -> None:
    """They answer before they would count as slow, so they would hold every place, one try after the other."""
    async with AsyncExitStack() as stack:
        hall = await stack.enter_async_context(open_hall(tmp_path, notifications={"concurrency": 8}))

        async def take_time(_body: bytes) -> None:
            await asyncio.sleep(2 * slots.TAKES_ITS_TIME)

        theirs = [await stack.enter_async_context(receiving()) for _ in range(6)]
        for number, slow in enumerate(theirs, 1):
            slow.look = take_time
            await queue(hall, await made(hall, slow.url, number), 20)
        await hall.dispatcher.turn()
        assert len(hall.dispatcher._tasks) == 8
        healthy = await stack.enter_async_context(receiving())
        await queue(hall, await made(hall, healthy.url, 100), 1)
        async with asyncio.timeout(60):
            await drive(hall, until=lambda: len(healthy.taken) == 1)
        assert (
            sum(len(one.taken) for one in theirs) <= 2 * 8
        )  # it waited for a place, and not for their backlog
        while hall.dispatcher._tasks:
            await asyncio.wait(hall.dispatcher._tasks)


async def test_names_that_are_never_answered_hold_up_no_other_name_and_no_other_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, real = threading.Event(), socket.getaddrinfo

    def looked_up(host: Any, port: Any, *given: Any, **named: Any) -> Any:
        if str(host).startswith("silent"):
            asked.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "nobody answered")
        return real("127.0.0.1" if host == "healthy.test" else host, port, *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    by_name = {"public_addresses": True, "attempt_seconds": 5.0}
    async with receiving() as receiver, open_hall(tmp_path, notifications=by_name) as hall:
        try:
            for number in range(1, 11):
                await queue(hall, await made(hall, f"http://silent-{number}.test/", number), 4)
            healthy = await made(hall, receiver.url.replace("127.0.0.1", "healthy.test"), 11)
            await queue(hall, healthy, 4)
            async with asyncio.timeout(20):
                await drive(hall, until=lambda: len(receiver.taken) == 4)
                assert await asyncio.to_thread(lambda: "done") == "done"
        finally:
            asked.set()
            await hall.dispatch()
