"""What an endpoint's state lets through, and whose answer changes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import WebhookVerificationError

from services.notifications import SERVICE
from services.notifications.commands.endpoints import MOST_SECRETS
from services.notifications.mail.letters import words_of
from services.notifications.rules.keys import KEYS, Keys
from services.notifications.worker.endpoints import WHY_UNSIGNED
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import ADDRESS, Sink, confirmed, crossing
from tests.services.notifications.village import Receiver, receiving, verified


@asynccontextmanager
async def answering(handle: Callable[[Any], Awaitable[int]]) -> AsyncIterator[str]:
    """A receiver that answers each event with the status that `handle` gives it, in its own time; its address."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=await handle(await request.json()))

    application = web.Application()
    application.router.add_post("/hook", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hook"
    finally:
        await runner.cleanup()


async def endpoint_of(hall: Hall, identifier: str) -> Any:
    return await hall.call("GET", f"/v1/endpoints/{identifier}")


async def put(hall: Hall, identifier: str, **body: Any) -> Any:
    """Change an endpoint as it stands now."""
    now = await endpoint_of(hall, identifier)
    whole = {"url": now["url"]} | body
    return await hall.call("PUT", f"/v1/endpoints/{identifier}", whole, If_Match=f'"{now["revision"]}"')


async def test_the_answer_of_an_address_that_was_left_does_not_verify_the_new_one(
    hall: Hall, receiver: Receiver
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(_event: Any) -> int:
        asked.set()
        await answer.wait()
        return 204

    receiver.status = 500
    async with answering(slow) as old:
        made = await hall.call("POST", "/v1/endpoints", {"url": old}, status=201)
        await hall.dispatcher.turn()
        await asked.wait()
        assert (await put(hall, made["id"], url=receiver.url))["state"] == "pending"
        answer.set()
        await hall.dispatch()
    found = await endpoint_of(hall, made["id"])
    assert (found["state"], found["url"]) == ("pending", receiver.url)
    assert found["failing_since"] is not None  # the new address was asked, and said no
    receiver.status = 204
    await hall.until_due()
    assert (await endpoint_of(hall, made["id"]))["state"] == "active"


async def test_a_move_leaves_one_ping_the_new_address_own(hall: Hall, receiver: Receiver) -> None:
    receiver.status = 500
    made = await hall.call("POST", "/v1/endpoints", {"url": receiver.url}, status=201)
    await hall.dispatch()
    async with receiving() as other:
        await put(hall, made["id"], url=other.url)
        while await hall.until_due():
            pass
        assert len(other.taken) == 1
    assert len(receiver.taken) == 1
    states = await hall.rows("SELECT state FROM deliveries ORDER BY id")
    assert [one["state"] for one in states] == ["cancelled", "delivered"]


async def proposed(hall: Hall, endpoint: str, *, subscriptions: int = 1) -> None:
    """Queue a message of a crossing for each subscription, and send none."""
    for _ in range(subscriptions):
        await hall.subscribe(channel="webhook", endpoint=endpoint)
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()


@pytest.mark.parametrize("tried", [False, True])
async def test_what_is_queued_waits_for_a_moved_endpoint_to_answer_its_ping(
    hall: Hall, receiver: Receiver, *, tried: bool
) -> None:
    endpoint = await hall.endpoint(receiver)
    await proposed(hall, endpoint)
    receiver.status = 503
    if tried:
        await hall.dispatch()
    async with receiving() as other:
        other.status = 503
        await put(hall, endpoint, url=other.url)
        hall.clock.moment += timedelta(hours=2)
        await hall.dispatch()
        assert other.events() == []
        assert len(other.taken) == 1
        assert await oldest_due(hall) == 0  # held, not late
        other.status = 204
        await hall.call("POST", f"/v1/endpoints/{endpoint}/ping", status=202)
        await hall.dispatch()
        assert [one["type"] for one in other.events()] == ["org.comity.match.proposed.v1"]
    assert len(receiver.events()) == int(tried)


async def test_a_paused_endpoint_gets_nothing_and_afterwards_what_waited(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    hall.lists.away = True
    await proposed(hall, endpoint)
    await put(hall, endpoint, paused=True)
    hall.lists.away = False
    await hall.settle()
    hall.clock.moment += timedelta(days=9)
    await hall.settle()
    assert receiver.events() == []
    await put(hall, endpoint)
    await hall.dispatch()
    assert [one["type"] for one in receiver.events()] == ["org.comity.match.proposed.v1"]


async def test_what_was_under_way_when_an_endpoint_was_given_up_is_not_tried_again(hall: Hall) -> None:
    gone = asyncio.Event()
    told = 0

    async def handle(event: Any) -> int:
        nonlocal told
        if "pinged" in event["type"]:
            return 204
        told += 1
        if told == 1:
            gone.set()
            return 410
        await gone.wait()
        while (await endpoint_of(hall, endpoint))["state"] == "active":
            await asyncio.sleep(0.01)
            await hall.dispatcher.turn(claim=False)
        return 500

    async with answering(handle) as url:
        endpoint = (await hall.call("POST", "/v1/endpoints", {"url": url}, status=201))["id"]
        await hall.dispatch()
        await proposed(hall, endpoint, subscriptions=4)
        await hall.dispatch()
        assert not await hall.until_due()
        assert told == 4
        states = await hall.rows("SELECT state FROM deliveries WHERE type LIKE '%proposed%' ORDER BY state")
        assert [one["state"] for one in states] == ["cancelled", "cancelled", "cancelled", "exhausted"]


async def test_a_ping_does_not_wait_for_the_time_that_the_endpoint_asked_for_and_frees_what_does(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    await proposed(hall, endpoint)
    receiver.status, receiver.headers = 503, {"Retry-After": "86400"}
    await hall.dispatch()
    receiver.status, receiver.headers = 204, {}
    receiver.taken.clear()
    await hall.call("POST", f"/v1/endpoints/{endpoint}/test", status=202)
    await hall.dispatch()
    assert receiver.taken == []
    await hall.call("POST", f"/v1/endpoints/{endpoint}/ping", status=202)
    await hall.dispatch()
    assert [one["type"].split(".")[-2] for one in receiver.events("org")] == ["pinged", "tested"]
    since = hall.clock.moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = await hall.call("POST", f"/v1/endpoints/{endpoint}/recover", {"since": since})
    await hall.dispatch()
    assert (answer["messages"], len(receiver.events("proposed"))) == (1, 1)


async def oldest_due(hall: Hall) -> float:
    """How long the oldest message that could be tried now has waited, as the gauge says."""
    await SERVICE.measure(hall.runtime)
    [found] = hall.runtime.metrics.messages_due_oldest.labels("notifications").collect()[0].samples
    return float(found.value)


@pytest.mark.parametrize("way", ["a new secret", "the key again"])
async def test_a_secret_that_cannot_be_opened_holds_up_its_own_endpoint_alone(
    hall: Hall, receiver: Receiver, way: str
) -> None:
    endpoint = await hall.endpoint(receiver)
    await proposed(hall, endpoint)
    kept = hall.runtime.state[KEYS]
    hall.runtime.state[KEYS] = Keys(b"of another machine")
    async with receiving() as other:
        await hall.endpoint(other, "Ben")
        await hall.dispatch()
        assert len(other.taken) == 1
    found = await endpoint_of(hall, endpoint)
    assert (found["state"], found["reason"]) == ("active", WHY_UNSIGNED)
    log = (await hall.call("GET", "/v1/deliveries"))["items"]
    [message] = [one for one in log if "proposed" in one["type"]]
    assert message["state"] == "retrying"
    tries = (await hall.call("GET", f"/v1/deliveries/{message['id']}"))["tries"]
    assert {one["error"] for one in tries} == {"unsigned"}
    receiver.taken.clear()
    if way == "the key again":
        hall.runtime.state[KEYS] = kept
    else:
        made = await hall.call("POST", f"/v1/endpoints/{endpoint}/secrets", {}, status=201)
        receiver.secrets.append(made["secret"])
    await hall.until_due()
    [(headers, body)] = receiver.taken
    verified(receiver.secrets[-1], headers, body, now=hall.clock.moment)
    assert (await endpoint_of(hall, endpoint))["reason"] is None


async def test_an_endpoint_that_nothing_can_be_signed_for_is_given_up_like_any_that_fails(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    hall.runtime.state[KEYS] = Keys(b"of another machine")
    begun = hall.clock.moment
    while (await endpoint_of(hall, endpoint))["state"] == "active":
        assert hall.clock.moment < begun + timedelta(days=7)
        await hall.call("POST", f"/v1/endpoints/{endpoint}/test", status=202)
        await hall.dispatch()
        hall.clock.moment += timedelta(hours=9)
    assert (await endpoint_of(hall, endpoint))["reason"] == WHY_UNSIGNED
    await hall.call("POST", f"/v1/endpoints/{endpoint}/secrets", status=201)
    await hall.call("POST", f"/v1/endpoints/{endpoint}/ping", status=202)
    await hall.dispatch()
    found = await endpoint_of(hall, endpoint)
    assert (found["state"], found["reason"]) == ("active", None)


async def test_a_rotation_that_is_asked_for_again_leaves_the_secret_that_the_receiver_has(
    hall: Hall, receiver: Receiver
) -> None:
    """The answers of the first ones were lost, and with them the secrets that nobody knows."""
    endpoint = await hall.endpoint(receiver)

    async def signs() -> list[bool]:
        await hall.call("POST", f"/v1/endpoints/{endpoint}/test", status=202)
        await hall.dispatch()
        headers, body = receiver.taken[-1]
        found = []
        for secret in receiver.secrets:
            try:
                verified(secret, headers, body, now=hall.clock.moment)
            except WebhookVerificationError:
                found.append(False)
            else:
                found.append(True)
        return found

    async def rotate(hours: int) -> None:
        path, body = f"/v1/endpoints/{endpoint}/secrets", {"overlap_hours": hours}
        receiver.secrets.append((await hall.call("POST", path, body, status=201))["secret"])

    for _ in range(3):
        await rotate(24)
    assert await signs() == [True] * 4
    await rotate(168)
    await rotate(168)
    assert await signs() == [False, *[True] * MOST_SECRETS]
    hall.clock.moment += timedelta(hours=25)  # asking again lengthened nobody's time
    assert await signs() == [False] * 3 + [True] * 3
    await rotate(0)  # one of them has leaked
    assert await signs() == [False] * 6 + [True]


async def test_recover_and_replay_send_nothing_of_a_subscription_that_has_ended(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    kept = await hall.subscribe(channel="webhook", endpoint=endpoint)
    ended = await hall.subscribe(channel="webhook", endpoint=endpoint)
    ada, project = await hall.member("Ada"), await hall.open_project()
    receiver.status = 503
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    await hall.call("DELETE", f"/v1/subscriptions/{ended}", If_Match='"1"', status=204)
    receiver.status = 204
    receiver.taken.clear()
    since = hall.clock.moment.strftime("%Y-%m-%dT00:00:00Z")
    answer = await hall.call("POST", f"/v1/endpoints/{endpoint}/recover", {"since": since})
    await hall.dispatch()
    assert answer["messages"] == 1
    assert [one["data"]["subscription"] for one in receiver.events()] == [kept]
    [message] = await hall.rows("SELECT id FROM deliveries WHERE subscription = :one", one=ended)
    problem = await hall.call("POST", f"/v1/deliveries/{message['id']}/replay", status=409)
    assert problem["code"] == "delivery-under-way"


async def test_a_subscription_that_ends_while_its_reasons_are_asked_for_is_sent_nothing(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    subscription = await hall.subscribe(channel="webhook", endpoint=endpoint)
    ada, project = await hall.member("Ada"), await hall.open_project()
    rows = hall.lists.rows

    async def slow(*asked: Any, **given: Any) -> Any:
        found = await rows(*asked, **given)
        await hall.call("DELETE", f"/v1/subscriptions/{subscription}", If_Match='"1"', status=204)
        return found

    hall.lists.rows = slow  # type: ignore[method-assign]
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    assert receiver.events() == []
    assert [one["state"] for one in await hall.rows("SELECT state FROM notices")] == ["dropped"]


async def test_a_mail_that_was_out_when_its_subscription_ended_is_not_tried_again(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink, cadence="instant")
    revision = (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["revision"]

    async def end() -> str:
        path = f"/v1/subscriptions/{subscription}"
        await hall.call("DELETE", path, If_Match=f'"{revision}"', status=204)
        return "450 busy"

    sink.ask = end
    await crossing(hall)
    assert not await hall.until_due()
    [digest] = await hall.rows("SELECT state, attempts FROM deliveries WHERE type = 'digest'")
    assert (digest["state"], digest["attempts"]) == ("cancelled", 1)


@pytest.mark.parametrize("paused", [False, True])
async def test_news_that_comes_while_an_endpoint_is_paused_or_not_yet_verified_waits_for_it(
    hall: Hall, receiver: Receiver, *, paused: bool
) -> None:
    endpoint = await hall.endpoint(receiver)
    receiver.status = 503
    await put(hall, endpoint, url=receiver.url + "?v=2", paused=paused)
    await hall.dispatch()
    await proposed(hall, endpoint)
    await hall.dispatch()
    assert len((await hall.call("GET", "/v1/notices"))["items"]) == 1
    assert receiver.events() == []
    receiver.status = 204
    if paused:
        await put(hall, endpoint, paused=False)
    await hall.call("POST", f"/v1/endpoints/{endpoint}/ping", status=202)
    await hall.dispatch()
    assert [one["type"] for one in receiver.events()] == ["org.comity.match.proposed.v1"]


async def failing_for_days(hall: Hall, receiver: Receiver, *, name: str = "Ada") -> None:
    """The organisation's only endpoint, until it is disabled."""
    endpoint = await hall.endpoint(receiver, name)
    receiver.status = 503
    for _ in range(20):
        if (await hall.call("GET", f"/v1/endpoints/{endpoint}", name=name))["state"] == "disabled":
            return
        await hall.call("POST", f"/v1/endpoints/{endpoint}/test", name=name, status=202)
        await hall.dispatch()
        hall.clock.moment += timedelta(hours=9)
    raise AssertionError("it was never disabled")


async def test_the_only_endpoint_that_fails_is_told_of_at_the_confirmed_addresses(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    await hall.subscribe(channel="email", email="unasked@ada.example")
    await failing_for_days(hall, receiver)
    told = [(to, message["Subject"]) for to, message in sink.taken[-2:]]
    words = words_of("en")
    assert told == [
        (ADDRESS, words["endpoint_failing_subject"]),
        (ADDRESS, words["endpoint_disabled_subject"]),
    ]
    assert sink.taken[-1][1]["List-Unsubscribe"] is None


async def test_without_a_confirmed_address_nobody_is_mailed_and_the_endpoint_says_so_itself(
    office: tuple[Hall, Sink], receiver: Receiver
) -> None:
    hall, sink = office
    await failing_for_days(hall, receiver)
    assert sink.taken == []
    [shown] = (await hall.call("GET", "/v1/endpoints"))["items"]
    assert (shown["state"], shown["reason"]) == ("disabled", "It failed for five days.")
    assert shown["failing_since"] is not None


async def test_the_delivery_log_has_every_message_once_the_newest_first(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver))
    for number in range(5):
        hall.clock.moment += timedelta(seconds=number % 2)  # some at the same moment
        await crossing(hall, name=f"project {number}")
    shown, behind = [], ""
    while behind is not None:
        page = await hall.call("GET", f"/v1/deliveries?limit=2{behind}")
        shown += page["items"]
        behind = page["next"] and f"&cursor={page['next']}"
    made = [one["created_at"] for one in shown]
    assert (len(made), made) == (6, sorted(made, reverse=True))
    assert len({one["id"] for one in shown}) == 6
