"""What came up for a disabled endpoint was read by nobody: until `recover` it is held, as what waits for its hour is."""

from datetime import timedelta

import pytest

from services.notifications.worker import retention
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import Sink
from tests.services.notifications.test_coming_back import Story
from tests.services.notifications.test_heard_last import goes
from tests.services.notifications.test_mails_in_order import by_mail_instead
from tests.services.notifications.test_other_conditions import passes
from tests.services.notifications.test_tried import passed
from tests.services.notifications.test_what_is_over import by_webhook, sections
from tests.services.notifications.village import Receiver


def told(receiver: Receiver) -> list[tuple[str, str | None]]:
    """Rule and band of what has come about projects."""
    return [(one["data"]["why"]["rule"], one["data"]["band"]) for one in receiver.events("match")]


async def disabled(hall: Hall, receiver: Receiver) -> str:
    """The organisation's only endpoint, once it has answered that it is gone."""
    [endpoint] = (await hall.call("GET", "/v1/endpoints"))["items"]
    path, receiver.status = f"/v1/endpoints/{endpoint['id']}", 410
    await hall.call("POST", f"{path}/test", status=202)
    await hall.settle()
    assert (await hall.call("GET", path))["state"] == "disabled"
    return path


async def verified(hall: Hall, receiver: Receiver, path: str) -> None:
    """Have the endpoint be active again, and its receiver forget what it took."""
    receiver.status = 204
    await hall.call("POST", f"{path}/ping", status=202)
    await hall.settle()
    receiver.taken.clear()


async def recovered(hall: Hall, receiver: Receiver, path: str) -> int:
    """Have the endpoint be active again, and send what it missed; how many messages that was."""
    await verified(hall, receiver, path)
    answer = await hall.call("POST", f"{path}/recover", {"since": "2026-11-01T00:00:00Z"})
    await passed(hall)
    found: int = answer["messages"]
    return found


async def test_what_moves_meanwhile_is_recovered_as_one_word_to_each(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, receiver = post
    await by_webhook(hall, receiver)
    endpoint = (await hall.call("GET", "/v1/endpoints"))["items"][0]["id"]
    for _ in range(3):
        await hall.subscribe(channel="webhook", endpoint=endpoint)
    story = Story(hall)
    await story.begins()
    path = await disabled(hall, receiver)
    await goes(story, "strong possible")
    assert await recovered(hall, receiver, path) == 5  # the test that was answered 410, too
    assert told(receiver) == [("band-fell", "possible")] * 4


async def test_there_and_back_is_nothing_new(post: tuple[Hall, Sink, Receiver]) -> None:
    hall, _, receiver = post
    await by_webhook(hall, receiver)
    story = Story(hall)
    await story.begins()
    path = await disabled(hall, receiver)
    await goes(story, "strong good lost found")
    await recovered(hall, receiver, path)
    assert told(receiver) == []


async def test_a_first_word_is_not_said_once_more_by_a_look_again(post: tuple[Hall, Sink, Receiver]) -> None:
    hall, _, receiver = post
    await by_webhook(hall, receiver)
    path = await disabled(hall, receiver)
    story = Story(hall)
    await story.begins()
    for _ in range(3):
        await story.goes_on("dismissed")
        await story.goes_on("undismissed")
    await recovered(hall, receiver, path)
    assert told(receiver) == [("above-floor", "good")]


@pytest.mark.parametrize("news", ["strong", "dormant"])
async def test_of_an_endpoint_that_is_back_it_comes_with_the_next_word(
    hall: Hall, receiver: Receiver, news: str
) -> None:
    await by_webhook(hall, receiver)
    path = await disabled(hall, receiver)
    story = Story(hall)
    await story.begins()
    await verified(hall, receiver, path)
    assert told(receiver) == []
    if news == "dormant":
        for state in ("dormant", "published"):
            await hall.open_project(**story.changes, state=state)
            await story.ranked()
    else:
        await goes(story, news)
    assert told(receiver) == [("above-floor", "good" if news == "dormant" else "strong")]
    await recovered(hall, receiver, path)
    assert told(receiver) == []


async def test_what_nobody_recovered_was_not_heard(hall: Hall, receiver: Receiver) -> None:
    await by_webhook(hall, receiver)
    path = await disabled(hall, receiver)
    story = Story(hall)
    await story.begins()
    hall.clock.moment += timedelta(days=31)
    await retention.step(hall.runtime)
    await verified(hall, receiver, path)
    await story.goes_on("dismissed")
    await story.goes_on("undismissed")
    assert told(receiver) == [("meets-conditions", "good")]


@pytest.mark.parametrize(("answer", "mails"), [(None, 1), (410, 1), (503, 1), (504, 0)])
async def test_what_it_surely_did_not_take_comes_by_mail_where_that_is_chosen_instead(
    post: tuple[Hall, Sink, Receiver], answer: int | None, mails: int
) -> None:
    """Also what was tried before it was disabled, if each answer says so."""
    hall, sink, receiver = post
    mine = await by_webhook(hall, receiver)
    story = Story(hall)
    if answer is not None:
        receiver.status = answer
        await story.begins()
        await passed(hall)
    if answer != 410:
        await disabled(hall, receiver)
    if answer is None:
        await story.begins()
    await by_mail_instead(hall, sink, mine, cadence="daily")
    await passes(hall)
    assert [sections(one) for one in sink.digests()] == [["new"]] * mails


async def test_what_was_refused_and_is_known_otherwise_by_now_comes_by_no_mail(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, sink, receiver = post
    mine = await by_webhook(hall, receiver)
    story = Story(hall)
    receiver.status = 503
    await story.begins()
    receiver.status = 204
    await goes(story, "possible")
    assert told(receiver)[-1] == ("band-fell", "possible")
    await by_mail_instead(hall, sink, mine, cadence="daily")
    await passes(hall)
    assert sink.digests() == []


async def test_what_was_dismissed_comes_by_no_mail_until_that_is_taken_back(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, sink, receiver = post
    mine = await by_webhook(hall, receiver)
    story = Story(hall)
    receiver.status = 410
    await story.begins()
    await story.goes_on("dismissed")
    await by_mail_instead(hall, sink, mine, cadence="daily")
    await passes(hall)
    assert sink.digests() == []
    await story.goes_on("undismissed")
    await passes(hall)
    assert [sections(one) for one in sink.digests()] == [["new"]]
