"""Webhooks at their subscriber's own hour: each waits for the morning that a mail would come, and what is over meanwhile never comes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.notifications.worker import readying
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import crossing
from tests.services.notifications.test_following import saved
from tests.services.notifications.test_what_is_over import by_webhook, closed, dismissed, said
from tests.services.notifications.village import Receiver

MONDAY = datetime(2026, 11, 30, 5, tzinfo=UTC)
"""Eight in the morning in Nairobi, a week after the hall's day."""


async def until(hall: Hall, moment: datetime) -> None:
    """Turn the clock to a moment and let everything settle."""
    hall.clock.moment = moment
    await hall.settle()


async def weekly(hall: Hall, receiver: Receiver, **body: Any) -> str:
    return await by_webhook(hall, receiver, **{"cadence": "weekly", "time_zone": "Africa/Nairobi"} | body)


@pytest.mark.parametrize(
    ("cadence", "due"),
    [
        ("daily", datetime(2026, 11, 24, 5, tzinfo=UTC)),
        ("weekly", MONDAY),
        ("monthly", datetime(2026, 12, 1, 5, tzinfo=UTC)),
    ],
)
async def test_a_webhook_waits_for_the_hour_of_its_cadence_and_comes_once(
    hall: Hall, receiver: Receiver, cadence: str, due: datetime
) -> None:
    await weekly(hall, receiver, cadence=cadence)
    await crossing(hall)
    assert [one["state"] for one in (await hall.call("GET", "/v1/notices"))["items"]] == ["sent"]
    await until(hall, due - timedelta(seconds=1))
    assert said(receiver) == []
    await until(hall, due)
    await until(hall, due + timedelta(days=40))
    assert said(receiver) == ["match.proposed.v1"]


async def test_quiet_hours_hold_what_its_cadence_lets_go(hall: Hall, receiver: Receiver) -> None:
    await weekly(hall, receiver, quiet_hours={"from": "07:00", "until": "10:00"})
    await crossing(hall)
    await until(hall, MONDAY)
    assert said(receiver) == []
    await until(hall, MONDAY + timedelta(hours=2))
    assert said(receiver) == ["match.proposed.v1"]


@pytest.mark.parametrize("how", ["fell", "closed", "dismissed", "ended"])
async def test_what_is_over_before_its_hour_is_not_told_nor_its_end(
    hall: Hall, receiver: Receiver, how: str
) -> None:
    subscription = await weekly(hall, receiver)
    project = await crossing(hall)
    if how == "fell":
        await hall.rank(project, 2, {}, lost=[uuid_of("Ada")])
        await hall.settle()
    elif how == "closed":
        await closed(hall, 2)
    elif how == "dismissed":
        await dismissed(hall, project)
    else:
        await hall.call("DELETE", f"/v1/subscriptions/{subscription}", If_Match='"1"', status=204)
    await until(hall, MONDAY + timedelta(days=8))
    assert said(receiver) == []


async def test_the_end_of_what_was_told_waits_for_the_next_hour(hall: Hall, receiver: Receiver) -> None:
    await weekly(hall, receiver)
    project = await crossing(hall)
    await until(hall, MONDAY)
    await hall.rank(project, 2, {uuid_of("Ada"): "strong"})
    await until(hall, MONDAY + timedelta(days=1))
    await hall.rank(project, 3, {}, lost=[uuid_of("Ada")])
    await until(hall, MONDAY + timedelta(days=2))
    assert said(receiver) == ["match.proposed.v1"]
    await until(hall, MONDAY + timedelta(days=7))
    assert said(receiver) == ["match.proposed.v1", "match.withdrawn.v1"]


async def test_another_cadence_moves_what_waits(hall: Hall, receiver: Receiver) -> None:
    subscription = await weekly(hall, receiver)
    [endpoint] = [one["id"] for one in (await hall.call("GET", "/v1/endpoints"))["items"]]
    project = await crossing(hall)
    body = {"channel": "webhook", "endpoint": endpoint}
    await saved(hall, subscription, **body, cadence="daily")
    await hall.settle()
    assert said(receiver) == []
    await saved(hall, subscription, **body)
    await hall.settle()
    assert said(receiver) == ["match.proposed.v1"]
    receiver.status = 503
    await hall.rank(project, 2, {uuid_of("Ada"): "strong"})
    await hall.settle()
    receiver.status = 204
    await saved(hall, subscription, **body, cadence="weekly")
    await hall.until_due()
    assert said(receiver)[1:] == ["match.rescored.v1"] * 2  # its hour had come: what is tried is tried again


async def test_a_cadence_that_is_saved_while_reasons_are_asked_for_is_kept(
    hall: Hall, receiver: Receiver
) -> None:
    subscription = await weekly(hall, receiver, cadence="instant")
    [endpoint] = [one["id"] for one in (await hall.call("GET", "/v1/endpoints"))["items"]]
    rows = hall.lists.rows

    async def slow(*asked: Any) -> Any:
        found = await rows(*asked)
        hall.lists.rows = rows  # type: ignore[method-assign]
        await saved(hall, subscription, channel="webhook", endpoint=endpoint, cadence="monthly")
        return found

    hall.lists.rows = slow  # type: ignore[method-assign]
    await crossing(hall)
    assert said(receiver) == []
    assert await readying.step(hall.runtime) == 0
    await until(hall, datetime(2026, 12, 1, 8, tzinfo=UTC))
    assert said(receiver) == ["match.proposed.v1"]


@pytest.mark.parametrize("deadline", ["2026-12-24", "2026-12-28", "2026-12-29"])
async def test_a_held_reminder_comes_before_the_deadline_or_not_at_all(
    hall: Hall, receiver: Receiver, deadline: str
) -> None:
    await weekly(hall, receiver)
    await hall.member("Ada")
    project = await hall.open_project(deadline=deadline)
    await hall.rank(project, 1, {uuid_of("Ada"): "good"})
    reminded = []
    while hall.clock.moment.date().isoformat() <= deadline:
        await hall.remind()
        reminded += [hall.clock.moment] * (
            said(receiver).count("opportunity.closing-soon.v1") - len(reminded)
        )
        hall.clock.moment += timedelta(hours=6)
    assert reminded
    await closed(hall, 2)
    await until(hall, hall.clock.moment + timedelta(days=8))
    assert said(receiver).count("opportunity.closing-soon.v1") == len(reminded)
    assert said(receiver)[-1] == "opportunity.closed.v1"


@pytest.mark.parametrize("after", ["rises", "closes"])
async def test_what_was_paused_before_its_hour_waits_and_was_not_told(
    hall: Hall, receiver: Receiver, after: str
) -> None:
    """Taken up, it is told if it holds still, as it is then, and no end is told of what nobody heard of."""
    subscription = await weekly(hall, receiver)
    project = await crossing(hall)
    endpoint = (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["endpoint"]
    way = {"channel": "webhook", "endpoint": endpoint}
    await saved(hall, subscription, **way, cadence="weekly", paused=True)
    await saved(hall, subscription, **way, cadence="instant")
    if after == "rises":
        await hall.rank(project, 2, {uuid_of("Ada"): "strong"})
    else:
        await hall.end(number=2)
    await hall.settle()
    told = [
        (one, event["data"]["band"]) for one, event in zip(said(receiver), receiver.events(), strict=True)
    ]
    assert told == ([("match.proposed.v1", "strong")] if after == "rises" else [])
