"""The matching worker: what makes a version, who may write it, and what is never lost or written twice."""

import asyncio
import threading
from collections.abc import MutableMapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matching.lists import BANDS
from matching.view import View
from schemas.envelope import Event, Sequence
from schemas.topics import LIST_REMOVED
from services.chassis.database import Database
from services.chassis.runtime import Runtime
from services.matches import SERVICE, startup
from services.matches.rules.material import Delta, Kept, crossings, delta_of, head_of, material
from services.matches.worker.ownership import refused
from tests.services.matches.town import Town, analysis, new_worker, open_town, uuid_of

FAR = [{"language": "en", "text": "We audit insurance contracts of shipping companies in large harbours."}]


async def another(town: Town, stack: AsyncExitStack, name: str) -> Runtime:
    """A second matching process: its own connections and index on the same database and log."""
    database = Database.for_service(town.settings, "matches")
    stack.push_async_callback(database.close)
    first = town.runtimes["matches"]
    runtime = Runtime(
        settings=town.settings,
        service=SERVICE,
        database=database,
        transport=first.transport,
        clock=town.clock,
        state={"analysis": analysis()},
    )
    await startup(runtime)
    return runtime


async def test_the_same_input_twice_makes_no_version(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.deliver_again(await town.records("members.v1") + await town.records("projects.v1"))
    await town.settle()
    await town.organisation("Ada", aliases=["A.D.A."])  # a new revision that changes nothing in the list
    await town.settle()
    assert [one["number"] for one in await town.versions(project)] == [1]


async def test_what_is_material_is_a_version_with_its_reason_and_delta(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Bea", hq_country="KEN")
    await town.settle()
    newest = (await town.versions(project))[0]
    assert newest["number"] == 2
    assert set(newest["reasons"]) == {"head", "floor"}
    whole = await town.get(f"/v1/lists/{project}/versions/2")
    assert whole["delta"]["added"] == [uuid_of("Bea")]
    assert whole["delta"]["moved"] == [{"organisation": uuid_of("Ada"), "before": 1, "after": 2}]
    assert [row["name"] for row in whole["head"]] == ["Bea", "Ada"]
    told = await town.told("matches.v1")
    assert [one["number"] for one in told if one["project"] == project] == [1, 2]
    assert sorted(one["organisation"] for one in await town.told("standings.v1")) == sorted(
        [uuid_of("Ada"), uuid_of("Bea")]
    )


async def test_a_crossing_is_a_version_whose_delta_says_nothing_of_it(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    ranked = await town.ranked(project)
    [(ada, band)] = crossings(Kept(), ranked).standing.items()
    for before, reason in (({ada: next(one for one in BANDS if one != band)}, "band"), ({}, "floor")):
        kept = Kept(
            number=1,
            project_revision=ranked.project_revision,
            epoch=ranked.epoch,
            head=head_of(ranked),
            standing=before,
        )
        crossed = crossings(kept, ranked)
        assert material(kept, ranked, crossed, closing=False) == (reason,)
        assert crossed.changed == {ada: band}, "which is a record of its own in standings.v1"
        assert delta_of(kept.head, head_of(ranked)) == Delta(added=(), removed=(), moved=())


async def test_a_new_revision_of_the_project_is_a_version(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.draft("schools", countries=["UGA"])
    await town.settle()
    newest = (await town.versions(project))[0]
    assert (newest["number"], newest["project_revision"]) == (2, town.revisions[project])
    assert "project" in newest["reasons"]


async def test_falling_below_the_floor_takes_the_standing_away(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Ada", descriptions=FAR, offers=[{"kind": "funding", "texts": FAR}])
    await town.settle()
    assert await town.rows("SELECT * FROM standings") == []
    assert (await town.told("standings.v1"))[-1] is None
    assert "floor" in (await town.versions(project))[0]["reasons"]


async def test_a_change_of_the_parent_reaches_the_lists_of_its_descendants(town: Town) -> None:
    """Who owns the owner decides who is an affiliate: a change far up re-ranks lists on which only a child stands."""
    await town.organisation("Owner")
    await town.organisation("Holding")
    await town.organisation("Child", parent=uuid_of("Holding"))
    project = await town.published("schools", owner=uuid_of("Owner"))
    await town.settle()
    assert "Child" in await town.names_of(project)
    await town.organisation("Holding", parent=uuid_of("Owner"))
    await town.settle()
    assert await town.names_of(project) == []
    row = await town.row_of(project, "Child")
    assert [rule["code"] for rule in row["failed_rules"]] == ["affiliate_of_owner"]


async def test_a_pass_runs_in_a_thread_never_on_the_event_loop(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much there is to rank, requests are answered, and a group hears that its member is alive."""
    seen: dict[str, set[int]] = {"rank": set(), "points_of": set()}

    def noting(name: str) -> Any:
        whole = getattr(View, name)

        def noted(*of: Any) -> Any:
            seen[name].add(threading.get_ident())
            return whole(*of)

        return noted

    for name in seen:
        monkeypatch.setattr(View, name, noting(name))
    await town.published("schools")
    for more in ({}, {"languages": ["en", "fr"]}):
        await town.organisation("Ada", **more)
        await town.settle()
    for threads in seen.values():
        assert threads
        assert threading.get_ident() not in threads


async def test_an_older_revision_that_comes_late_is_ignored_and_logged(
    town: Town, logged: list[MutableMapping[str, Any]]
) -> None:
    await town.organisation("Ada")
    await town.organisation("Ada", hq_country="KEN")
    await town.relay()
    old, new = (record for record in await town.records("members.v1"))
    await town.deliver_again([new, old])
    assert [row["version"] for row in await town.rows("SELECT version FROM documents")] == [2]
    assert any("older revision" in entry["event"] for entry in logged)


async def test_a_word_of_a_new_life_is_above_every_version_before_it(town: Town) -> None:
    await town.organisation("Ada")
    await town.organisation("Ada", hq_country="KEN")
    await town.settle()
    record = (await town.records("members.v1"))[-1]
    again = replace(Event.from_record(record), sequence=Sequence(2, 1))
    await town.deliver_again([record._replace(offset=record.offset + 1, headers=again.headers())])
    rows = await town.rows("SELECT incarnation, version FROM documents WHERE kind = 'member' AND latest")
    assert rows == [{"incarnation": 2, "version": 1}]


async def test_erasure_empties_every_row_of_the_archive(town: Town) -> None:
    ada = await town.organisation("Ada")
    await town.organisation("Ada", hq_country="KEN")
    project = await town.published("schools")
    await town.settle()
    await town.erase("organisations", ada)
    await town.settle()
    rows = await town.rows("SELECT * FROM documents WHERE kind = 'member'")
    assert len(rows) == 3
    assert all(row["record"] is None and row["analysed"] is None for row in rows)
    assert await town.names_of(project) == []


async def test_a_taken_over_partition_refuses_its_former_owner(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    async with AsyncExitStack() as stack:
        second = await new_worker(await another(town, stack, "second"), "second")
        while await second.ranker.step():
            pass
        generations = {row["partition"]: row for row in await town.rows("SELECT * FROM ranking")}
        assert {row["owner"] for row in generations.values()} == {"second"}
        former = town.worker.owned.generations
        async with town.runtimes["matches"].database.write() as connection:
            assert await refused(connection, former) == set(former)
        await town.organisation("Bea", hq_country="KEN")
        await town.relay()
        await town.consume()
        await second.index.follow()
        while await second.ranker.step():
            pass
        assert [one["number"] for one in await town.versions(project)] == [2, 1]
        # The former owner wakes up, is refused, and writes nothing: no number twice, none skipped.
        town.worker.group.clear()
        await town.worker.index.follow()
        await town.worker.ranker.step()
        assert [one["number"] for one in await town.versions(project)] == [2, 1]
        assert (town.worker.owned.generations, town.worker.owned.arriving) == ({}, set())


async def test_a_second_process_computes_the_same_bytes(town: Town) -> None:
    for number in range(12):
        await town.organisation(f"One {number}", hq_country=("KEN", "UGA", "FRA")[number % 3])
    project = await town.published("schools")
    await town.settle()
    async with AsyncExitStack() as stack:
        other = await another(town, stack, "second")
        pinned = await other.state["index"].pin()
        assert pinned.view.rank(project, pinned.day).packed() == (await town.ranked(project)).packed()


async def test_what_was_erased_while_nobody_ranked_is_caught_up_with(town: Town) -> None:
    await town.organisation("Ada")
    projects = [await town.published(name) for name in ("schools", "clinics")]
    await town.settle()
    await town.step(projects[1], "close", body={"reason": "Found."})
    await town.settle()
    for project in projects:
        await town.erase("projects", project)
    await town.relay()
    await town.consume()
    async with AsyncExitStack() as stack:
        for name in ("second", "third"):
            worker = await new_worker(await another(town, stack, name), name)
            while await worker.ranker.step():
                pass
            assert await town.rows("SELECT * FROM standings") == []
            await town.relay()
            said = [Event.from_record(one).type for one in await town.records("matches.v1")]
            assert said.count(LIST_REMOVED) == 2


@pytest.mark.parametrize("fault", [ArithmeticError, KeyError])
async def test_ranked_to_never_passes_a_project_that_failed(
    town: Town, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    await town.organisation("Ada")
    good = await town.published("good")
    bad = await town.published("bad")
    rank = View.rank

    def broken(view: View, project: str, day: str) -> object:
        if project == bad:
            raise fault("a fault that the test planted")
        return rank(view, project, day)

    monkeypatch.setattr(View, "rank", broken)
    await town.relay()
    await town.consume()
    await town.worker.index.follow()
    await town.worker.ranker.step()
    monkeypatch.setattr(View, "rank", rank)
    assert len(await town.versions(good)) == 1
    assert await town.versions(bad) == []
    assert (await town.get("/v1/ranking-progress"))["complete"] is False
    await town.settle()
    assert len(await town.versions(bad)) == 1
    assert (await town.get("/v1/ranking-progress"))["complete"] is True


async def test_a_project_that_always_fails_fills_no_core(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await town.organisation("Ada")
    await town.published("bad")
    await town.relay()
    await town.consume()
    tried: list[str] = []

    def broken(view: View, project: str, day: str) -> object:
        tried.append(project)
        raise ArithmeticError("a fault that the test planted")

    monkeypatch.setattr(View, "rank", broken)
    stop = asyncio.Event()
    running = asyncio.create_task(town.worker.ranker.run(stop))
    await town.worker.index.follow()
    await asyncio.sleep(1)
    stop.set()
    await asyncio.wait_for(running, 10)
    assert 2 <= len(tried) <= 8


async def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "town"
    async with AsyncExitStack() as stack:
        town = await open_town(folder, stack)
        await town.organisation("Ada")
        project = await town.published("schools")
        await town.settle()
        revisions = town.revisions
    async with AsyncExitStack() as stack:
        town = await open_town(folder, stack)
        town.revisions = revisions
        await town.settle()
        assert [one["number"] for one in await town.versions(project)] == [1]
        await town.organisation("Bea", hq_country="KEN")
        await town.settle()
        assert [one["number"] for one in await town.versions(project)] == [2, 1]
        assert await town.names_of(project) == ["Bea", "Ada"]
