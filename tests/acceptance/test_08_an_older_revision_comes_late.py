"""Acceptance 8: an older profile revision that arrives late is ignored and logged."""

from collections.abc import MutableMapping
from typing import Any

from tests.services.matches.town import Town, uuid_of


async def test_a_late_older_revision_changes_nothing_and_is_logged(
    town: Town, logged: list[MutableMapping[str, Any]]
) -> None:
    await town.organisation("Ada", hq_country="KEN")
    await town.organisation("Ada", hq_country="FRA")
    project = await town.published("schools")
    await town.settle()
    before = await town.list_of(project)
    older = (await town.records("members.v1"))[0]
    await town.deliver_again([older])
    await town.settle()
    after = await town.list_of(project)
    assert after["candidates"] == before["candidates"]
    assert after["candidates"][0]["hq_country"] == "FRA"
    assert after["list_version"] == before["list_version"]
    entries = [
        entry for entry in logged if entry.get("id") == uuid_of("Ada") and "older revision" in entry["event"]
    ]
    assert (entries[0]["known"], entries[0]["came"]) == ("1.2", "1.1")
