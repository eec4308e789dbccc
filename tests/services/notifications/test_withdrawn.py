"""An organisation that has withdrawn hears nothing, not even what was queued before; back again it hears where it stands still."""

import asyncio
from datetime import timedelta

import pytest

from services.notifications.rules.yearly import ASK_AFTER
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed, crossing
from tests.services.notifications.test_contacts import about_endpoints, agreed
from tests.services.notifications.test_resting import looks
from tests.services.notifications.test_undismissing import passes, taken_back
from tests.services.notifications.test_what_is_over import by_webhook, closed, dismissed, said
from tests.services.notifications.test_yearly import pass_time, questions
from tests.services.notifications.village import Receiver


async def test_it_is_not_asked_after_a_year_before_it_is_back(post: tuple[Hall, Sink, Receiver]) -> None:
    hall, sink, _ = post
    await hall.member("Ada")
    await confirmed(hall, sink)
    await hall.member("Ada", state="withdrawn")
    await pass_time(hall, ASK_AFTER.days + 1)
    assert questions(sink) == []
    await hall.member("Ada")
    await pass_time(hall, 0)
    assert len(questions(sink)) == 1


async def test_it_is_not_told_of_its_endpoints(post: tuple[Hall, Sink, Receiver], receiver: Receiver) -> None:
    hall, sink, other = post
    await hall.member("Ada")
    await confirmed(hall, sink)
    gone, beside = await agreed(hall, sink, receiver), await agreed(hall, sink, other)
    receiver.status = 410
    for endpoint, state, told in ((gone, "withdrawn", 0), (beside, "active", 2)):

        async def meanwhile(_body: bytes, state: str = state) -> None:
            await hall.member("Ada", state=state)

        receiver.look = other.look = meanwhile
        await hall.call("POST", f"/v1/endpoints/{endpoint}/test", status=202)
        await hall.dispatch()
        receiver.look = other.look = None
        await hall.member("Ada")
        assert (await hall.call("GET", f"/v1/endpoints/{endpoint}"))["state"] == "disabled"
        assert (len(about_endpoints(sink)), len(other.events("disabled"))) == (told, 0)
        other.status = 410


async def test_nothing_is_sent_to_it_that_somebody_asks_for(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    await hall.member("Ada")
    await crossing(hall)
    [endpoint] = (await hall.call("GET", "/v1/endpoints"))["items"]
    [message] = [one for one in (await hall.call("GET", "/v1/deliveries"))["items"] if "match" in one["type"]]
    await hall.member("Ada", state="withdrawn")
    asked = [f"/v1/endpoints/{endpoint['id']}/{what}" for what in ("ping", "test", "recover")]
    for path in (*asked, f"/v1/deliveries/{message['id']}/replay"):
        body = {"since": "2026-11-01T00:00:00Z"} if path.endswith("recover") else None
        refused = await hall.call("POST", path, body, status=409)
        assert refused["code"] == "organisation-withdrawn"
    had = len(receiver.taken)
    await hall.dispatch()
    assert len(receiver.taken) == had
    await hall.member("Ada")
    await hall.call("POST", f"/v1/deliveries/{message['id']}/replay", status=202)
    await hall.dispatch()
    assert said(receiver) == ["match.proposed.v1"] * 2


async def test_a_webhook_that_waits_for_its_hour_does_not_leave(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence="weekly")
    await crossing(hall)
    hall.clock.moment += timedelta(days=8)
    await hall.settle()
    await closed(hall, 2)
    await crossing(hall, name="another")
    await hall.member("Ada", state="withdrawn")
    hall.clock.moment += timedelta(days=8)
    await hall.settle()
    await hall.member("Ada")
    assert said(receiver) == ["match.proposed.v1"]
    await hall.settle()
    hall.clock.moment += timedelta(days=8)
    await hall.settle()
    assert said(receiver) == ["match.proposed.v1"] * 2  # where it stands still, and no end that it had missed
    await hall.end("another", number=2)
    await hall.settle()
    hall.clock.moment += timedelta(days=8)
    await hall.settle()
    assert said(receiver)[2:] == ["opportunity.closed.v1"]


async def test_back_again_it_hears_of_no_project_on_whose_list_it_has_fallen_or_that_has_ended(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence="weekly")
    fallen, _ = [await crossing(hall, name=name) for name in ("fallen", "ended")]
    await hall.member("Ada", state="withdrawn")
    await hall.rank(fallen, 2, {}, lost=[uuid_of("Ada")])
    await hall.end("ended", number=2)
    await hall.settle()
    await hall.member("Ada")
    for _ in range(2):
        await hall.settle()
        hall.clock.moment += timedelta(days=8)
    assert said(receiver) == []


async def test_back_again_it_hears_of_what_came_to_be_asked_for_meanwhile_unless_it_knows_of_it(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, conditions={"levels": ["regional"]})
    knows = await hall.subscribe(channel="feed")
    project = await crossing(hall, level="national")
    await hall.member("Ada", state="withdrawn")
    await hall.open_project(level="regional")
    await hall.rank(project, 2, {}, above=1)
    await hall.settle()
    assert said(receiver) == []
    await hall.member("Ada")
    await hall.settle()
    assert said(receiver) == ["match.proposed.v1"]
    told = "SELECT type FROM notices WHERE subscription = :one"
    assert len(await hall.rows(told, one=knows)) == 1


@pytest.mark.parametrize("back", [False, True])
async def test_back_again_it_hears_of_no_project_that_has_left_what_it_asks_for_unless_that_is_back_too(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, *, back: bool
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence="weekly", conditions={"levels": ["national"]})
    project = await crossing(hall, level="national")
    await hall.member("Ada", state="withdrawn")
    for number, level in ((2, "regional"), *([(3, "national")] if back else [])):
        await hall.open_project(level=level)
        await hall.rank(project, number, {}, above=1)
        await hall.settle()
    await hall.member("Ada")
    for _ in range(2):
        await hall.settle()
        hall.clock.moment += timedelta(days=8)
    assert said(receiver) == ["match.proposed.v1"] * back


@pytest.mark.parametrize("out", [False, True])
async def test_a_webhook_that_was_refused_comes_under_its_id_once_it_is_back(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, *, out: bool
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    receiver.status = 503

    async def meanwhile(_body: bytes) -> None:
        await hall.member("Ada", state="withdrawn")

    receiver.look = meanwhile if out else None
    await crossing(hall)
    receiver.look, receiver.status = None, 204
    await hall.member("Ada", state="withdrawn")
    hall.clock.moment += timedelta(days=8)
    await hall.settle()
    assert len(receiver.events("match")) == 1
    await hall.member("Ada")
    await hall.settle()
    first, second = receiver.events("match")
    assert first["id"] == second["id"]


async def test_a_digest_between_two_tries_does_not_leave(post: tuple[Hall, Sink, Receiver]) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="instant")
    sink.refuse = "451 4.3.2 the server is being moved"
    await crossing(hall)
    await hall.member("Ada", state="withdrawn")
    sink.refuse = ""
    hall.clock.moment += timedelta(days=2)
    await hall.settle()
    assert sink.digests() == []
    await hall.member("Ada")
    await hall.settle()
    assert len(sink.digests()) == 1  # of where it stands still


async def test_a_question_whether_an_address_wants_mails_does_not_leave(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, sink, _ = post
    await hall.member("Ada")
    await hall.subscribe(channel="email", email=ADDRESS)
    await hall.member("Ada", state="withdrawn")
    await hall.dispatch()
    assert sink.taken == []


@pytest.mark.parametrize("what", ["digest", "question"])
async def test_a_mail_that_is_out_meanwhile_is_not_tried_again(
    post: tuple[Hall, Sink, Receiver], what: str
) -> None:
    hall, sink, _ = post
    await hall.member("Ada")
    if what == "digest":
        await confirmed(hall, sink, cadence="daily")
        await hall.rank(await hall.open_project(), 1, {uuid_of("Ada"): "good"})
        await hall.herald()
        hall.clock.moment += timedelta(days=1)
        await hall.herald()
    else:
        await hall.subscribe(channel="email", email=ADDRESS)
    taken = len(sink.taken)
    named, go_on = asyncio.Event(), asyncio.Event()

    async def ask() -> str:
        named.set()
        await go_on.wait()
        return "451 4.3.2 the server is being moved"

    sink.ask = ask
    sending = asyncio.create_task(hall.dispatch())
    await named.wait()
    await hall.member("Ada", state="withdrawn")
    go_on.set()
    await sending
    sink.ask = None
    hall.clock.moment += timedelta(days=2)
    await hall.settle()
    assert len(sink.taken) == taken
    await hall.member("Ada")
    await hall.settle()
    hall.clock.moment += timedelta(days=2)
    await hall.settle()
    assert len(sink.taken) == taken + (what == "digest")  # its news stands still


@pytest.mark.parametrize("rebuilding", [False, True])
async def test_an_older_record_that_is_read_again_silences_nobody_who_is_back(
    hall: Hall, receiver: Receiver, *, rebuilding: bool
) -> None:
    await by_webhook(hall, receiver, cadence="weekly")
    await hall.member("Ada", state="withdrawn")
    hall.clock.moment += timedelta(minutes=1)
    await crossing(hall)
    await hall.say_again(rebuilding=rebuilding)
    hall.clock.moment += timedelta(days=8)
    await hall.settle()
    assert said(receiver) == ["match.proposed.v1"]


async def test_who_crossed_and_was_away_when_others_were_told_hears_of_it_once_it_is_back(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    project, ada = await hall.open_project(), await hall.member("Ada")
    await hall.rank(project, 1, {ada: "good"})
    await hall.member("Ada", state="withdrawn")
    await hall.settle()
    await hall.member("Ada")
    await passes(hall)
    assert said(receiver) == ["match.proposed.v1"]
    await hall.rank(project, 2, {ada: "strong"})
    await hall.member("Ada", state="withdrawn")
    await hall.settle()
    await hall.member("Ada")
    await passes(hall)
    assert said(receiver) == ["match.proposed.v1", "match.rescored.v1"]


async def test_who_crossed_and_fell_while_it_was_away_hears_of_neither(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    project, ada = await hall.open_project(), await hall.member("Ada", state="withdrawn")
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    await hall.rank(project, 2, {}, lost=[ada])
    await hall.settle()
    await hall.member("Ada")
    await passes(hall)
    assert said(receiver) == []


async def test_a_dismissal_taken_back_before_it_withdrew_counts_once_it_is_back(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    project, ada = await hall.open_project(), await hall.member("Ada")
    await dismissed(hall, project)
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    await taken_back(hall, project)
    await hall.member("Ada", state="withdrawn")
    await hall.settle()
    await hall.member("Ada")
    await passes(hall)
    assert said(receiver) == ["match.proposed.v1"]


async def test_a_project_is_not_looked_at_for_who_is_away(
    post: tuple[Hall, Sink, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    hall, _, _ = post
    await hall.subscribe(channel="feed")
    project, ada = await hall.open_project(), await hall.member("Ada", state="withdrawn")
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    looked = looks(monkeypatch)
    await hall.herald()
    assert looked == []
    await hall.member("Ada")
    await hall.herald()
    await hall.herald()
    assert looked == [project]
