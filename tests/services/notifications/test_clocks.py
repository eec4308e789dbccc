"""A clock that was a month ahead and has been put right holds up nobody for a month."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from services.notifications.worker import clocks
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import crossing
from tests.services.notifications.test_leaving_conditions import SDG_4, SDG_9
from tests.services.notifications.test_what_is_over import by_webhook, said
from tests.services.notifications.village import Receiver

AHEAD = timedelta(days=60)
TOLD = ["match.proposed.v1"]


async def told_in_a_day(hall: Hall) -> None:
    for _ in range(2):
        hall.clock.moment += timedelta(hours=12)
        await clocks.step(hall.runtime)
        await hall.settle()


@pytest.mark.parametrize("asked", [{}, {"Retry-After": "60"}], ids=["the schedule", "Retry-After"])
async def test_a_try_by_a_clock_that_was_ahead_is_followed_by_the_next(
    hall: Hall, receiver: Receiver, asked: dict[str, str]
) -> None:
    await by_webhook(hall, receiver)
    right = hall.clock.moment
    hall.clock.moment += AHEAD
    receiver.status, receiver.headers = 503, asked
    await crossing(hall)
    receiver.status, receiver.headers = 204, {}
    hall.clock.moment = right
    await told_in_a_day(hall)
    assert said(receiver)[-1:] == TOLD
    [row] = await hall.rows("SELECT state FROM deliveries WHERE type LIKE '%proposed%'")
    assert row["state"] == "delivered"


async def test_an_endpoint_shut_by_a_clock_that_was_ahead_takes_what_comes_after(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver)
    right = hall.clock.moment
    hall.clock.moment += AHEAD
    receiver.status, receiver.headers = 503, {"Retry-After": "60"}
    await crossing(hall)
    receiver.status, receiver.headers = 204, {}
    hall.clock.moment = right
    another = await hall.open_project("another")
    await hall.rank(another, 1, {uuid_of("Ada"): "good"})
    await told_in_a_day(hall)
    assert {one["data"]["project"] for one in receiver.events() if "proposed" in one["type"]} >= {another}


@pytest.mark.parametrize("cadence", ["instant", "weekly"])
async def test_a_message_made_by_a_clock_that_was_ahead_leaves(
    hall: Hall, receiver: Receiver, cadence: str
) -> None:
    await by_webhook(hall, receiver, cadence=cadence)
    right = hall.clock.moment
    hall.clock.moment += AHEAD
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()  # and the process ends before it sends
    hall.clock.moment = right
    await told_in_a_day(hall)
    assert said(receiver) == TOLD


@pytest.mark.parametrize(("cadence", "days"), [("instant", 9), ("daily", 9), ("weekly", 13), ("monthly", 38)])
async def test_a_webhook_made_by_a_clock_that_was_ahead_by_less_than_a_mail_may_be_leaves_too(
    hall: Hall, receiver: Receiver, cadence: str, days: int
) -> None:
    await by_webhook(hall, receiver, cadence=cadence)
    right = hall.clock.moment
    hall.clock.moment += timedelta(days=days)
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()
    hall.clock.moment = right
    await told_in_a_day(hall)
    assert said(receiver) == TOLD


async def test_what_was_told_by_a_clock_that_was_ahead_is_not_the_last_word_for_ever(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, conditions={"themes": SDG_9})
    project = await crossing(hall, tags=SDG_9)
    [first] = await hall.rows("SELECT id FROM notices")
    drawn = UUID(int=UUID(first["id"]).int + (int(AHEAD.total_seconds() * 1000) << 80))  # by its time
    async with hall.runtime.database.write() as connection:
        await connection.execute(text("UPDATE notices SET id = :drawn"), {"drawn": str(drawn)})
    for number, tags in ((2, SDG_4), (3, SDG_9), (4, SDG_4)):
        await hall.open_project(tags=tags)
        await hall.rank(project, number, {}, above=1)
        await hall.settle()
    assert [one["data"]["why"]["rule"] for one in receiver.events()] == [
        "above-floor",
        "left-conditions",
        "meets-conditions",
        "left-conditions",
    ]
    ids = await hall.rows("SELECT id FROM notices ORDER BY position")
    assert ids == sorted(ids, key=lambda one: str(one["id"]))


async def test_what_is_due_as_far_ahead_as_it_may_be_stays(hall: Hall, receiver: Receiver) -> None:
    await by_webhook(hall, receiver, cadence="monthly")
    await crossing(hall)
    before = await hall.rows("SELECT id, due_at FROM deliveries ORDER BY id")
    assert await clocks.step(hall.runtime) == 0
    assert await hall.rows("SELECT id, due_at FROM deliveries ORDER BY id") == before
