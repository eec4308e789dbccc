"""A database that has forgotten what its log holds accepts nothing: it is found before the first request."""

from pathlib import Path

import pytest

from services.chassis.bus.errors import DatabaseBehind
from services.chassis.lifecycle import open_runtimes, open_transport
from services.chassis.runtime import Role
from services.chassis.settings import load_settings
from services.console import doctor
from services.console.preparing import prepare
from services.members import SERVICE
from tests.conformance.kit import ids, revised


@pytest.mark.parametrize("role", ["all", "api", "worker"])
async def test_a_database_that_forgot_what_its_log_holds_answers_nobody(role: Role, tmp_path: Path) -> None:
    settings = load_settings(data_folder=tmp_path)
    await prepare(settings)
    async with open_runtimes(settings, [SERVICE], role=role):
        pass  # new, and so is the log
    async with open_transport(settings) as transport, transport.appender("members") as appender:
        await appender.append([revised(key, 1) for key in ids(1)])
    with pytest.raises(DatabaseBehind, match="run `comity restore members`"):
        async with open_runtimes(settings, [SERVICE], role=role):
            pass
    found = {
        name: probe["well"] for name, probe in (await doctor._probe(settings)).items() if "its log" in name
    }
    assert found == {"projects and its log": True, "members and its log": False, "matches and its log": True}
    async with open_runtimes(settings, [SERVICE], role="relay") as (runtime,):  # as the restore opens it
        assert runtime.service is SERVICE
