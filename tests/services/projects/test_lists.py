"""GET /v1/projects: filters, pages, cursors; and the history's pages."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest


async def ids(bench: Any, query: str, who: str = "nobody") -> list[str]:
    answer = await bench.call("GET", f"/v1/projects{query}", who=who)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_filters(bench: Any, declaration: Any) -> None:
    flagship = str(uuid4())
    await bench.call("PUT", f"/v1/flagships/{flagship}", declaration())
    other = str(uuid4())
    kenya = await bench.published(flagship=flagship)
    pacific = await bench.published(level="regional", regions=["ASP"], countries=["WSM"], owner=other)
    draft = await bench.draft(countries=["KEN"])
    assert set(await ids(bench, "")) == {kenya, pacific}
    assert await ids(bench, "?country=KEN") == [kenya]
    assert await ids(bench, "?region=AFR") == [kenya], "a country counts for its region"
    assert await ids(bench, "?region=ASP&level=regional") == [pacific]
    assert await ids(bench, f"?flagship={flagship}") == [kenya]
    assert await ids(bench, f"?owner={other}") == [pacific]
    assert set(await ids(bench, "?tag=sdg:9")) == {kenya, pacific}
    assert await ids(bench, "?tag=kap:2023-2025:AFR3") == []
    assert await ids(bench, "?state=draft") == []
    assert await ids(bench, "?state=draft", who="bdt_analyst") == [draft]


async def test_paging_misses_nobody_and_repeats_nobody_while_projects_come_and_change(
    bench: Any, body: Any
) -> None:
    made = []
    for _ in range(7):
        bench.clock.moment += timedelta(seconds=1)
        made.append(await bench.published())
    seen, path = [], "/v1/projects?limit=3"
    while path:
        answer = await bench.call("GET", path, who="nobody")
        seen += [item["id"] for item in answer.json()["items"]]
        bench.clock.moment += timedelta(seconds=1)
        await bench.published()
        changed = await bench.call("PUT", f"/v1/projects/{made[0]}", body(), If_Match="*")
        assert changed.status_code == 200
        links = answer.headers["link"]
        path = next((part[1 : part.index(">")] for part in links.split(", ") if 'rel="next"' in part), None)
    assert seen == made[::-1]


async def test_a_cursor_is_good_for_its_own_list_and_caller_alone(bench: Any) -> None:
    for _ in range(3):
        bench.clock.moment += timedelta(seconds=1)
        project_id = await bench.published()
    cursor = (await bench.call("GET", "/v1/projects?limit=1", who="nobody")).json()["next"]
    assert (await bench.call("GET", f"/v1/projects?limit=1&cursor={cursor}", who="nobody")).status_code == 200
    wrong = [
        (f"/v1/projects?limit=1&level=national&cursor={cursor}", "nobody"),
        (f"/v1/projects?limit=1&cursor={cursor}", "auditor"),
        (f"/v1/projects?limit=1&cursor={cursor[:-2]}xx", "nobody"),
        (f"/v1/projects/{project_id}/revisions?cursor={cursor}", "nobody"),
        (f"/v1/flagships?cursor={cursor}", "nobody"),
    ]
    for path, who in wrong:
        answer = await bench.call("GET", path, who=who)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor"), path


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1000000000",
        "state=open",
        "level=galactic",
        "region=XX",
        "country=KE",
        "flagship=giga",
        "owner=me",
        "tag=AFR1",
        "tag=nosuch:1",
        "tag=sdg:99",
        "tag=kap:1999:ASP1",
        "tag=kap:2026-2029:AFR2",
        "tag=a:b:c:d",
    ],
)
async def test_a_filter_with_a_wrong_value_is_refused(bench: Any, query: str) -> None:
    answer = await bench.call("GET", f"/v1/projects?{query}", who="nobody")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter"), answer.text
    assert answer.json()["errors"][0]["parameter"] == query.split("=", maxsplit=1)[0]


async def test_an_unknown_filter_is_refused(bench: Any) -> None:
    answer = await bench.call("GET", "/v1/projects?contry=KEN", who="nobody")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown-parameter")


async def test_the_history_is_paged_newest_first(bench: Any, body: Any) -> None:
    project_id = await bench.draft()
    for revision in range(1, 5):
        await bench.call("PUT", f"/v1/projects/{project_id}", body(), If_Match=f'"{revision}"')
    path, seen = f"/v1/projects/{project_id}/revisions?limit=2", []
    cursor = ""
    while cursor is not None:
        page = (await bench.call("GET", path + (f"&cursor={cursor}" if cursor else ""))).json()
        seen += [line["revision"] for line in page["items"]]
        cursor = page["next"]
    assert seen == [5, 4, 3, 2, 1]
    old = await bench.call("GET", f"/v1/projects/{project_id}/revisions/3")
    assert old.json()["revision"] == 3
    missing = await bench.call("GET", f"/v1/projects/{project_id}/revisions/9")
    assert missing.status_code == 404
