"""The way of a notice on PostgreSQL: told, tried again, gathered, dismissed, rebuilt; the same SQL, another database."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifications.commands import dismissals
from services.notifications.commands.endpoints import MOST_ENDPOINTS
from services.notifications.rules.cadence import CAP_WINDOW
from services.notifications.rules.yearly import ANSWER_WITHIN, ASK_AFTER
from services.notifications.worker import cycles, digests, readying, retention, yearly
from tests.services.notifications.hall import Hall, open_hall, uuid_of
from tests.services.notifications.office import ADDRESS, confirmed, crossing, mail_to, sinking
from tests.services.notifications.test_endpoints import put
from tests.services.notifications.village import Receiver


async def test_a_notice_goes_its_way_on_postgresql(
    postgresql_url: Callable[[], str], tmp_path: Path, receiver: Receiver
) -> None:
    async with open_hall(tmp_path, database={"url": postgresql_url()}) as hall:
        endpoint = await hall.endpoint(receiver)
        await hall.subscribe(channel="webhook", endpoint=endpoint, conditions={"countries": ["KEN"]})
        mail = await hall.subscribe(channel="email", email=ADDRESS, cadence="daily")
        await hall.http.post(
            f"/v1/mail-links/{hall.runtime.state['keys'].link('confirm', mail, email=ADDRESS)}"
        )
        ada, project = await hall.member("Ada"), await hall.open_project()
        receiver.status = 503
        await hall.rank(project, 1, {ada: "good"})
        await hall.settle()
        receiver.status = 204
        hall.clock.moment += timedelta(seconds=6)
        await hall.dispatch()
        assert [event["type"] for event in receiver.events()] == ["org.comity.match.proposed.v1"] * 2
        assert len({event["id"] for event in receiver.events()}) == 1
        hall.clock.moment += timedelta(days=1)
        await hall.settle()
        assert await hall.rows("SELECT id FROM deliveries WHERE type = 'digest'") == []  # no mail server here
        await hall.say_again(rebuilding=True)
        await hall.remind()
        assert len(receiver.events()) == 2
        preview = await hall.call("POST", "/v1/subscription-previews", {"conditions": {"levels": ["global"]}})
        assert preview["excludes_most"] == "levels"
        await hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "other"}, status=201)
        await hall.rank(project, 2, {ada: "strong"})
        await hall.settle()
        assert len(receiver.events()) == 2
        hall.killed()
        await hall.dispatch()
        body = {"since": "2026-11-01T00:00:00Z"}
        assert (await hall.call("POST", f"/v1/endpoints/{endpoint}/recover", body))["messages"] == 0
        hall.clock.moment += timedelta(days=31)
        await retention.step(hall.runtime)
        [left] = await hall.rows("SELECT min(type) AS type, count(*) AS count FROM deliveries")
        assert (left["type"], left["count"]) == ("confirmation", 1)  # the mail that waits


async def test_the_cap_and_the_yearly_question_hold_on_postgresql(
    postgresql_url: Callable[[], str], tmp_path: Path
) -> None:
    async with (
        sinking() as (sink, port),
        open_hall(tmp_path, database={"url": postgresql_url()}, mail=mail_to(port)) as hall,
    ):
        subscription = await confirmed(hall, sink, cadence="instant", weekly_cap=1)
        for name in ("first", "second", "third"):
            await crossing(hall, name=name)
        assert len(sink.digests()) == 1
        hall.clock.moment += CAP_WINDOW
        await hall.settle()
        assert len(sink.digests()) == 2
        for days, state in ((ASK_AFTER, "active"), (ANSWER_WITHIN, "paused")):
            hall.clock.moment += days
            await yearly.step(hall.runtime)
            await hall.settle()
            found = await hall.call("GET", f"/v1/subscriptions/{subscription}")
            assert found["state"] == state
        assert len(sink.taken) == 4  # two questions, two digests


async def test_what_was_not_taken_reminded_or_waited_for_comes_its_way_on_postgresql(
    postgresql_url: Callable[[], str], tmp_path: Path, receiver: Receiver
) -> None:
    async with (
        sinking() as (sink, port),
        open_hall(tmp_path, database={"url": postgresql_url()}, mail=mail_to(port)) as hall,
    ):
        endpoint = await hall.endpoint(receiver)
        subscription = await confirmed(hall, sink, cadence="daily")
        sink.refuse = "451 4.3.2 the server is being moved"
        project = await crossing(hall)
        hall.clock.moment += timedelta(days=1)
        await hall.settle()
        while await hall.until_due():
            pass
        sink.refuse = ""
        await hall.open_project(deadline=(hall.clock.moment + timedelta(days=3)).date().isoformat())
        await hall.rank(project, 2, {}, above=1)
        await hall.remind()
        hall.clock.moment += timedelta(days=1)
        await hall.settle()
        [digest] = sink.digests()
        assert "* Community networks" in digest.get_body(("plain",)).get_content()
        await hall.rank(project, 3, {uuid_of("Ada"): "strong"})
        await hall.settle()
        body = {"channel": "webhook", "endpoint": endpoint, "opt_in": True}
        await hall.call("PUT", f"/v1/subscriptions/{subscription}", body, If_Match='"2"')
        await put(hall, endpoint, paused=True)
        await hall.settle()
        hall.clock.moment += timedelta(days=31)
        await retention.step(hall.runtime)
        [row] = await hall.rows("SELECT state FROM deliveries WHERE channel = 'webhook'")
        assert row["state"] == "cancelled"
        assert receiver.events() == []


async def done_or_held(hall: Hall, task: asyncio.Task[Any]) -> None:
    """Wait until a task has ended, or waits for a lock in the database."""
    lock = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not task.done() and not await hall.rows(lock):  # noqa: ASYNC110 - asked over SQL
        await asyncio.sleep(0.01)


async def test_what_leaves_while_a_cycle_would_take_it_back_is_taken_back_all_the_same(
    postgresql_url: Callable[[], str], tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_hall(tmp_path, database={"url": postgresql_url()}) as hall:
        await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver))
        ada, project = await hall.member("Ada"), await hall.open_project()
        await hall.rank(project, 1, {ada: "good"})
        await hall.herald()
        await hall.rank(project, 2, {}, lost=[ada])
        out, answer, real = asyncio.Event(), asyncio.Event(), cycles.take_back_from

        async def look(_body: bytes) -> None:
            out.set()
            await answer.wait()

        async def meanwhile(*given: Any, **named: Any) -> None:
            if not out.is_set():  # the dispatcher has a connection of its own
                await hall.dispatcher.turn()
                await out.wait()
            await real(*given, **named)

        receiver.look, receiver.status = look, 503
        monkeypatch.setattr(cycles, "take_back_from", meanwhile)
        await hall.herald()
        assert await hall.rows("SELECT id FROM deliveries WHERE state = 'sending' AND body IS NULL") != []
        answer.set()
        await hall.dispatch()
        receiver.status = 204
        await hall.settle()
        assert not await hall.until_due()
        said = [one["type"].removeprefix("org.comity.match.") for one in receiver.events("match")]
        assert said == ["proposed.v1", "withdrawn.v1"]


@pytest.mark.parametrize("crosses", ["Ada", "Bea"])
async def test_what_is_read_of_a_pair_while_a_cycle_tells_is_told_and_not_taken_for_told(
    postgresql_url: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crosses: str
) -> None:
    async with open_hall(tmp_path, database={"url": postgresql_url()}) as hall:
        for name in ("Ada", "Bea"):
            await hall.subscribe(name, channel="feed")
            await hall.member(name)
        project = await hall.open_project()
        await hall.rank(project, 1, {uuid_of("Ada"): "good"})
        real, read = cycles.insert_notices, []

        async def meanwhile(*given: Any, **named: Any) -> Any:
            if not read:  # the consumer of standings has a connection of its own
                read.append(crosses)
                await hall.say(hall.crossing(project, uuid_of(crosses), "strong", 2))
                hall.lists.rows_of[uuid_of(crosses)] = {"band": "strong"}
            return await real(*given, **named)

        monkeypatch.setattr(cycles, "insert_notices", meanwhile)
        await hall.settle()
        await hall.rank(project, 2, {}, above=2 if crosses == "Bea" else 1)
        await hall.settle()
        told = await hall.rows("SELECT organisation FROM notices")
        assert {one["organisation"] for one in told} == {uuid_of("Ada"), uuid_of(crosses)}
        left = "SELECT organisation FROM standings WHERE fresh OR told_band <> band OR told_band IS NULL"
        assert await hall.rows(left) == []
        [shown] = (await hall.call("GET", "/v1/notices", name=crosses))["items"]
        assert shown["list_version"] == 2


@pytest.mark.parametrize(("module", "step"), [(cycles, "insert_notices"), (readying, "_placed")])
async def test_what_is_dismissed_while_a_cycle_tells_of_it_or_its_messages_are_made_is_not_sent(
    postgresql_url: Callable[[], str],
    tmp_path: Path,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    step: str,
) -> None:
    async with open_hall(tmp_path, database={"url": postgresql_url()}) as hall:
        await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver))
        ada, project = await hall.member("Ada"), await hall.open_project()
        under_way, go_on, real = asyncio.Event(), asyncio.Event(), getattr(module, step)

        async def held(*given: Any, **named: Any) -> Any:
            under_way.set()
            await go_on.wait()
            return await real(*given, **named)

        monkeypatch.setattr(module, step, held)
        await hall.rank(project, 1, {ada: "good"})
        telling = asyncio.create_task(hall.herald())
        await under_way.wait()
        dismissing = asyncio.create_task(
            hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "other"}, status=201)
        )
        await done_or_held(hall, dismissing)
        go_on.set()
        await asyncio.gather(telling, dismissing)
        await hall.settle()
        assert receiver.events() == []
        assert (await hall.call("GET", "/v1/notices"))["items"] == []


async def test_no_more_than_the_limit_are_made_however_many_ask_at_once(
    postgresql_url: Callable[[], str], tmp_path: Path, receiver: Receiver
) -> None:
    async with open_hall(tmp_path, database={"url": postgresql_url()}) as hall:
        sent = hall.bearer("organisation_editor", organisation=uuid_of("Ada"))
        asked = {"url": receiver.url, "paused": True}
        made = await asyncio.gather(
            *(hall.http.post("/v1/endpoints", json=asked, headers=sent) for _ in range(MOST_ENDPOINTS + 6))
        )
        assert sorted(one.status_code for one in made) == [201] * MOST_ENDPOINTS + [409] * 6


async def test_a_project_that_is_revised_while_it_is_dismissed_is_news(
    postgresql_url: Callable[[], str],
    tmp_path: Path,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The dismissal says what was read of the project, so no revision comes between the two."""
    async with open_hall(tmp_path, database={"url": postgresql_url()}) as hall:
        await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver))
        project = await crossing(hall)
        under_way, go_on, real = asyncio.Event(), asyncio.Event(), dismissals.silence

        async def held(*given: Any, **named: Any) -> None:
            under_way.set()
            await go_on.wait()
            await real(*given, **named)

        monkeypatch.setattr(dismissals, "silence", held)
        dismissing = asyncio.create_task(
            hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "other"}, status=201)
        )
        await under_way.wait()
        revising = asyncio.create_task(hall.open_project(countries=["KEN", "TZA"]))
        await done_or_held(hall, revising)
        go_on.set()
        await asyncio.gather(dismissing, revising)
        await hall.rank(project, 2, {}, above=1)
        await hall.settle()
        assert [event["type"] for event in receiver.events()] == [
            "org.comity.match.proposed.v1",
            "org.comity.opportunity.updated.v1",
        ]


@pytest.mark.parametrize("state", ["closed", "dormant"])
async def test_a_project_that_ends_or_rests_while_a_digest_is_made_of_it_is_not_named_as_open(
    postgresql_url: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    async with (
        sinking() as (sink, port),
        open_hall(tmp_path, database={"url": postgresql_url()}, mail=mail_to(port)) as hall,
    ):
        await confirmed(hall, sink, cadence="daily")
        project = await crossing(hall)
        hall.clock.moment += timedelta(days=1)
        under_way, go_on, real = asyncio.Event(), asyncio.Event(), digests._held_until

        async def held(*given: Any, **named: Any) -> Any:
            under_way.set()
            await go_on.wait()
            return await real(*given, **named)

        async def meanwhile() -> None:  # as the consumer and another process do
            await hall.open_project(state=state)
            await hall.rank(project, 2, {}, above=1, reasons=("closed" if state == "closed" else "project",))
            await cycles.step(hall.runtime)

        monkeypatch.setattr(digests, "_held_until", held)
        making = asyncio.create_task(digests.step(hall.runtime))
        await under_way.wait()
        ending = asyncio.create_task(meanwhile())
        await done_or_held(hall, ending)
        go_on.set()
        await asyncio.gather(making, ending)
        for _ in range(2):
            await hall.settle()
            hall.clock.moment += timedelta(days=1)
        assert sink.digests() == []


async def test_news_that_becomes_ready_while_a_digest_begins_is_not_left_without_an_hour(
    postgresql_url: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        sinking() as (sink, port),
        open_hall(tmp_path, database={"url": postgresql_url()}, mail=mail_to(port)) as hall,
    ):
        await confirmed(hall, sink, cadence="instant")
        ada, real = await hall.member("Ada"), digests._open_of
        for name in ("first", "second"):
            await hall.rank(await hall.open_project(name), 1, {ada: "good"})
            await cycles.step(hall.runtime)
            if name == "first":
                await readying.step(hall.runtime)

        async def and_then_more(*given: Any) -> Any:
            found = await real(*given)
            monkeypatch.undo()
            await readying.step(hall.runtime)  # another process
            return found

        monkeypatch.setattr(digests, "_open_of", and_then_more)
        await digests.step(hall.runtime)
        await hall.dispatch()
        hall.clock.moment += digests.LOOK_AGAIN
        await hall.settle()
        texts = [mail.get_body(("plain",)).get_content() for mail in sink.digests()]
        assert [text.count("* Community networks") for text in texts] == [1, 1]
