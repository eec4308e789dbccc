"""Promise 9: opt-in only; nothing sent when nothing is new; no duplicate reaches anybody; one-click exit (see `test_mail`)."""

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

from tests.services.notifications.hall import Hall, open_hall, uuid_of
from tests.services.notifications.village import receiving

ROUNDS = 15
"""How often the process is as good as killed; `tests.drills.messages` kills a real one, as often as one likes."""


async def listening(hall: Hall, url: str, *, opt_in: bool = True) -> None:
    made = await hall.call("POST", "/v1/endpoints", {"url": url}, status=201)
    await hall.dispatch()
    await hall.subscribe(channel="webhook", endpoint=made["id"], opt_in=opt_in)


async def test_the_same_news_is_told_once_whatever_is_delivered_again(tmp_path: Path) -> None:
    async with receiving() as receiver, open_hall(tmp_path) as hall:
        await listening(hall, receiver.url)
        ada, project = await hall.member("Ada"), await hall.open_project()
        await hall.rank(project, 1, {ada: "good"})
        await hall.settle()
        for _ in range(5):
            await hall.say_again()
            await hall.settle()
        await hall.say_again(rebuilding=True)
        await hall.settle()
        assert len(receiver.events()) == 1
        said, versions = hall.said, hall.versions
        async with open_hall(tmp_path) as restarted:
            restarted.said, restarted.versions = said, versions
            await restarted.say_again(rebuilding=True)
            await restarted.settle()
            assert len(receiver.events()) == 1
            await restarted.rank(project, 2, {ada: "strong"})  # news: it is told
            await restarted.settle()
            assert len(receiver.events()) == 2


async def test_what_was_told_before_somebody_subscribed_is_no_news_after_a_rebuild_or_in_a_new_life(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver, open_hall(tmp_path) as hall:
        ada, bea, project = await hall.member("Ada"), await hall.member("Bea"), await hall.open_project()
        await hall.rank(project, 1, {ada: "good", bea: "good"})
        await hall.rank(project, 2, {}, lost=[bea], above=1)
        await hall.settle()
        await listening(hall, receiver.url)
        await hall.say_again(rebuilding=True)
        await hall.settle()
        hall.incarnation = (
            1  # the lists' own database was restored: everything is said again, above what was said
        )
        await hall.rank(project, 1, {ada: "good"}, lost=[bea])
        await hall.settle()
        assert receiver.events() == []
        await hall.rank(project, 2, {ada: "strong"})
        await hall.settle()
        assert len(receiver.events()) == 1


async def test_nothing_is_sent_to_whom_nothing_was_said_or_who_did_not_opt_in(tmp_path: Path) -> None:
    async with receiving() as receiver, open_hall(tmp_path) as hall:
        await listening(hall, receiver.url, opt_in=False)
        ada, project = await hall.member("Ada"), await hall.open_project()
        await hall.rank(project, 1, {ada: "good"})
        await hall.settle()
        # A version that moves nobody over a floor or a band says nothing to anybody.
        await hall.rank(project, 2, {}, above=1, reasons=("head",))
        await hall.settle()
        assert receiver.events() == []
        assert await hall.rows("SELECT id FROM notices") == []


async def test_killed_at_random_moments_every_repeat_on_the_wire_is_explained(tmp_path: Path) -> None:
    """Each message keeps one id; it comes again only after a try that the log calls interrupted."""
    random = Random(11)
    async with receiving() as receiver, open_hall(tmp_path) as hall:
        await listening(hall, receiver.url)
        ada = await hall.member("Ada")
        projects = []
        for number in range(ROUNDS):
            projects.append(await hall.open_project(f"p{number}"))
            await hall.rank(projects[-1], 1, {ada: "good"})
            if random.random() < 0.5:
                await hall.herald()
            if random.random() < 0.8:
                await hall.dispatcher.turn()
                await asyncio.sleep(random.random() * 0.01)
            if random.random() < 0.3:
                await hall.say_again()
            hall.killed()
        await hall.settle()
        hall.killed()
        await hall.settle()
        while await hall.until_due():  # what was killed several times in a row waits longer
            pass
        events = receiver.events()
        by_project = {}
        for event in events:
            by_project.setdefault(event["data"]["project"], set()).add(event["id"])
        assert by_project.keys() == set(projects)
        assert all(len(ids) == 1 for ids in by_project.values())
        wire = Counter(event["id"] for event in events)
        tries = await hall.rows("SELECT delivery, outcome FROM attempts")
        assert {one["outcome"] for one in tries} <= {"delivered", "interrupted"}
        for message, times in wire.items():
            outcomes = [one["outcome"] for one in tries if one["delivery"] == message]
            assert outcomes.count("delivered") == 1
            assert times <= len(outcomes)


async def test_a_dismissal_silences_that_pair_alone(tmp_path: Path) -> None:
    async with open_hall(tmp_path) as hall:
        for name in ("Ada", "Ben"):
            await hall.member(name)
            await hall.subscribe(name, channel="feed")
        project, other = await hall.open_project(), await hall.open_project("other")
        await hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "not_our_field"}, status=201)
        crossed = {uuid_of(name): "good" for name in ("Ada", "Ben")}
        for one in (project, other):
            await hall.rank(one, 1, crossed)
        await hall.settle()
        told = {
            name: [one["project"] for one in (await hall.call("GET", "/v1/notices", name=name))["items"]]
            for name in ("Ada", "Ben")
        }
        assert told == {"Ada": [other], "Ben": [project, other]}
