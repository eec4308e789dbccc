"""A project that rests (dormant): nothing is told of it meanwhile, and what has changed is told once it is open again."""

from datetime import timedelta
from typing import Any

import pytest

from services.notifications.worker import cycles
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Sink
from tests.services.notifications.test_what_is_over import MIDDAY, by_webhook, closed, said
from tests.services.notifications.village import Receiver

PROPOSED, WITHDRAWN, UPDATED = "match.proposed.v1", "match.withdrawn.v1", "opportunity.updated.v1"


async def resting(hall: Hall, number: int, band: str | None, **changes: Any) -> str:
    """Lay the project to rest and say that Ada stands so on its list meanwhile; nobody hears of it."""
    ada, project = uuid_of("Ada"), await hall.open_project(state="dormant", **changes)
    await hall.rank(project, number, {} if band is None else {ada: band}, lost=[ada] if band is None else [])
    await hall.settle()
    hall.clock.moment += timedelta(days=2)
    await hall.remind()
    return project


async def opened_again(hall: Hall, number: int, above: int, **changes: Any) -> None:
    """Open it again; the list is as it was."""
    project = await hall.open_project(**changes)
    for again in range(2):  # told once
        await hall.rank(project, number + again, {}, above=above, reasons=("project",))
        await hall.settle()
        await hall.say_again()
        await hall.remind()


async def test_who_rises_while_a_project_rests_hears_of_it_once_it_is_open_again(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    await hall.member("Ada")
    await hall.rank(await hall.open_project(), 1, {})
    await hall.settle()
    await resting(hall, 2, "good")
    assert said(receiver) == []
    await opened_again(hall, 3, 1)
    assert said(receiver) == [PROPOSED]


async def test_who_falls_while_a_project_rests_is_told_once_it_is_open_again_and_not_of_its_deadline(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    await hall.member("Ada")
    await hall.rank(await hall.open_project(), 1, {uuid_of("Ada"): "good"})
    await hall.settle()
    await resting(hall, 2, None)
    assert said(receiver) == [PROPOSED]
    await opened_again(hall, 3, 0, deadline=(hall.clock.moment + timedelta(days=3)).date().isoformat())
    assert said(receiver) == [PROPOSED, WITHDRAWN]


async def test_what_changes_while_a_project_rests_is_told_once_it_is_open_again(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, _ = post
    await by_webhook(hall, receiver)
    await hall.member("Ada")
    await hall.rank(await hall.open_project(countries=["KEN"]), 1, {uuid_of("Ada"): "good"})
    await hall.settle()
    await resting(hall, 2, "good", countries=["UGA"])
    assert said(receiver) == [PROPOSED]
    await opened_again(hall, 3, 1, countries=["UGA"])
    assert said(receiver) == [PROPOSED, UPDATED]


async def test_what_has_not_left_is_taken_back_from_who_falls_while_a_project_rests(
    hall: Hall, receiver: Receiver
) -> None:
    await by_webhook(hall, receiver, quiet_hours=MIDDAY)
    await hall.member("Ada")
    await hall.rank(await hall.open_project(), 1, {uuid_of("Ada"): "good"})
    await hall.settle()
    await resting(hall, 2, None)
    await opened_again(hall, 3, 0)
    hall.clock.moment += timedelta(days=2, hours=2)
    await hall.settle()
    assert said(receiver) == []


async def test_who_falls_and_rises_while_a_project_rests_is_told_what_was_taken_back_meanwhile(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, _, other = post
    await by_webhook(hall, receiver, quiet_hours=MIDDAY)
    await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(other))
    await hall.member("Ada")
    await hall.rank(await hall.open_project(), 1, {uuid_of("Ada"): "good"})
    await hall.settle()
    await resting(hall, 2, None)
    await resting(hall, 3, "good")
    assert (said(receiver), said(other)) == ([], [PROPOSED])
    await opened_again(hall, 4, 1)
    hall.clock.moment += timedelta(days=2, hours=2)
    await hall.settle()
    assert said(receiver) == [PROPOSED]


async def test_a_project_that_closes_from_its_rest_ends_for_who_was_told_and_for_nobody_else(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    await hall.subscribe(channel="webhook", endpoint=endpoint)
    bea = await hall.member("Bea")
    await hall.subscribe("Bea", channel="feed")
    await hall.member("Ada")
    await hall.rank(await hall.open_project(), 1, {uuid_of("Ada"): "good"})
    await hall.settle()
    project = await resting(hall, 2, None)
    await hall.rank(project, 3, {bea: "good"})
    await closed(hall, 4)
    assert said(receiver) == [PROPOSED, "opportunity.closed.v1"]
    assert (await hall.call("GET", "/v1/notices", name="Bea"))["items"] == []


def looks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The projects that cycles look at from here on."""
    looked, real = list[Any](), cycles._cycle

    async def look(*given: Any) -> int | None:
        looked.append(given[-1])
        return await real(*given)

    monkeypatch.setattr(cycles, "_cycle", look)
    return looked


async def test_a_project_that_rests_is_looked_at_once_for_each_version_of_its_list(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hall.subscribe(channel="feed")
    await hall.member("Ada")
    project = await resting(hall, 1, "good")
    looked = looks(monkeypatch)
    await hall.herald()
    assert looked == []
    await hall.rank(project, 2, {uuid_of("Ada"): "strong"})
    await hall.herald()
    await hall.herald()
    assert looked == [project]
