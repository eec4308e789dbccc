"""A dismissal that is taken back: what it had kept from somebody is told after all, and nothing that they heard before."""

from datetime import timedelta

import pytest

from tests.services.notifications.hall import Hall
from tests.services.notifications.office import Sink, confirmed
from tests.services.notifications.test_what_is_over import by_webhook, dismissed, said
from tests.services.notifications.village import Receiver

PROPOSED, RESCORED, WITHDRAWN = "match.proposed.v1", "match.rescored.v1", "match.withdrawn.v1"


async def taken_back(hall: Hall, project: str) -> None:
    await hall.call("DELETE", f"/v1/dismissals/{project}", status=204, If_Match='"1"')


async def ranked(hall: Hall, number: int, band: str | None, **changes: str) -> str:
    """Say how Ada stands on the list."""
    ada, project = await hall.member("Ada"), await hall.open_project(**changes)
    await hall.rank(project, number, {} if band is None else {ada: band}, lost=[ada] if band is None else [])
    await hall.settle()
    return project


async def passes(hall: Hall, days: int = 8) -> None:
    for _ in range(days):
        hall.clock.moment += timedelta(days=1)
        await hall.remind()


async def test_what_was_never_told_for_a_dismissal_is_told(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    await hall.member("Ada")
    project = await hall.open_project()
    await dismissed(hall, project)
    await ranked(hall, 1, "good")
    assert said(receiver) == []
    await taken_back(hall, project)
    await hall.settle()
    await passes(hall)
    assert said(receiver) == [PROPOSED]


@pytest.mark.parametrize("times", [1, 2])
async def test_what_waited_for_its_webhook_when_it_was_dismissed_comes_at_its_hour(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, times: int
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence="weekly")
    project = await ranked(hall, 1, "good")
    for _ in range(times):  # by mistake
        await dismissed(hall, project)
        await hall.settle()
        await taken_back(hall, project)
        await hall.settle()
    await passes(hall)
    assert said(receiver) == [PROPOSED]


async def test_what_waited_for_its_mail_when_it_was_dismissed_comes_with_the_next(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="weekly")
    project = await ranked(hall, 1, "good")
    await dismissed(hall, project)
    await hall.settle()
    await taken_back(hall, project)
    await hall.settle()
    await passes(hall, 15)
    assert len(sink.digests()) == 1
    [notice] = (await hall.call("GET", "/v1/notices"))["items"]
    assert notice["state"] == "sent"


@pytest.mark.parametrize("kind", [RESCORED, "opportunity.updated.v1", "opportunity.closing-soon.v1"])
async def test_what_came_after_the_first_word_and_waited_comes_too(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, kind: str
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence="weekly")
    deadline = (hall.clock.moment + timedelta(days=21)).date().isoformat()
    project = await ranked(hall, 1, "good", deadline=deadline)
    await passes(hall)
    assert said(receiver) == [PROPOSED]
    if kind == RESCORED:
        await ranked(hall, 2, "strong", deadline=deadline)
    elif kind == "opportunity.updated.v1":
        await ranked(hall, 2, "good", deadline=deadline, countries=["KEN", "UGA"])
    while not await hall.rows("SELECT id FROM notices WHERE type = :kind", kind=f"org.comity.{kind}"):
        await passes(hall, 1)
    await dismissed(hall, project)
    await hall.settle()
    await taken_back(hall, project)
    await hall.settle()
    await passes(hall)
    assert said(receiver)[:2] == [PROPOSED, kind]
    assert await hall.rows("SELECT id FROM notices WHERE state = 'dropped'") == []


async def test_what_waits_while_it_is_dismissed_is_one_word_once_the_project_has_changed(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence="weekly")
    project = await ranked(hall, 1, "good")
    await passes(hall)
    await ranked(hall, 2, "strong")
    await dismissed(hall, project)
    await hall.settle()
    await ranked(hall, 3, "strong", countries=["KEN", "UGA"])
    await passes(hall)
    assert said(receiver) == [PROPOSED, RESCORED]


async def test_who_was_told_before_hears_what_is_another_since(hall: Hall, receiver: Receiver) -> None:
    await by_webhook(hall, receiver)
    later = await hall.subscribe(channel="feed", conditions={"minimum_band": "strong"})
    project = await ranked(hall, 1, "good")
    await dismissed(hall, project)
    await ranked(hall, 2, "strong")
    assert said(receiver) == [PROPOSED]
    await taken_back(hall, project)
    await hall.settle()
    assert said(receiver) == [PROPOSED, RESCORED]
    told = (await hall.call("GET", "/v1/notices"))["items"]
    assert [one["type"] for one in told if one["subscription"] == later] == [f"org.comity.{PROPOSED}"]
    await ranked(hall, 3, "possible")
    assert said(receiver) == [PROPOSED, RESCORED, RESCORED]


async def test_who_was_told_of_a_fall_hears_that_it_rose_again_meanwhile(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver)
    project = await ranked(hall, 1, "good")
    await ranked(hall, 2, None)
    await dismissed(hall, project)
    await ranked(hall, 3, "good")
    assert said(receiver) == [PROPOSED, WITHDRAWN]
    await taken_back(hall, project)
    await hall.settle()
    assert said(receiver) == [PROPOSED, WITHDRAWN, PROPOSED]
    assert receiver.events()[-1]["data"]["why"]["rule"] == "above-floor-again"


async def test_of_what_fell_or_closed_meanwhile_nothing_is_told(hall: Hall, receiver: Receiver) -> None:
    await by_webhook(hall, receiver)
    project = await hall.open_project()
    await dismissed(hall, project)
    await ranked(hall, 1, "good")
    await ranked(hall, 2, None)
    await taken_back(hall, project)
    await hall.settle()
    assert said(receiver) == []
    await dismissed(hall, project)
    await ranked(hall, 3, "good")
    await ranked(hall, 4, "good", state="closed")
    await taken_back(hall, project)
    await hall.settle()
    assert said(receiver) == []


async def test_who_asks_for_other_projects_is_told_nothing_of_it(hall: Hall) -> None:
    await hall.subscribe(channel="feed", conditions={"countries": ["UGA"]})
    project = await hall.open_project(countries=["KEN"])
    await dismissed(hall, project)
    await hall.rank(project, 1, {await hall.member("Ada"): "good"})
    await taken_back(hall, project)
    await hall.settle()
    assert (await hall.call("GET", "/v1/notices"))["items"] == []
