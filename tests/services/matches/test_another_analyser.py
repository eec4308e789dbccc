"""A release with another text analyser than the epoch in force: its own epoch takes over, or it says why it cannot start."""

import json
import zlib
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select, update

from matching.epoch import Epoch, canonical
from services.chassis.settings import SettingsError
from services.matches.tables import DOCUMENTS, EPOCHS, LIST_VERSIONS, RANKING
from services.matches.worker.documents import pack, unpack
from tests.services.matches.town import Town, open_town


async def as_an_earlier_release_left_it(town: Town, *, keep: bool) -> str:
    """Put an epoch of an earlier analyser in force, and stems of it into the archive; `keep`: after the one that ships."""
    async with town.runtimes["matches"].database.write() as connection:
        shipped = (await connection.execute(select(EPOCHS))).one()
        body = json.loads(zlib.decompress(shipped.body))
        body["analyser"]["number"] -= 1
        earlier = Epoch.loads(canonical(body))
        row: dict[str, Any] = {
            "hash": earlier.hash,
            "body": zlib.compress(canonical(body)),
            "published_at": shipped.published_at,
        }
        if keep:
            await connection.execute(insert(EPOCHS).values(number=shipped.number + 1, **row))
        else:
            await connection.execute(update(EPOCHS).values(row))
        await connection.execute(update(LIST_VERSIONS).values(epoch=earlier.hash))
        for ranking in (await connection.execute(select(RANKING))).all():
            reached = orjson.loads(ranking.ranked_to) | {"epoch": earlier.hash}
            this = RANKING.c.partition == ranking.partition
            await connection.execute(
                update(RANKING).where(this).values(ranked_to=orjson.dumps(reached).decode())
            )
        for document in (await connection.execute(select(DOCUMENTS))).all():
            stems = unpack(document.analysed)
            this = (DOCUMENTS.c.kind == document.kind) & (DOCUMENTS.c.id == document.id)
            old = replace(stems, analyser=stems.analyser - 1, fields=())
            await connection.execute(update(DOCUMENTS).where(this).values(analysed=pack(old)))
    return earlier.hash


async def test_its_own_epoch_takes_over_and_every_list_is_ranked_anew(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = await open_town(tmp_path / "town", stack)
        for name in ("Ada", "Single 1", "Absent"):
            await town.organisation(name)
        project = await town.published("schools")
        await town.settle()
        before = await town.list_of(project, "include=parts")
        assert before["candidates"][0]["points"] > 0
        earlier = await as_an_earlier_release_left_it(town, keep=False)
    async with AsyncExitStack() as stack:
        town = await open_town(tmp_path / "town", stack)
        await town.settle()
        after = await town.list_of(project, "include=parts")
        assert after["epoch"] == before["epoch"] != earlier
        assert after["candidates"] == before["candidates"]
        numbers = [(one["number"], one["hash"]) for one in (await town.get("/v1/epochs"))["items"]]
        assert sorted(numbers) == [(0, earlier), (1, before["epoch"])]


async def test_where_no_epoch_of_its_own_is_new_it_does_not_start_and_says_why(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        town = await open_town(tmp_path / "town", stack)
        await as_an_earlier_release_left_it(town, keep=True)
    async with AsyncExitStack() as stack:
        with pytest.raises(
            SettingsError, match=r"The epoch in force needs text analyser \d+, and this release has"
        ):
            await open_town(tmp_path / "town", stack)
