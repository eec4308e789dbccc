"""What a date alone changes is written by the sweep as a revision, once."""

import asyncio
from datetime import timedelta
from typing import Any

from services.projects.commands.dates import sweep, write_what_the_date_changed


async def state_of(bench: Any, project_id: str) -> dict[str, Any]:
    return (await bench.call("GET", f"/v1/projects/{project_id}", who="auditor")).json()


async def test_a_passed_deadline_closes_the_project_once(bench: Any) -> None:
    project_id = await bench.published(period=None, deadline="2026-11-30")
    bench.clock.moment = bench.clock.moment.replace(day=30, hour=23)
    assert await write_what_the_date_changed(bench.runtime) == 0, "the day of the deadline still counts"
    bench.clock.moment += timedelta(hours=2)
    assert await write_what_the_date_changed(bench.runtime) == 1
    assert await write_what_the_date_changed(bench.runtime) == 0
    shown = await state_of(bench, project_id)
    assert (shown["state"], shown["closed_code"], shown["revision"]) == ("closed", "deadline_passed", 3)
    event = (await bench.events())[-1]["data"]
    assert (event["state"], event["closed_code"]) == ("closed", "deadline_passed")
    [row] = await bench.rows("SELECT * FROM audit WHERE principal = 'comity:projects'")
    assert (row["action"], row["revision_before"], row["revision_after"]) == ("project.deadline_passed", 2, 3)


async def test_a_passed_review_makes_it_dormant_until_it_is_published_again(bench: Any, body: Any) -> None:
    project_id = await bench.published(period=None, deadline=None, review_by="2026-11-30")
    bench.clock.moment += timedelta(days=10)
    assert await write_what_the_date_changed(bench.runtime) == 1
    assert await write_what_the_date_changed(bench.runtime) == 0
    assert (await state_of(bench, project_id))["state"] == "dormant"
    path = f"/v1/projects/{project_id}"
    assert (await bench.call("GET", path, who="nobody")).status_code == 404, "a dormant project is not open"
    early = await bench.call("POST", f"{path}/publish", If_Match='"3"')
    assert [error["rule"] for error in early.json()["errors"]] == ["review-by-past"]
    renewed = body(period=None, deadline=None, review_by="2027-06-01")
    assert (await bench.call("PUT", path, renewed, If_Match='"3"')).status_code == 200
    again = await bench.call("POST", f"{path}/publish", If_Match='"4"')
    assert (again.json()["state"], again.json()["published_at"]) == (
        "published",
        "2026-11-24T12:00:00.000000Z",
    )


async def test_drafts_and_projects_in_time_are_left_alone(bench: Any) -> None:
    await bench.draft(period=None, deadline="2026-11-25")
    await bench.published(deadline="2027-03-31")
    bench.clock.moment += timedelta(days=20)
    assert await write_what_the_date_changed(bench.runtime) == 0


async def test_two_sweeps_at_once_change_each_project_once(bench: Any) -> None:
    for _ in range(3):
        await bench.published(period=None, deadline="2026-11-30")
    bench.clock.moment += timedelta(days=10)
    changed = await asyncio.gather(*(write_what_the_date_changed(bench.runtime) for _ in range(3)))
    assert sum(changed) == 3
    assert len(await bench.rows("SELECT * FROM audit WHERE action = 'project.deadline_passed'")) == 3


async def test_the_loop_sweeps_at_once_and_stops_when_told(bench: Any) -> None:
    project_id = await bench.published(period=None, deadline="2026-11-30")
    bench.clock.moment += timedelta(days=10)
    stop = asyncio.Event()
    loop = asyncio.create_task(sweep(bench.runtime, stop))
    for _ in range(200):
        await asyncio.sleep(0.02)
        if (await state_of(bench, project_id))["state"] == "closed":
            break
    stop.set()
    await asyncio.wait_for(loop, 5)
    assert (await state_of(bench, project_id))["state"] == "closed"
