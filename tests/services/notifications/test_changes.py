"""A project's changes: each is told once, also one that returns to what was; a dismissal holds until the next, no longer."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from sqlalchemy import update

from services.notifications.consumers import forget
from services.notifications.tables import DISMISSALS, LISTS, PROJECTS
from tests.services.matches.town import project as project_body
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Sink, crossing
from tests.services.notifications.village import Receiver

PROPOSED = "org.comity.match.proposed.v1"
UPDATED = "org.comity.opportunity.updated.v1"
CLOSING = "org.comity.opportunity.closing-soon.v1"


async def told(hall: Hall) -> list[str]:
    """Return the types of what Ada was told, in order."""
    return [one["type"] for one in (await hall.call("GET", "/v1/notices"))["items"]]


async def opened(hall: Hall, **conditions: Any) -> str:
    """Open a project for Kenya, of which Ada is told."""
    await hall.subscribe(channel="feed", conditions=conditions)
    return await crossing(hall, countries=["KEN"])


async def changed(
    hall: Hall, project: str, number: int, country: str, crossed: dict[str, str] | None = None
) -> None:
    """Say that the project is for this country now, and the list version that follows."""
    await hall.open_project(countries=[country])
    await hall.rank(project, number, crossed or {}, above=1, reasons=("project",))
    await hall.settle()


async def test_each_change_is_told_once_also_where_a_project_returns_to_what_it_was(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, _ = post
    project = await opened(hall)
    for number, country in enumerate(("UGA", "KEN", "UGA", "KEN"), 2):
        await changed(hall, project, number, country)
        await hall.say_again()
        await hall.settle()
        assert await told(hall) == [PROPOSED] + [UPDATED] * (number - 1)


async def test_no_change_is_told_again_after_a_rebuild_from_the_whole_log_or_a_compacted_one(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, _ = post
    project = await opened(hall)
    for number, country in enumerate(("UGA", "KEN", "UGA"), 2):
        await changed(hall, project, number, country)
    said = list(hall.said)
    newest = list({(event.topic, event.key): event for event in said}.values())
    assert len(newest) < len(said)
    for log in (said, newest):
        async with hall.runtime.database.write() as connection:
            await forget(connection)
        for event in log:  # a cycle may look at any of what has been read by then
            await hall.say(event)
            await hall.settle()
        assert await told(hall) == [PROPOSED, *[UPDATED] * 3]
    await changed(hall, project, 5, "KEN")
    assert await told(hall) == [PROPOSED, *[UPDATED] * 4]


async def test_what_a_new_life_of_the_log_says_again_is_no_change(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, _ = post
    project = await opened(hall)
    await changed(hall, project, 2, "UGA")
    hall.incarnation, hall.versions[project] = 1, 0  # its numbers begin anew, above what was
    await hall.open_project(countries=["UGA"])
    await hall.rank(project, 3, {}, above=1, reasons=("project",))
    await hall.settle()
    assert await told(hall) == [PROPOSED, UPDATED]
    await changed(hall, project, 4, "KEN")
    assert await told(hall) == [PROPOSED, UPDATED, UPDATED]


@pytest.mark.parametrize("band", [None, "strong"])
async def test_who_was_told_hears_that_a_project_leaves_what_was_asked_for_and_nothing_of_it_until_it_is_back(
    post: tuple[Hall, Sink, Receiver], band: str | None
) -> None:
    hall, _, _ = post
    project = await opened(hall, countries=["KEN"])
    crossed = {uuid_of("Ada"): band} if band else {}
    await changed(hall, project, 2, "UGA", crossed)
    assert await told(hall) == [PROPOSED, UPDATED]
    newest = (await hall.call("GET", "/v1/notices"))["items"][-1]
    assert newest["data"]["why"]["rule"] == "left-conditions"
    await changed(hall, project, 3, "TZA")
    hall.clock.moment = datetime(2027, 6, 29, 12, tzinfo=UTC)  # the day before the deadline
    await hall.remind()
    assert await told(hall) == [PROPOSED, UPDATED]
    await changed(hall, project, 4, "KEN")
    await hall.remind()
    assert await told(hall) == [PROPOSED, UPDATED, UPDATED, CLOSING]


@pytest.mark.parametrize("ended", [False, True])
async def test_that_a_project_leaves_what_was_asked_for_is_no_news_to_whom_it_was_not_open(
    post: tuple[Hall, Sink, Receiver], *, ended: bool
) -> None:
    hall, _, _ = post
    project = await opened(hall, countries=["KEN"])
    if ended:
        await hall.open_project(countries=["KEN"], state="closed")
        await hall.settle()
    before = await told(hall)
    await hall.subscribe(channel="feed", conditions={"countries": ["KEN"]})  # told of nothing yet
    await changed(hall, project, 2, "UGA")
    assert await told(hall) == before + [UPDATED] * (not ended)


async def test_a_dismissal_holds_until_the_next_change_and_does_not_come_back(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, _ = post
    project = await opened(hall)
    await hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "timing"}, status=201)
    before = len(hall.said)
    for number, country in enumerate(("UGA", "KEN"), 2):
        await changed(hall, project, number, country)
        [held] = (await hall.call("GET", "/v1/dismissals"))["items"]
        assert held["lifted"]
        assert await told(hall) == [PROPOSED] + [UPDATED] * (number - 1)
    answer = await hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "other"}, If_Match='"1"')
    assert not answer["lifted"]  # dismissed as it is now
    await hall.say(*hall.said[before:])  # older than that, and handed over once more
    await hall.say_again(rebuilding=True)
    await hall.open_project(countries=["KEN"], titles=[{"language": "en", "text": "Networks, renamed"}])
    await hall.rank(project, 4, {}, above=1, reasons=("project",))
    await hall.settle()
    [held] = (await hall.call("GET", "/v1/dismissals"))["items"]
    assert not held["lifted"]
    assert await told(hall) == [PROPOSED, UPDATED, UPDATED]


def turned(needs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same needs the other way round, and so the texts of each."""
    return [need | {"texts": need["texts"][::-1]} for need in needs[::-1]]


def needs_in_two_languages() -> list[dict[str, Any]]:
    return [
        need | {"texts": [{"language": "fr", "text": "La meme chose"}, *need["texts"]]}
        for need in project_body()["needs"]
    ]


async def test_the_same_needs_in_another_order_are_no_change(post: tuple[Hall, Sink, Receiver]) -> None:
    hall, _, _ = post
    await hall.subscribe(channel="feed")
    needs = needs_in_two_languages()
    ada, project = await hall.member("Ada"), await hall.open_project(needs=needs)
    await hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "timing"}, name="Bea", status=201)
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    for number, listed in enumerate((turned(needs), needs), 2):
        await hall.open_project(needs=listed)
        await hall.rank(project, number, {}, above=1, reasons=("project",))
        await hall.settle()
    [held] = (await hall.call("GET", "/v1/dismissals", name="Bea"))["items"]
    assert not held["lifted"]
    assert await told(hall) == [PROPOSED]
    needs[0]["importance"] = 1
    await hall.open_project(needs=needs)
    await hall.rank(project, 4, {}, above=1, reasons=("project",))
    await hall.settle()
    [held] = (await hall.call("GET", "/v1/dismissals", name="Bea"))["items"]
    assert held["lifted"]
    assert await told(hall) == [PROPOSED, UPDATED]


async def test_what_was_kept_of_needs_as_they_were_listed_is_no_change_either(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    """Digests used to be of needs in the order in which a record had them."""
    hall, _, _ = post
    await hall.subscribe(channel="feed")
    needs = turned(needs_in_two_languages())
    ada, project = await hall.member("Ada"), await hall.open_project(needs=needs, countries=["KEN"])
    await hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "timing"}, name="Bea", status=201)
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    listed = orjson.dumps([needs, ["KEN"]], option=orjson.OPT_SORT_KEYS)
    then = hashlib.sha256(listed).hexdigest()[:32]
    async with hall.runtime.database.write() as connection:
        for table, column in ((PROJECTS, "facts_hash"), (LISTS, "told_facts"), (DISMISSALS, "facts_hash")):
            await connection.execute(update(table).values({column: then}))
    await hall.open_project(needs=needs, countries=["KEN"], titles=[{"language": "en", "text": "Renamed"}])
    await hall.rank(project, 2, {}, above=1, reasons=("project",))
    await hall.settle()
    [held] = (await hall.call("GET", "/v1/dismissals", name="Bea"))["items"]
    assert not held["lifted"]
    assert await told(hall) == [PROPOSED]
