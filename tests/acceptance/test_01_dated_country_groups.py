"""Acceptance 1: a project in Lao PDR is for an LDC on 23 November 2026, and not after a graduation on the 24th."""

import json

from matching.epoch import canonical
from services.matches.commands import first_epoch
from tests.services.matches.town import Town, analysis


def with_graduation() -> bytes:
    """The shipped epoch with the graduation of Lao PDR on 24 November 2026 loaded."""
    body = json.loads(first_epoch(None))
    groups = body["reference"]["groups"]
    body["reference"]["groups"] = sorted(
        (["ldc", "LAO", None, "2026-11-23"] if group[:2] == ["ldc", "LAO"] else group for group in groups),
        key=lambda one: [value or "" for value in one],
    )
    body["analyser"]["golden"] = analysis().golden
    return canonical(body)


async def test_an_ldc_that_graduates_is_one_before_and_none_after_and_the_first_list_stays(
    town: Town,
) -> None:
    assert (await town.call("POST", "/v1/epochs", with_graduation())).status_code == 201
    await town.organisation("Lao school net", hq_country="LAO")
    project = await town.published("schools", countries=["LAO"])
    await town.settle()
    before = await town.list_of(project)
    assert (before["reference_date"], before["serves_ldc"]) == ("2026-11-23", True)
    assert "ldc_entity" in before["candidates"][0]["labels"]
    first = await town.get(f"/v1/lists/{project}/versions/1")

    assert (await town.call("POST", "/v1/days", {"day": "2026-11-25"})).status_code == 201
    await town.settle()
    after = await town.list_of(project)
    assert (after["reference_date"], after["serves_ldc"]) == ("2026-11-25", False)
    assert "ldc_entity" not in after["candidates"][0]["labels"]
    assert after["candidates"][0]["points"] == before["candidates"][0]["points"]
    assert await town.get(f"/v1/lists/{project}/versions/1") == first
    assert first["reference_date"] == "2026-11-23"
    assert "ldc_entity" in first["head"][0]["labels"]
