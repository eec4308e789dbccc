"""The statements of this service on PostgreSQL: the whole way of a list, from first version to a closed one."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.services.matches.town import changed_epoch, open_town, uuid_of

pytestmark = [pytest.mark.postgresql, pytest.mark.xdist_group("postgresql")]


async def test_a_list_lives_and_closes_on_postgresql(
    tmp_path: Path, postgresql_url: Callable[[], str]
) -> None:
    async with AsyncExitStack() as stack:
        url = postgresql_url()
        town = await open_town(tmp_path / "town", stack, database={"url": url})
        for number in range(12):
            await town.organisation(f"One {number:02}", hq_country=("KEN", "UGA", "FRA")[number % 3])
        project = await town.published("schools")
        await town.settle()
        rows, path = [], f"/v1/lists/{project}/candidates?limit=5"
        while path:
            answer = await town.call("GET", path)
            assert answer.status_code == 200, answer.text
            rows += answer.json()["candidates"]
            path = answer.links.get("next", {}).get("url")
        assert [row["rank"] for row in rows] == list(range(1, 13))
        token = f"projects.v1:{project}:1.{town.revisions[project]}"
        assert (await town.list_of(project, f"token={token}"))["covers_token"] is True
        body = {"tokens": [{"topic": "projects.v1", "id": project, "sequence": "1.2"}]}
        assert (await town.call("POST", "/v1/ranking-progress", body)).json()["complete"] is True
        opportunities = await town.get(f"/v1/opportunities?organisation={uuid_of('One 00')}")
        assert opportunities["total"] == 1
        page = await town.list_of(project)
        assert (await town.call("POST", "/v1/epochs", changed_epoch(version=99))).status_code == 201
        while await town.worker.index.follow():
            pass
        assert len(await town.worker.index.pin_all()) == 2
        assert await town.list_of(project) == page
        during = await town.get(f"/v1/opportunities?organisation={uuid_of('One 00')}")
        assert during["opportunities"] == opportunities["opportunities"]
        await town.settle()
        assert (await town.list_of(project))["epoch"] == during["epoch"] != opportunities["epoch"]
        assert (await town.call("POST", "/v1/days", {"day": "2026-11-25"})).status_code == 201
        await town.erase("organisations", uuid_of("One 07"))
        await town.settle()
        assert len(await town.rows("SELECT * FROM standings")) == 11
        before = (await town.list_of(project, "include=parts"))["candidates"]
        await town.step(project, "close", body={"reason": "Found."})
        await town.settle()
        closed = await town.list_of(project, "include=parts")
        assert (closed["state"], closed["candidates"]) == ("closed", before)
        assert (await town.versions(project))[0]["final"] is True
        assert await town.rows("SELECT * FROM standings") == []


async def test_what_is_followed_and_exported_has_one_name_on_postgresql(
    tmp_path: Path, postgresql_url: Callable[[], str]
) -> None:
    async with AsyncExitStack() as stack:
        town = await open_town(tmp_path / "town", stack, database={"url": postgresql_url()})
        for number in range(3):
            await town.organisation(f"One {number}", hq_country=("KEN", "UGA", "FRA")[number])
        manager = town.bearer("project_manager", sub=uuid_of("manager"))
        project = await town.published("schools", who=manager)
        await town.settle()
        exports = ("projects.csv?region=AFR", "organisations.jsonl", "exposure.csv", f"lists/{project}.xlsx")
        feeds = ("matches?region=AFR&level=national", "matches/current", "opportunities.atom?region=AFR")
        paths = [f"/v1/exports/{one}" for one in exports] + [f"/v1/feeds/{one}" for one in feeds]
        told: list[dict[str, str]] = []
        for change in (None, uuid_of("One 0")):
            if change is not None:
                await town.erase("organisations", change)
                await town.draft(
                    "schools", titles=[{"language": "en", "text": "Other schools of the district"}]
                )
                await town.settle()
            told.append({})
            for path in paths:
                for who in ("bdt_admin", manager):
                    answer = await town.call("GET", path, who=who)
                    assert (answer.status_code, bool(answer.content)) == (200, True), answer.text
                    tag = told[-1][path] = answer.headers["etag"]
                    again = await town.call("GET", path, who=who, If_None_Match=tag)
                    assert (again.status_code, again.content) == (304, b"")
        assert [path for path in paths if told[0][path] == told[1][path]] == []
        there = await town.get("/v1/feeds/matches/current?region=AFR")
        await town.draft("schools", countries=["FRA"])
        await town.settle()
        assert await town.get("/v1/feeds/matches/current?region=AFR") == []
        here = await town.get("/v1/feeds/matches/current?region=EUR")
        assert {one["subject"] for one in here} >= {one["subject"] for one in there if "data" in one}
        await town.erase("projects", project)
        await town.settle()
        assert {one["method"] for one in await town.get("/v1/feeds/matches/current")} == {"DELETE"}
