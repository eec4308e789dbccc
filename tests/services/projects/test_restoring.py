"""What a restore takes back of projects from the log, whose partitions are read one after the other."""

import uuid
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import TOPICS
from services.chassis import sqlite
from services.chassis.bus.partitioner import partition_for
from services.chassis.bus.relay import Relay
from services.chassis.bus.restoring import restore
from services.chassis.database import Database
from services.projects.commands.restoring import OWNER


@pytest.mark.parametrize("read_first", ["the holder", "the other"])
@pytest.mark.parametrize("moves", [("other", "nobody", "holder"), ("other",)])
async def test_an_external_id_that_moved_since_the_backup_is_with_whoever_has_it_now(
    moves: tuple[str, ...], read_first: str, bench: Any, body: Any, tmp_path: Path
) -> None:
    low, high = sorted(map(str, (uuid.UUID(int=1), uuid.UUID(int=2))), key=lambda key: partition_for(key, 8))
    assert partition_for(low, 8) < partition_for(high, 8)
    ids = dict(
        zip(("holder", "other"), (low, high) if read_first == "the holder" else (high, low), strict=True)
    )
    register, revisions = [{"scheme": "plan", "value": "K-4711"}], dict.fromkeys(ids, 0)
    transport, backup = bench.runtime.transport, tmp_path / "backup"
    await transport.create_topics(list(TOPICS.values()))

    async def write(name: str, *, has: bool) -> None:
        if name in ids:
            match = {"If_Match": f'"{revisions[name]}"'} if revisions[name] else {}
            record = body(external_ids=register if has else [])
            answer = await bench.call("PUT", f"/v1/projects/{ids[name]}", record, **match)
            assert answer.status_code in {200, 201}, answer.text
            revisions[name] += 1

    await write("holder", has=True)
    sqlite.back_up(str(tmp_path / "projects.db"), str(backup))
    for before, after in pairwise(("holder", *moves)):
        await write(before, has=False)
        await write(after, has=True)
    held = await bench.rows("SELECT * FROM external_ids")
    assert [row["project"] for row in held] == [ids[moves[-1]]]
    async with transport.appender("projects") as appender:
        while await Relay(bench.runtime).step(appender):
            pass

    database = Database(f"sqlite+aiosqlite:///{backup}", service="projects")
    bench.runtime = replace(bench.runtime, database=database)
    assert (await restore(bench.runtime, OWNER)).taken_back == sum(revisions.values()) - 1
    assert await bench.rows("SELECT * FROM external_ids") == held
    await database.close()
