"""What a restore takes back from a log that was compacted: each newest revision, whole; of the history what is left."""

import uuid
from itertools import pairwise
from pathlib import Path

import pytest

from schemas import contracts
from services.chassis import sqlite
from services.chassis.bus import incarnation
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.restoring import restore
from services.chassis.database import Database
from services.chassis.lifecycle import open_runtimes, open_transport
from services.chassis.settings import load_settings
from services.console.preparing import prepare
from services.members import SERVICE
from services.members.commands.restoring import OWNER, RESTORER, take_back
from services.members.tables import METADATA
from tests.services.members.conftest import Desk, open_desk


async def test_the_newest_revision_comes_back_and_the_history_may_have_a_gap(
    desk: Desk, tmp_path: Path
) -> None:
    for revision, name in enumerate(("First", "Second", "Third")):
        await desk.put(match=revision or None, legal_name=name)
    said = await desk.events()
    before = await desk.rows("organisations")
    settings = load_settings(data_folder=tmp_path / "put back")
    settings.data_folder.mkdir()
    database = Database.for_service(settings, "members")
    async with database.write() as connection:
        await connection.run_sync(METADATA.create_all)
    again = await open_desk(settings, database)
    async with database.write() as connection:
        life = await incarnation.current(connection)
        for event in (said[0], said[2]):  # compaction took the second
            assert await take_back(connection, again.runtime, event, contracts.read(event), life) == "taken"
    assert [row["record"] for row in await again.rows("organisations")] == [row["record"] for row in before]
    history = [(row["revision"], row["changed_by"]) for row in await again.rows("revisions")]
    assert history == [(1, RESTORER), (3, RESTORER)]
    await database.close()


@pytest.mark.parametrize("read_first", ["the holder", "the other"])
@pytest.mark.parametrize("moves", [("other", "nobody", "holder"), ("other",)])
async def test_an_external_id_that_moved_since_the_backup_is_with_whoever_has_it_now(
    moves: tuple[str, ...], read_first: str, tmp_path: Path
) -> None:
    """The log is read partition by partition, so an older record of one comes after the newest of another."""
    low, high = sorted(map(str, (uuid.UUID(int=1), uuid.UUID(int=2))), key=lambda key: partition_for(key, 8))
    assert partition_for(low, 8) < partition_for(high, 8)
    ids = dict(
        zip(("holder", "other"), (low, high) if read_first == "the holder" else (high, low), strict=True)
    )
    register = [{"scheme": "org-register", "value": "K-4711"}]
    settings = load_settings(data_folder=tmp_path)
    await prepare(settings)
    database, backup = Database.for_service(settings, "members"), tmp_path / "backup"
    desk, revisions = await open_desk(settings, database), dict.fromkeys(ids, 0)

    async def write(name: str, *, has: bool) -> None:
        if name in ids:
            match, has_now = revisions[name] or None, register if has else []
            await desk.put(ids[name], match=match, legal_name=name, external_ids=has_now)
            revisions[name] += 1

    await write("holder", has=True)
    sqlite.back_up(str(tmp_path / "members.db"), str(backup))
    for before, after in pairwise(("holder", *moves)):
        await write(before, has=False)
        await write(after, has=True)
    said, held = await desk.events(), await desk.rows("external_ids")
    assert [row["organisation"] for row in held] == [ids[moves[-1]]]
    await database.put_back(backup)
    await database.close()

    async with open_transport(settings) as transport:
        async with transport.appender("members") as appender:
            await appender.append(said)
        async with open_runtimes(settings, [SERVICE], transport=transport, role="relay") as (runtime,):
            assert (await restore(runtime, OWNER)).taken_back == len(said) - 1
            desk.runtime = runtime
            assert await desk.rows("external_ids") == held
