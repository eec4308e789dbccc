"""What a subscription has queued goes where it has its messages sent now: once, to a verified place, explained by the log."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed, crossing, link_in
from tests.services.notifications.test_endpoints import put
from tests.services.notifications.village import Receiver

NEW = "new@ada.example"


async def saved(hall: Hall, subscription: str, **body: Any) -> Any:
    """Save a subscription anew, as it stands now."""
    path = f"/v1/subscriptions/{subscription}"
    revision = (await hall.call("GET", path))["revision"]
    return await hall.call("PUT", path, {"opt_in": True} | body, If_Match=f'"{revision}"')


async def log_of(hall: Hall) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Type, state, and of every try the endpoint and the outcome, of what is about projects."""
    found = []
    for one in (await hall.call("GET", "/v1/deliveries"))["items"]:
        if "match" in one["type"] or one["type"] == "digest":
            whole = await hall.call("GET", f"/v1/deliveries/{one['id']}")
            found.append(
                (one["type"], one["state"], [(each["endpoint"], each["outcome"]) for each in whole["tries"]])
            )
    return found


PROPOSED = "org.comity.match.proposed.v1"


async def test_what_waits_goes_to_the_endpoint_that_the_subscription_has_now(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, other = post
    old, new = await hall.endpoint(receiver), await hall.endpoint(other)
    subscription = await hall.subscribe(channel="webhook", endpoint=old)
    receiver.status = 503
    await crossing(hall)
    await hall.until_due()  # a second try: the third is minutes away
    [sent] = {event["id"] for event in receiver.events()}
    await saved(hall, subscription, channel="webhook", endpoint=new)
    await hall.settle()
    assert [event["id"] for event in other.events()] == [sent]  # at once
    assert len(receiver.events()) == 2
    assert not await hall.until_due()
    assert await log_of(hall) == [
        (PROPOSED, "delivered", [(old, "failed"), (old, "failed"), (new, "delivered")])
    ]


async def test_what_follows_waits_until_the_new_endpoint_is_verified(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, other = post
    old, new = await hall.endpoint(receiver), await hall.endpoint(other)
    subscription = await hall.subscribe(channel="webhook", endpoint=old)
    await put(hall, old, paused=True)
    await put(hall, new, paused=True)
    await crossing(hall)
    await saved(hall, subscription, channel="webhook", endpoint=new)
    await put(hall, old, paused=False)
    await hall.settle()
    assert receiver.events() == other.events() == []
    await put(hall, new, paused=False)
    await hall.settle()
    assert (len(receiver.events()), len(other.events())) == (0, 1)


async def test_what_was_out_meanwhile_is_tried_again_at_the_new_endpoint(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, other = post
    old, new = await hall.endpoint(receiver), await hall.endpoint(other)
    subscription = await hall.subscribe(channel="webhook", endpoint=old)
    out, answer = asyncio.Event(), asyncio.Event()

    async def look(_body: bytes) -> None:
        out.set()
        await answer.wait()

    receiver.look, receiver.status = look, 503
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()
    sending = asyncio.create_task(hall.dispatch())
    await out.wait()
    await saved(hall, subscription, channel="webhook", endpoint=new)
    answer.set()
    await sending
    assert await hall.until_due()
    assert (len(receiver.events()), len(other.events())) == (1, 1)
    assert await log_of(hall) == [(PROPOSED, "delivered", [(old, "failed"), (new, "delivered")])]


async def test_what_an_endpoint_that_was_given_up_missed_is_recovered_at_the_new_one(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, other = post
    old, new = await hall.endpoint(receiver), await hall.endpoint(other)
    subscription = await hall.subscribe(channel="webhook", endpoint=old)
    receiver.status = 410
    await crossing(hall)
    await saved(hall, subscription, channel="webhook", endpoint=new)
    await hall.settle()
    assert other.events("match") == []  # it was given up; who wants it asks
    since = {"since": "2026-11-01T00:00:00Z"}
    assert (await hall.call("POST", f"/v1/endpoints/{new}/recover", since))["messages"] == 1
    await hall.dispatch()
    assert (len(receiver.events()), len(other.events("match"))) == (1, 1)
    [message] = {event["id"] for event in other.events("match")}
    await hall.call("POST", f"/v1/deliveries/{message}/replay", status=202)
    await hall.dispatch()
    assert (len(receiver.events()), len(other.events("match"))) == (1, 2)


async def test_news_for_an_address_that_is_changed_comes_to_the_new_one_once_it_has_confirmed(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, sink, _ = post
    subscription = await confirmed(hall, sink, cadence="instant")
    sink.refuse = "451 4.3.2 later"
    await crossing(hall)  # the mail is made, and waits for its next try
    sink.refuse = ""
    await saved(hall, subscription, channel="email", email=NEW, cadence="instant")
    await crossing(hall, name="second")  # comes up before the new address has answered
    hall.clock.moment += timedelta(hours=1)
    await hall.settle()
    assert sink.digests() == []
    to, question = sink.taken[-1]
    assert to == NEW
    await hall.http.post(link_in(question, hall))
    await hall.settle()
    [digest] = sink.digests()
    assert sink.taken[-1] == (NEW, digest)
    assert digest.get_body(("plain",)).get_content().count("* Community networks") == 2
    hall.clock.moment += timedelta(days=2)
    await hall.settle()
    assert len(sink.digests()) == 1
    assert sorted(await log_of(hall)) == [
        ("digest", "cancelled", [(None, "failed")]),
        ("digest", "delivered", [(None, "delivered")]),
    ]


async def test_a_mail_that_was_out_while_its_address_was_changed_is_made_anew_for_the_new_one(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, sink, _ = post
    subscription = await confirmed(hall, sink, cadence="instant")

    async def changed() -> str:
        sink.ask = None
        await saved(hall, subscription, channel="email", email=NEW, cadence="instant")
        return "451 4.3.2 later"

    sink.ask = changed
    await crossing(hall)
    await hall.until_due()
    assert sink.digests() == []
    hall.clock.moment += timedelta(minutes=1)
    await hall.http.post(link_in(sink.taken[-1][1], hall))
    await hall.settle()
    assert [to for to, mail in sink.taken if mail["List-Unsubscribe"]] == [NEW]


@pytest.mark.parametrize(("status", "mails"), [(503, 1), (504, 0), (0, 0)])
async def test_webhooks_that_were_surely_not_taken_come_by_mail_where_that_is_chosen_instead(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, status: int, mails: int
) -> None:
    hall, sink, _ = post
    old = await hall.endpoint(receiver)
    subscription = await hall.subscribe(channel="webhook", endpoint=old)
    if status:
        receiver.status = status
        await crossing(hall)
    else:
        ada, project = await hall.member("Ada"), await hall.open_project()
        await hall.rank(project, 1, {ada: "good"})
        await hall.herald()
        await hall.dispatcher.turn()  # and killed: it may have arrived
        hall.killed()
        await put(hall, old, paused=True)
        await hall.dispatch()
    tried = len(receiver.events())
    await saved(hall, subscription, channel="email", email=ADDRESS, cadence="instant")
    await hall.settle()
    await hall.http.post(link_in(sink.taken[-1][1], hall))
    await hall.settle()
    while await hall.until_due():
        pass
    assert (len(receiver.events()), len(sink.digests())) == (tried, mails)
    assert len((await hall.call("GET", "/v1/notices"))["items"]) == 1


async def test_what_went_from_webhook_to_mail_and_back_is_sent_once_under_its_id(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, other = post
    old, new = await hall.endpoint(receiver), await hall.endpoint(other)
    subscription = await hall.subscribe(channel="webhook", endpoint=old)
    receiver.status = 503
    await crossing(hall)
    [sent] = receiver.events()
    await saved(hall, subscription, channel="email", email=ADDRESS)
    await hall.settle()
    await saved(hall, subscription, channel="webhook", endpoint=new)
    await hall.settle()
    assert [event["id"] for event in other.events()] == [sent["id"]]
    assert not await hall.until_due()
    assert len(receiver.events()) == 1


def while_reasons_are_read(hall: Hall, happens: Callable[[], Awaitable[object]]) -> None:
    """Have something happen, once, between the question for reasons and the messages that are made of the answer."""
    rows = hall.lists.rows

    async def slow(*asked: Any) -> Any:
        found = await rows(*asked)
        hall.lists.rows = rows  # type: ignore[method-assign]
        await happens()
        return found

    hall.lists.rows = slow  # type: ignore[method-assign]


@pytest.mark.parametrize("now", ["the new endpoint", "mail"])
@pytest.mark.parametrize("before", ["the old endpoint", "mail"])
async def test_who_changes_a_subscription_while_reasons_are_read_is_told_where_it_says_now(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, before: str, now: str
) -> None:
    hall, sink, other = post
    old, new = await hall.endpoint(receiver), await hall.endpoint(other)
    by_mail = {"channel": "email", "email": ADDRESS}
    if before == "mail":
        subscription = await confirmed(hall, sink, cadence="instant")
    else:
        subscription = await hall.subscribe(channel="webhook", endpoint=old)

    async def changed() -> None:
        chosen = by_mail if now == "mail" else {"channel": "webhook", "endpoint": new}
        await saved(hall, subscription, cadence="daily", **chosen)

    while_reasons_are_read(hall, changed)
    await crossing(hall)
    if before != "mail" and now == "mail":
        await hall.http.post(link_in(sink.taken[-1][1], hall))
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    told = (len(receiver.events("match")), len(other.events("match")), len(sink.digests()))
    assert told == ((0, 0, 1) if now == "mail" else (0, 1, 0))
    due = (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["next_digest_at"]
    assert (due is not None) == (now == "mail")


async def test_what_is_made_for_an_endpoint_that_is_given_up_meanwhile_is_given_up(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver))
    await crossing(hall)
    receiver.status = 410

    while_reasons_are_read(hall, hall.dispatch)
    await hall.open_project("second")
    await hall.call("POST", f"/v1/deliveries/{receiver.events('match')[0]['id']}/replay", status=202)
    await hall.rank(uuid_of("second"), 1, {uuid_of("Ada"): "good"})
    await hall.settle()
    assert sorted(state for _, state, _ in await log_of(hall)) == ["cancelled", "exhausted"]


async def test_who_withdraws_while_reasons_are_read_is_told_nothing(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, other = post
    await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(other))
    while_reasons_are_read(hall, lambda: hall.member("Ada", state="withdrawn"))
    await crossing(hall)
    assert other.events("match") == []
    await hall.member("Ada")
    await hall.settle()
    assert len(other.events("match")) == 1  # back again, of where it stands still
