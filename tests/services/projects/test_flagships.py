"""The flagship register: who declares, what is shown, and the lists of its projects as they arrive on the log."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas import contracts
from schemas.envelope import Event, Sequence, new_event
from schemas.http.suggestion import SUGGESTION
from schemas.topics import LIST_VERSIONED
from services.chassis.bus.consumer import Coordinates, Delivery
from services.projects.consumers import GROUP, keep_newest_list

DIGEST = "0" * 64


def list_version(
    project_id: str, *, number: int, above: int = 12, local: int = 3, incarnation: int = 1
) -> Event:
    data = {
        "project": project_id,
        "project_revision": 2,
        "number": number,
        "epoch": "e" * 64,
        "reference_date": "2026-11-24",
        "as_of": [],
        "counts": {"candidates": 120, "above_floor": above, "excluded": 4, "local_above_floor": local},
        "coverage": [
            {"need": "n1", "kind": "connectivity", "above_floor": above, "local": local},
            {"need": "n2", "kind": "funding", "above_floor": 0, "local": 0},
        ],
        "digest": DIGEST,
        "head": [{"rank": 1, "organisation": str(uuid4()), "points": 9, "fit": 700, "band": "strong"}],
        "reasons": ["first"],
    }
    return new_event(
        "matches.v1",
        LIST_VERSIONED,
        key=project_id,
        sequence=Sequence(incarnation, number),
        data=data,
        source="/comity/matches",
        clock=_Clock(),
    )


class _Clock:
    def now(self) -> Any:
        from datetime import UTC, datetime

        return datetime(2026, 11, 24, tzinfo=UTC)


async def arrives(bench: Any, event: Event) -> None:
    """What the consumer does with one record, in its own transaction."""
    async with bench.runtime.database.write() as connection:
        delivery = Delivery(
            connection=connection,
            event=event,
            data=contracts.read(event),
            at=Coordinates("matches.v1", 0, 0),
            runtime=bench.runtime,
            group=GROUP,
        )
        await keep_newest_list(delivery)


async def declared(bench: Any, declaration: Any, **changes: Any) -> str:
    flagship_id = str(uuid4())
    answer = await bench.call("PUT", f"/v1/flagships/{flagship_id}", declaration(**changes))
    assert answer.status_code == 201, answer.text
    return flagship_id


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("nobody", 401),
        ("public", 403),
        ("organisation_admin", 403),
        ("project_manager", 403),
        ("office_officer", 403),
        ("bdt_analyst", 403),
        ("auditor", 403),
        ("bdt_editor", 201),
        ("bdt_admin", 201),
    ],
)
async def test_only_bdt_editors_declare_a_flagship(
    bench: Any, declaration: Any, role: str, status: int
) -> None:
    answer = await bench.call("PUT", f"/v1/flagships/{uuid4()}", declaration(), who=role)
    assert answer.status_code == status, answer.text


async def test_a_declaration_is_public_logged_and_sent(bench: Any, declaration: Any) -> None:
    flagship_id = await declared(bench, declaration, ends_on="2030-12-31")
    shown = (await bench.call("GET", f"/v1/flagships/{flagship_id}", who="nobody")).json()
    assert (shown["declared_by"], shown["declared_at"]) == ("bdt_editor-1", "2026-11-24T12:00:00.000000Z")
    assert shown["reason"]["text"] == "Gathers the national school projects."
    assert (shown["ends_on"], shown["projects"]) == ("2030-12-31", [])
    [event] = await bench.events()
    assert (event["type"], event["aggregatetype"]) == ("org.comity.flagship.revised.v1", "projects.v1")
    assert event["data"]["id"] == flagship_id
    [row] = await bench.rows("SELECT * FROM audit")
    assert (row["action"], row["why"]) == ("flagship.declared", "Gathers the national school projects.")
    listed = (await bench.call("GET", "/v1/flagships", who="nobody")).json()
    assert [item["id"] for item in listed["items"]] == [flagship_id]


async def test_a_change_keeps_who_declared_it_and_stands_in_the_public_history(
    bench: Any, declaration: Any
) -> None:
    flagship_id = await declared(bench, declaration)
    path = f"/v1/flagships/{flagship_id}"
    changed = declaration(reason={"language": "en", "text": "Now with regional projects too."})
    assert (await bench.call("PUT", path, changed)).status_code == 428
    etag = (await bench.call("GET", path)).headers["etag"]
    answer = await bench.call("PUT", path, changed, who="bdt_admin", If_Match=etag)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["declared_by"], answer.json()["revision"]) == ("bdt_editor-1", 2)
    stale = await bench.call("PUT", path, changed, If_Match=etag)
    assert stale.status_code == 412
    history = (await bench.call("GET", f"{path}/revisions", who="nobody")).json()["items"]
    assert [(line["revision"], line["why"]) for line in history] == [
        (2, "Now with regional projects too."),
        (1, "Gathers the national school projects."),
    ]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"level": "regional"}, "regional-needs-region"),
        ({"level": "national"}, "national-needs-country"),
        ({"tags": [{"scheme": "bap", "code": "XXX1"}]}, "tag-code"),
        (
            {
                "tags": [
                    {"scheme": "bap", "version": "2026-2029", "code": "AFR1"},
                    {"scheme": "bap", "code": "AFR1"},
                ]
            },
            "no-repeats",
        ),
        ({"reason": {"language": "en", "text": "of the"}}, "text-stop-words-only"),
        ({"tags": [{"scheme": "sdg", "code": "9"}] * 2}, "no-repeats"),
        ({"ends_on": "2020-01-01"}, "ends-on-past"),
    ],
)
async def test_a_wrong_declaration_is_refused(bench: Any, declaration: Any, changes: Any, rule: str) -> None:
    answer = await bench.call("PUT", f"/v1/flagships/{uuid4()}", declaration(**changes))
    assert answer.status_code == 422
    assert rule in {error["rule"] for error in answer.json()["errors"]}


async def test_a_flagship_that_has_ended_keeps_its_last_day_when_it_is_corrected(
    bench: Any, declaration: Any
) -> None:
    path = f"/v1/flagships/{uuid4()}"
    made = await bench.call("PUT", path, declaration(ends_on="2026-11-24"))
    assert made.status_code == 201, made.text
    bench.clock.moment += timedelta(days=2)
    again = declaration(ends_on="2026-11-24", regions=["AFR"])
    corrected = await bench.call("PUT", path, again, If_Match=made.headers["etag"])
    assert corrected.status_code == 200, corrected.text
    earlier = declaration(ends_on="2026-11-23")
    refused = await bench.call("PUT", path, earlier, If_Match=corrected.headers["etag"])
    assert [one["rule"] for one in refused.json()["errors"]] == ["ends-on-past"]


async def test_a_flagship_shows_its_projects_with_their_lists_and_need_coverage(
    bench: Any, declaration: Any
) -> None:
    flagship_id = await declared(bench, declaration)
    project_id = await bench.published(flagship=flagship_id)
    draft = await bench.draft(flagship=flagship_id)
    path = f"/v1/flagships/{flagship_id}"
    before = await bench.call("GET", path, who="bdt_analyst")
    shown = {item["id"]: item["list"] for item in before.json()["projects"]}
    assert shown == {project_id: {"state": "ranking"}, draft: None}
    await arrives(bench, list_version(project_id, number=1))
    after = await bench.call("GET", path, who="bdt_analyst")
    assert after.headers["etag"] != before.headers["etag"], "a list changed, so the page did"
    assert after.json()["statement"] == SUGGESTION
    newest = {item["id"]: item["list"] for item in after.json()["projects"]}[project_id]
    assert (newest["state"], newest["number"]) == ("ranked", 1)
    assert newest["counts"]["local_above_floor"] == 3
    assert newest["needs_nobody_meets"] == ["n2"]
    assert "head" not in newest, "no organisation's rank stands on a flagship's page"
    needs = {
        need["id"]: need for need in (await bench.call("GET", f"/v1/projects/{project_id}")).json()["needs"]
    }
    assert {one["need"]: one["texts"] for one in newest["coverage"]} == {
        name: needs[name]["texts"] if name in needs else [] for name in ("n1", "n2")
    }


async def test_the_public_sees_open_projects_and_no_small_counts(bench: Any, declaration: Any) -> None:
    flagship_id = await declared(bench, declaration)
    project_id = await bench.published(flagship=flagship_id)
    await bench.draft(flagship=flagship_id)
    await arrives(bench, list_version(project_id, number=1, above=12, local=3))
    [item] = (await bench.call("GET", f"/v1/flagships/{flagship_id}", who="nobody")).json()["projects"]
    assert item["id"] == project_id
    assert item["list"]["counts"] == {
        "candidates": 120,
        "above_floor": 12,
        "excluded": None,
        "local_above_floor": None,
    }
    assert [(one["above_floor"], one["local"]) for one in item["list"]["coverage"]] == [(12, None), (0, 0)]


async def test_an_older_or_repeated_list_version_changes_nothing(bench: Any) -> None:
    project_id = await bench.published()
    newest = list_version(project_id, number=5, above=50)
    for event in (newest, newest, list_version(project_id, number=4, above=1)):
        await arrives(bench, event)
    [row] = await bench.rows("SELECT * FROM list_summaries")
    assert (row["incarnation"], row["version"]) == (1, 5)
    await arrives(bench, list_version(project_id, number=1, incarnation=2, above=7))
    [row] = await bench.rows("SELECT * FROM list_summaries")
    assert (row["incarnation"], row["version"]) == (2, 1), "a restored owner outranks what it said before"


async def test_a_list_may_arrive_before_its_project(bench: Any, declaration: Any) -> None:
    project_id = str(uuid4())
    await arrives(bench, list_version(project_id, number=1))
    flagship_id = await declared(bench, declaration)
    await bench.draft(project_id=project_id, flagship=flagship_id)
    await bench.call("POST", f"/v1/projects/{project_id}/publish", If_Match='"1"')
    [item] = (await bench.call("GET", f"/v1/flagships/{flagship_id}")).json()["projects"]
    assert item["list"]["number"] == 1


async def test_no_list_is_kept_of_an_erased_project(bench: Any) -> None:
    project_id = await bench.published()
    await bench.call("DELETE", f"/v1/projects/{project_id}", who="bdt_admin", If_Match='"2"')
    await arrives(bench, list_version(project_id, number=9))
    assert await bench.rows("SELECT * FROM list_summaries") == []


async def test_a_flagship_that_does_not_exist(bench: Any) -> None:
    for suffix in ("", "/revisions"):
        assert (await bench.call("GET", f"/v1/flagships/{uuid4()}{suffix}")).status_code == 404
