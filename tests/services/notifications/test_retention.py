"""The delivery log lets go of what is old, a batch at a time, and of nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from services.notifications.worker import retention
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.test_coming_back import ENTERED, WITHDRAWN, Story, heard
from tests.services.notifications.test_endpoints import put
from tests.services.notifications.test_other_conditions import passes
from tests.services.notifications.test_schedule import send_test
from tests.services.notifications.test_what_is_over import by_webhook
from tests.services.notifications.village import Receiver


async def counted(hall: Hall) -> tuple[int, int]:
    """How many messages and how many tries there are."""
    [row] = await hall.rows(
        "SELECT (SELECT count(*) FROM deliveries) AS messages, (SELECT count(*) FROM attempts) AS tries"
    )
    return int(row["messages"]), int(row["tries"])


async def test_the_log_stops_growing_once_it_is_as_old_as_the_settings_say(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    sizes = []
    for _ in range(80):
        await send_test(hall, endpoint)
        await hall.dispatch()
        await retention.step(hall.runtime)
        sizes.append(await counted(hall))
        hall.clock.moment += timedelta(days=1)
    days = hall.runtime.settings.notifications.delivery_days
    assert days == 30
    assert [messages for messages, _ in sizes[: days + 1]] == list(
        range(2, days + 3)
    )  # the ping and one a day
    assert set(sizes[days + 1 :]) == {(days + 1, days + 1)}  # from then on as many go as come
    assert len(receiver.taken) == 81


async def test_a_step_is_bounded_and_the_next_one_goes_on(
    hall: Hall, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await hall.endpoint(receiver)
    for _ in range(10):
        await send_test(hall, endpoint)
    await hall.dispatch()
    hall.clock.moment += timedelta(days=31)
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "BATCHES", 3)
    assert [await retention.step(hall.runtime) for _ in range(3)] == [6, 5, 0]
    assert await counted(hall) == (0, 0)


async def test_what_may_still_be_sent_stays_and_every_way_to_end_goes(hall: Hall, receiver: Receiver) -> None:
    endpoint = await hall.endpoint(receiver)
    receiver.status = 500
    exhausted = await send_test(hall, endpoint)
    while await hall.until_due():
        pass
    receiver.status = 204
    delivered = await send_test(hall, endpoint)
    await hall.dispatch()
    waiting = await hall.subscribe(channel="email", email="a@x.example")  # no mail server: it waits
    hall.clock.moment += timedelta(days=29)
    assert await retention.step(hall.runtime) == 1  # the ping, before the tries of three days
    hall.clock.moment += timedelta(days=2)
    await retention.step(hall.runtime)
    rows = await hall.rows("SELECT state, subscription FROM deliveries")
    assert rows == [{"state": "pending", "subscription": waiting}]
    for gone in (exhausted, delivered):
        await hall.call("GET", f"/v1/deliveries/{gone}", status=404)
        await hall.call("POST", f"/v1/deliveries/{gone}/replay", status=404)
    path = f"/v1/subscriptions/{waiting}"
    await hall.call("DELETE", path, If_Match='"1"', status=204)  # cancelled now, so it goes in its turn
    hall.clock.moment += timedelta(days=31)
    await retention.step(hall.runtime)
    assert await counted(hall) == (0, 0)


async def test_what_waits_for_a_paused_endpoint_does_not_grow_without_end_and_can_be_recovered(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    await put(hall, endpoint, paused=True)
    await hall.subscribe(channel="webhook", endpoint=endpoint)
    ada = await hall.member("Ada")
    sizes = []
    for day in range(80):
        project = await hall.open_project(f"of day {day}")
        await hall.rank(project, 1, {ada: "good"})
        await hall.settle()
        await retention.step(hall.runtime)
        sizes.append((await counted(hall))[0])
        hall.clock.moment += timedelta(days=1)
    assert set(sizes[62:]) == {62}  # as many days waiting, as many to be recovered
    await put(hall, endpoint, paused=False)
    await hall.dispatch()
    assert len(receiver.events()) == 31
    since = {"since": "2026-11-01T00:00:00Z"}
    recovered = await hall.call("POST", f"/v1/endpoints/{endpoint}/recover", since)
    await hall.dispatch()
    assert (recovered["messages"], len({one["id"] for one in receiver.events()})) == (31, 62)


async def told(hall: Hall, receiver: Receiver) -> tuple[str, str]:
    """An organisation told of a project by webhook; both ids."""
    endpoint = await hall.endpoint(receiver)
    await hall.subscribe(channel="webhook", endpoint=endpoint)
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    return ada, project


async def test_news_whose_message_is_gone_is_shown_and_is_not_told_again(
    hall: Hall, receiver: Receiver
) -> None:
    ada, project = await told(hall, receiver)
    hall.clock.moment += timedelta(days=31)
    assert await retention.step(hall.runtime) == 2
    await hall.say_again()
    await hall.settle()
    await hall.say_again(rebuilding=True)
    await hall.settle()
    assert len(receiver.events()) == 1
    [notice] = (await hall.call("GET", "/v1/notices"))["items"]
    assert notice["data"]["why"]["rule"] == "above-floor"
    await hall.rank(project, 2, {}, lost=[ada])  # who was told is told of the end all the same
    await hall.settle()
    assert [one["type"] for one in receiver.events()][1:] == ["org.comity.match.withdrawn.v1"]


@pytest.mark.parametrize("what", ["organisation", "project"])
async def test_erasure_empties_what_was_said_also_after_the_message_is_gone(
    hall: Hall, receiver: Receiver, what: str
) -> None:
    ada, project = await told(hall, receiver)
    hall.clock.moment += timedelta(days=31)
    await retention.step(hall.runtime)
    event: Any = (
        hall.event("members.v1", "org.comity.organisation.erased.v1", ada, None)
        if what == "organisation"
        else hall.event("projects.v1", "org.comity.project.erased.v1", project, None)
    )
    await hall.say(event)
    [row] = await hall.rows("SELECT data, delivery FROM notices")
    assert row == {"data": None, "delivery": None}
    await hall.settle()
    [row, *_] = await hall.rows("SELECT data, state, delivery FROM notices ORDER BY id")
    assert row == {"data": None, "state": "dropped", "delivery": None}
    assert uuid_of("Ada") == ada


@pytest.mark.parametrize("days", [20, 40])
async def test_that_a_message_was_tried_is_known_for_as_long_as_it_waits(
    hall: Hall, receiver: Receiver, days: int
) -> None:
    await by_webhook(hall, receiver)
    story = Story(hall)
    receiver.status = 504
    await story.begins()
    await hall.open_project(**story.changes, state="dormant")
    await story.ranked()
    receiver.status = 204
    hall.clock.moment += timedelta(days=days)
    await retention.step(hall.runtime)
    await story.ranked(lost=True)
    await hall.open_project(**story.changes, state="published")
    await story.ranked()
    await passes(hall)
    assert heard(receiver)[-1] == WITHDRAWN


@pytest.mark.parametrize("days", [20, 40])
async def test_that_a_message_was_given_up_is_known_after_the_log_has_let_go_of_it(
    hall: Hall, receiver: Receiver, days: int
) -> None:
    await by_webhook(hall, receiver)
    story = Story(hall)
    receiver.status = 503
    await story.begins()
    while await hall.until_due():
        pass
    receiver.status = 204
    receiver.taken.clear()
    hall.clock.moment += timedelta(days=days)
    await retention.step(hall.runtime)
    assert await counted(hall) == ((2, 11) if days < 30 else (0, 0))
    await story.goes_on("dismissed")
    await story.goes_on("undismissed")
    await passes(hall)
    assert heard(receiver) == [ENTERED]
