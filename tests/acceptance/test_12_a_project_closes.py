"""Acceptance 12, the list half: once a project closes nobody is told anything more, and its list stays readable for audit."""

from tests.services.matches.town import Town


async def test_a_closed_projects_list_is_silent_and_readable(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    await town.step(project, "close", body={"reason": "Partners were found."})
    await town.settle()
    assert await town.rows("SELECT * FROM standings") == []
    told = len(await town.told("matches.v1")) + len(await town.told("standings.v1"))
    await town.organisation("Bea", hq_country="KEN")
    await town.organisation("Ada", hq_country="KEN")
    assert (await town.call("POST", "/v1/days", {"day": "2026-12-01"})).status_code == 201
    await town.settle()
    assert len(await town.told("matches.v1")) + len(await town.told("standings.v1")) == told
    answer = await town.list_of(project, who="auditor")
    assert (answer["state"], [row["name"] for row in answer["candidates"]]) == ("closed", ["Ada"])
    newest = (await town.get(f"/v1/lists/{project}/versions", who="auditor"))["items"][0]
    assert newest["final"] is True
    opportunities = await town.get(
        "/v1/opportunities?organisation=" + answer["candidates"][0]["organisation"]
    )
    assert opportunities["opportunities"] == []
