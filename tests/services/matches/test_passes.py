"""What a pass ranks: what is archived and nothing else, each list once, all of them on one view at one vector of positions."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from services.chassis.bus.failpoints import armed
from services.matches.queries.recomputing import recompute
from services.matches.worker import ranker
from services.matches.worker.index import CONSUMED
from tests.services.matches.test_work import moved, ranks_counted
from tests.services.matches.test_worker import another
from tests.services.matches.town import Town, uuid_of

pytestmark = pytest.mark.timeout(300)


async def passed(town: Town) -> None:
    """Pass until there is nothing to do, and take nothing new."""
    while await town.worker.ranker.step():
        pass


async def test_a_process_that_archives_nothing_follows_what_others_archive(town: Town) -> None:
    """It hears no signal of theirs, so it looks."""
    project = await town.published("schools")
    await town.settle()
    async with AsyncExitStack() as stack:
        other = (await another(town, stack, "second")).state["index"]
        stop = asyncio.Event()
        following = asyncio.create_task(other.run(stop))
        async with asyncio.timeout(5):
            while CONSUMED not in other.runtime.signals._waiting:  # noqa: ASYNC110 - it has looked once, and waits
                await asyncio.sleep(0.01)
        await town.organisation("Ada")
        await moved(town)

        async def known() -> bool:
            pinned = await other.pin()
            return uuid_of("Ada") in pinned.view.rank(project, pinned.day).members

        async with asyncio.timeout(5):
            while not await known():  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.02)
        stop.set()
        other.runtime.signals.notify(CONSUMED)
        await following


async def test_nothing_is_ranked_that_is_not_archived(town: Town) -> None:
    """What stands on the log is nobody's to rank before a worker has archived it, and with it the position."""
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Bea", hq_country="KEN")
    await town.relay()
    await town.worker.index.follow()
    await passed(town)
    assert list((await town.ranked(project)).members) == [uuid_of("Ada")]
    assert [one["number"] for one in await town.versions(project)] == [1]
    await town.settle()
    assert [one["number"] for one in await town.versions(project)] == [2, 1]


async def test_a_member_that_moves_nothing_ranks_no_list(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await town.organisation("Ada")
    for name in ("schools", "clinics"):
        await town.published(name)
    await town.settle()
    ranked = ranks_counted(town, monkeypatch)
    await town.organisation("Ada", aliases=["A.D.A."])
    await moved(town)
    await passed(town)
    assert ranked == []


async def test_a_batch_of_changed_members_ranks_a_list_once(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    ranked = ranks_counted(town, monkeypatch)
    for name in ("Bea", "Cleo", "Dora"):
        await town.organisation(name, hq_country="KEN")
    await moved(town)
    await passed(town)
    assert ranked == [project]


async def test_every_list_of_a_pass_is_ranked_at_the_positions_that_it_names(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the lists of a pass the index goes on: what it takes belongs to the next pass, and to all of that."""
    monkeypatch.setattr(ranker, "CHUNK", 1)
    await town.organisation("Ada")
    projects = [await town.published(name) for name in ("schools", "clinics", "harbours")]
    await moved(town)
    before = (await town.worker.index.pin()).positions
    meanwhile = ["Bea"]

    async def go_on(line: str) -> None:
        if line == "ranker.ranked" and meanwhile:
            await town.organisation(meanwhile.pop(), hq_country="KEN")
            await moved(town)

    with armed(go_on):
        assert await town.worker.ranker.step()
    assert (await town.worker.index.pin()).positions != before
    reached = [json.loads(row["ranked_to"]) for row in await town.rows("SELECT ranked_to FROM ranking")]
    assert [one["positions"] for one in reached] == [before] * len(reached)
    await passed(town)
    database = town.runtimes["matches"].database
    for project in projects:
        assert [one["number"] for one in await town.versions(project)] == [2, 1]
        for number in (1, 2):
            found = await recompute(database, project, number)
            assert found.stored == found.found


async def test_after_a_pass_over_many_the_next_waits_and_a_single_write_never_does(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a long backlog every pass would rank all who came so far, and the archiving beside it would get nowhere."""
    monkeypatch.setattr(ranker, "MANY", 3)
    project = await town.published("schools")
    await town.settle()
    for name in ("Ada", "Bea", "Cleo"):
        await town.organisation(name, hq_country="KEN")
    await moved(town)
    assert await town.worker.ranker.step()
    assert 0 < town.worker.ranker.rest <= ranker.LONGEST_REST_SECONDS
    ranked = ranks_counted(town, monkeypatch)
    for name in ("Ada", "Bea"):
        await town.organisation(name, hq_country="UGA")
    await moved(town)
    assert await town.worker.ranker.step()
    assert town.worker.ranker.rest == 0
    assert ranked == [project]


async def test_a_worker_that_waits_after_a_pass_over_many_stops_at_once(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranker, "MANY", 3)
    monkeypatch.setattr(ranker, "REST", 10_000)
    monkeypatch.setattr(ranker, "LONGEST_REST_SECONDS", 10_000.0)
    project = await town.published("schools")
    await town.settle()
    stop = asyncio.Event()
    running = asyncio.create_task(town.worker.ranker.run(stop))
    await asyncio.sleep(0)
    for name in ("Ada", "Bea", "Cleo"):
        await town.organisation(name, hq_country="KEN")
    await moved(town)
    async with asyncio.timeout(30):
        while not town.worker.ranker.rest:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
    ranked = ranks_counted(town, monkeypatch)
    await town.organisation("Dora", hq_country="KEN")
    await moved(town)
    await asyncio.sleep(0.3)
    assert ranked == []
    stop.set()
    async with asyncio.timeout(30):
        await running
    await passed(town)
    assert ranked == [project]


async def test_where_many_changed_every_list_is_ranked_without_a_look_at_each_of_them(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking at each costs more than ranking where the lists are few; what comes out is the same."""
    monkeypatch.setattr(ranker, "MANY", 3)
    projects = [await town.published(name) for name in ("schools", "clinics")]
    await town.settle()
    ranked = ranks_counted(town, monkeypatch)
    looked = []
    standings = ranker._standings
    monkeypatch.setattr(
        ranker, "_standings", lambda pinned, members: looked.append(1) or standings(pinned, members)
    )
    for name in ("Ada", "Bea", "Cleo"):
        await town.organisation(name, hq_country="KEN")
    await moved(town)
    assert await town.worker.ranker.step()
    assert (sorted(ranked), looked) == (sorted(projects), [])
    ranked.clear()
    monkeypatch.setattr(ranker, "DEAR", 0)  # as if there were far more lists
    for name in ("Ada", "Bea", "Cleo"):
        await town.organisation(name, hq_country="KEN", aliases=["A.D.A."])
    await moved(town)
    assert await town.worker.ranker.step()
    assert (ranked, len(looked)) == ([], 2)
