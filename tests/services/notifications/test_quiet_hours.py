"""Quiet hours hold what leaves, whenever it was due: nothing goes while they last, whatever kept it until then."""

from datetime import UTC, datetime, time, timedelta

import pytest

from services.notifications.rules.cadence import Quiet, released
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import Sink, confirmed, crossing
from tests.services.notifications.test_what_is_over import by_webhook, said
from tests.services.notifications.village import Receiver

NIGHT = {"from": "20:00", "until": "07:00"}
SEVEN = {"hour": 7, "minute": 0, "second": 0, "microsecond": 0}


async def told(hall: Hall) -> None:
    """Make the messages of a crossing; nobody sends them yet."""
    ada = await hall.member("Ada")
    await hall.rank(await hall.open_project(), 1, {ada: "good"})
    await hall.herald()


async def at_night(hall: Hall) -> None:
    hall.clock.moment = hall.clock.moment.replace(hour=23)
    await hall.settle()


async def next_morning(hall: Hall) -> None:
    hall.clock.moment = (hall.clock.moment + timedelta(days=1)).replace(**SEVEN)


async def test_a_digest_that_was_due_while_the_process_was_away_waits_for_the_morning(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="daily", quiet_hours=NIGHT)
    await crossing(hall)
    hall.clock.moment += timedelta(days=1)
    await at_night(hall)
    assert sink.digests() == []
    await next_morning(hall)
    hall.clock.moment -= timedelta(seconds=1)
    await hall.dispatch()
    assert sink.digests() == []
    hall.clock.moment += timedelta(seconds=1)
    await hall.dispatch()
    assert len(sink.digests()) == 1


@pytest.mark.parametrize("kept_by", ["process", "endpoint", "Retry-After"])
async def test_a_webhook_that_was_kept_until_the_night_waits_for_the_morning(
    hall: Hall, receiver: Receiver, kept_by: str
) -> None:
    if kept_by == "endpoint":
        receiver.status = 500  # not verified yet
    await by_webhook(hall, receiver, quiet_hours=NIGHT)
    [endpoint] = await hall.rows("SELECT id FROM endpoints")
    hall.clock.moment = hall.clock.moment.replace(hour=19, minute=50)
    if kept_by == "Retry-After":
        receiver.status, receiver.headers = 429, {"Retry-After": "7200"}
        await hall.call("POST", f"/v1/endpoints/{endpoint['id']}/test", status=202)
        await hall.dispatch()
    await told(hall)
    if kept_by != "process":
        await hall.dispatch()
    receiver.status, receiver.headers = 204, {}
    if kept_by == "endpoint":
        hall.clock.moment = hall.clock.moment.replace(hour=22)
        await hall.call(
            "POST", f"/v1/endpoints/{endpoint['id']}/ping", status=202
        )  # no message of a subscription
        await hall.dispatch()
        assert [one["state"] for one in await hall.rows("SELECT state FROM endpoints")] == ["active"]
    receiver.taken.clear()
    await at_night(hall)
    assert "match.proposed.v1" not in said(receiver)
    await next_morning(hall)
    await hall.dispatch()
    assert said(receiver).count("match.proposed.v1") == 1


async def test_what_is_put_off_is_written_once_and_hides_nothing_behind_it(
    hall: Hall, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifications.worker.dispatch.CLAIMED_AT_ONCE", 1)
    await by_webhook(hall, receiver, quiet_hours=NIGHT)
    [endpoint] = await hall.rows("SELECT id FROM endpoints")
    await hall.subscribe(channel="webhook", endpoint=endpoint["id"])
    hall.clock.moment = hall.clock.moment.replace(hour=19)
    await told(hall)
    await at_night(hall)
    assert said(receiver) == ["match.proposed.v1"]
    assert [await hall.dispatcher.turn() for _ in range(3)] == [0, 0, 0]
    await next_morning(hall)
    await hall.dispatch()
    assert said(receiver) == ["match.proposed.v1"] * 2


async def test_an_address_is_asked_at_once_also_at_night(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    hall.clock.moment = hall.clock.moment.replace(hour=23)
    await confirmed(hall, sink, quiet_hours=NIGHT)
    assert len(sink.taken) == 1


@pytest.mark.parametrize("minutes", range(0, 121, 15))
def test_quiet_hours_that_end_in_the_hour_that_comes_twice_hold_until_they_end_for_the_second_time(
    minutes: int,
) -> None:
    """In Berlin the clocks show 02:00 to 02:59 twice in the night of 25 October 2026; the first begins at 00:00 UTC."""
    now = datetime(2026, 10, 25, tzinfo=UTC) + timedelta(minutes=minutes)
    quiet = Quiet(time(22, 0), time(2, 30))
    ends = [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]
    expected = ends[0] if minutes < 30 else ends[1] if 60 <= minutes < 90 else now
    assert released(now, quiet, "Europe/Berlin") == expected
