"""A new epoch re-ranks everything, while the old index goes on serving the lists whose versions still name it."""

import asyncio
import zlib
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from matching.engine import Engine
from matching.epoch import Epoch
from matching.lists import RankedList
from matching.view import View
from services.matches.commands import first_epoch
from services.matches.tables import DOCUMENTS, EPOCHS
from services.matches.worker import engines, ranker
from services.matches.worker.documents import member_of, project_of
from tests.services.matches.test_worker import another
from tests.services.matches.town import Town, analysis, changed_epoch, open_town, uuid_of

FAR = [{"language": "en", "text": "We audit insurance contracts of shipping companies in large harbours."}]


def epoch_with(needs: int) -> bytes:
    """The shipped epoch with another budget of needs: everybody who meets a need has other points."""
    budgets = dict(Epoch.loads(first_epoch(None)).weights.budgets) | {"needs": needs}
    return changed_epoch(version=needs, budgets=budgets)


async def publish(town: Town, needs: int = 100_000_000) -> str:
    """Publish an epoch; its hash. Nothing follows by itself."""
    answer = await town.call("POST", "/v1/epochs", epoch_with(needs))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["hash"])


async def followed(town: Town) -> None:
    """Take everything as far as the index, and rank nothing."""
    while await town.relay() + await town.consume() + await town.worker.index.follow():
        pass


async def served(town: Town) -> list[str]:
    """The epochs that this process serves lists under."""
    return [one.epoch for one in await town.worker.index.pin_all()]


@contextmanager
def failing(project: str) -> Iterator[None]:
    """Hold one project back: it cannot be ranked."""
    rank = View.rank

    def broken(view: View, asked: str, day: str) -> Any:
        if asked == project:
            raise ArithmeticError("a fault that the test planted")
        return rank(view, asked, day)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(View, "rank", broken)
        yield


async def rank_all_but(town: Town, project: str) -> None:
    """One pass of the ranker, in which one project fails."""
    with failing(project):
        assert await town.worker.ranker.step()


async def recomputed(town: Town, project: str, epoch: str, day: str) -> RankedList:
    """The list from the archive alone, by an engine of its own."""
    async with town.runtimes["matches"].database.read() as connection:
        body = await connection.scalar(select(EPOCHS.c.body).where(EPOCHS.c.hash == epoch))
        rows = (await connection.execute(select(DOCUMENTS).where(DOCUMENTS.c.latest))).all()
    engine = Engine(Epoch.loads(zlib.decompress(body or b"")), analyser=analysis().analyser)
    for row in rows:
        if row.record is not None and row.kind == "member":
            engine.put_member(member_of(row.record))
        elif row.record is not None:
            engine.put_project(project_of(row.record))
    return engine.pin().rank(project, day)


async def agrees(town: Town, project: str, epoch: str) -> None:
    """The page names the epoch, and its rows are those of that epoch, recomputed from the archive."""
    page = await town.list_of(project, "include=parts")
    assert page["epoch"] == epoch
    ranked = await recomputed(town, project, epoch, page["reference_date"])
    assert [(row["organisation"], row["revision"], row["points"]) for row in page["candidates"]] == [
        (row.member, row.revision, row.points) for row in ranked.rows()
    ]
    for row in page["candidates"]:
        assert sum(part["points"] for part in row["parts"]) == row["points"]


async def test_a_list_is_served_under_the_epoch_that_its_version_names(town: Town) -> None:
    await town.organisation("Ada")
    await town.organisation("Bea", hq_country="KEN")
    one, two = [await town.published(name) for name in ("one", "two")]
    await town.settle()
    paths = [
        f"/v1/lists/{one}/candidates?include=parts",
        f"/v1/lists/{one}/candidates/{uuid_of('Ada')}",
        f"/v1/lists/{one}/coverage",
    ]
    opportunities = f"/v1/opportunities?organisation={uuid_of('Ada')}"
    before = [await town.get(path) for path in [*paths, opportunities]]
    old = before[0]["epoch"]

    new = await publish(town)
    await followed(town)
    assert await served(town) == [new, old]
    assert [await town.get(path) for path in paths] == before[:3], (
        "versions, points, parts, reasons: all as before"
    )
    lines = await town.get(opportunities)
    assert (lines["epoch"], lines["opportunities"]) == (new, before[3]["opportunities"])
    assert before[0]["changed_since"] is False

    await rank_all_but(town, two)
    await agrees(town, one, new)
    await agrees(town, two, old)
    after = await town.get(paths[1])
    assert (after["list_version"], after["epoch"]) == (2, new)
    assert after["components"]["needs"] < before[1]["components"]["needs"]
    assert (await town.get(paths[2]))["epoch"] == new
    lines = {line["project"]: line for line in (await town.get(opportunities))["opportunities"]}
    assert {name: line["epoch"] for name, line in lines.items()} == {one: new, two: old}
    assert lines[two] in before[3]["opportunities"]
    assert lines[one]["points"] == after["points"]

    await town.settle()
    await agrees(town, one, new)
    await agrees(town, two, new)
    assert await served(town) == [new], "no list names the old epoch: its engine is gone"


async def test_a_member_that_changes_meanwhile_is_applied_to_both(town: Town) -> None:
    for name in ("Ada", "Bea", "Cleo"):
        await town.organisation(name)
    one, two = [await town.published(name) for name in ("one", "two")]
    await town.settle()
    old, new = (await town.list_of(one))["epoch"], await publish(town)
    await followed(town)
    await rank_all_but(town, two)
    await town.organisation("Ada", descriptions=FAR)
    await town.organisation("Dan", hq_country="KEN")
    await town.erase("organisations", uuid_of("Bea"))
    await town.draft("two", countries=["UGA"])
    await followed(town)
    await agrees(town, one, new)
    await agrees(town, two, old)
    assert sorted(await town.names_of(two)) == ["Ada", "Cleo", "Dan"]
    assert (await town.list_of(two))["changed_since"] is True


async def test_following_and_ranking_go_on_while_a_new_epoch_is_read(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PAGE", 1)
    names = [f"Organisation {number}" for number in range(6)]
    for name in names:
        await town.organisation(name)
    one = await town.published("one")
    await town.settle()
    old, new = (await town.list_of(one))["epoch"], await publish(town)
    for _ in range(4):
        assert await town.worker.index.follow()
    assert await served(town) == [old]
    await town.organisation("Newcomer", hq_country="KEN")
    for name in names[:3]:
        await town.organisation(name, descriptions=FAR)
    for name in names[3:5]:
        await town.erase("organisations", uuid_of(name))
    await town.published("late")
    await town.relay()
    await town.consume()
    assert await town.worker.index.follow()
    assert await town.worker.ranker.step()
    newest = (await town.versions(one))[0]
    assert (newest["number"], newest["epoch"]) == (2, old), "a list is not held up by the epoch to come"
    await agrees(town, one, old)
    await followed(town)
    assert await served(town) == [new, old]
    await town.settle()
    await agrees(town, one, new)
    await agrees(town, uuid_of("late"), new)
    async with AsyncExitStack() as stack:
        other = await another(town, stack, "second")
        fresh, here = await other.state["index"].pin(), await town.worker.index.pin()
        assert fresh.view.members == here.view.members
        assert fresh.view.rank(one, fresh.day).packed() == here.view.rank(one, here.day).packed()


async def test_a_restart_half_way_serves_both_epochs(tmp_path: Path) -> None:
    folder = tmp_path / "town"
    async with AsyncExitStack() as stack:
        town = await open_town(folder, stack)
        await town.organisation("Ada")
        one, two = [await town.published(name) for name in ("one", "two")]
        await town.settle()
        before = await town.list_of(two, "include=parts")
        old, new = before["epoch"], await publish(town)
        await followed(town)
        await rank_all_but(town, two)
        revisions = town.revisions
    async with AsyncExitStack() as stack:
        town = await open_town(folder, stack)
        town.revisions = revisions
        assert await served(town) == [new, old]
        assert await town.list_of(two, "include=parts") == before
        await agrees(town, one, new)
        await town.organisation("Ada", hq_country="KEN")
        await followed(town)
        await agrees(town, one, new)
        await agrees(town, two, old)
        await town.settle()
        await agrees(town, two, new)
        assert await served(town) == [new]
    async with AsyncExitStack() as stack:
        town = await open_town(folder, stack)
        assert await served(town) == [new], "nothing names the old epoch: its engine is not built again"


async def test_never_more_than_two_engines_and_the_answer_says_which(town: Town) -> None:
    await town.organisation("Ada")
    one = await town.published("one")
    await town.settle()
    old = (await town.list_of(one))["epoch"]
    second = await publish(town)
    await followed(town)
    third = await publish(town, needs=50_000_000)
    await followed(town)
    assert await served(town) == [third], "no list names the second, and there is no room for the first"
    page = await town.list_of(one)
    assert (page["list_version"], page["epoch"], page["changed_since"]) == (1, third, True)
    await agrees(town, one, third)
    await town.settle()
    assert [one["epoch"] for one in await town.versions(one)] == [third, old]
    assert second not in await served(town)


async def test_what_answers_say_fits_together_while_everything_runs(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loops as in a real process, a chunk for each project, and readers all the while."""
    monkeypatch.setattr(ranker, "CHUNK", 1)
    monkeypatch.setattr(engines, "PAGE", 2)
    for number in range(12):
        await town.organisation(f"Organisation {number}", hq_country=("KEN", "UGA", "FRA")[number % 3])
    projects = [await town.published(f"project {number}") for number in range(8)]
    await town.settle()
    old = (await town.list_of(projects[0]))["epoch"]
    points = {one: [row["points"] for row in (await town.list_of(one))["candidates"]] for one in projects}
    new = await publish(town)
    stop = asyncio.Event()
    running = [
        asyncio.create_task(town.worker.index.run(stop)),
        asyncio.create_task(town.worker.ranker.run(stop)),
    ]
    seen: set[tuple[int, str]] = set()
    async with asyncio.timeout(60):
        while True:
            pages = [await town.list_of(one) for one in projects]
            for one, page in zip(projects, pages, strict=True):
                seen.add((page["list_version"], page["epoch"]))
                if page["epoch"] == old:
                    assert [row["points"] for row in page["candidates"]] == points[one]
            if {page["epoch"] for page in pages} == {new}:
                break
    assert seen == {(1, old), (2, new)}

    async def alone() -> bool:
        return await served(town) == [new]

    async with asyncio.timeout(30):
        while not await alone():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)
    stop.set()
    await asyncio.gather(*running)
    for one in projects:
        await agrees(town, one, new)
