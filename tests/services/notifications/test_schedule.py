"""The whole schedule of retries in virtual time, and what endpoints come to by it."""

import asyncio
import itertools
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from services.notifications.commands.pinging import MOST_PINGS
from services.notifications.mail.letters import words_of
from services.notifications.rules.schedule import DELAYS, JITTER, PING_TRIES, Outcome, next_try
from services.notifications.worker import endpoints
from services.notifications.worker.dispatch import Dispatcher
from services.notifications.worker.pacing import LEASE
from tests.services.matches.town import NOON
from tests.services.notifications.hall import Hall, open_hall, uuid_of
from tests.services.notifications.office import Sink, confirmed
from tests.services.notifications.village import Receiver, receiving, verified


async def send_test(hall: Hall, endpoint: str) -> str:
    return str((await hall.call("POST", f"/v1/endpoints/{endpoint}/test", status=202))["id"])


async def test_ten_tries_over_seventy_six_hours_each_verified_through_a_rotation(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    [old] = receiver.secrets
    receiver.status = 500
    receiver.taken.clear()
    message = await send_test(hall, endpoint)
    moments, rotated_at = [], None
    while await hall.until_due():
        headers, body = receiver.taken[-1]
        now = hall.clock.moment
        moments.append(now)
        assert headers["webhook-id"] == message
        new = receiver.secrets[-1]
        assert verified(new, headers, body, now=now)["id"] == message  # before, during and after
        if rotated_at is not None:
            signatures = headers["webhook-signature"].split(" ")
            overlapping = now < rotated_at + timedelta(hours=24)
            assert len(signatures) == (2 if overlapping else 1)
            if overlapping:
                assert verified(old, headers, body, now=now)["id"] == message
        if len(moments) == 6:
            made = await hall.call("POST", f"/v1/endpoints/{endpoint}/secrets", {}, status=201)
            receiver.secrets.append(made["secret"])
            rotated_at = now
    assert len(moments) == len(receiver.taken) == 10
    for (before, after), delay in zip(pairwise(moments), DELAYS[1:], strict=True):
        assert delay <= after - before <= delay * (1 + JITTER) + timedelta(milliseconds=1)
    assert timedelta(hours=75) < moments[-1] - moments[0] < timedelta(hours=84)
    shown = await hall.call("GET", f"/v1/deliveries/{message}")
    assert (shown["state"], shown["attempts"]) == ("exhausted", 10)
    assert [one["status"] for one in shown["tries"]] == [500] * 10
    assert {one["outcome"] for one in shown["tries"]} == {"failed"}


async def test_retry_after_holds_the_whole_endpoint_and_410_ends_it(hall: Hall, receiver: Receiver) -> None:
    endpoint = await hall.endpoint(receiver)
    receiver.status, receiver.headers = 429, {"Retry-After": "600"}
    await send_test(hall, endpoint)
    await hall.dispatch()
    taken = len(receiver.taken)
    await send_test(hall, endpoint)  # another message waits too
    await hall.dispatch()
    assert len(receiver.taken) == taken
    asked = hall.clock.moment
    hall.clock.moment += timedelta(seconds=599)
    await hall.dispatch()
    assert len(receiver.taken) == taken
    receiver.status = 410
    hall.clock.moment = asked + timedelta(seconds=661)
    await hall.dispatch()
    found = await hall.call("GET", f"/v1/endpoints/{endpoint}")
    assert (found["state"], found["reason"]) == ("disabled", "It answered 410 Gone.")
    assert not await hall.until_due()
    states = {one["state"] for one in (await hall.call("GET", "/v1/deliveries"))["items"]}
    assert states <= {"delivered", "exhausted", "cancelled"}
    problem = await hall.call("POST", f"/v1/endpoints/{endpoint}/test", status=409)
    assert problem["code"] == "endpoint-not-active"


async def test_an_endpoint_that_fails_for_five_days_is_disabled_and_recovers_what_it_missed(
    hall: Hall, receiver: Receiver
) -> None:
    async with receiving() as other:
        await hall.endpoint(other)
        endpoint = await hall.endpoint(receiver)
        begun = hall.clock.moment
        receiver.status = 503
        missed = [await send_test(hall, endpoint)]
        while hall.clock.moment < begun + timedelta(days=8):
            if not await hall.until_due():
                hall.clock.moment += timedelta(hours=6)
                if (await hall.call("GET", f"/v1/endpoints/{endpoint}"))["state"] == "active":
                    missed.append(await send_test(hall, endpoint))
                else:
                    break
        assert (await hall.call("GET", f"/v1/endpoints/{endpoint}"))["state"] == "disabled"
        assert timedelta(days=5) <= hall.clock.moment - begun < timedelta(days=7)
        assert [one["type"] for one in other.events()] == [
            "org.comity.endpoint.failing.v1",
            "org.comity.endpoint.disabled.v1",
        ]
        receiver.status = 204
        await hall.call("POST", f"/v1/endpoints/{endpoint}/ping", status=202)
        await hall.dispatch()
        receiver.taken.clear()
        since = begun.strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"since": since}
        answer = await hall.call("POST", f"/v1/endpoints/{endpoint}/recover", body)
        await hall.dispatch()
        recovered = [one["id"] for one in receiver.events()]
        assert recovered == missed
        assert answer["messages"] == len(missed)
        assert (await hall.call("POST", f"/v1/endpoints/{endpoint}/recover", body))["messages"] == 0
        await hall.call("POST", f"/v1/deliveries/{missed[0]}/replay", status=202)
        await hall.dispatch()
        assert [one["id"] for one in receiver.events()] == [*missed, missed[0]]


async def test_an_outage_that_was_over_long_ago_disables_nothing_and_warns_of_nothing(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    endpoint = await hall.endpoint(receiver)
    receiver.status = 503
    await send_test(hall, endpoint)
    while await hall.until_due():  # all of its tries
        pass
    told = len(sink.taken)
    assert sink.taken[-1][1]["Subject"] == words_of("en")["endpoint_failing_subject"]
    since = (await hall.call("GET", f"/v1/endpoints/{endpoint}"))["failing_since"]
    hall.clock.moment += timedelta(days=60)
    await send_test(hall, endpoint)
    await hall.dispatch()
    shown = await hall.call("GET", f"/v1/endpoints/{endpoint}")
    assert (shown["state"], shown["failing_since"]) == ("active", since)  # nothing has arrived since
    assert len(sink.taken) == told


async def test_one_that_fails_for_a_day_again_and_took_nothing_between_is_disabled(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    """A dead one to which a message goes once a week."""
    hall, sink = office
    await confirmed(hall, sink)
    endpoint = await hall.endpoint(receiver)
    receiver.status = 503
    states = []
    for _ in range(2):
        await send_test(hall, endpoint)
        begun = hall.clock.moment
        while await hall.until_due():
            if hall.clock.moment - begun < timedelta(hours=24):
                states.append((await hall.call("GET", f"/v1/endpoints/{endpoint}"))["state"])
        hall.clock.moment = max(hall.clock.moment, begun + timedelta(days=7))
    assert set(states) == {"active"}
    assert (await hall.call("GET", f"/v1/endpoints/{endpoint}"))["state"] == "disabled"
    subjects = [message["Subject"] for _, message in sink.taken[1:]]
    words = words_of("en")
    assert subjects == [words["endpoint_failing_subject"], words["endpoint_disabled_subject"]]


@pytest.mark.parametrize("later", [timedelta(days=60), timedelta(hours=30)], ids=["long ago", "mended since"])
async def test_a_killed_try_is_no_sign_that_an_old_outage_goes_on(
    hall: Hall, receiver: Receiver, later: timedelta
) -> None:
    endpoint = await hall.endpoint(receiver)
    receiver.status = 503
    await hall.call("POST", f"/v1/endpoints/{endpoint}/ping", status=202)
    while await hall.until_due():  # it is tried for half an hour
        pass
    if later < timedelta(days=2):
        receiver.status = 204
        await send_test(hall, endpoint)
        await hall.dispatch()
    hall.clock.moment += later
    message = await send_test(hall, endpoint)
    for _ in range(2):
        await hall.dispatcher.turn()
        hall.killed()
    await hall.dispatcher.turn()
    assert (await hall.call("GET", f"/v1/deliveries/{message}"))["state"] == "retrying"
    assert await endpoints.step(hall.runtime) == 0


async def test_what_waits_for_its_next_try_is_recovered_at_once(hall: Hall, receiver: Receiver) -> None:
    endpoint = await hall.endpoint(receiver)
    body = {"since": hall.clock.moment.strftime("%Y-%m-%dT%H:%M:%SZ")}
    receiver.status = 503
    missed = await send_test(hall, endpoint)
    await hall.dispatch()
    assert (await hall.call("GET", f"/v1/deliveries/{missed}"))["state"] == "retrying"
    receiver.status = 204
    receiver.taken.clear()
    assert (await hall.call("POST", f"/v1/endpoints/{endpoint}/recover", body))["messages"] == 1
    await hall.dispatch()
    assert [one["id"] for one in receiver.events()] == [missed]
    assert (await hall.call("GET", f"/v1/deliveries/{missed}"))["state"] == "delivered"


async def test_a_killed_try_is_explained_and_sent_again_under_the_same_id(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    receiver.taken.clear()
    message = await send_test(hall, endpoint)
    await hall.dispatcher.turn()  # claimed and begun; how it ends is never written down
    while not receiver.taken:
        await hall.dispatcher._tasks.copy().pop()
    hall.killed()
    await hall.dispatch()
    assert [headers["webhook-id"] for headers, _ in receiver.taken] == [message, message]
    shown = await hall.call("GET", f"/v1/deliveries/{message}")
    assert [one["outcome"] for one in shown["tries"]] == ["interrupted", "delivered"]


async def test_who_thaws_after_another_has_taken_over_changes_nothing_that_was_written_since(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    receiver.taken.clear()
    message = await send_test(hall, endpoint)
    came, thaw = asyncio.Event(), asyncio.Event()

    async def freeze(_body: bytes) -> None:
        came.set()
        await thaw.wait()

    receiver.look = freeze
    frozen = hall.dispatcher
    await frozen.turn()
    await came.wait()
    receiver.look = None
    hall.dispatcher = Dispatcher(hall.runtime, frozen.session, frozen.post)
    hall.clock.moment += LEASE * 1.01
    await hall.dispatch()
    thaw.set()
    await asyncio.wait(frozen._tasks)
    await frozen.turn(claim=False)
    assert [headers["webhook-id"] for headers, _ in receiver.taken] == [message, message]
    shown = await hall.call("GET", f"/v1/deliveries/{message}")
    assert [one["outcome"] for one in shown["tries"]] == ["interrupted", "delivered"]


async def test_an_endpoint_gets_so_many_tries_a_second_and_the_others_do_not_wait_for_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with (
        open_hall(tmp_path, notifications={"endpoint_per_second": 2.0}) as hall,
        receiving() as other,
    ):
        busy, quiet = await hall.endpoint(receiver), await hall.endpoint(other)  # a ping each
        hall.clock.moment += timedelta(seconds=10)
        for _ in range(5):
            await send_test(hall, busy)
        await send_test(hall, quiet)
        taken = []
        for _ in range(4):
            await hall.dispatch()
            taken.append((len(receiver.events()), len(other.events())))
            hall.clock.moment += timedelta(seconds=1)
        assert taken == [(2, 1), (4, 1), (5, 1), (5, 1)]


async def test_a_clock_that_is_put_right_holds_no_endpoint_and_its_rate_counts_on(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with open_hall(tmp_path, notifications={"endpoint_per_second": 2.0}) as hall:
        endpoint = await hall.endpoint(receiver)
        hall.clock.moment += timedelta(hours=3)
        await send_test(hall, endpoint)
        await hall.dispatch()
        assert len(receiver.events()) == 1
        hall.clock.moment -= timedelta(hours=3, seconds=-10)
        for _ in range(5):
            await send_test(hall, endpoint)
        taken = []
        for _ in range(4):
            await hall.dispatch()
            taken.append(len(receiver.events()) - 1)
            hall.clock.moment += timedelta(seconds=1)
        assert taken == [2, 4, 5, 5]


async def test_what_a_killed_process_claimed_by_a_clock_that_was_ahead_goes_once_that_is_put_right(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    gate = asyncio.Event()
    receiver.look = lambda _body: gate.wait()
    hall.clock.moment += timedelta(hours=6)
    left = [await send_test(hall, endpoint) for _ in range(4)]  # all that it takes at once
    await hall.dispatcher.turn()
    await asyncio.sleep(0)
    hall.killed()
    gate.set()
    receiver.taken.clear()
    hall.clock.moment -= timedelta(hours=6)
    new = await send_test(hall, endpoint)
    await hall.dispatch()
    assert {one["id"] for one in receiver.events()} == {new, *left}
    shown = await hall.call("GET", f"/v1/deliveries/{left[0]}")
    assert [one["outcome"] for one in shown["tries"]] == ["interrupted", "delivered"]


async def test_a_clock_that_is_put_right_ends_no_try_that_is_under_way(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    gate = asyncio.Event()
    receiver.look = lambda _body: gate.wait()
    hall.clock.moment += timedelta(hours=6)
    message = await send_test(hall, endpoint)
    await hall.dispatcher.turn()
    hall.clock.moment -= timedelta(hours=6)
    await hall.dispatcher.turn()
    gate.set()
    await hall.dispatch()
    assert [one["id"] for one in receiver.events()] == [message]
    shown = await hall.call("GET", f"/v1/deliveries/{message}")
    assert [one["outcome"] for one in shown["tries"]] == ["delivered"]


@pytest.mark.parametrize("asked", [0.0, 30.0, 10.0**9])
def test_retry_after_lengthens_and_is_bounded(asked: float) -> None:
    outcome = Outcome(error="http", status=429, retry_after=asked)
    due = next_try(1, ended=NOON, outcome=outcome, die=0.0)
    assert due == NOON + max(DELAYS[1], min(timedelta(seconds=asked), timedelta(hours=24)))
    assert next_try(10, ended=NOON, outcome=outcome, die=0.0) is None


@pytest.mark.parametrize(
    "asked",
    [
        "Mon, 01 Jan 2024 00:00:00 +99999999999999",
        "1 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 99999999999999999999:00:00 GMT",
    ],
)
async def test_a_retry_after_that_no_calendar_has_counts_as_none(
    hall: Hall, receiver: Receiver, asked: str
) -> None:
    endpoint = await hall.endpoint(receiver)
    receiver.status, receiver.headers = 503, {"Retry-After": asked}
    message = await send_test(hall, endpoint)
    await hall.dispatch()
    shown = await hall.call("GET", f"/v1/deliveries/{message}")
    assert (shown["state"], [one["outcome"] for one in shown["tries"]]) == ("retrying", ["failed"])
    [row] = await hall.rows("SELECT failures, not_before FROM endpoints")
    assert (row["failures"], row["not_before"]) == (1, None)


async def test_quiet_hours_hold_every_try_not_only_the_first(hall: Hall, receiver: Receiver) -> None:
    hall.clock.moment = NOON.replace(hour=20, minute=50)
    endpoint = await hall.endpoint(receiver)
    quiet = {"from": "21:00", "until": "07:00"}
    await hall.subscribe(channel="webhook", endpoint=endpoint, quiet_hours=quiet)
    ada, project = await hall.member("Ada"), await hall.open_project()
    receiver.status = 503
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    tries = [hall.clock.moment]
    while await hall.until_due():
        tries.append(hall.clock.moment)
    assert len(tries) == 10
    assert [one.hour for one in tries if not 7 <= one.hour < 21] == []
    assert any(one.hour == 7 and one.minute == 0 for one in tries)


@pytest.mark.parametrize("later", [(204, {}), (503, {"Retry-After": "1"})], ids=["taken", "a shorter wait"])
async def test_the_longest_wait_asked_for_holds_whatever_became_of_what_was_under_way(
    hall: Hall, receiver: Receiver, later: tuple[int, dict[str, str]]
) -> None:
    """Two messages are on their way at once: the first answer asks for an hour, the second knows nothing of that."""
    endpoint = await hall.endpoint(receiver)
    await send_test(hall, endpoint)
    await send_test(hall, endpoint)
    receiver.status, receiver.headers = 429, {"Retry-After": "3600"}
    go_on, came = asyncio.Event(), itertools.count()

    async def look(_body: bytes) -> None:
        if next(came):
            await go_on.wait()
            receiver.status, receiver.headers = later

    receiver.look = look
    await hall.dispatcher.turn()
    async with asyncio.timeout(10):
        while not await hall.rows("SELECT 1 FROM endpoints WHERE not_before IS NOT NULL"):
            await hall.dispatcher.turn()
            await asyncio.sleep(0.01)
    held = await hall.rows("SELECT not_before FROM endpoints")
    go_on.set()
    await hall.dispatch()
    ended = await hall.rows("SELECT count(*) AS tries FROM attempts WHERE outcome IS NOT NULL")
    assert ended[0]["tries"] == 3  # the ping too
    assert await hall.rows("SELECT not_before FROM endpoints") == held


async def test_a_ping_is_tried_four_times_and_one_waits_at_a_time(hall: Hall, receiver: Receiver) -> None:
    """Its address has agreed to nothing yet."""
    receiver.status = 500
    made = await hall.call("POST", "/v1/endpoints", {"url": receiver.url}, status=201)
    for _ in range(3):
        await hall.call("POST", f"/v1/endpoints/{made['id']}/ping", status=202)
    while await hall.until_due():
        pass
    assert len(receiver.taken) == PING_TRIES == 4
    states = await hall.rows("SELECT state FROM deliveries ORDER BY id")
    assert [one["state"] for one in states] == ["cancelled"] * 3 + ["exhausted"]


async def test_an_organisation_has_so_many_pings_an_hour_however_it_comes_by_them(
    hall: Hall, receiver: Receiver
) -> None:
    receiver.status = 500
    for number in range(MOST_PINGS // 2):
        made = await hall.call("POST", "/v1/endpoints", {"url": receiver.url}, status=201)
        await hall.call("POST", f"/v1/endpoints/{made['id']}/ping", status=202)
        await hall.call("DELETE", f"/v1/endpoints/{made['id']}", status=204, If_Match='"1"')
        hall.clock.moment += timedelta(seconds=number == 0)
    refused = await hall.http.post(
        "/v1/endpoints",
        json={"url": receiver.url},
        headers=hall.bearer("organisation_editor", organisation=uuid_of("Ada")),
    )
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
    wait = int(refused.headers["Retry-After"])
    assert 3_590 < wait <= 3_600
    await hall.call(
        "POST", "/v1/endpoints", {"url": receiver.url}, name="Bea", status=201
    )  # others have their own
    hall.clock.moment += timedelta(seconds=wait)
    await hall.call("POST", "/v1/endpoints", {"url": receiver.url}, status=201)
