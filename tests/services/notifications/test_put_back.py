"""What was not told yet when a project came to rest (dormant) is not told meanwhile: once it is open again, as it is then."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifications.worker import cycles, readying
from tests.services.notifications.hall import Hall, open_hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed, link_in
from tests.services.notifications.test_following import saved
from tests.services.notifications.test_on_postgresql import done_or_held
from tests.services.notifications.test_what_is_over import by_webhook, closed, said
from tests.services.notifications.village import Receiver

PROPOSED = "match.proposed.v1"
BUSY = "451 4.3.2 the server is being moved"


async def opened(hall: Hall) -> str:
    """A project on whose list Ada stands, and of which nobody looked yet."""
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    return project


async def rests(hall: Hall) -> None:
    await hall.open_project(state="dormant")
    await weeks_pass(hall)


async def weeks_pass(hall: Hall) -> None:
    for _ in range(2):
        hall.clock.moment += timedelta(days=15)
        await hall.remind()
        await hall.say_again()


async def opens_again(hall: Hall) -> None:
    hall.lists.rows_of[uuid_of("Ada")] = {"reasons": ["Why, as things are now."]}
    await hall.open_project()
    await hall.settle()
    hall.clock.moment += timedelta(days=8)
    await hall.settle()


def text_of(sink: Sink) -> str:
    [mail] = sink.digests()
    return str(mail.get_body(("plain",)).get_content())


async def test_a_webhook_that_waits_for_its_hour_comes_once_the_project_is_open_again(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence="weekly")
    await opened(hall)
    await hall.settle()
    [before] = await hall.rows("SELECT id FROM deliveries WHERE due_at > created_at")
    await rests(hall)
    assert said(receiver) == []
    await opens_again(hall)
    [event] = receiver.events("match")
    assert (event["id"], event["data"]["why"]["reasons"]) == (before["id"], ["Why, as things are now."])
    await rests(hall)
    await opens_again(hall)
    assert said(receiver) == [PROPOSED]


async def test_news_that_waits_for_its_reasons_waits_until_the_project_is_open_again(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    hall.lists.away = True
    await opened(hall)
    await hall.settle()
    hall.lists.away = False
    await rests(hall)
    assert (said(receiver), (await hall.call("GET", "/v1/notices"))["items"]) == ([], [])
    await opens_again(hall)
    assert said(receiver) == [PROPOSED]


@pytest.mark.parametrize("cadence", ["instant", "weekly"])
@pytest.mark.parametrize("digest", ["not made", "made", "refused", "out"])
async def test_a_digest_says_nothing_of_a_project_that_rests_before_it_is_open_again(
    post: tuple[Hall, Sink, Receiver], digest: str, cadence: str
) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence=cadence)
    await opened(hall)
    if digest == "not made":
        while await cycles.step(hall.runtime) + await readying.step(hall.runtime):
            pass
    else:
        await hall.herald()
        hall.clock.moment += timedelta(days=7)
        await hall.herald()
    named, go_on = asyncio.Event(), asyncio.Event()

    async def ask() -> str:
        named.set()
        await go_on.wait()
        return BUSY

    sending = None
    if digest == "refused":
        sink.refuse = BUSY
        await hall.dispatch()
        sink.refuse = ""
    elif digest == "out":
        sink.ask = ask
        sending = asyncio.create_task(hall.dispatch())
        await named.wait()
    await hall.open_project(state="dormant")
    go_on.set()
    if sending is not None:
        await sending
    sink.ask = None
    await weeks_pass(hall)
    assert sink.digests() == []
    await opens_again(hall)
    assert "* Community networks for rural schools" in text_of(sink)


@pytest.mark.parametrize("out", [False, True])
async def test_a_webhook_that_was_refused_is_tried_again_once_the_project_is_open_again(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, *, out: bool
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    await opened(hall)
    receiver.status = 503

    async def meanwhile(_body: bytes) -> None:
        await hall.open_project(state="dormant")

    receiver.look = meanwhile if out else None
    await hall.settle()
    receiver.look, receiver.status = None, 204
    await rests(hall)
    assert said(receiver) == [PROPOSED]
    await opens_again(hall)
    first, second = receiver.events("match")
    assert (second["id"], second["data"]["why"]["reasons"]) == (first["id"], ["Why, as things are now."])
    [delivery] = await hall.rows("SELECT state, attempts FROM deliveries WHERE type LIKE '%proposed%'")
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)


async def test_who_may_have_read_what_was_put_back_hears_that_the_project_ended(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    await opened(hall)
    receiver.status = 503
    await hall.settle()
    receiver.status = 204
    await rests(hall)
    await closed(hall, 2)
    await hall.settle()
    assert said(receiver) == [PROPOSED, "opportunity.closed.v1"]


async def test_who_may_have_read_it_and_paused_while_the_project_rested_hears_that_it_ended(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    subscription = await by_webhook(hall, receiver)
    receiver.status = 500
    await opened(hall)
    await hall.settle()
    way = {"channel": "webhook", "endpoint": (await hall.rows("SELECT id FROM endpoints"))[0]["id"]}
    await rests(hall)
    await saved(hall, subscription, **way, paused=True)
    receiver.status = 204
    receiver.taken.clear()
    await opens_again(hall)
    await saved(hall, subscription, **way)
    await closed(hall, 2)
    assert said(receiver) == ["opportunity.closed.v1"]


async def test_who_may_have_read_it_and_is_not_told_again_for_its_confidence_hears_that_it_fell(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, conditions={"minimum_confidence": 400})
    receiver.status = 500
    project, ada = await opened(hall), uuid_of("Ada")
    await hall.settle()
    await rests(hall)
    hall.lists.rows_of[ada] = {"confidence": 100}
    receiver.status = 204
    receiver.taken.clear()
    await hall.open_project()
    await hall.settle()
    assert said(receiver) == []
    await hall.rank(project, 2, {}, lost=[ada])
    await hall.settle()
    assert said(receiver) == ["match.withdrawn.v1"]


async def test_what_may_have_been_read_before_it_was_put_back_is_not_told_by_another_channel(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, sink, _ = post
    subscription = await by_webhook(hall, receiver)
    await opened(hall)

    async def meanwhile(_body: bytes) -> None:
        await hall.open_project(state="dormant")
        hall.killed()

    receiver.look = meanwhile
    await hall.settle()
    receiver.look = None
    assert await hall.rows("SELECT number FROM attempts WHERE outcome = 'interrupted'") != []
    await rests(hall)
    body = {"channel": "email", "email": ADDRESS, "cadence": "instant", "opt_in": True}
    await hall.call("PUT", f"/v1/subscriptions/{subscription}", body, If_Match='"1"')
    await hall.dispatch()
    await hall.http.post(link_in(sink.taken[-1][1], hall))
    await opens_again(hall)
    assert (said(receiver), sink.digests()) == ([PROPOSED], [])


async def test_a_digest_of_several_projects_leaves_without_the_one_that_rests(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="daily")
    await opened(hall)
    titles = [{"language": "en", "text": "Cables for the islands"}]
    await hall.rank(await hall.open_project("another", titles=titles), 1, {uuid_of("Ada"): "good"})
    await hall.herald()
    hall.clock.moment += timedelta(days=1)
    await hall.herald()
    await hall.open_project(state="dormant")
    await hall.settle()
    assert "* Cables for the islands" in text_of(sink)
    assert "* Community networks" not in text_of(sink)


async def test_who_falls_while_a_project_rests_and_rises_when_it_is_open_again_is_told_once(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence="weekly")
    project, ada = await opened(hall), uuid_of("Ada")
    await hall.settle()
    await hall.open_project(state="dormant")
    await hall.rank(project, 2, {}, lost=[ada])
    await rests(hall)
    await hall.open_project()
    await hall.rank(project, 3, {ada: "good"})
    await opens_again(hall)
    assert said(receiver) == [PROPOSED]


async def test_a_project_that_closes_from_its_rest_ends_for_nobody_whom_its_news_did_not_reach(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, other = post
    await by_webhook(hall, receiver, cadence="weekly")
    await by_webhook(hall, other)
    await opened(hall)
    await hall.settle()
    await rests(hall)
    await closed(hall, 2)
    hall.clock.moment += timedelta(days=8)
    await hall.settle()
    assert (said(receiver), said(other)) == ([], [PROPOSED, "opportunity.closed.v1"])


async def test_a_project_that_comes_to_rest_while_its_messages_are_made_has_them_put_back(
    postgresql_url: Callable[[], str], tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_hall(tmp_path, database={"url": postgresql_url()}) as hall:
        await by_webhook(hall, receiver)
        under_way, go_on, real = asyncio.Event(), asyncio.Event(), readying._placed

        async def held(*given: Any, **named: Any) -> Any:
            under_way.set()
            await go_on.wait()
            return await real(*given, **named)

        monkeypatch.setattr(readying, "_placed", held)
        await opened(hall)
        telling = asyncio.create_task(hall.herald())
        await under_way.wait()
        resting = asyncio.create_task(hall.open_project(state="dormant"))
        await done_or_held(hall, resting)
        go_on.set()
        await asyncio.gather(telling, resting)
        await hall.settle()
        assert said(receiver) == []
        await opens_again(hall)
        assert said(receiver) == [PROPOSED]
