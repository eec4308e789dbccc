"""The index snapshot: a start with one gives what a start without gives, and what cannot be used is refused and weighed anew."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from matching import engine
from services.matches.worker import snapshot
from tests.logs import captured
from tests.services.matches.test_epoch_switch import publish
from tests.services.matches.town import Town, open_town, uuid_of

FILE = "matches-all.snapshot"
TAKEN, REFUSED = "the index snapshot is taken", "the index snapshot is refused; every organisation is weighed"
WORD = "zebrafinch"
NAMES = ("Ada", "Bea", "Cleo", "Dora")

Told = list[dict[str, Any]]


def text(said: str, language: str = "en") -> list[dict[str, str]]:
    return [{"language": language, "text": said}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "town"


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[tuple[Town, Told]]:
    """A process on the folder, and what it said of snapshots at its start; it stops gracefully at the end."""
    async with AsyncExitStack() as stack:
        with captured() as told:
            town = await open_town(folder, stack)
        yield town, [one for one in told if "snapshot" in one["event"]]
        await stopped(town)


async def stopped(town: Town) -> None:
    """Stop following, as a process does that ends gracefully."""
    stop = asyncio.Event()
    stop.set()
    await town.worker.index.run(stop)


async def settled(folder: Path) -> tuple[dict[str, int], list[Any]]:
    """A first life: some organisations and projects, ranked; revisions, and the lists."""
    async with started(folder) as (town, told):
        assert told == []
        for name in NAMES:
            await town.organisation(name)
        await town.organisation(
            "Bea", hq_country="KEN", offers=[{"kind": "equipment", "texts": text("Radios")}]
        )
        await town.organisation(
            "Cleo", descriptions=text("Nous relions des écoles rurales et formons.", "fr")
        )
        await town.organisation("Dora", descriptions=text(f"The {WORD} network connects rural schools."))
        for name in ("schools", "roads"):
            await town.published(name)
        await town.settle()
        return town.revisions, await lists(town)


def left_in(folder: Path, files: str = "*.snapshot*") -> list[str]:
    return [one.name for one in folder.glob(files)]


def put_back(folder: Path, backup: Path) -> None:
    """Put the database of the lists back as a backup has it."""
    for left in left_in(folder, "matches.db*"):
        (folder / left).unlink()
    shutil.copy(backup / "matches.db", folder)


async def lists(town: Town) -> list[Any]:
    """Every list as its packed rows, and every row with its reasons."""
    pinned = await town.worker.index.pin()
    ranked = [pinned.view.rank(project, pinned.day) for project in pinned.view.projects]
    return [
        (
            one.header(),
            one.packed(),
            [pinned.view.explain(one.project, member, pinned.day, passages=True) for member in one.members],
        )
        for one in ranked
    ]


async def test_lists_after_a_restart_are_byte_for_byte_those_without_a_snapshot(folder: Path) -> None:
    _, before = await settled(folder)
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    bare = folder.with_name("bare")
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns("*.snapshot"))
    async with started(bare) as (town, told):
        assert told == []
        without = await lists(town)
    async with started(folder) as (town, told):
        assert [(one["event"], one["organisations"]) for one in told] == [(TAKEN, len(NAMES))]
        assert await lists(town) == without == before
        assert not (folder / FILE).exists(), "while a process runs there is none"
        town.revisions = {}
        await town.organisation("Eve")  # it follows from there
        await town.settle()
        followed = await lists(town)
        assert followed != before
    async with started(folder) as (town, told):
        assert [(one["event"], one["organisations"]) for one in told] == [(TAKEN, len(NAMES) + 1)]
        assert await lists(town) == followed


async def torn(folder: Path) -> None:
    content = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(content[: len(content) // 2])


async def foreign(folder: Path) -> None:
    (folder / FILE).write_bytes(b"something else entirely" * 9)


@pytest.mark.parametrize("spoiled", [torn, foreign])
async def test_a_torn_or_foreign_file_is_refused_with_a_line_in_the_log_and_built_anew(
    folder: Path, spoiled: Callable[[Path], Awaitable[None]]
) -> None:
    _, before = await settled(folder)
    await spoiled(folder)
    async with started(folder) as (town, told):
        assert [one["event"] for one in told] == [REFUSED]
        assert "torn" in told[0]["why"]
        assert await lists(town) == before
        assert not (folder / FILE).exists()
    async with started(folder) as (_, told):  # a whole one was left
        assert [one["event"] for one in told] == [TAKEN]


async def test_a_snapshot_of_another_epoch_is_refused_and_built_anew(folder: Path) -> None:
    await settled(folder)
    left = (folder / FILE).read_bytes()
    async with started(folder) as (town, _):
        await publish(town)
        await town.settle()
        under_the_new = await lists(town)
    (folder / FILE).write_bytes(left)
    async with started(folder) as (town, told):
        assert [one["event"] for one in told] == [REFUSED]
        assert "of epoch" in told[0]["why"]
        assert await lists(town) == under_the_new


async def test_a_snapshot_of_another_build_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, before = await settled(folder)
    monkeypatch.setattr(snapshot, "build", lambda: "another release")
    async with started(folder) as (town, told):
        assert [one["event"] for one in told] == [REFUSED]
        assert "of build" in told[0]["why"]
        assert await lists(town) == before


async def test_a_snapshot_that_is_newer_than_a_restored_database_is_refused(folder: Path) -> None:
    revisions, before = await settled(folder)
    shutil.copytree(folder, backup := folder.with_name("backup"))
    async with started(folder) as (town, _):
        town.revisions = revisions
        await town.organisation("Ada", descriptions=text("We sail to islands."))
        await town.settle()
        after = await lists(town)
        assert after != before
    put_back(folder, backup)
    async with started(folder) as (town, told):
        assert [one["event"] for one in told] == [REFUSED]
        assert "the archive to" in told[0]["why"]
        assert await lists(town) == before
        await town.settle()  # what the backup has not is read from the log again
        assert await lists(town) == after


async def test_who_was_erased_is_in_no_snapshot_and_none_brings_them_back(folder: Path) -> None:
    revisions, _ = await settled(folder)
    left = (folder / FILE).read_bytes()
    assert WORD.encode() in left
    async with started(folder) as (town, _):
        town.revisions = revisions
        (folder / "matches-api.snapshot").write_bytes(
            left
        )  # another process of this folder stopped meanwhile
        await town.erase("organisations", uuid_of("Dora"))
        await town.settle()
        assert left_in(folder) == []
        without = await lists(town)
    assert WORD.encode() not in (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(left)  # one of before the erasure
    async with started(folder) as (town, told):
        assert [one["event"] for one in told] == [TAKEN]
        assert await lists(town) == without
        assert uuid_of("Dora") not in (await town.worker.index.pin()).view.members
    assert WORD.encode() not in (folder / FILE).read_bytes()


async def test_where_none_can_be_written_the_stop_is_a_good_one(folder: Path) -> None:
    _, before = await settled(folder)
    async with started(folder) as (town, _):
        (folder / FILE).mkdir()
        with captured() as told:
            await stopped(town)
        assert [one["event"] for one in told] == ["no index snapshot is left"]
        assert left_in(folder) == [FILE]  # no draft
    async with started(folder) as (town, told):
        assert told[0]["event"] == "the index snapshot cannot be read; every organisation is weighed"
        assert await lists(town) == before


async def test_where_one_cannot_be_made_the_stop_is_a_good_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> Iterator[bytes]:
        yield b"so far"
        raise MemoryError

    await settled(folder)
    async with started(folder) as (town, _):
        monkeypatch.setattr(engine, "pieces", failing)
        with captured() as told:
            await stopped(town)
        assert [(one["event"], one["why"]) for one in told] == [
            ("no index snapshot is left", "MemoryError: ")
        ]
        assert left_in(folder) == []


async def test_a_stop_that_is_past_its_time_leaves_no_part_of_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can cancel the thread that writes: it looks between two pieces whether it is waited for still."""
    under_way, go_on = threading.Event(), threading.Event()
    original = engine.pieces

    def slow(*given: Any) -> Iterator[bytes | memoryview]:
        for piece in original(*given):
            yield piece
            under_way.set()
            go_on.wait(60)

    await settled(folder)
    async with started(folder) as (town, _):
        with monkeypatch.context() as patch:
            patch.setattr(engine, "pieces", slow)
            stopping = asyncio.create_task(stopped(town))
            await asyncio.to_thread(under_way.wait, 60)
            stopping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stopping
            assert len(left_in(folder)) == 1  # the draft
            go_on.set()
            async with asyncio.timeout(60):
                while left_in(folder, f"{FILE}.*"):  # noqa: ASYNC110 - nobody tells us
                    await asyncio.sleep(0.01)
        assert left_in(folder) == []
