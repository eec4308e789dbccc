"""Any list version computed anew from its inputs is the same to the bit; what an epoch would change is told before it does."""

import asyncio
import json
import zlib
from pathlib import Path

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from matching.epoch import Epoch, canonical
from services.__main__ import app
from services.matches.commands import first_epoch
from services.matches.queries.recomputing import CannotRecompute, recompute
from services.matches.tables import EPOCHS
from tests.services.matches.town import Town, changed_epoch, uuid_of

SOLAR = [{"language": "en", "text": "Solar panels for rural schools."}]


async def storied(town: Town) -> str:
    """A list with versions before and after a new profile, a changed one, one withdrawn, other weights, and its end."""
    for name, country in (("Ada", "KEN"), ("Ben", "FRA"), ("Cleo", "KEN")):
        await town.organisation(name, hq_country=country)
    project = await town.published("schools")
    await town.settle()
    await town.organisation("Ben", descriptions=SOLAR)
    await town.organisation("Dora", descriptions=SOLAR, hq_country="UGA")
    await town.settle()
    await town.withdraw(uuid_of("Cleo"))
    await town.settle()
    weights = Epoch.loads(first_epoch(None)).weights
    budgets = dict(weights.budgets) | {"needs": weights.budgets["needs"] // 2}
    content = changed_epoch(version=weights.version + 1, budgets=budgets)
    assert (await town.call("POST", "/v1/epochs", content)).status_code == 201
    await town.settle()
    await town.step(project, "close", body={"reason": "Partners were found."})
    await town.settle()
    return project


async def test_every_version_of_a_storied_list_is_recomputed_to_the_bit(town: Town) -> None:
    project = await storied(town)
    told = {one["number"]: one["digest"] for one in await town.versions(project)}
    assert len(told) >= 5
    database = town.runtimes["matches"].database
    for number, digest in told.items():
        found = await recompute(database, project, number)
        assert (found.stored, found.found) == (digest, digest)
    assert len(set(told.values())) == len(told)
    with pytest.raises(LookupError, match="no version 99"):
        await recompute(database, project, 99)
    await town.erase("organisations", uuid_of("Ben"))
    await town.settle()
    with pytest.raises(CannotRecompute, match="1 of the organisations that it ranked were erased"):
        await recompute(database, project, 1)


async def test_the_command_proves_a_version_and_tells_one_that_was_touched(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    monkeypatch.setenv("COMITY_DATA_FOLDER", str(town.runtimes["matches"].settings.data_folder))
    proved = await asyncio.to_thread(CliRunner().invoke, app, ["recompute", f"{project}/1", "--json"])
    assert proved.exit_code == 0, proved.output
    assert json.loads(proved.stdout)["same"] is True
    async with town.runtimes["matches"].database.write() as connection:
        await connection.exec_driver_sql("UPDATE list_versions SET digest = 'sha256:0'")
    touched = await asyncio.to_thread(CliRunner().invoke, app, ["recompute", f"{project}/1"])
    assert touched.exit_code == 1
    assert "differ" in touched.stderr
    for wrong in (project, f"{project}/first", "/1", "no-uuid/1"):
        refused = await asyncio.to_thread(CliRunner().invoke, app, ["recompute", wrong])
        assert refused.exit_code == 2
    missing = await asyncio.to_thread(CliRunner().invoke, app, ["recompute", f"{project}/7"])
    assert (missing.exit_code, missing.stderr.count("\n")) == (1, 1)


async def test_a_version_of_an_earlier_analyser_is_told_from_one_that_differs(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    async with town.runtimes["matches"].database.write() as connection:
        body = json.loads(zlib.decompress((await connection.execute(select(EPOCHS.c.body))).scalar_one()))
        body["analyser"]["number"] -= 1
        await connection.execute(update(EPOCHS).values(body=zlib.compress(canonical(body))))
    monkeypatch.setenv("COMITY_DATA_FOLDER", str(town.runtimes["matches"].settings.data_folder))
    told = await asyncio.to_thread(CliRunner().invoke, app, ["recompute", f"{project}/1"])
    assert (told.exit_code, told.stderr.count("\n")) == (1, 1)
    assert "analyser" in told.stderr


async def test_what_an_epoch_would_change_is_what_it_changes(
    town: Town, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    choir = [{"language": "en", "text": "A choir of the old town."}]
    await town.organisation("Ada", descriptions=choir, offers=[{"kind": "training"}])
    await town.organisation("Ben", offers=[{"kind": "equipment"}])
    await town.organisation("Cleo", descriptions=choir, offers=[{"kind": "equipment"}])
    project = await town.published("schools")
    await town.settle()
    before = (await town.list_of(project))["candidates"]
    weights = Epoch.loads(first_epoch(None)).weights
    budgets = {name: weights.budgets[name] // 100 for name in ("text", "evidence")}
    budgets = dict(weights.budgets) | budgets | {"languages": 0}
    # Without `backed` what is declared counts without any text.
    content = changed_epoch(version=weights.version + 1, budgets=budgets, backed=None)
    file = tmp_path / "other.json"
    file.write_bytes(content)
    monkeypatch.setenv("COMITY_DATA_FOLDER", str(town.runtimes["matches"].settings.data_folder))
    asked = await asyncio.to_thread(CliRunner().invoke, app, ["epoch", "diff", str(file), "--json"])
    assert asked.exit_code == 0, asked.output
    told = json.loads(asked.stdout)
    assert (await town.call("POST", "/v1/epochs", content)).status_code == 201
    await town.settle()
    after = (await town.list_of(project))["candidates"]
    ranks = {row["organisation"]: row["rank"] for row in before}
    moved = {(row["organisation"], ranks[row["organisation"]], row["rank"]) for row in after}
    [change] = told["changed"]
    assert {(one["organisation"], one["before"], one["after"]) for one in change["head"]["moved"]} == {
        one for one in moved if one[1] != one[2]
    }
    stood, stands = ({row["organisation"] for row in rows if row["above_floor"]} for rows in (before, after))
    assert set(change["above_floor"]["added"]) == stands - stood
    assert set(change["above_floor"]["removed"]) == stood - stands
    assert change["head"]["moved"] or stands != stood
    again = await asyncio.to_thread(CliRunner().invoke, app, ["epoch", "diff", str(file)])
    assert "0 of 1 open lists would change" in again.stdout
    file.write_text("{}", "utf-8")
    refused = await asyncio.to_thread(CliRunner().invoke, app, ["epoch", "diff", str(file)])
    assert (refused.exit_code, refused.stderr.count("\n")) == (5, 1)


async def test_who_would_cross_a_band_under_an_epoch_is_who_crosses_it(
    town: Town, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each epoch has bands of its own, and a version is made for each pair above the floor that crosses one."""
    for name in ("Ada", "Ben"):
        await town.organisation(name)
    project = await town.published("schools")
    await town.settle()
    before = {row["organisation"]: row["band"] for row in (await town.list_of(project))["candidates"]}
    content = canonical(json.loads(changed_epoch()) | {"bands": [998, 999, 1000]})
    file = tmp_path / "other.json"
    file.write_bytes(content)
    monkeypatch.setenv("COMITY_DATA_FOLDER", str(town.runtimes["matches"].settings.data_folder))
    asked = await asyncio.to_thread(CliRunner().invoke, app, ["epoch", "diff", str(file), "--json"])
    shown = await asyncio.to_thread(CliRunner().invoke, app, ["epoch", "diff", str(file)])
    assert (await town.call("POST", "/v1/epochs", content)).status_code == 201
    await town.settle()
    after = {row["organisation"]: row["band"] for row in (await town.list_of(project))["candidates"]}
    assert set(after.values()) == {"weak"} != set(before.values())
    assert "band" in (await town.versions(project))[0]["reasons"]
    [change] = json.loads(asked.stdout)["changed"]
    assert change["bands"] == [
        {"organisation": one, "before": before[one], "after": "weak"} for one in sorted(before)
    ]
    assert change["above_floor"] == {"added": [], "removed": []}
    assert "1 of 1 open lists would change" in shown.stdout
    assert "2 in another band" in shown.stdout
