"""No message is tried without end: a fault of ours is a failed try, and tries that are killed in a row come to an end."""

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from sqlalchemy import update

from services.notifications.rules.schedule import DELAYS, JITTER
from services.notifications.tables import SUBSCRIPTIONS
from services.notifications.worker.pacing import LEASE
from tests.services.notifications.hall import Hall, open_hall, uuid_of
from tests.services.notifications.office import Sink, confirmed, crossing
from tests.services.notifications.test_zoo import made, queue
from tests.services.notifications.village import Receiver

TRIES = "SELECT number, started_at, outcome, error FROM attempts ORDER BY delivery, number"


class Broken(AbstractResolver):
    """A resolver with a fault that nobody foresaw."""

    async def resolve(self, *_asked: Any, **_named: Any) -> list[ResolveResult]:
        raise RuntimeError("nobody foresaw this")

    async def close(self) -> None:
        pass


async def test_a_fault_of_ours_is_a_failed_try_by_the_schedule(tmp_path: Path) -> None:
    by_name = {"public_addresses": True}
    async with open_hall(tmp_path, resolver=Broken(), notifications=by_name) as hall:
        await queue(hall, await made(hall, "http://hooks.test/", 1), 1)
        for _ in range(2 * len(DELAYS)):
            await hall.until_due()
        tries = await hall.rows(TRIES)
        assert [(one["outcome"], one["error"]) for one in tries] == [("failed", "internal")] * len(DELAYS)
        [row] = await hall.rows("SELECT state FROM deliveries")
        assert row["state"] == "exhausted"
        [row] = await hall.rows("SELECT failures FROM endpoints")
        assert row["failures"] == len(DELAYS)


async def test_tries_that_are_killed_in_a_row_wait_by_the_schedule_and_come_to_an_end(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, receiver = post
    await queue(hall, await made(hall, receiver.url, 1), 1)
    for _ in range(2 * len(DELAYS)):
        await hall.dispatcher.turn()
        [row] = await hall.rows("SELECT state, due_at FROM deliveries")
        if row["state"] == "retrying":  # not at once
            hall.clock.moment = datetime.fromisoformat(row["due_at"])
            await hall.dispatcher.turn()
        hall.killed()
    tries = await hall.rows(TRIES)
    assert [one["outcome"] for one in tries] == ["interrupted"] * len(DELAYS)
    begun = [datetime.fromisoformat(one["started_at"]) for one in tries]
    for (before, after), delay in zip(pairwise(begun), DELAYS, strict=False):
        waited = after - before - LEASE * 1.01
        assert delay <= waited <= delay * (1 + JITTER)
    [row] = await hall.rows("SELECT state, claimed_until FROM deliveries")
    assert row == {"state": "exhausted", "claimed_until": None}


async def test_a_try_that_was_answered_ends_the_row_of_killed_ones(hall: Hall, receiver: Receiver) -> None:
    await queue(hall, await made(hall, receiver.url, 1), 1)
    receiver.status = 500
    outcomes = []
    for kills in (1, 1):
        for _ in range(kills):
            await hall.dispatcher.turn()
            hall.killed()
        await hall.dispatch()  # at once
        outcomes = [one["outcome"] for one in await hall.rows(TRIES)]
        [row] = await hall.rows("SELECT due_at FROM deliveries")
        hall.clock.moment = datetime.fromisoformat(row["due_at"])
    assert outcomes == ["interrupted", "failed", "interrupted", "failed"]


@pytest.mark.parametrize("address", ["ü@b.example", "a..b@b.example", ".a@b.example"])
async def test_an_address_that_no_mail_can_be_written_to_is_refused_and_an_old_one_is_an_end(
    office: tuple[Hall, Sink], address: str
) -> None:
    hall, sink = office
    body = {"channel": "email", "email": address, "opt_in": True}
    problem = await hall.call("PUT", f"/v1/subscriptions/{uuid_of('new')}", body, status=422)
    [fault] = problem["errors"]
    assert (fault["pointer"], fault["rule"]) == ("/email", "email" if address.isascii() else "email-ascii")
    assert "office@example.org" in fault["fix"]
    await confirmed(hall, sink, cadence="instant")
    async with hall.runtime.database.write() as connection:
        await connection.execute(update(SUBSCRIPTIONS).values(email=address))
    await crossing(hall)
    [row] = await hall.rows(
        "SELECT state, outcome, error FROM attempts JOIN deliveries ON id = delivery WHERE type = 'digest'"
    )
    assert row == {"state": "exhausted", "outcome": "failed", "error": "unwritable"}


async def test_words_of_a_server_that_are_no_text_are_an_answer(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    sink.refuse = b"450 f\xfcr sp\xe4ter"
    await crossing(hall)
    [row] = await hall.rows(
        "SELECT outcome, error, status FROM attempts JOIN deliveries ON id = delivery WHERE type = 'digest'"
    )
    assert row == {"outcome": "failed", "error": "smtp", "status": 450}
