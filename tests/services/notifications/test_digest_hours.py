"""A clock that was ahead and was put right: the hour of the next mail that it wrote down holds nobody's news up."""

from datetime import UTC, datetime, time, timedelta

import pytest

from services.notifications.rules.cadence import FURTHEST, Cadence, Quiet, next_digest, next_under_cap
from services.notifications.worker import digests
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Sink, confirmed, crossing
from tests.services.notifications.test_other_conditions import saved


async def next_hour(hall: Hall, subscription: str) -> datetime | None:
    found = await hall.call("GET", f"/v1/subscriptions/{subscription}")
    said = found["next_digest_at"]
    return None if said is None else datetime.fromisoformat(said)


@pytest.mark.parametrize("cadence", ["daily", "weekly", "monthly"])
async def test_a_digest_comes_at_its_hour_once_a_clock_that_was_ahead_is_right(
    post: tuple[Hall, Sink, object], cadence: Cadence
) -> None:
    hall, sink, _ = post
    await hall.member("Ada")
    subscription = await confirmed(hall, sink, cadence=cadence)
    right = hall.clock.moment
    hall.clock.moment += timedelta(days=400)
    await digests.step(hall.runtime)  # nothing new: no mail, but the next hour is written down
    hall.clock.moment = right
    await crossing(hall)
    due = next_digest(right, cadence, None, "UTC")
    assert await next_hour(hall, subscription) == due
    hall.clock.moment = due
    await hall.settle()
    assert len(sink.digests()) == 1


async def test_an_hour_that_a_clock_less_far_ahead_wrote_down_holds_for_a_week_more_at_most(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await hall.member("Ada")
    await confirmed(hall, sink, cadence="daily")
    right = hall.clock.moment
    for ahead in range(1, 30, 3):
        hall.clock.moment = right + timedelta(days=ahead)
        await digests.step(hall.runtime)
    hall.clock.moment = right
    await crossing(hall)
    for _ in range(10):
        hall.clock.moment += timedelta(days=1)
        await hall.settle()
    assert len(sink.digests()) == 1


@pytest.mark.parametrize("cadence", ["instant", "daily"])
async def test_mails_of_a_clock_that_was_ahead_count_for_no_cap_once_it_is_right(
    office: tuple[Hall, Sink], cadence: Cadence
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence=cadence, weekly_cap=1)
    right = hall.clock.moment
    hall.clock.moment += timedelta(days=400)
    await crossing(hall)
    hall.clock.moment += timedelta(days=2)
    await hall.settle()
    assert len(sink.digests()) == 1
    await crossing(hall, name="another")  # held by the cap
    await hall.settle()
    hall.clock.moment = right
    await hall.rank(uuid_of("another"), 2, {}, above=1)
    await hall.settle()
    for _ in range(8):  # the first was due on the morning after the hall's day, by whatever clock it left
        hall.clock.moment += timedelta(days=1)
        await hall.settle()
    assert len(sink.digests()) == 2


@pytest.mark.parametrize("cadence", list(FURTHEST))
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Apia", "America/Los_Angeles"])
def test_no_hour_of_a_clock_that_is_right_lies_further_ahead(cadence: Cadence, zone: str) -> None:
    quiet = Quiet(time(8), time(7, 59))
    furthest = timedelta()
    for hours in range(0, 24 * 366, 7):
        now = datetime(2027, 12, 20, 1, tzinfo=UTC) + timedelta(hours=hours)
        held = next_under_cap([now], cap=1, now=now, cadence=cadence, quiet=quiet, zone=zone)
        morning = next_digest(now, "daily", quiet, zone)  # of news beyond what one mail has room for
        assert held is not None
        furthest = max(furthest, held - now, next_digest(now, cadence, quiet, zone) - now, morning - now)
    assert FURTHEST[cadence] - timedelta(days=3) < furthest <= FURTHEST[cadence]


@pytest.mark.parametrize("cadence", ["daily", "weekly", "monthly"])
async def test_an_hour_that_has_come_is_not_put_off_by_whoever_saves_the_subscription_then(
    office: tuple[Hall, Sink], cadence: Cadence
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence=cadence)
    await crossing(hall)
    due = await next_hour(hall, subscription)
    assert due is not None
    hall.clock.moment = due + timedelta(hours=3)  # no digest was made meanwhile: the worker was away
    await saved(hall, subscription, {"levels": ["global", "regional", "national"]}, weekly_cap=5)
    assert await next_hour(hall, subscription) == due
    await hall.settle()
    assert len(sink.digests()) == 1
    await saved(hall, subscription, {}, time_zone="Asia/Tokyo")  # other hours are
    assert await next_hour(hall, subscription) == next_digest(hall.clock.moment, cadence, None, "Asia/Tokyo")
