"""What is over, or was dismissed, before anybody was told of it: nothing is said then, not even its end."""

import asyncio
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from schemas.topics import PROJECT_ERASED
from services.notifications.mail.letters import words_of
from services.notifications.worker import digests
from services.notifications.worker.digests import SECTIONS
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed, crossing
from tests.services.notifications.test_following import log_of
from tests.services.notifications.test_subscriptions import notices
from tests.services.notifications.village import Receiver

MIDDAY = {"from": "11:00", "until": "13:00"}
"""Quiet hours that hold everything as long as it is noon, as it is when a test begins."""
REASON = {"reason": "not_our_field"}


async def dismissed(hall: Hall, project: str, *, name: str = "Ada") -> None:
    await hall.call("PUT", f"/v1/dismissals/{project}", REASON, name=name, status=201)


async def by_webhook(hall: Hall, receiver: Receiver, **body: Any) -> str:
    return await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver), **body)


def said(receiver: Receiver) -> list[str]:
    return [one["type"].removeprefix("org.comity.") for one in receiver.events()]


def sections(digest: EmailMessage) -> list[str]:
    lines = digest.get_body(("plain",)).get_content().splitlines()
    return [name for name in SECTIONS if f"-- {words_of('en')[name]}" in lines]


async def closed(hall: Hall, number: int, name: str = "schools") -> None:
    await hall.end(name, number=number)
    await hall.settle()


ENDED = {
    "dismissed": [],
    "erased": ["opportunity.withdrawn.v1"],
    "closed": ["opportunity.closed.v1"],
    "fell": ["match.withdrawn.v1"],
}
"""What is said of the end of a project, by how it ended, to whom may have heard of it."""


async def ended(hall: Hall, project: str, how: str) -> None:
    """Let a project be over for Ada, and everything follow that does but sending."""
    if how == "dismissed":
        await dismissed(hall, project)
    elif how == "closed":
        await hall.end(number=2)
    elif how == "erased":
        await hall.say(hall.event("projects.v1", PROJECT_ERASED, project, None))
    else:
        await hall.rank(project, 2, {}, lost=[uuid_of("Ada")])
    await hall.herald()


async def test_a_dismissal_silences_a_webhook_that_waits_for_its_hour(hall: Hall, receiver: Receiver) -> None:
    await by_webhook(hall, receiver, quiet_hours=MIDDAY)
    project = await crossing(hall)
    await dismissed(hall, project)
    hall.clock.moment += timedelta(days=2, hours=2)
    await hall.settle()
    assert said(receiver) == []
    await hall.open_project(countries=["KEN", "TZA"])
    await hall.rank(project, 2, {}, above=1)
    await hall.settle()
    hall.clock.moment += timedelta(days=2)
    await hall.settle()
    assert said(receiver) == ["match.proposed.v1"]  # changed, and never told before


async def test_a_dismissal_silences_a_webhook_between_two_tries_and_its_recovery(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver)
    [endpoint] = (await hall.call("GET", "/v1/endpoints"))["items"]
    receiver.status = 500
    project = await crossing(hall)
    await dismissed(hall, project)
    receiver.status = 204
    receiver.taken.clear()
    since = {"since": "2026-11-01T00:00:00Z"}
    assert await hall.call("POST", f"/v1/endpoints/{endpoint['id']}/recover", since) == {"messages": 0}
    while await hall.until_due():
        pass
    assert receiver.events() == []


async def test_a_dismissal_silences_news_that_waits_for_its_reasons(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    hall.lists.away = True
    project = await crossing(hall)
    await dismissed(hall, project)
    hall.lists.away = False
    await hall.settle()
    assert await notices(hall) == []


@pytest.mark.parametrize("digest", ["not made", "made", "refused for now"])
@pytest.mark.parametrize("how", ["dismissed", "erased", "closed", "fell"])
async def test_a_digest_that_has_not_left_says_nothing_of_what_is_over_or_dismissed_since(
    office: tuple[Hall, Sink], digest: str, how: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    project = await crossing(hall)
    await hall.open_project("another", titles=[{"language": "en", "text": "Cables for the islands"}])
    await hall.rank(uuid_of("another"), 1, {uuid_of("Ada"): "good"})
    await hall.settle()
    if digest != "not made":
        hall.clock.moment += timedelta(days=7)
        await hall.herald()
    if digest == "refused for now":
        sink.refuse = "451 4.3.2 the server is being moved"
        await hall.dispatch()
        sink.refuse = ""
    await ended(hall, project, how)
    await hall.settle()
    hall.clock.moment += timedelta(days=7)
    await hall.settle()
    [mail] = sink.digests()
    text = mail.get_body(("plain",)).get_content()
    assert "* Cables for the islands" in text
    assert "* Community networks for rural schools" not in text


@pytest.mark.parametrize("outcome", ["refused", "taken", "interrupted"])
@pytest.mark.parametrize("how", list(ENDED))
async def test_a_webhook_that_is_out_while_its_project_ends_is_not_tried_again(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, how: str, outcome: str
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    out, answer = asyncio.Event(), asyncio.Event()

    async def look(_body: bytes) -> None:
        out.set()
        await answer.wait()

    receiver.look, receiver.status = look, 204 if outcome == "taken" else 503
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()
    sending = asyncio.create_task(hall.dispatch())
    await out.wait()
    await ended(hall, project, how)
    if outcome == "interrupted":
        hall.killed()
    answer.set()
    await sending
    receiver.look, receiver.status = None, 204
    while await hall.until_due():
        pass
    assert list(dict.fromkeys(said(receiver))) == ["match.proposed.v1", *ENDED[how]]
    [(_, state, tries)] = [one for one in await log_of(hall) if one[0] == "org.comity.match.proposed.v1"]
    assert state == ("delivered" if outcome == "taken" else "cancelled")
    assert len(tries) == 1


@pytest.mark.parametrize("answer", ["", "451 4.3.2 the server is being moved"])
@pytest.mark.parametrize("how", list(ENDED))
async def test_a_digest_that_is_out_while_a_project_of_it_ends_is_made_anew_without_it(
    post: tuple[Hall, Sink, Receiver], how: str, answer: str
) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="daily")
    ada, project = await hall.member("Ada"), await hall.open_project()
    titles = [{"language": "en", "text": "Cables for the islands"}]
    for one in (project, await hall.open_project("another", titles=titles)):
        await hall.rank(one, 1, {ada: "good"})
    await hall.herald()
    hall.clock.moment += timedelta(days=1)
    await hall.herald()
    named, go_on = asyncio.Event(), asyncio.Event()

    async def ask() -> str:
        named.set()
        await go_on.wait()
        return answer

    sink.ask = ask
    sending = asyncio.create_task(hall.dispatch())
    await named.wait()
    await ended(hall, project, how)
    go_on.set()
    await sending
    sink.ask = None
    while await hall.until_due():
        pass
    await hall.settle()
    [mail] = sink.digests()
    text = mail.get_body(("plain",)).get_content()
    assert "* Cables for the islands" in text
    assert "* Community networks for rural schools" not in text


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("channel", ["webhook", "feed"])
async def test_what_waits_for_a_mail_is_told_by_the_channel_that_is_chosen_instead(
    office: tuple[Hall, Sink], receiver: Receiver, channel: str, *, made: bool
) -> None:
    hall, sink = office
    subscription = await confirmed(hall, sink)
    endpoint = await hall.endpoint(receiver)
    await crossing(hall)
    if made:
        hall.clock.moment += timedelta(days=7)
        await hall.herald()
    before = await hall.call("GET", "/v1/notices")
    path = f"/v1/subscriptions/{subscription}"
    body = {"channel": channel, "opt_in": True} | ({"endpoint": endpoint} if channel == "webhook" else {})
    await hall.call("PUT", path, body, If_Match='"2"')
    hall.clock.moment += timedelta(days=7)
    await hall.settle()
    assert said(receiver) == (["match.proposed.v1"] if channel == "webhook" else [])
    after = await hall.call("GET", "/v1/notices")
    assert [one["id"] for one in after["items"]] == [one["id"] for one in before["items"]]
    anew = (await hall.call("GET", f"/v1/notices?cursor={before['behind']}"))["items"]
    assert anew == (after["items"] if channel == "webhook" else [])
    await hall.call("PUT", path, {"channel": "email", "email": ADDRESS, "opt_in": True}, If_Match='"3"')
    link = hall.runtime.state["keys"].link("confirm", subscription, email=ADDRESS)
    await hall.http.post(f"/v1/mail-links/{link}")
    hall.clock.moment += timedelta(days=14)
    await hall.settle()
    assert sink.digests() == []  # it was told


async def test_a_digest_that_is_made_anew_at_night_waits_for_the_morning(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="daily", quiet_hours={"from": "20:00", "until": "07:00"})
    project = await crossing(hall)
    await crossing(hall, name="another")
    hall.clock.moment = hall.clock.moment.replace(hour=8) + timedelta(days=1)
    sink.refuse = "451 4.3.2 the server is being moved"
    await hall.settle()
    sink.refuse = ""
    hall.clock.moment = hall.clock.moment.replace(hour=23)
    await dismissed(hall, project)
    await hall.settle()
    assert sink.digests() == []
    hall.clock.moment += timedelta(hours=8)
    await hall.settle()
    assert len(sink.digests()) == 1


async def test_a_project_that_closes_before_its_news_has_left_is_not_told_of_at_all(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, quiet_hours=MIDDAY)
    await crossing(hall)
    await closed(hall, 2)
    hall.clock.moment += timedelta(days=2, hours=2)
    await hall.settle()
    assert said(receiver) == []


async def test_a_project_that_closes_ends_the_tries_of_its_news_and_says_so(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver)
    receiver.status = 500  # it may have been read all the same
    await crossing(hall)
    receiver.status = 204
    await closed(hall, 2)
    while await hall.until_due():
        pass
    assert said(receiver) == ["match.proposed.v1", "opportunity.closed.v1"]


async def test_who_fell_below_the_floor_before_the_news_has_left_hears_nothing(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, quiet_hours=MIDDAY)
    project = await crossing(hall)
    await hall.rank(project, 2, {}, lost=[uuid_of("Ada")])
    await hall.settle()
    hall.clock.moment += timedelta(days=2, hours=2)
    await hall.settle()
    assert said(receiver) == []


async def test_who_fell_and_rose_again_while_the_news_was_made_is_told_once_that_it_stands(
    hall: Hall,
) -> None:
    await hall.subscribe(channel="feed")
    ada, project = await hall.member("Ada"), await hall.open_project()
    hall.lists.below.add(ada)  # fallen on the list, and the log does not say so yet
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    assert await heard(hall) == []
    hall.lists.below.clear()
    await hall.rank(project, 2, {}, lost=[ada])
    await hall.rank(project, 3, {ada: "good"})
    await hall.settle()
    assert await heard(hall) == ["match.proposed.v1"]


async def test_who_fell_while_the_news_was_made_hears_nothing(hall: Hall) -> None:
    await hall.subscribe(channel="feed")
    ada, project = await hall.member("Ada"), await hall.open_project()
    hall.lists.below.add(ada)
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    await hall.rank(project, 2, {}, lost=[ada])
    await hall.settle()
    assert await heard(hall) == []
    assert await hall.rows("SELECT id FROM notices WHERE state = 'waiting'") == []


async def test_who_was_told_of_its_fall_hears_of_the_project_no_more_unless_it_rises_again(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver)
    await hall.member("Ada")
    project, ada = await hall.open_project(deadline="2026-11-29"), uuid_of("Ada")
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    await hall.rank(project, 2, {}, lost=[ada])
    await hall.settle()
    hall.clock.moment += timedelta(days=2)
    await hall.remind()
    told = ["match.proposed.v1", "match.withdrawn.v1"]
    assert said(receiver) == told  # neither its deadline
    await hall.rank(project, 3, {ada: "good"})
    await hall.settle()
    await hall.remind()
    told += ["match.proposed.v1", "opportunity.closing-soon.v1"]
    assert said(receiver) == told
    await hall.rank(project, 4, {}, lost=[ada])
    await hall.settle()
    await closed(hall, 5)
    assert said(receiver) == [*told, "match.withdrawn.v1"]  # nor its end


async def test_who_rose_and_fell_again_before_its_fall_was_told_is_told_of_the_fall(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver)
    project, ada = await crossing(hall), uuid_of("Ada")
    await hall.rank(project, 2, {}, lost=[ada])
    await hall.herald()  # its message is made and has not left
    await hall.rank(project, 3, {ada: "good"})
    await hall.rank(project, 4, {}, lost=[ada])
    await hall.settle()
    assert said(receiver) == ["match.proposed.v1", "match.withdrawn.v1"]


async def heard(hall: Hall) -> list[str]:
    """What stands in the notices that can be read, in order."""
    return [
        one["type"].removeprefix("org.comity.") for one in (await hall.call("GET", "/v1/notices"))["items"]
    ]


@pytest.mark.parametrize("closes", [False, True])
async def test_a_digest_ends_nothing_that_no_mail_had_announced(
    office: tuple[Hall, Sink], closes: bool
) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    project = await crossing(hall)
    if closes:
        await closed(hall, 2)
    else:
        await hall.rank(project, 2, {}, lost=[uuid_of("Ada")])
        await hall.settle()
    hall.clock.moment += timedelta(days=8)
    await hall.settle()
    assert sink.digests() == []


async def test_a_digest_ends_what_a_mail_had_announced_once(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    project = await crossing(hall)
    ada = uuid_of("Ada")
    for number, falls in enumerate([True, False, True, False, True], start=2):
        if number != 6:  # the last rise and the last fall are of one week
            hall.clock.moment += timedelta(days=7)
        await hall.settle()
        await hall.rank(project, number, {} if falls else {ada: "good"}, lost=[ada] if falls else [])
        await hall.settle()
    hall.clock.moment += timedelta(days=14)
    await hall.settle()
    assert [sections(one) for one in sink.digests()] == [["new"], ["fallen"], ["new"], ["fallen"]]


async def test_what_changed_before_it_was_announced_is_new(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink)
    project = await crossing(hall)
    await hall.rank(project, 2, {uuid_of("Ada"): "strong"})
    await hall.settle()
    hall.clock.moment += timedelta(days=8)
    await hall.settle()
    assert [sections(one) for one in sink.digests()] == [["new"]]


async def test_reasons_are_for_their_own_and_the_auditor_and_counts_of_five_for_everybody(hall: Hall) -> None:
    await hall.member("Ada")
    project = await hall.open_project()
    await dismissed(hall, project)
    path = f"/v1/dismissals?organisation={uuid_of('Ada')}"
    for role, reason in (("auditor", "not_our_field"), ("bdt_admin", None)):
        answer = await hall.http.get(path, headers=hall.bearer(role))
        assert [one["reason"] for one in answer.json()["items"]] == [reason]
    assert [one["reason"] for one in (await hall.call("GET", path))["items"]] == ["not_our_field"]

    async def counted() -> dict[str, int | None]:
        answer = await hall.http.get(f"/v1/dismissals/{project}/counts")  # by anybody
        return {one["reason"]: one["organisations"] for one in answer.json()["counts"]}

    for number in range(3):
        await dismissed(hall, project, name=f"Body {number}")
    assert set((await counted()).values()) == {None}
    await dismissed(hall, project, name="Body 3")
    counts = await counted()
    assert counts.pop("not_our_field") == 5
    assert set(counts.values()) == {None}


@pytest.mark.parametrize("named", [False, True])
async def test_a_digest_that_is_due_before_an_end_is_told_does_not_name_the_project_as_open(
    post: tuple[Hall, Sink, Receiver], *, named: bool
) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="daily")
    project = await crossing(hall)
    if named:
        hall.clock.moment += timedelta(days=1)
        await hall.settle()
        await hall.rank(project, 2, {uuid_of("Ada"): "strong"})
        await hall.herald()
    had = len(sink.digests())
    await hall.open_project(state="closed")  # its record is read, and no cycle was since
    hall.clock.moment += timedelta(days=1)
    await digests.step(hall.runtime)
    await hall.dispatch()
    assert len(sink.digests()) == had == int(named)
    await closed(hall, 3)
    await hall.settle()
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    assert [sections(one) for one in sink.digests()[had:]] == ([["ended"]] if named else [])
