"""Two processes send to the same endpoints, on PostgreSQL: what one endpoint takes is counted over both."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from services.chassis.database import Database
from services.chassis.runtime import Runtime, timestamp
from services.notifications import SERVICE
from services.notifications.commands.queueing import delivery_row
from services.notifications.mail.letters import confirmation_letter
from services.notifications.tables import ATTEMPTS, DELIVERIES, SUBSCRIPTIONS
from services.notifications.worker import dispatch
from services.notifications.worker.dispatch import Dispatcher
from services.notifications.worker.guard import open_session, reach_of
from services.notifications.worker.mailing import Post
from services.notifications.worker.pacing import LEASE
from tests.services.notifications.hall import Hall, open_hall, uuid_of
from tests.services.notifications.office import mail_to, sinking
from tests.services.notifications.test_zoo import made, queue
from tests.services.notifications.village import Receiver, receiving

AT_ONCE = 4


@asynccontextmanager
async def beside(hall: Hall) -> AsyncIterator[Dispatcher]:
    """The dispatcher of another process: connections, memory and session of its own, the same rows and hour."""
    settings = hall.runtime.settings
    async with AsyncExitStack() as stack:
        database = Database.for_service(settings, "notifications")
        stack.push_async_callback(database.close)
        runtime = Runtime(
            settings=settings, service=SERVICE, database=database, transport=None, clock=hall.clock
        )  # type: ignore[arg-type]
        await SERVICE.startup(runtime)
        session = await stack.enter_async_context(open_session(settings, reach_of(settings)))
        yield Dispatcher(runtime, session, Post(settings), dice=random.Random(8))


async def both(*dispatchers: Dispatcher) -> None:
    """Let each have turns beside the other until nothing moves."""
    while True:
        moved = sum(await asyncio.gather(*(one.turn() for one in dispatchers)))
        under_way = [task for one in dispatchers for task in one._tasks]
        if under_way:
            await asyncio.wait(under_way)
        elif not moved and not any(one._ended for one in dispatchers):
            return


def held_back(receiver: Receiver) -> asyncio.Event:
    """Let the receiver answer nothing before the event is set."""
    gate = asyncio.Event()

    async def look(_body: bytes) -> None:
        await gate.wait()

    receiver.look = look
    return gate


async def test_one_endpoint_gets_so_many_tries_a_second_of_two_processes_together(
    postgresql_url: Callable[[], str], tmp_path: Path, receiver: Receiver
) -> None:
    rate = {"endpoint_per_second": 10.0, "endpoint_concurrency": 64}
    async with (
        open_hall(tmp_path, database={"url": postgresql_url()}, notifications=rate) as hall,
        beside(hall) as other,
    ):
        await queue(hall, await made(hall, receiver.url, 1), 45)
        counts = []
        for _ in range(6):
            await both(hall.dispatcher, other)
            counts.append(len(receiver.taken))
            hall.clock.moment += timedelta(seconds=1)
        assert counts == [10, 20, 30, 40, 45, 45]
        assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == 45


async def test_one_endpoint_has_so_many_tries_under_way_of_two_processes_together(
    postgresql_url: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        receiving() as slow,
        open_hall(tmp_path, database={"url": postgresql_url()}) as hall,
        beside(hall) as other,
    ):
        gate = held_back(slow)
        monkeypatch.setattr(dispatch, "CLAIMED_AT_ONCE", AT_ONCE)  # each looks at others of its messages
        await queue(hall, await made(hall, slow.url, 1), 3 * AT_ONCE)
        claimed, go_on, real = asyncio.Event(), asyncio.Event(), Dispatcher._write_claims

        async def held(self: Dispatcher, *given: Any) -> None:
            await real(self, *given)
            if self is hall.dispatcher and not claimed.is_set():
                claimed.set()
                await go_on.wait()  # what it claimed is nobody's to see yet

        monkeypatch.setattr(Dispatcher, "_write_claims", held)
        turn = asyncio.create_task(hall.dispatcher.turn())
        await claimed.wait()
        await other.turn()
        go_on.set()
        await turn
        for one in (other, hall.dispatcher, other):
            await one.turn()
        assert (len(hall.dispatcher._tasks), len(other._tasks)) == (AT_ONCE, 0)
        gate.set()
        await both(hall.dispatcher, other)
        assert len({headers["webhook-id"] for headers, _ in slow.taken}) == len(slow.taken) == 3 * AT_ONCE


async def test_the_tries_of_a_killed_process_take_no_room_longer_than_a_try_lasts(
    postgresql_url: Callable[[], str], tmp_path: Path
) -> None:
    async with (
        receiving() as receiver,
        open_hall(tmp_path, database={"url": postgresql_url()}) as hall,
        beside(hall) as other,
    ):
        gate = held_back(receiver)
        await queue(hall, await made(hall, receiver.url, 1), 2 * AT_ONCE)
        await hall.dispatcher.turn()
        for task in hall.dispatcher._tasks:
            task.cancel()  # killed
        gate.set()
        hall.clock.moment += timedelta(seconds=10)
        assert await other.turn() == 0  # they may be under way still
        hall.clock.moment += timedelta(seconds=11)
        await both(other)
        states = "SELECT state, count(*) AS n FROM deliveries GROUP BY state ORDER BY state"
        assert [(row["state"], row["n"]) for row in await hall.rows(states)] == [
            ("delivered", AT_ONCE),
            ("sending", AT_ONCE),
        ]
        hall.clock.moment += LEASE
        await both(other)
        assert [(row["state"], row["n"]) for row in await hall.rows(states)] == [("delivered", 2 * AT_ONCE)]


async def test_what_a_killed_process_left_is_taken_over_by_one_of_two_and_no_mail_goes_twice(
    postgresql_url: Callable[[], str], tmp_path: Path
) -> None:
    """Both look at the same moment; who comes second finds that it is somebody's."""
    async with (
        sinking() as (sink, port),
        open_hall(tmp_path, database={"url": postgresql_url()}, mail=mail_to(port)) as hall,
        beside(hall) as other,
    ):
        for number in range(4):
            await _mails_left(hall, [f"{number}.{one}@ada.example" for one in range(20)])
            await both(hall.dispatcher, other)
        taken = Counter(to for to, _ in sink.taken)
        assert len(taken) == 80
        assert {to for to, times in taken.items() if times > 1} == set()
        lost = await hall.rows("SELECT count(*) AS tries FROM attempts WHERE outcome = 'interrupted'")
        assert lost == [{"tries": 80}]


async def _mails_left(hall: Hall, addresses: Sequence[str]) -> None:
    """Lay down what a process leaves that was killed before it had said a word to the mail server."""
    letter = confirmation_letter(
        hall.runtime.settings, language="en", organisation="Ada", token="t", refuse="r"
    )
    began = timestamp(hall.clock.moment - 2 * LEASE)
    async with hall.runtime.database.write() as connection:
        for address in addresses:
            whose = uuid_of(address)
            plain = {"organisation": uuid_of("Ada"), "created_at": began, "changed_at": began}
            await connection.execute(
                insert(SUBSCRIPTIONS).values(
                    id=whose, revision=1, state="active", channel="email", email=address, language="en",
                    cadence="weekly", conditions=b"{}", time_zone="UTC", **plain,
                )
            )  # fmt: skip
            row = delivery_row(
                organisation=uuid_of("Ada"),
                channel="email",
                kind="digest",
                subscription=whose,
                body=letter.encoded(),
                place="",
                now=hall.clock.moment,
            )
            claimed = {
                "state": "sending",
                "attempts": 1,
                "claimed_until": timestamp(hall.clock.moment - LEASE),
            }
            await connection.execute(insert(DELIVERIES).values(row | claimed))
            await connection.execute(insert(ATTEMPTS).values(delivery=row["id"], number=1, started_at=began))
