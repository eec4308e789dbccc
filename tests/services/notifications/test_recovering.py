"""What `recover` sends again: all that did not arrive since a moment, and nothing that nobody is to be told any more."""

from datetime import timedelta
from typing import Any

import pytest

from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, crossing, link_in
from tests.services.notifications.test_following import saved
from tests.services.notifications.test_schedule import send_test
from tests.services.notifications.village import Receiver

PROPOSED = "org.comity.match.proposed.v1"


async def listening(hall: Hall, receiver: Receiver, **more: Any) -> str:
    await hall.member("Ada")
    endpoint = await hall.endpoint(receiver)
    await hall.subscribe(channel="webhook", endpoint=endpoint, **more)
    return endpoint


async def recover(hall: Hall, receiver: Receiver, endpoint: str, since: str) -> list[str]:
    """Have the receiver take everything from now on; the types of what `recover` brings it."""
    receiver.status = 204
    receiver.taken.clear()
    answer = await hall.call("POST", f"/v1/endpoints/{endpoint}/recover", {"since": since})
    await hall.dispatch()
    assert len(receiver.events()) >= answer["messages"]
    return [one["type"] for one in receiver.events()]


async def given_up(hall: Hall) -> None:
    for _ in range(30):
        if not await hall.until_due():
            break
    [row] = await hall.rows("SELECT state FROM deliveries WHERE subscription IS NOT NULL")
    assert row["state"] == "exhausted"


async def missed(hall: Hall, receiver: Receiver) -> tuple[str, str, str]:
    """An endpoint that took nothing of a project for all ten tries, and when that began."""
    endpoint = await listening(hall, receiver)
    since = f"{hall.clock.moment:%Y-%m-%dT%H:%M:%SZ}"
    receiver.status = 503
    project = await crossing(hall)
    await given_up(hall)
    return endpoint, project, since


async def test_since_it_began_to_fail_there_is_the_message_that_it_failed_with(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await listening(hall, receiver)
    receiver.status = 503
    await send_test(hall, endpoint)
    hall.clock.moment += timedelta(milliseconds=200)
    await hall.dispatch()
    since = (await hall.call("GET", f"/v1/endpoints/{endpoint}"))["failing_since"]
    assert await recover(hall, receiver, endpoint, since) == ["org.comity.endpoint.tested.v1"]


async def test_what_waited_for_its_hour_counts_from_its_tries(hall: Hall, receiver: Receiver) -> None:
    endpoint = await listening(hall, receiver, cadence="weekly")
    await crossing(hall)
    hall.clock.moment += timedelta(days=5)  # still before its hour
    since = f"{hall.clock.moment:%Y-%m-%dT%H:%M:%SZ}"
    receiver.status = 503
    await given_up(hall)
    assert await recover(hall, receiver, endpoint, since) == [PROPOSED]


async def test_what_was_given_up_comes_whole(hall: Hall, receiver: Receiver) -> None:
    endpoint, _, since = await missed(hall, receiver)
    assert await recover(hall, receiver, endpoint, since) == [PROPOSED]


async def test_what_was_dismissed_does_not_come(hall: Hall, receiver: Receiver) -> None:
    endpoint, project, since = await missed(hall, receiver)
    await hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "other"}, status=201)
    assert await recover(hall, receiver, endpoint, since) == []


async def test_what_has_closed_does_not_come_as_if_it_were_open(hall: Hall, receiver: Receiver) -> None:
    endpoint, _, since = await missed(hall, receiver)
    await hall.end(number=2)
    await hall.settle()
    assert PROPOSED not in await recover(hall, receiver, endpoint, since)


async def test_who_has_fallen_below_the_floor_is_not_told_that_it_stood_above(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint, project, since = await missed(hall, receiver)
    await hall.rank(project, 2, {}, lost=[uuid_of("Ada")])
    await hall.settle()
    assert PROPOSED not in await recover(hall, receiver, endpoint, since)


@pytest.mark.parametrize("send", ["recover", "replay"])
async def test_of_a_project_that_rests_nothing_comes_until_it_is_open_again(
    hall: Hall, receiver: Receiver, send: str
) -> None:
    endpoint, _, since = await missed(hall, receiver)
    await hall.open_project("schools", state="dormant")
    await hall.settle()
    [row] = await hall.rows("SELECT id FROM deliveries WHERE subscription IS NOT NULL")
    if send == "recover":
        assert await recover(hall, receiver, endpoint, since) == []
    else:
        await hall.call("POST", f"/v1/deliveries/{row['id']}/replay", status=409)
    await hall.open_project("schools", revision=3)
    await hall.settle()
    assert await recover(hall, receiver, endpoint, since) == [PROPOSED]


async def test_who_hears_by_mail_now_is_sent_no_webhook(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    endpoint, _, since = await missed(hall, receiver)
    [row] = await hall.rows("SELECT id, subscription FROM deliveries WHERE subscription IS NOT NULL")
    await saved(hall, row["subscription"], channel="email", email=ADDRESS, cadence="instant")
    await hall.dispatch()
    await hall.http.post(link_in(sink.taken[-1][1], hall))
    await hall.settle()
    assert await recover(hall, receiver, endpoint, since) == []
    await hall.call("POST", f"/v1/deliveries/{row['id']}/replay", status=409)
