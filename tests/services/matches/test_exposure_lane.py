"""The lane beside a list: chosen with a version, stored with it, and nothing on the list itself."""

from typing import Any
from uuid import UUID

import pytest
from orjson import loads

from services.matches.worker import versions
from services.matches.worker.exposure import Record, unpacked
from tests.services.matches.town import Town, changed_epoch, uuid_of

SMALL = {"attention": {"1": 1_000_000, "2": 630_930, "3": 500_000}, "lane": 2}


@pytest.fixture
async def crowd(town: Town) -> Town:
    """Eight organisations that fit alike, and an epoch whose lists have three first rows and a lane of two."""
    await town.call("POST", "/v1/epochs", changed_epoch(**SMALL))
    for number in range(8):
        await town.organisation(f"Org {number}")
    return town


def names(answer: Any) -> list[str]:
    return [row["name"] for row in answer["also_fits"]["candidates"]]


async def test_those_who_are_rarely_seen_stand_in_a_lane_that_leaves_the_list_alone(crowd: Town) -> None:
    project = await crowd.published("schools")
    await crowd.settle()
    answer = await crowd.list_of(project)
    rows = {row["organisation"]: row for row in answer["candidates"]}
    lane = answer["also_fits"]
    assert lane["label"] == "Also fits, rarely seen"
    assert len(lane["candidates"]) == 2
    for row in lane["candidates"]:
        assert {key: value for key, value in row.items() if key != "seen"} == rows[row["organisation"]]
        assert row["rank"] > 3
        assert row["reasons"]
        assert row["seen"] == 0
    ranked = await crowd.ranked(project)
    assert [row["organisation"] for row in answer["candidates"]] == ranked.members
    assert (await crowd.versions(project))[0]["digest"] == ranked.digest()


async def test_projects_published_together_take_turns(crowd: Town) -> None:
    """Of two lists of one transaction the later one sees the earlier: its lane names whom that one does not show."""
    one, other = await crowd.published("one"), await crowd.published("other")
    await crowd.settle()
    answers = [await crowd.list_of(project) for project in (one, other)]
    lanes = [set(names(answer)) for answer in answers]
    heads = [{row["name"] for row in answer["candidates"][:3]} for answer in answers]
    everybody = {f"Org {number}" for number in range(8)}
    turns = []
    for earlier, later in ((0, 1), (1, 0)):
        shown = heads[earlier] | lanes[earlier]
        free = everybody - shown - heads[later]
        turns.append(len(lanes[later] & shown) == max(0, len(lanes[later]) - len(free)))
    assert any(turns)


async def test_a_lane_without_a_change_stays(crowd: Town) -> None:
    project = await crowd.published("schools")
    await crowd.settle()
    before = names(await crowd.list_of(project))
    await crowd.draft(
        "schools", titles=[{"language": "en", "text": "Community networks for rural schools now"}]
    )
    await crowd.settle()
    assert len(await crowd.versions(project)) == 2
    assert names(await crowd.list_of(project)) == before


async def test_filters_choose_and_later_pages_and_closed_lists_have_none(crowd: Town) -> None:
    project = await crowd.published("schools")
    await crowd.settle()
    assert names(await crowd.list_of(project, "sme=true")) == []
    page = await crowd.get(f"/v1/lists/{project}/candidates?limit=5")
    assert len(page["also_fits"]["candidates"]) == 2
    later = await crowd.get(f"/v1/lists/{project}/candidates?limit=5&cursor={page['next']}")
    assert later["also_fits"] is None
    assert (await crowd.get(f"/v1/lists/{project}/candidates?eligibility=excluded"))["also_fits"] is None
    await crowd.step(project, "close", body={"reason": "Done."})
    await crowd.settle()
    assert (await crowd.list_of(project))["also_fits"] is None


async def test_an_organisation_is_shown_its_own_row_of_a_lane_and_no_other(crowd: Town) -> None:
    project = await crowd.published("schools")
    await crowd.settle()
    shown = names(await crowd.list_of(project))
    for number in range(8):
        name = f"Org {number}"
        who = crowd.bearer("organisation_reader", organisation=uuid_of(name))
        own = await crowd.get(f"/v1/lists/{project}/candidates", who=who)
        assert names(own) == ([name] if name in shown else [])


async def test_the_lane_is_told_in_the_language_asked_for(crowd: Town) -> None:
    project = await crowd.published("schools")
    await crowd.settle()
    answer = await crowd.list_of(project, "language=fr")
    assert answer["also_fits"]["label"] == "Convient aussi, rarement vue"


async def test_who_withdraws_leaves_the_lane_and_the_record(crowd: Town) -> None:
    project = await crowd.published("schools")
    await crowd.settle()
    gone = names(await crowd.list_of(project))[0]
    await crowd.withdraw(uuid_of(gone))
    await crowd.settle()
    assert gone not in names(await crowd.list_of(project))
    assert uuid_of(gone) not in await standing(crowd)


async def test_an_erased_organisation_is_in_no_list_that_stands(crowd: Town) -> None:
    await crowd.published("schools")
    await crowd.settle()
    await crowd.erase("organisations", uuid_of("Org 1"))
    await crowd.settle()
    assert uuid_of("Org 1") not in await standing(crowd)


async def test_what_a_version_gives_is_stored_with_it_and_stands_until_the_next(crowd: Town) -> None:
    project = await crowd.published("schools")
    await crowd.settle()
    await crowd.organisation("Org 9")
    await crowd.settle()
    rows = await crowd.rows("SELECT * FROM list_versions ORDER BY number")
    assert [row["shown_until"] for row in rows] == [rows[1]["created_at"], None]
    told = (await crowd.get(f"/v1/lists/{project}/versions/2"))["lane"]
    assert [one["organisation"] for one in loads(rows[1]["lane"])] == [one["organisation"] for one in told]
    kept = unpacked(rows[1]["attention"])
    assert kept["given"][:3].tolist() == list(SMALL["attention"].values())
    assert kept["given"][kept["lane"]].tolist() == [500_000, 500_000]
    assert len(kept) == 9


async def test_a_closed_or_erased_project_gives_nothing_any_more(crowd: Town) -> None:
    closed, erased = await crowd.published("closed"), await crowd.published("erased")
    await crowd.settle()
    assert (await record(crowd)).exposure.lists.keys() == {closed, erased}
    await crowd.step(closed, "close", body={"reason": "Done."})
    await crowd.erase("projects", erased)
    await crowd.settle()
    assert not (await record(crowd)).exposure.lists


async def test_the_record_read_on_and_one_read_anew_are_the_same(crowd: Town) -> None:
    """Nothing is kept in a process that the versions do not hold."""
    read_on = Record()
    for number in range(3):
        await crowd.published(f"project {number}")
        await crowd.organisation(f"Org {number}", hq_country="KEN")
        await crowd.settle()
        async with crowd.runtimes["matches"].database.read() as connection:
            await read_on.refresh(connection)
    anew = await record(crowd)
    assert read_on.numbers == anew.numbers
    assert {one: rows.tobytes() for one, rows in read_on.exposure.lists.items()} == {
        one: rows.tobytes() for one, rows in anew.exposure.lists.items()
    }


async def test_a_transaction_that_failed_leaves_nothing_in_the_record(
    crowd: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lane was chosen and supposed to stand; the next pass reads what was committed and chooses the same again."""
    first = await crowd.published("first")
    await crowd.settle()
    await crowd.published("second")
    while await crowd.relay() + await crowd.consume():
        pass
    post = versions.outbox.post_all

    async def refuse(*of: Any, **more: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(versions.outbox, "post_all", refuse)
        with pytest.raises(RuntimeError):
            await crowd.rank()
    assert versions.outbox.post_all is post
    crowd.worker.owned.arriving |= crowd.worker.owned.generations.keys()
    await crowd.settle()
    assert (await record(crowd)).exposure.lists.keys() == {first, uuid_of("second")}
    assert crowd.worker.ranker._record.numbers[first] == 1


async def record(town: Town) -> Record:
    found = Record()
    async with town.runtimes["matches"].database.read() as connection:
        await found.refresh(connection)
    return found


async def standing(town: Town) -> set[str]:
    """Ids of all organisations in the record."""
    rows = (await record(town)).exposure.lists.values()
    return {str(UUID(bytes=bytes(one))) for each in rows for one in each["organisation"]}
