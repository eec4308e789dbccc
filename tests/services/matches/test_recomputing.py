"""Any list version, computed anew from the archive, its epoch and its date: the same digest; or a sentence why not."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from matching.epoch import Epoch
from services.__main__ import app
from services.matches.commands import first_epoch
from services.matches.queries.recomputing import CannotRecompute, recompute
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
    for wrong in (project, f"{project}/first", "/1"):
        refused = await asyncio.to_thread(CliRunner().invoke, app, ["recompute", wrong])
        assert refused.exit_code == 2
    missing = await asyncio.to_thread(CliRunner().invoke, app, ["recompute", f"{project}/7"])
    assert (missing.exit_code, missing.stderr.count("\n")) == (1, 1)
