"""Who heard last that a project fell, or left what is asked for, hears that it is back, in whatever order the two came and went."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Sink, confirmed
from tests.services.notifications.test_what_is_over import by_webhook, dismissed, sections
from tests.services.notifications.village import Receiver

SDG_9, SDG_4 = ([{"scheme": "sdg", "code": code}] for code in ("9", "4"))
PROPOSED, WITHDRAWN = ("match.proposed", "above-floor"), ("match.withdrawn", "fell-below-floor")
AGAIN = ("match.proposed", "above-floor-again")
LEFT, BACK = ("opportunity.updated", "left-conditions"), ("opportunity.updated", "meets-conditions")
FELL, ROSE = ("match.rescored", "band-fell"), ("match.rescored", "band-rose")
ENTERED = ("match.proposed", "meets-conditions")
CLOSING, CLOSED = ("opportunity.closing-soon", "deadline-near"), ("opportunity.closed", "project-closed")
BANDS = {"falls": "possible", "rises": "good"}


def heard(receiver: Receiver) -> list[tuple[str, str]]:
    """What has come, with the rule of each."""
    events = receiver.events()
    kinds = [one["type"].removeprefix("org.comity.").removesuffix(".v1") for one in events]
    return [(kind, one["data"]["why"]["rule"]) for kind, one in zip(kinds, events, strict=True)]


class Story:
    """What becomes of one project and one pair, a list version after each step."""

    def __init__(self, hall: Hall) -> None:
        self.hall, self.number, self.above, self.project = hall, 0, 0, uuid_of("schools")

    async def begins(self, **changes: Any) -> None:
        await self.hall.member("Ada")
        self.changes = {"tags": SDG_9, "deadline": "2027-06-30"} | changes
        await self.hall.open_project(**self.changes)
        await self.ranked("good")

    async def ranked(self, band: str | None = None, *, lost: bool = False) -> None:
        ada, self.number = uuid_of("Ada"), self.number + 1
        if band:
            self.hall.lists.rows_of[ada], self.above = {"band": band}, 1
        self.above = 0 if lost else self.above
        crossed = {ada: band} if band else {}
        await self.hall.rank(self.project, self.number, crossed, lost=[ada] if lost else [], above=self.above)
        await self.hall.settle()

    async def goes_on(self, step: str) -> None:
        if step in BANDS:
            await self.ranked(BANDS[step])
        elif step in {"lost", "found"}:
            await self.ranked("good" if step == "found" else None, lost=step == "lost")
        elif step == "dismissed":
            await dismissed(self.hall, self.project)
        elif step == "undismissed":
            await self.hall.call("DELETE", f"/v1/dismissals/{self.project}", If_Match='"1"', status=204)
            await self.hall.settle()
        else:
            self.changes["tags"] = SDG_9 if step == "back" else SDG_4
            await self.hall.open_project(**self.changes)
            await self.ranked()


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("lost left found back", [WITHDRAWN, ENTERED]),
        ("left lost found back", [LEFT, WITHDRAWN, ENTERED]),
        ("lost left back found", [WITHDRAWN, AGAIN]),
        ("left lost back found", [LEFT, WITHDRAWN, AGAIN]),
        ("falls left rises back", [FELL, BACK]),
        ("falls left back rises", [FELL, ROSE]),
        ("left falls rises back", [LEFT, BACK]),
        ("left falls back rises", [LEFT, BACK]),  # as good as when it left
        ("left dismissed back undismissed", [LEFT, BACK]),
        ("falls dismissed rises undismissed", [FELL, ROSE]),
        ("lost falls lost found", [WITHDRAWN, AGAIN]),  # what it never heard had risen is not lost again
        ("lost falls rises", [WITHDRAWN, AGAIN]),
    ],
)
async def test_who_heard_that_a_project_fell_or_left_hears_that_it_is_back(
    post: tuple[Hall, Sink, Receiver], steps: str, told: list[tuple[str, str]]
) -> None:
    hall, _, receiver = post
    await by_webhook(hall, receiver, conditions={"minimum_band": "good", "themes": SDG_9})
    story = Story(hall)
    await story.begins()
    for step in steps.split():
        await story.goes_on(step)
    assert heard(receiver) == [PROPOSED, *told]
    hall.clock.moment = datetime(2027, 6, 29, 12, tzinfo=UTC)
    await hall.remind()
    await hall.end(number=story.number + 1)
    await hall.settle()
    assert heard(receiver) == [PROPOSED, *told, CLOSING, CLOSED]


async def test_who_heard_that_a_project_left_is_not_reminded_while_its_band_keeps_it_away(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, conditions={"minimum_band": "good", "themes": SDG_9})
    story = Story(hall)
    await story.begins()
    for step in ("left", "falls", "back"):
        await story.goes_on(step)
    hall.clock.moment = datetime(2027, 6, 29, 12, tzinfo=UTC)
    await hall.remind()
    assert heard(receiver) == [PROPOSED, LEFT]


async def test_a_reminder_says_nothing_of_what_is_known(hall: Hall, receiver: Receiver) -> None:
    await by_webhook(hall, receiver, conditions={"minimum_band": "good", "themes": SDG_9})
    story = Story(hall)
    await story.begins()
    await story.goes_on("falls")
    hall.clock.moment = datetime(2027, 6, 25, 12, tzinfo=UTC)
    await hall.remind()
    for step in ("left", "rises", "back"):
        await story.goes_on(step)
    assert heard(receiver) == [PROPOSED, FELL, CLOSING, BACK]


async def test_a_reminder_that_waits_for_its_hour_comes_if_the_band_is_out_and_back(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, cadence="daily", conditions={"minimum_band": "good"})
    story = Story(hall)
    await story.begins(deadline="2026-12-20")
    hall.clock.moment = datetime(2026, 12, 2, 9, tzinfo=UTC)
    await hall.settle()
    hall.clock.moment = datetime(2026, 12, 15, 9, tzinfo=UTC)
    await hall.remind()  # it waits for 8 in the morning
    for step in ("falls", "rises"):
        await story.goes_on(step)
        hall.clock.moment += timedelta(minutes=5)
    await hall.remind()
    hall.clock.moment = datetime(2026, 12, 16, 9, tzinfo=UTC)
    await hall.settle()
    assert heard(receiver) == [PROPOSED, CLOSING]
    hall.clock.moment = datetime(2026, 12, 17, 9, tzinfo=UTC)
    await hall.remind()
    assert heard(receiver).count(CLOSING) == 1


async def test_a_digest_says_once_that_a_project_is_back(office: tuple[Hall, Sink]) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="daily", conditions={"themes": SDG_9})
    story = Story(hall)
    await story.begins()
    for step in ("lost", "left", "found", "back"):
        hall.clock.moment += timedelta(days=1)
        await hall.settle()
        await story.goes_on(step)
    for _ in range(2):
        hall.clock.moment += timedelta(days=1)
        await hall.settle()
    assert [sections(one) for one in sink.digests()] == [["new"], ["fallen"], ["new"]]
    text = sink.digests()[-1].get_body(("plain",)).get_content()
    assert "the project is what you ask for now" in text


async def test_an_undismissed_project_of_whose_revision_something_was_told_is_told_again(
    hall: Hall, receiver: Receiver
) -> None:
    """What was told of that revision, or of that crossing, is another piece of news."""
    await by_webhook(hall, receiver, conditions={"minimum_band": "good"})
    ada, project = await hall.member("Ada"), await hall.open_project()
    hall.lists.rows_of[ada] = {"band": "good"}
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    await hall.open_project(countries=["KEN", "TZA"])
    await hall.rank(project, 2, {}, above=1)
    await hall.settle()
    hall.lists.rows_of[ada] = {"band": "possible"}
    await hall.rank(project, 3, {ada: "possible"})
    await hall.settle()
    await dismissed(hall, project)
    hall.lists.rows_of[ada] = {"band": "good"}
    await hall.rank(project, 4, {ada: "good"})
    await hall.settle()
    await hall.call("DELETE", f"/v1/dismissals/{project}", If_Match='"1"', status=204)
    await hall.settle()
    changed = ("opportunity.updated", "project-changed")
    assert heard(receiver) == [PROPOSED, changed, FELL, ROSE]


@pytest.mark.parametrize("then", ["falls", "leaves"])
async def test_a_fall_whose_word_did_not_arrive_is_told_although_the_pair_rose_and_went_since(
    hall: Hall, receiver: Receiver, then: str
) -> None:
    """What is taken back says that it stands; that it fell is true again, or still."""
    await by_webhook(hall, receiver, conditions={"themes": SDG_9})
    ada, project = await hall.member("Ada"), await hall.open_project(tags=SDG_9)
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    receiver.status = 503
    await hall.rank(project, 2, {}, lost=[ada])
    await hall.settle()
    await hall.rank(project, 3, {ada: "good"})
    await hall.herald()  # its message is made and has not left
    if then == "falls":
        await hall.rank(project, 4, {}, lost=[ada])
    else:
        await hall.open_project(tags=SDG_4)
        await hall.rank(project, 4, {}, above=1)
    await hall.settle()
    receiver.status = 204
    receiver.taken.clear()
    hall.clock.moment += timedelta(hours=1)
    await hall.settle()
    assert heard(receiver) == [("match.withdrawn", "fell-below-floor")]
