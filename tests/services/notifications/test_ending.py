"""A project's end is told once to who was told of it, and ends what waits, however the log says it."""

import re
from datetime import timedelta
from typing import Any

import pytest

from schemas.topics import PROJECT_ERASED, PROJECT_REVISED
from services.notifications.consumers import forget
from services.notifications.worker import digests
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import Page, Sink, confirmed, crossing
from tests.services.notifications.test_what_is_over import by_webhook, closed, dismissed, said
from tests.services.notifications.village import Receiver, Village

PROPOSED, CLOSED, WITHDRAWN = "match.proposed.v1", "opportunity.closed.v1", "opportunity.withdrawn.v1"
TOLD = [("instant", [PROPOSED, CLOSED]), ("weekly", [])]
"""What is told by whom a project's end finds told of it, and by whom it finds waiting for the hour."""


async def closed_while_away(hall: Hall, project: str) -> None:
    """The log is read anew, and has only the record of the end: of each key, the newest."""
    said = [event for event in hall.said if event.type != PROJECT_REVISED]
    async with hall.runtime.database.write() as connection:
        await forget(connection)
    await hall.say(*said)
    await closed(hall, 2)


async def closed_twice(hall: Hall, project: str) -> None:
    """The closed project is revised before anybody looked."""
    await hall.open_project(state="closed")
    await closed(hall, 2)


async def closed_and_republished(hall: Hall, project: str) -> None:
    """Its owner says everything again, in a new life, before anybody looked."""
    await hall.open_project(state="closed")
    hall.incarnation += 1
    await closed(hall, 2)


@pytest.mark.parametrize(("cadence", "told"), TOLD)
@pytest.mark.parametrize("end", [closed_while_away, closed_twice, closed_and_republished])
async def test_an_end_is_told_once_and_nothing_after_it(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, end: Any, cadence: str, told: list[str]
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence=cadence)
    project = await crossing(hall)
    await end(hall, project)
    assert said(receiver) == told
    for _ in range(2):
        hall.clock.moment += timedelta(days=8)
        await hall.settle()
        await hall.say_again(rebuilding=True)
        await hall.settle()
    assert said(receiver) == told


async def test_an_end_that_was_not_taken_yet_is_told_although_it_is_said_again(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    await crossing(hall)
    receiver.status = 503
    await closed(hall, 2)
    receiver.status = 204
    receiver.taken.clear()
    await closed(hall, 3)
    while await hall.until_due():
        pass
    assert said(receiver) == [CLOSED]


async def test_an_end_that_waits_for_a_digest_is_in_it_although_it_is_said_again(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="daily")
    await crossing(hall)
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    await closed(hall, 2)
    hall.clock.moment += timedelta(days=1)
    await hall.herald()
    await closed(hall, 3)
    for _ in range(3):
        hall.clock.moment += timedelta(days=1)
        await hall.settle()
    assert len(sink.digests()) == 2


@pytest.mark.parametrize(("verb", "end"), [("close", CLOSED), ("withdraw", WITHDRAWN)])
async def test_an_end_is_told_although_all_pairs_go_before_it_has_left(
    village: Village, receiver: Receiver, verb: str, end: str
) -> None:
    endpoint, _ = await village.endpoint("Ada", receiver)
    for cadence in ("instant", "weekly"):
        await village.subscribe("Ada", endpoint=endpoint, cadence=cadence)
    await village.town.organisation("Ada")
    project = await village.town.published("schools")
    await village.settle()
    village.town.clock.moment += timedelta(days=7)
    await village.settle()
    assert said(receiver) == [PROPOSED] * 2
    await village.town.step(project, verb, body={"reason": "Partners were found."})
    await village.town.relay()
    await village.consume()
    await village.herald()  # the end is told, and its list is ranked no more only now
    await village.settle()
    assert said(receiver) == [PROPOSED, PROPOSED, end]
    village.town.clock.moment += timedelta(days=7)
    await village.settle()
    assert said(receiver) == [PROPOSED, PROPOSED, end, end]


@pytest.mark.parametrize("how", ["closed", "withdrawn", "erased"])
async def test_who_has_dismissed_a_project_hears_of_no_end_of_it(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, how: str
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    project = await crossing(hall)
    await dismissed(hall, project)
    if how == "erased":
        await hall.say(hall.event("projects.v1", PROJECT_ERASED, project, None))
        await hall.settle()
    else:
        await hall.end(number=2, state=how)
    await hall.settle()
    assert said(receiver) == [PROPOSED]
    [held] = (await hall.call("GET", "/v1/dismissals"))["items"]
    assert not held["lifted"]


@pytest.mark.parametrize(
    ("verb", "opens"),
    [
        ("close", {"project": 404, "why": 200, "subscription": 200}),
        ("withdraw", {"project": 404, "why": 404, "subscription": 200}),
    ],
)
async def test_what_the_links_of_an_end_lead_to_is_what_the_guide_says(
    village: Village, receiver: Receiver, verb: str, opens: dict[str, int]
) -> None:
    await village.hooked("Ada", receiver)
    await village.town.organisation("Ada")
    project = await village.town.published("schools")
    await village.settle()
    await village.town.step(project, verb, body={"reason": "Partners were found."})
    await village.settle()
    links = receiver.events("opportunity")[-1]["data"]["links"]
    for name, address in links.items():
        path = "/v1/" + address.partition("/v1/")[2]
        await village.town.get(path, who=village.own("Ada"), status=opens.pop(name))
    assert opens == {}


@pytest.mark.parametrize("state", ["closed", "withdrawn"])
@pytest.mark.parametrize("in_full", [True, False])
async def test_a_mail_links_nothing_of_an_end_that_its_reader_may_not_open(
    office: tuple[Hall, Sink], monkeypatch: pytest.MonkeyPatch, state: str, *, in_full: bool
) -> None:
    monkeypatch.setattr(digests, "IN_FULL", int(in_full))
    hall, sink = office
    await confirmed(hall, sink, cadence="daily")
    project = await crossing(hall)
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    await hall.open_project(state=state)
    await hall.settle()
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    for digest, opens in zip(sink.digests(), [True, False], strict=True):
        text, page = (digest.get_body((kind,)).get_content() for kind in ("plain", "html"))
        linked = {one.partition("/v1/")[2].partition("/")[0] for one in Page(page).links}
        assert linked - {"mail-links"} == {*["projects"] * opens}
        assert {one.partition("/v1/")[2].partition("/")[0] for one in re.findall(r"http\S+", text)} == linked
        assert (f"/v1/projects/{project}" in text) == opens
        assert "Community networks" in text
        assert "Community networks" in page
