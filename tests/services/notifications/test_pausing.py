"""A pause holds what was not told yet and loses none of it; what is over meanwhile, or was dropped, nobody is sent afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.notifications.worker.untaken import take_up_again
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed, crossing, link_in
from tests.services.notifications.test_following import saved
from tests.services.notifications.test_leaving_conditions import SDG_4, SDG_9
from tests.services.notifications.test_subscriptions import notices
from tests.services.notifications.test_what_is_over import by_webhook, closed, said, sections
from tests.services.notifications.test_yearly import ANSWER_WITHIN, ASK_AFTER, pass_time, questions
from tests.services.notifications.village import Receiver

Post = tuple[Hall, Sink, Receiver]
PROPOSED, RESCORED, CLOSED = "match.proposed.v1", "match.rescored.v1", "opportunity.closed.v1"
MAIL = {"channel": "email", "email": ADDRESS, "cadence": "weekly"}


async def way_of(hall: Hall, subscription: str, **changes: Any) -> dict[str, Any]:
    """What saves a subscription by webhook as it is, but for these."""
    endpoint = (await hall.call("GET", f"/v1/subscriptions/{subscription}"))["endpoint"]
    return {"channel": "webhook", "endpoint": endpoint, "cadence": "weekly"} | changes


async def weekly_by(channel: str, post: Post, receiver: Receiver, **asked: Any) -> tuple[str, dict[str, Any]]:
    """Subscribe by mail or by webhook, told once a week; the subscription, and what saves it as it is."""
    hall, sink, _ = post
    if channel == "email":
        return await confirmed(hall, sink, cadence="weekly", **asked), MAIL | asked
    subscription = await by_webhook(hall, receiver, cadence="weekly", **asked)
    return subscription, await way_of(hall, subscription, **asked)


async def a_week_later(hall: Hall) -> None:
    hall.clock.moment += timedelta(days=7)
    await hall.settle()


@pytest.mark.parametrize("channel", ["webhook", "email"])
@pytest.mark.parametrize("meanwhile", ["nothing", "fell", "left", "closed"])
async def test_who_takes_a_subscription_up_is_told_of_what_has_waited_what_still_holds(
    post: Post, receiver: Receiver, channel: str, meanwhile: str
) -> None:
    hall, sink, _ = post
    subscription, way = await weekly_by(channel, post, receiver, conditions={"themes": SDG_9})
    project = await crossing(hall, tags=SDG_9)
    await saved(hall, subscription, **way, paused=True)
    await a_week_later(hall)
    if meanwhile == "fell":
        await hall.rank(project, 2, {}, lost=[uuid_of("Ada")])
    elif meanwhile == "left":
        await hall.open_project(tags=SDG_4)
        await hall.rank(project, 2, {}, above=1)
        await hall.settle()
    elif meanwhile == "closed":
        await closed(hall, 2)
    await a_week_later(hall)
    assert (said(receiver), sink.digests()) == ([], [])
    await saved(hall, subscription, **way)
    await hall.settle()
    await a_week_later(hall)
    heard = said(receiver) if channel == "webhook" else [sections(one) for one in sink.digests()]
    holds = [PROPOSED] if channel == "webhook" else [["new"]]
    assert heard == (holds if meanwhile == "nothing" else [])


async def test_a_webhook_that_was_tried_before_a_pause_comes_after_it_under_its_id(
    post: Post, receiver: Receiver
) -> None:
    hall, _, _ = post
    subscription = await by_webhook(hall, receiver)
    way = await way_of(hall, subscription, cadence="instant")
    receiver.status = 503
    await crossing(hall)
    tried = receiver.events()[-1]["id"]
    receiver.status = 204
    receiver.taken.clear()
    await saved(hall, subscription, **way, paused=True)
    await a_week_later(hall)
    assert receiver.events() == []
    await saved(hall, subscription, **way)
    await hall.settle()
    assert [one["id"] for one in receiver.events()] == [tried]


async def test_a_webhook_whose_try_fails_during_a_pause_waits_as_well(post: Post, receiver: Receiver) -> None:
    hall, _, _ = post
    subscription = await by_webhook(hall, receiver)
    way = await way_of(hall, subscription, cadence="instant")

    async def paused(_body: bytes) -> None:
        receiver.look = None
        await saved(hall, subscription, **way, paused=True)

    receiver.status, receiver.look = 503, paused
    await crossing(hall)
    receiver.status = 204
    receiver.taken.clear()
    await a_week_later(hall)
    assert receiver.events() == []
    await saved(hall, subscription, **way)
    await hall.settle()
    assert said(receiver) == [PROPOSED]


async def test_a_mail_whose_last_try_fails_during_a_pause_comes_after_it(post: Post) -> None:
    hall, sink, _ = post
    subscription = await confirmed(hall, sink, cadence="instant")
    way = MAIL | {"cadence": "instant"}

    async def paused() -> str:
        sink.ask = None
        await saved(hall, subscription, **way, paused=True)
        return "451 4.3.2 later"

    sink.ask = paused
    await crossing(hall)
    [mail] = await hall.rows("SELECT id FROM deliveries WHERE type = 'digest'")
    async with hall.runtime.database.write() as connection:
        await take_up_again(connection, [mail["id"]], now=hall.clock.moment)
    await a_week_later(hall)
    assert sink.digests() == []
    await saved(hall, subscription, **way)
    await hall.settle()
    assert [sections(one) for one in sink.digests()] == [["new"]]


async def test_what_waited_when_nobody_answered_the_yearly_question_comes_once_somebody_does(
    post: Post,
) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="monthly")
    await pass_time(hall, ASK_AFTER.days + 1)
    await pass_time(hall, ANSWER_WITHIN.days - 1)
    before = len(sink.digests())
    await crossing(hall)
    await pass_time(hall, 2)
    await pass_time(hall, 60)
    assert len(sink.digests()) == before
    await hall.http.post(link_in(questions(sink)[0], hall))
    await hall.settle()
    await pass_time(hall, 32)
    assert [sections(one) for one in sink.digests()[before:]] == [["new"]]


@pytest.mark.parametrize("how", ["recover", "replay"])
async def test_what_was_recovered_after_a_pause_is_known_as_told(
    post: Post, receiver: Receiver, how: str
) -> None:
    hall, _, _ = post
    subscription, way = await weekly_by("webhook", post, receiver)
    project = await crossing(hall)
    [message] = await hall.rows("SELECT id FROM deliveries WHERE subscription IS NOT NULL")
    await saved(hall, subscription, **way, paused=True)
    await saved(hall, subscription, **way)
    await asked_again(hall, way["endpoint"], message["id"], how)
    await hall.settle()
    await a_week_later(hall)
    await hall.rank(project, 2, {uuid_of("Ada"): "strong"})
    await a_week_later(hall)
    await a_week_later(hall)
    await closed(hall, 3)
    await a_week_later(hall)
    assert said(receiver) == [PROPOSED, RESCORED, CLOSED]


@pytest.mark.parametrize("how", ["recover", "replay"])
@pytest.mark.parametrize("left", ["ended", "opted out"])
async def test_of_what_was_left_nothing_is_sent_under_its_id_saved_anew(
    post: Post, receiver: Receiver, left: str, how: str
) -> None:
    hall, _, _ = post
    subscription, way = await weekly_by("webhook", post, receiver)
    await crossing(hall)
    await tried_in_vain(hall, receiver)
    messages = await hall.rows("SELECT id FROM deliveries WHERE subscription IS NOT NULL ORDER BY id")
    assert len(messages) == 2
    if left == "ended":
        await hall.call("DELETE", f"/v1/subscriptions/{subscription}", If_Match='"1"', status=204)
        await hall.call(
            "PUT",
            f"/v1/subscriptions/{subscription}",
            way | {"opt_in": True, "conditions": {"themes": SDG_4}},
            If_Match='"2"',
        )
    else:
        await saved(hall, subscription, **way, opt_in=False)
        await saved(hall, subscription, **way)
    for one in messages:
        await asked_again(hall, way["endpoint"], one["id"], how)
    await a_week_later(hall)
    assert said(receiver) == []


@pytest.mark.parametrize("how", ["recover", "replay"])
async def test_what_was_dropped_is_not_sent_again_also_where_its_message_was_kept(
    post: Post, receiver: Receiver, how: str
) -> None:
    hall, _, _ = post
    subscription = await by_webhook(hall, receiver, cadence="weekly")
    endpoint = (await way_of(hall, subscription))["endpoint"]
    await crossing(hall)
    async with hall.runtime.database.write() as connection:  # as an earlier release left it
        await connection.execute(text("UPDATE notices SET state = 'dropped'"))
        await connection.execute(
            text("UPDATE deliveries SET state = 'cancelled' WHERE subscription IS NOT NULL")
        )
    [message] = await hall.rows("SELECT id FROM deliveries WHERE subscription IS NOT NULL")
    await asked_again(hall, endpoint, message["id"], how)
    await a_week_later(hall)
    assert said(receiver) == []


async def tried_in_vain(hall: Hall, receiver: Receiver) -> None:
    """One webhook of a project is tried and given up, another waits for its hour."""
    await a_week_later_failing(hall, receiver)
    another = await hall.open_project("another")
    await hall.rank(another, 1, {uuid_of("Ada"): "good"})
    await hall.settle()
    receiver.taken.clear()


async def a_week_later_failing(hall: Hall, receiver: Receiver) -> None:
    receiver.status = 503
    await a_week_later(hall)
    receiver.status = 204


async def asked_again(hall: Hall, endpoint: str, message: str, how: str) -> None:
    """Ask for a message once more; that may be refused."""
    if how == "recover":
        await hall.call("POST", f"/v1/endpoints/{endpoint}/recover", {"since": "2026-11-01T00:00:00Z"})
    else:
        sent = hall.bearer("organisation_editor", organisation=uuid_of("Ada"))
        await hall.http.post(f"/v1/deliveries/{message}/replay", headers=sent)


TITLES = [{"language": "en", "text": "Schools"}, {"language": "fr", "text": "Écoles"}]


@pytest.mark.parametrize("channel", ["webhook", "email"])
async def test_what_waits_is_told_in_the_language_that_its_subscriber_has_chosen_since(
    post: Post, receiver: Receiver, channel: str
) -> None:
    hall, sink, _ = post
    subscription, way = await weekly_by(channel, post, receiver)
    await crossing(hall, titles=TITLES)
    await saved(hall, subscription, **way, language="fr")
    await hall.settle()
    await a_week_later(hall)
    if channel == "email":
        [digest] = sink.digests()
        plain = digest.get_body(("plain",)).get_content()
        assert ("Écoles" in plain, "Schools" in plain) == (True, False)
    else:
        [event] = receiver.events()
        assert (event["data"]["language"], event["data"]["title"]) == ("fr", "Écoles")
        assert event["data"]["why"]["reasons"] == ["Why, in fr."]
    assert [one["data"]["title"] for one in await notices(hall)] == ["Écoles"]


async def test_a_digest_that_no_server_took_comes_in_the_new_language_a_moment_later(post: Post) -> None:
    hall, sink, _ = post
    subscription = await confirmed(hall, sink, cadence="weekly")
    await crossing(hall, titles=TITLES)
    sink.refuse = "451 4.3.2 later"
    await a_week_later(hall)
    sink.refuse = ""
    await saved(hall, subscription, **MAIL, language="fr")
    for _ in range(2):
        await hall.settle()
        hall.clock.moment += timedelta(minutes=2)
    [digest] = sink.digests()
    assert "Écoles" in digest.get_body(("plain",)).get_content()


@pytest.mark.parametrize("channel", ["webhook", "email"])
async def test_what_is_out_meanwhile_is_tried_again_in_the_new_language(
    post: Post, receiver: Receiver, channel: str
) -> None:
    hall, sink, _ = post
    subscription, way = await weekly_by(channel, post, receiver)
    await crossing(hall, titles=TITLES)

    async def chosen(_body: object = None) -> str:
        sink.ask = receiver.look = None
        await saved(hall, subscription, **way, language="fr")
        return "451 4.3.2 later"

    if channel == "email":
        sink.ask = chosen
    else:
        receiver.look, receiver.status = chosen, 503
    await a_week_later(hall)
    receiver.status = 200
    for _ in range(3):
        hall.clock.moment += timedelta(minutes=2)
        await hall.settle()
    if channel == "email":
        [digest] = sink.digests()
        plain = digest.get_body(("plain",)).get_content()
        assert ("Écoles" in plain, "Schools" in plain) == (True, False)
    else:
        first, second = receiver.events()
        assert [one["data"]["title"] for one in (first, second)] == ["Schools", "Écoles"]
        assert first["id"] == second["id"]


async def test_what_was_taken_back_while_it_was_out_is_not_sent_again_in_the_new_language_either(
    post: Post, receiver: Receiver
) -> None:
    hall, _, _ = post
    subscription = await by_webhook(hall, receiver)
    way = await way_of(hall, subscription, cadence="instant")

    async def chosen(_body: object) -> None:
        receiver.look = None
        await saved(hall, subscription, **way, language="fr", conditions={"levels": ["global"]})

    receiver.look, receiver.status = chosen, 503
    await crossing(hall)
    receiver.status = 200
    for _ in range(3):
        hall.clock.moment += timedelta(minutes=2)
        await hall.settle()
    assert [one["data"]["language"] for one in receiver.events()] == ["en"]


async def test_who_fell_during_a_pause_is_reminded_of_no_date(post: Post, receiver: Receiver) -> None:
    hall, _, _ = post
    subscription = await by_webhook(hall, receiver, cadence="instant")
    project = await crossing(hall, deadline="2027-06-30")
    way = await way_of(hall, subscription, cadence="instant")
    await saved(hall, subscription, **way, paused=True)
    await hall.rank(project, 2, {}, lost=[uuid_of("Ada")])
    await hall.settle()
    await saved(hall, subscription, **way)
    hall.clock.moment = datetime(2027, 6, 29, 12, tzinfo=UTC)
    await hall.remind()
    await hall.settle()
    assert said(receiver) == [PROPOSED]
    await hall.rank(project, 3, {uuid_of("Ada"): "good"})  # it never heard of the fall, and the day is near
    await hall.settle()
    assert said(receiver) == [PROPOSED]
    hall.clock.moment += timedelta(days=1)
    await hall.remind()
    await hall.settle()
    assert said(receiver) == [PROPOSED, "opportunity.closing-soon.v1"]


@pytest.mark.parametrize("before", ["waits", "told that it fell"])
async def test_what_fell_and_rose_during_a_pause_is_told_to_who_takes_it_up_and_does_not_know_it(
    post: Post, receiver: Receiver, before: str
) -> None:
    hall, _, _ = post
    subscription = await by_webhook(hall, receiver, cadence="daily")
    way = await way_of(hall, subscription, cadence="daily")
    project = await crossing(hall)
    if before != "waits":
        await a_week_later(hall)
        await hall.rank(project, 2, {}, lost=[uuid_of("Ada")])
        await hall.settle()
        await a_week_later(hall)
    heard_before = said(receiver)
    await saved(hall, subscription, **way, paused=True)
    await hall.rank(project, 3, {}, lost=[uuid_of("Ada")])
    await hall.settle()
    await hall.rank(project, 4, {uuid_of("Ada"): "good"})
    await hall.settle()
    await saved(hall, subscription, **way)
    await hall.settle()
    await a_week_later(hall)
    assert said(receiver) == [*heard_before, PROPOSED]
    await saved(hall, subscription, **way, paused=True)
    await saved(hall, subscription, **way)
    await hall.settle()
    await a_week_later(hall)
    assert said(receiver) == [*heard_before, PROPOSED], "it is known now"


async def test_a_reminder_that_waits_when_a_pause_begins_does_not_come_beside_the_next(
    post: Post, receiver: Receiver
) -> None:
    hall, _, _ = post
    subscription = await by_webhook(hall, receiver, cadence="daily")
    way = await way_of(hall, subscription, cadence="daily")
    await crossing(hall, deadline="2027-06-30")
    await a_week_later(hall)
    hall.clock.moment = datetime(2027, 6, 25, 12, tzinfo=UTC)
    await hall.remind()
    await hall.settle()
    await saved(hall, subscription, **way, paused=True)
    hall.clock.moment = datetime(2027, 6, 28, 12, tzinfo=UTC)
    await saved(hall, subscription, **way)
    await hall.remind()
    await hall.settle()
    hall.clock.moment = datetime(2027, 6, 29, 12, tzinfo=UTC)
    await hall.remind()
    await hall.settle()
    assert said(receiver).count("opportunity.closing-soon.v1") == 1
