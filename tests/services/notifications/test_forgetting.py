"""Notices go once they are old, on both databases; what makes news known, and silence kept, stays."""

from datetime import timedelta

import pytest

from services.notifications.worker import retention
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Sink, confirmed, crossing
from tests.services.notifications.village import Receiver

DAYS = 396
MONTH = timedelta(days=28)


async def notices_of(hall: Hall) -> int:
    [row] = await hall.rows("SELECT count(*) AS n FROM notices")
    return int(row["n"])


async def moved_monthly(hall: Hall, project: str, months: int, *, first: int) -> list[int]:
    """Move Ada's pair to another band each month; how many notices there are after each."""
    sizes = []
    for number in range(first, first + months):
        await hall.rank(project, number, {uuid_of("Ada"): ("good", "strong")[number % 2]})
        await hall.settle()
        await retention.step(hall.runtime)
        sizes.append(await notices_of(hall))
        hall.clock.moment += MONTH
    return sizes


async def test_notices_stop_growing_and_what_is_read_again_is_not_told_again(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver))
    project = await crossing(hall)
    kept = DAYS // 28 + 1
    sizes = await moved_monthly(hall, project, kept + 10, first=2)
    assert set(sizes[kept:]) == {kept}  # from then on as many go as come
    told = len(receiver.events())
    assert told == kept + 10
    newest = (await hall.call("GET", "/v1/notices?limit=200"))["items"]
    hall.clock.moment += timedelta(days=2 * DAYS)
    await retention.step(hall.runtime)
    await retention.step(hall.runtime)
    assert await notices_of(hall) == 1 < len(newest)  # the newest of an open project
    await hall.say_again()
    await hall.settle()
    await hall.say_again(rebuilding=True)
    await hall.settle()
    assert (len(receiver.events()), await notices_of(hall)) == (told, 1)
    await hall.rank(project, 200, {}, lost=[uuid_of("Ada")])  # who was told is told of the fall
    await hall.settle()
    assert receiver.events()[-1]["type"] == "org.comity.match.withdrawn.v1"


@pytest.mark.parametrize("state", ["closed", "withdrawn"])
async def test_of_a_project_that_is_over_nothing_stays_and_nothing_is_told_again(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, state: str
) -> None:
    hall, _, _ = post
    await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver))
    project = await crossing(hall)
    hall.clock.moment += timedelta(days=DAYS + 1)
    await hall.open_project(state=state)
    await retention.step(hall.runtime)
    assert await notices_of(hall) == 1  # nobody was told of the end yet
    await hall.settle()
    assert [one["type"].split(".")[-2] for one in receiver.events()] == ["proposed", state]
    for _ in range(2):
        await retention.step(hall.runtime)
        hall.clock.moment += timedelta(days=DAYS + 1)
    await retention.step(hall.runtime)
    assert await notices_of(hall) == 0
    await hall.say_again(rebuilding=True)
    await hall.settle()
    assert (len(receiver.events()), await notices_of(hall)) == (2, 0)
    assert project == uuid_of("schools")


async def test_the_end_of_what_a_mail_announced_long_ago_is_told(post: tuple[Hall, Sink, Receiver]) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="daily")
    await crossing(hall)
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    hall.clock.moment += timedelta(days=300)
    await retention.step(hall.runtime)
    hall.clock.moment += timedelta(days=DAYS - 300)
    await hall.settle()  # no news: the next digest is due tomorrow
    await hall.open_project(state="closed")
    await hall.herald()
    assert len(sink.digests()) == 1
    await retention.step(hall.runtime)  # what was announced is old, and its end has not left yet
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    assert len(sink.digests()) == 2


async def test_what_was_dismissed_stays_silent_when_its_notices_are_gone(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, _ = post
    await hall.subscribe(channel="feed")
    project = await crossing(hall)
    await hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "other"}, status=201)
    hall.clock.moment += timedelta(days=DAYS + 1)
    await retention.step(hall.runtime)
    await moved_monthly(hall, project, 2, first=2)
    await hall.say_again(rebuilding=True)
    await hall.settle()
    assert await notices_of(hall) == 1


async def subscriptions_of(hall: Hall) -> set[str]:
    return {one["id"] for one in await hall.rows("SELECT id FROM subscriptions")}


async def test_a_subscription_that_ended_long_ago_goes_once_nothing_of_it_is_kept(
    post: tuple[Hall, Sink, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    hall, sink, _ = post
    monkeypatch.setattr(retention, "BATCH", 2)
    asked, told = await confirmed(hall, sink), await hall.subscribe(channel="feed")
    await crossing(hall)
    ended = [await hall.subscribe(channel="feed") for _ in range(3)]
    ended.append(await hall.subscribe(channel="email", email="somebody@ada.example"))
    going = await hall.subscribe("Bea", channel="feed")
    for one in (told, *ended):
        await hall.call("DELETE", f"/v1/subscriptions/{one}", status=204, If_Match='"1"')
    hall.clock.moment += timedelta(days=DAYS)
    await retention.step(hall.runtime)
    assert await subscriptions_of(hall) == {asked, told, going, *ended}
    hall.clock.moment += timedelta(days=1)
    await retention.step(hall.runtime)
    assert await subscriptions_of(hall) == {asked, told, going}  # of one, it is known that it was told
    again = {"channel": "feed", "opt_in": True}
    await hall.call("PUT", f"/v1/subscriptions/{ended[0]}", again, status=201)
    await hall.end(number=2)
    await hall.settle()
    hall.clock.moment += timedelta(days=DAYS)
    for _ in range(2):
        await retention.step(hall.runtime)
    assert await subscriptions_of(hall) == {asked, going, ended[0]}
