"""Acceptance 17: ASP1 of the Kigali plan and ASP1 of the Baku plan are both found under ASP1, and stay two items."""

from tests.services.matches.town import Town

KIGALI = {"scheme": "kap", "version": "2023-2025", "code": "ASP1"}
BAKU = {"scheme": "bap", "version": "2026-2029", "code": "ASP1"}


async def test_both_plans_are_found_and_kept_apart(town: Town) -> None:
    first = await town.published("under Kigali", tags=[KIGALI])
    second = await town.published("under Baku", tags=[BAKU])
    await town.organisation("Both", tags=[KIGALI, BAKU])
    await town.organisation("Kigali", tags=[KIGALI])
    await town.settle()
    found = {}
    for tag in ("kap:ASP1", "bap:ASP1"):
        found[tag] = [one["id"] for one in (await town.get(f"/v1/projects?tag={tag}"))["items"]]
    assert found == {"kap:ASP1": [first], "bap:ASP1": [second]}
    basis = [(await town.get(f"/v1/projects/{project}"))["policy_basis"] for project in (first, second)]
    assert [[(plan["revision"], plan["items"][0]["code"]) for plan in one] for one in basis] == [
        [("2023-2025", "ASP1")],
        [("2026-2029", "ASP1")],
    ]
    tags = {
        (project, row["name"]): row["components"]["tags"] > 0
        for project in (first, second)
        for row in (await town.list_of(project))["candidates"]
    }
    assert tags == {
        (first, "Both"): True,
        (second, "Both"): True,
        (first, "Kigali"): True,
        (second, "Kigali"): False,
    }
