"""A project that is not what a subscription asks for any more: who was told of it hears so, and nobody else hears of it at all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Sink, confirmed
from tests.services.notifications.test_what_is_over import by_webhook, dismissed, said, sections
from tests.services.notifications.village import Receiver, Village

PROPOSED, RESCORED, UPDATED = "match.proposed.v1", "match.rescored.v1", "opportunity.updated.v1"
SDG_9, SDG_4 = ([{"scheme": "sdg", "code": code}] for code in ("9", "4"))
ASKED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "countries": ({"countries": ["KEN"]}, {"countries": ["KEN"]}, {"countries": ["TZA"]}),
    "level": ({"levels": ["national"]}, {"level": "national"}, {"level": "regional"}),
    "themes": ({"themes": SDG_9}, {"tags": SDG_9}, {"tags": SDG_4}),
    "flagship": ({"flagships": [uuid_of("one")]}, {"flagship": uuid_of("one")}, {"flagship": uuid_of("two")}),
    "regions": (
        {"regions": ["AFR"]},
        {"regions": ["AFR"], "countries": []},
        {"regions": ["ARB"], "countries": []},
    ),
}
"""By what a subscription asks for: its conditions, a project that meets them, and what of it is another then."""
BANDS = ("good", "possible")


async def leaves(hall: Hall, by: str) -> None:
    """The project is told, and a day later it is not what is asked for."""
    await stands(hall, 1, by)
    hall.clock.moment += timedelta(days=1)
    await stands(hall, 2, by, away=True)


async def stands(hall: Hall, number: int, by: str, *, away: bool = False) -> None:
    """Say a list version with Ada above the floor."""
    ada = await hall.member("Ada")
    project = uuid_of("schools")
    if by == "band":
        if number == 1:
            await hall.open_project()
        hall.lists.rows_of[ada] = {"band": BANDS[away]}
        await hall.rank(project, number, {ada: BANDS[away]})
    else:
        await hall.open_project(**ASKED[by][1 + away], deadline="2027-06-30")
        await hall.rank(project, number, {ada: "good"} if number == 1 else {}, above=1)
    await hall.settle()


def conditions(by: str) -> dict[str, Any]:
    return {"minimum_band": "good"} if by == "band" else ASKED[by][0]


@pytest.mark.parametrize("by", list(ASKED))
async def test_who_was_told_hears_that_a_project_leaves_and_that_it_is_back_by_whatever_was_asked_for(
    hall: Hall, receiver: Receiver, by: str
) -> None:
    await by_webhook(hall, receiver, conditions=conditions(by))
    await leaves(hall, by)
    assert said(receiver) == [PROPOSED, UPDATED]
    assert receiver.events()[-1]["data"]["why"]["rule"] == "left-conditions"
    await stands(hall, 3, by, away=True)
    hall.clock.moment = datetime(2027, 6, 29, 12, tzinfo=UTC)  # the day before the deadline
    await hall.remind()
    assert said(receiver) == [PROPOSED, UPDATED]
    await stands(hall, 4, by)
    assert said(receiver) == [PROPOSED, UPDATED, UPDATED]
    rule = "project-changed" if by == "countries" else "meets-conditions"
    assert receiver.events()[-1]["data"]["why"]["rule"] == rule


@pytest.mark.parametrize("by", ["countries", "level", "band"])
async def test_a_digest_announces_nothing_that_is_not_asked_for_any_more(
    post: tuple[Hall, Sink, Receiver], by: str
) -> None:
    hall, sink, _ = post
    await confirmed(hall, sink, cadence="weekly", conditions=conditions(by))
    await leaves(hall, by)
    hall.clock.moment += timedelta(days=7)
    await hall.settle()
    assert sink.digests() == []
    await stands(hall, 3, by)
    hall.clock.moment += timedelta(days=7)
    await hall.settle()
    assert [sections(one) for one in sink.digests()] == [["new"]]
    await stands(hall, 4, by, away=True)
    hall.clock.moment += timedelta(days=7)
    await hall.settle()
    assert [sections(one) for one in sink.digests()] == [["new"], ["changed"]]


@pytest.mark.parametrize("by", ["countries", "band"])
async def test_a_digest_that_is_out_while_its_project_leaves_and_that_nobody_takes_is_not_made_again(
    office: tuple[Hall, Sink], by: str
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="daily", conditions=conditions(by))
    await stands(hall, 1, by)
    hall.clock.moment += timedelta(days=1)
    await hall.herald()
    sink.refuse = "451 4.3.2 the server is being moved"
    await hall.dispatcher.turn()  # it is on its way
    await stands(hall, 2, by, away=True)
    sink.refuse = ""
    hall.clock.moment += timedelta(days=2)
    await hall.settle()
    assert sink.digests() == []


@pytest.mark.parametrize("by", ["countries", "level", "band"])
async def test_a_webhook_that_waits_for_its_hour_is_not_sent_if_its_project_leaves_nor_that_it_did(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver, by: str
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver, cadence="weekly", conditions=conditions(by))
    everything = await hall.subscribe(channel="feed")
    await leaves(hall, by)
    hall.clock.moment += timedelta(days=7)
    await hall.settle()
    assert said(receiver) == []
    kept = await hall.rows(
        "SELECT type FROM notices WHERE subscription = :one AND state = 'sent'", one=everything
    )
    assert kept  # what others asked for stays
    await stands(hall, 3, by)
    hall.clock.moment += timedelta(days=7)
    await hall.settle()
    assert said(receiver) == [PROPOSED]


@pytest.mark.parametrize(("by", "kind"), [("level", UPDATED), ("band", RESCORED)])
async def test_who_may_have_read_of_a_project_hears_that_it_leaves(
    hall: Hall, receiver: Receiver, by: str, kind: str
) -> None:
    await by_webhook(hall, receiver, conditions=conditions(by))
    receiver.status = 503
    await stands(hall, 1, by)
    receiver.status = 204
    receiver.taken.clear()
    await stands(hall, 2, by, away=True)
    while await hall.until_due():
        pass
    assert said(receiver) == [kind]


async def test_what_waits_for_a_dismissal_to_be_taken_back_goes_if_its_project_leaves(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, cadence="weekly", conditions=conditions("level"))
    await stands(hall, 1, "level")
    await dismissed(hall, uuid_of("schools"))
    await stands(hall, 2, "level", away=True)
    await hall.call("DELETE", f"/v1/dismissals/{uuid_of('schools')}", If_Match='"1"', status=204)
    for _ in range(2):
        hall.clock.moment += timedelta(days=8)
        await hall.settle()
    assert said(receiver) == []


async def test_a_project_that_left_before_it_was_told_is_told_by_the_real_lists_to_whom_it_is_open_alone(
    village: Village, receiver: Receiver
) -> None:
    endpoint, _ = await village.endpoint("Ada", receiver)
    body = {"endpoint": endpoint, "conditions": {"countries": ["KEN"]}}
    for cadence in ("instant", "weekly"):
        await village.subscribe("Ada", cadence=cadence, **body)
    await village.town.organisation("Ada")
    await village.town.published("schools", countries=["KEN"])
    await village.settle()
    await village.town.draft("schools", countries=["TZA"])  # revised
    await village.settle()
    village.town.clock.moment += timedelta(days=8)
    await village.settle()
    assert said(receiver) == [PROPOSED, UPDATED]
