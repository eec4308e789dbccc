"""No message is tried without end: a fault of ours is a failed try, and tries that are killed in a row come to an end."""

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from sqlalchemy import update

from services.chassis.settings import Notifications
from services.notifications.rules.schedule import DELAYS, JITTER
from services.notifications.tables import SUBSCRIPTIONS
from services.notifications.worker import mailing
from services.notifications.worker.pacing import LEASE, LONGEST_TRY
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


async def test_a_mail_whose_claim_ran_out_while_its_server_dawdled_is_handed_over_by_one_try_alone(
    office: tuple[Hall, Sink],
) -> None:
    """Between two of a slow server's answers another process took the mail over, and sent it."""
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()
    named, go_on = asyncio.Event(), asyncio.Event()

    async def dawdle() -> str:
        if not named.is_set():
            named.set()
            await go_on.wait()
        return ""

    sink.ask = dawdle
    await hall.dispatcher.turn()
    await named.wait()
    hall.clock.moment += LEASE * 1.01
    await hall.dispatcher.turn()
    async with asyncio.timeout(10):
        while not sink.digests():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
    go_on.set()
    await hall.dispatch()
    await hall.settle()
    assert len(sink.digests()) == 1
    tries = await hall.rows(
        "SELECT a.number, a.outcome, a.error, a.handed_over_at IS NOT NULL AS handed, d.state FROM attempts a "
        "JOIN deliveries d ON d.id = a.delivery WHERE d.type = 'digest' ORDER BY a.number"
    )
    assert [(one["error"], bool(one["handed"]), one["state"]) for one in tries] == [
        ("superseded", False, "delivered"),
        (None, True, "delivered"),
    ]


async def test_a_mail_is_given_up_before_its_claim_runs_out_however_slowly_its_server_answers(
    office: tuple[Hall, Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer comes within `mail.seconds`, all of them together do not."""
    hall, sink = office
    monkeypatch.setattr(mailing, "LONGEST_TRY", timedelta(seconds=0.2))
    await confirmed(hall, sink, cadence="instant")
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()
    never = asyncio.Event()

    async def dawdle() -> str:
        await never.wait()
        return ""

    sink.ask = dawdle
    await hall.dispatcher.turn()
    async with asyncio.timeout(5):
        await hall.dispatch()
    (digest,) = await hall.rows("SELECT state, attempts FROM deliveries WHERE type = 'digest'")
    assert digest == {"state": "retrying", "attempts": 1}
    never.set()


def test_no_try_may_last_as_long_as_its_claim() -> None:
    longest = Notifications.model_fields["attempt_seconds"].metadata
    assert max(one.le for one in longest if hasattr(one, "le")) < LEASE.total_seconds()
    assert LONGEST_TRY < LEASE
