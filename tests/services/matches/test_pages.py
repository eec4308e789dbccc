"""Pages of a list that changes meanwhile: nobody unchanged is missed or shown twice."""

from typing import Any

import pytest

from tests.services.matches.town import Town

K = 10
WORDS = [
    "rural",
    "schools",
    "solar",
    "community",
    "networks",
    "technicians",
    "villages",
    "training",
    "connect",
    "teachers",
    "electricity",
    "radios",
    "panels",
    "maintenance",
    "courses",
    "masts",
]


def text_of(count: int) -> list[dict[str, str]]:
    return [
        {"language": "en", "text": f"We work on {' '.join(WORDS[:count])} and nothing else in this field."}
    ]


async def crowd(town: Town) -> str:
    """24 organisations with different points; five of one group; a local one that the local minimum lifts."""
    parent = await town.organisation("Group 0", descriptions=text_of(14))
    for number in range(1, 5):
        await town.organisation(f"Group {number}", descriptions=text_of(14 - number), parent=parent)
    for number in range(18):
        known = None if number % 3 else "2019-05-05"
        await town.organisation(
            f"Single {number:02}", descriptions=text_of(3 + number % 11), first_involved_on=known
        )
    await town.organisation(
        "Local", descriptions=text_of(2), hq_country="KEN", first_involved_on="2019-05-05"
    )
    project = await town.published("schools")
    await town.settle()
    return project


async def page(town: Town, path: str, **query: Any) -> tuple[dict[str, Any], str | None]:
    answer = await town.call("GET", path, **query)
    assert answer.status_code == 200, answer.text
    return answer.json(), answer.links.get("next", {}).get("url")


@pytest.mark.parametrize("size", [1, 3, K, K + 1, 200])
async def test_pages_of_a_list_that_stands_still_are_the_list(town: Town, size: int) -> None:
    project = await crowd(town)
    whole = (await town.list_of(project))["candidates"]
    assert [row["rank"] for row in whole] == list(range(1, 25))
    found, path = [], f"/v1/lists/{project}/candidates?include=parts&limit={size}"
    while path:
        body, path = await page(town, path)
        assert len(body["candidates"]) <= size
        assert body["changed_since_first_page"] is False
        found += body["candidates"]
    assert found == whole


@pytest.mark.parametrize("size", [1, 3, K, K + 1])
async def test_nobody_unchanged_is_missed_or_shown_twice(town: Town, size: int) -> None:
    """Between pages a member of the head falls to the end, another rises to the top, the local one leaves the head."""
    project = await crowd(town)
    before = await town.names_of(project)
    changes = iter(
        [
            ("Single 10", {"descriptions": text_of(1)}),
            ("Single 03", {"descriptions": text_of(16)}),
            ("Local", {"descriptions": text_of(2), "hq_country": "FRA", "first_involved_on": "2019-05-05"}),
            ("Group 1", {"descriptions": text_of(1)}),
            ("Single 16", {"descriptions": text_of(16), "hq_country": "KEN"}),
        ]
    )
    changed, found, path = set(), [], f"/v1/lists/{project}/candidates?include=parts&limit={size}"
    said = False
    while path:
        body, path = await page(town, path)
        found += [row["name"] for row in body["candidates"]]
        said |= body["changed_since_first_page"]
        change = next(changes, None)
        if change is not None:
            name, profile = change
            changed.add(name)
            await town.organisation(name, **profile)
            await town.settle()
    unchanged = [name for name in before if name not in changed]
    assert sorted(name for name in found if name not in changed) == sorted(unchanged)
    assert said


async def test_a_filtered_list_is_paged_alike(town: Town) -> None:
    project = await crowd(town)
    whole = [row["name"] for row in (await town.list_of(project, "newcomer=true"))["candidates"]]
    found, path = [], f"/v1/lists/{project}/candidates?newcomer=true&limit=2"
    while path:
        body, path = await page(town, path)
        found += [row["name"] for row in body["candidates"]]
    assert found == whole


async def test_a_cursor_is_of_one_list_one_filter_and_one_caller(town: Town) -> None:
    project = await crowd(town)
    other = await town.published("another")
    await town.settle()
    body, _ = await page(town, f"/v1/lists/{project}/candidates?limit=3")
    cursor = body["next"]
    assert (await town.call("GET", f"/v1/lists/{project}/candidates?cursor={cursor}")).status_code == 200
    flipped = ("A" if cursor[40] != "A" else "B").join((cursor[:40], cursor[41:]))
    refused = [
        f"/v1/lists/{project}/candidates?cursor={flipped}",
        f"/v1/lists/{project}/candidates?cursor=x",
        f"/v1/lists/{other}/candidates?cursor={cursor}",
        f"/v1/lists/{project}/candidates?sme=true&cursor={cursor}",
        f"/v1/lists/{project}/candidates?eligibility=excluded&cursor={cursor}",
        f"/v1/lists/{project}/versions?cursor={cursor}",
    ]
    for path in refused:
        answer = await town.call("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor"), path
    answer = await town.call("GET", f"/v1/lists/{project}/candidates?cursor={cursor}", who="auditor")
    assert answer.json()["code"] == "invalid-cursor"
