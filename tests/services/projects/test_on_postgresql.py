"""The same commands and queries on PostgreSQL: what SQL differs in there is exercised once each."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.projects.commands.dates import write_what_the_date_changed

pytestmark = pytest.mark.postgresql


async def test_a_project_s_life_on_postgresql(postgresql_bench: Any, body: Any, declaration: Any) -> None:
    bench = postgresql_bench
    flagship_id = str(uuid4())
    assert (await bench.call("PUT", f"/v1/flagships/{flagship_id}", declaration())).status_code == 201
    made = []
    for number in range(3):
        bench.clock.moment += timedelta(seconds=1)
        ids = [{"scheme": "itu-project", "value": str(number)}]
        made.append(await bench.published(flagship=flagship_id, external_ids=ids))
    taken = await bench.call("PUT", f"/v1/projects/{uuid4()}", body(external_ids=ids))
    assert (taken.status_code, taken.json()["code"]) == (409, "duplicate-external-id")
    first = (await bench.call("GET", "/v1/projects?limit=2&tag=sdg:9&region=AFR", who="nobody")).json()
    cursor = f"limit=2&tag=sdg:9&region=AFR&cursor={first['next']}"
    rest = (await bench.call("GET", f"/v1/projects?{cursor}", who="nobody")).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    shown = (await bench.call("GET", f"/v1/flagships/{flagship_id}", who="nobody")).json()
    assert [item["id"] for item in shown["projects"]] == made
    bench.clock.moment += timedelta(days=200)
    swept = await asyncio.gather(*(write_what_the_date_changed(bench.runtime) for _ in range(2)))
    assert sum(swept) == 3
    erased = await bench.call("DELETE", f"/v1/projects/{made[0]}", who="bdt_admin", If_Match='"3"')
    assert erased.status_code == 204
    assert len(await bench.rows("SELECT * FROM outbox")) == 1 + 3 * 3 + 1


async def test_of_two_creators_at_once_one_is_first_on_postgresql(postgresql_bench: Any, body: Any) -> None:
    path = f"/v1/projects/{uuid4()}"
    answers = await asyncio.gather(*(postgresql_bench.call("PUT", path, body()) for _ in range(4)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {412, 428}, (
        "late creators are told, whether they read before or after the first"
    )
    assert len(await postgresql_bench.rows("SELECT * FROM outbox")) == 1


async def test_of_two_editors_at_once_one_is_late_on_postgresql(postgresql_bench: Any, body: Any) -> None:
    path = f"/v1/projects/{await postgresql_bench.draft()}"
    answers = await asyncio.gather(
        *(postgresql_bench.call("PUT", path, body(), If_Match='"1"') for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
