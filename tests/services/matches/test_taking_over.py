"""What a new owner of a partition may say: nothing older than what is archived, and no number twice."""

import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import exc

from matching.view import View
from services.chassis.bus.transport import TopicPartition
from services.matches.rules.material import Kept
from services.matches.worker import versions
from tests.services.matches.test_worker import another
from tests.services.matches.town import Town, new_worker, uuid_of

pytestmark = pytest.mark.timeout(300)  # eight projects, settled one by one


async def reached(town: Town) -> dict[str, dict[str, int]]:
    """Partition → positions that its lists cover."""
    rows = await town.rows("SELECT partition, ranked_to FROM ranking ORDER BY partition")
    return {row["partition"]: json.loads(row["ranked_to"])["positions"] for row in rows}


async def test_a_new_owner_ranks_nothing_older_than_what_is_archived(town: Town) -> None:
    await town.organisation("Ada")
    await town.published("schools")
    await town.settle()
    async with AsyncExitStack() as stack:
        second = await new_worker(await another(town, stack, "second"), "second")
        await town.organisation("Bea", hq_country="KEN")
        await town.settle()
        before = await reached(town)
        await second.ranker.step()
        assert second.owned.generations
        assert await reached(town) == before, "`ranked_to` went back"


async def test_a_new_owner_ranks_what_changed_while_nobody_ranked(town: Town) -> None:
    """Its index holds the change from its beginning, so nothing but the taking over tells it to rank."""
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Bea", hq_country="KEN")
    await town.relay()
    await town.consume()
    async with AsyncExitStack() as stack:
        second = await new_worker(await another(town, stack, "second"), "second")
        while await second.ranker.step():
            pass
        assert [one["number"] for one in await town.versions(project)] == [2, 1]


async def test_a_worker_ranks_what_the_group_gives_to_it_and_nothing_else(town: Town) -> None:
    await town.organisation("Ada")
    worker, partitions = town.worker, set()
    given = TopicPartition("projects.v1", 0)
    worker.group &= {given}
    worker.owned.arriving.clear()
    await worker.owned.assigned(frozenset({given, TopicPartition("members.v1", 1)}))
    listed: dict[int, list[int]] = {0: [], 1: []}
    for number in range(8):
        project = await town.published(f"project {number}")
        await town.settle()
        partition = worker.index.projects[project]
        partitions.add(partition)
        listed[partition].append(len(await town.versions(project)))
    assert worker.owned.generations == {0: 1}
    assert partitions == {0, 1}
    assert (set(listed[0]), set(listed[1])) == ({1}, {0})


async def test_a_pass_without_a_version_moves_ranked_to(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    before, told = await reached(town), await town.versions(project)
    await town.draft("a draft")  # of which no list can tell
    await town.settle()
    assert await town.versions(project) == told
    assert await reached(town) != before
    assert (await town.get("/v1/ranking-progress"))["complete"] is True


async def test_a_number_is_given_out_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two owners write the version after the same one; the second fails whole, though its generation was not checked."""
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    written: list[Any] = []
    write = versions.write

    async def kept(*of: Any, **more: Any) -> int:
        written.append((of, more))
        return await write(*of, **more)

    monkeypatch.setattr(versions, "write", kept)
    await town.organisation("Bea", hq_country="KEN")
    await town.settle()
    (_, runtime, outcome, before), more = written[-1]
    assert isinstance(before, Kept)
    with pytest.raises(exc.IntegrityError):
        async with runtime.database.write() as connection:
            await write(connection, runtime, outcome, before, **more)
    assert [one["number"] for one in await town.versions(project)] == [2, 1]


@pytest.mark.parametrize("fault", [ArithmeticError, TypeError])
async def test_ranked_to_stands_before_a_project_that_failed(
    town: Town, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    """Both have lists already, so nothing else says that one of them is behind."""
    await town.organisation("Ada")
    partitions: dict[int, str] = {}
    for number in range(8):
        project = await town.published(f"project {number}")
        await town.settle()
        partitions.setdefault(town.worker.index.projects[project], project)
    (good_at, good), (bad_at, bad) = sorted(partitions.items())
    before = await reached(town)
    rank = View.rank

    def broken(view: View, project: str, day: str) -> object:
        if project == bad:
            raise fault("a fault that the test planted")
        return rank(view, project, day)

    monkeypatch.setattr(View, "rank", broken)
    await town.organisation("Bea", hq_country="KEN")
    await town.relay()
    await town.consume()
    await town.worker.index.follow()
    await town.worker.ranker.step()
    after = await reached(town)
    assert after[good_at] != before[good_at]
    assert after[bad_at] == before[bad_at]
    assert (await town.get("/v1/ranking-progress"))["complete"] is False
    assert len(await town.versions(good)) == len(await town.versions(bad)) + 1


async def test_a_change_of_a_parents_parent_reaches_whoever_descends_from_it(town: Town) -> None:
    """The parent itself stands on no list, before or after, so nothing but its descendant can tell that one has changed."""
    here = {"required": True, "reason": "The work is on the spot."}
    await town.organisation("the owner")
    await town.organisation("Parent", hq_country="BRA", operating_countries=[])
    await town.organisation("Child", hq_country="KEN", parent=uuid_of("Parent"))
    project = await town.published("schools", owner=uuid_of("the owner"), presence_required=here)
    await town.settle()
    assert await town.names_of(project) == ["Child"]
    told = len(await town.versions(project))
    await town.organisation("Parent", hq_country="BRA", operating_countries=[], parent=uuid_of("the owner"))
    await town.settle()
    assert len(await town.versions(project)) == told + 1
    assert (
        uuid_of("Child") in (await town.get(f"/v1/lists/{project}/versions/{told + 1}"))["delta"]["removed"]
    )


async def test_becoming_willing_to_work_where_presence_is_required_reaches_the_list(town: Town) -> None:
    here = {"required": True, "reason": "The work is on the spot."}
    await town.organisation("Near", hq_country="KEN")
    project = await town.published("schools", presence_required=here)
    await town.organisation("Far", hq_country="BRA", operating_countries=[])
    await town.settle()
    assert await town.names_of(project) == ["Near"]
    told = len(await town.versions(project))
    await town.organisation("Far", hq_country="BRA", operating_countries=[], willing_countries=["KEN"])
    await town.settle()
    assert set(await town.names_of(project)) == {"Near", "Far"}
    assert uuid_of("Far") in (await town.get(f"/v1/lists/{project}/versions/{told + 1}"))["delta"]["added"]
