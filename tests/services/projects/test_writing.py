"""PUT /v1/projects/{id}: create, replace, conditions, who may, what is refused."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from schemas import contracts
from schemas.envelope import Event, Sequence

OWNER = "018f3c2a-7d10-7000-8000-000000000001"

GUIDE = (Path(__file__).resolve().parents[3] / "docs/guide/README.md").read_text("utf-8")


async def test_a_project_is_created_as_a_draft_and_read_back(bench: Any, body: Any) -> None:
    project_id = str(uuid4())
    answer = await bench.call("PUT", f"/v1/projects/{project_id}", body())
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"'), answer.text
    assert answer.headers["location"] == f"/v1/projects/{project_id}"
    read = await bench.call("GET", f"/v1/projects/{project_id}")
    assert (read.status_code, read.headers["etag"]) == (200, '"1"')
    shown = read.json()
    assert (shown["state"], shown["revision"], shown["team"]) == ("draft", 1, ["bdt_editor-1"])
    assert shown["titles"] == body()["titles"]
    assert shown["needs"][0]["importance"] == 5
    assert "candidates" not in shown["links"]


async def test_what_was_read_is_sent_back_without_what_the_guide_says_that_the_answer_adds(
    bench: Any, body: Any
) -> None:
    said = re.search(r"without what the\nanswer adds: (.*?)\.\n", GUIDE, re.DOTALL)
    assert said
    project_id = await bench.draft()
    read = (await bench.call("GET", f"/v1/projects/{project_id}")).json()
    kept = {name: value for name, value in read.items() if name not in re.findall(r"`(\w+)`", said[1])}
    answer = await bench.call("PUT", f"/v1/projects/{project_id}", kept, If_Match='"1"')
    assert answer.status_code == 200, answer.text


async def test_an_almost_empty_draft_is_accepted(bench: Any) -> None:
    answer = await bench.call("PUT", f"/v1/projects/{uuid4()}", {"owner": OWNER})
    assert answer.status_code == 201, answer.text


async def test_each_accepted_write_is_a_revision_with_one_event_and_one_audit_row(
    bench: Any, body: Any
) -> None:
    project_id = await bench.draft()
    changed = body(titles=[{"language": "fr", "text": "Liaisons solaires pour les écoles"}])
    answer = await bench.call("PUT", f"/v1/projects/{project_id}", changed, If_Match='"1"')
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    events = await bench.events()
    assert [row["type"] for row in events] == ["org.comity.project.revised.v1"] * 2
    assert [Sequence.parse(row["sequence"]) for row in events] == [Sequence(1, 1), Sequence(1, 2)]
    assert {(row["aggregatetype"], row["aggregateid"], row["subject"]) for row in events} == {
        ("projects.v1", project_id, project_id)
    }
    data = events[1]["data"]
    assert (data["id"], data["revision"], data["state"]) == (project_id, 2, "draft")
    assert data["titles"] == changed["titles"]
    assert data["team"] == ["bdt_editor-1"]
    audit = await bench.rows("SELECT * FROM audit ORDER BY position")
    assert [(row["action"], row["revision_before"], row["revision_after"]) for row in audit] == [
        ("project.created", None, 1),
        ("project.replaced", 1, 2),
    ]
    assert {row["subject"] for row in audit} == {project_id}
    revisions = await bench.rows("SELECT revision, record FROM revisions ORDER BY revision")
    assert [row["revision"] for row in revisions] == [1, 2]
    assert json.loads(revisions[1]["record"]) == data


async def test_the_event_meets_the_closed_view_of_its_schema(bench: Any, body: Any) -> None:
    full = body(
        objectives=[{"language": "en", "text": "All schools online by the end of the period."}],
        regions=["AFR"],
        presence_required={"required": True, "reason": "The work is done on site."},
        languages=["en", "sw"],
        office="addis_ababa",
        amount_sought={"amount": 2500000, "currency": "USD"},
        documents=[
            {"title": "Terms", "url": "https://example.org/terms.pdf", "language": "en", "access": "members"}
        ],
        external_ids=[{"scheme": "itu-project", "value": "9RAF26001"}],
        fictional=True,
        review_by="2027-02-01",
    )
    full["needs"][0]["quantity"] = 40
    answer = await bench.call("PUT", f"/v1/projects/{uuid4()}", full)
    assert answer.status_code == 201, answer.text
    assert answer.json()["needs"][0]["quantity"] == "40"
    [row] = await bench.events()
    event = Event(
        id=row["id"],
        source=row["source"],
        type=row["type"],
        subject=row["subject"],
        time=row["time"],
        dataschema=row["dataschema"],
        sequence=Sequence.parse(row["sequence"]),
        partitionkey=row["partitionkey"],
        topic=row["aggregatetype"],
        key=row["aggregateid"],
        traceparent=row["traceparent"],
        data=row["payload"],
    )
    contracts.written(event)
    assert row["data"]["amount_sought"]["amount"] == 2_500_000


async def test_if_match_rules(bench: Any, body: Any) -> None:
    new = f"/v1/projects/{uuid4()}"
    assert (await bench.call("PUT", new, body(), If_Match='"1"')).status_code == 412
    path = f"/v1/projects/{await bench.draft()}"
    missing = await bench.call("PUT", path, body())
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition-required")
    stale = await bench.call("PUT", path, body(), If_Match='"9"')
    assert (stale.status_code, stale.json()["code"]) == (412, "stale-revision")
    unchanged = await bench.call("GET", path, If_None_Match='"1"')
    assert unchanged.status_code == 304
    assert len(await bench.events()) == 1


async def test_of_two_writers_at_once_one_is_told_that_it_is_late(bench: Any, body: Any) -> None:
    path = f"/v1/projects/{await bench.draft()}"
    answers = await asyncio.gather(*(bench.call("PUT", path, body(), If_Match='"1"') for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    assert len(await bench.events()) == 2


async def test_an_id_that_is_no_uuid_is_refused(bench: Any, body: Any) -> None:
    answer = await bench.call("PUT", "/v1/projects/seven", body())
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-parameter")


async def test_a_tag_without_a_version_gets_the_newest_of_its_scheme(bench: Any) -> None:
    project_id = await bench.draft(tags=[{"scheme": "bap", "code": "AMS1"}, {"scheme": "sdg", "code": "9"}])
    shown = (await bench.call("GET", f"/v1/projects/{project_id}")).json()
    assert shown["tags"] == [
        {"scheme": "bap", "version": "2026-2029", "code": "AMS1"},
        {"scheme": "sdg", "version": None, "code": "9"},
    ]


async def test_policy_basis_names_the_plan_and_invents_no_title(bench: Any) -> None:
    project_id = await bench.draft(
        tags=[
            {"scheme": "kap", "version": "2023-2025", "code": "ASP1"},
            {"scheme": "bap", "version": "2026-2029", "code": "ASP1"},
            {"scheme": "bap", "version": "2026-2029", "code": "ASP3"},
        ]
    )
    basis = (await bench.call("GET", f"/v1/projects/{project_id}")).json()["policy_basis"]
    assert [(one["document"], one["revision"]) for one in basis] == [
        ("Kigali Action Plan", "2023-2025"),
        ("Baku Action Plan", "2026-2029"),
    ]
    titles = {item["code"]: item["title"] for item in basis[1]["items"]}
    assert titles["ASP1"] is not None
    assert titles["ASP3"] is None


async def test_a_tag_of_another_plan_is_found_under_its_own_plan_only(bench: Any) -> None:
    kigali = await bench.published(tags=[{"scheme": "kap", "version": "2023-2025", "code": "ASP1"}])
    baku = await bench.published(tags=[{"scheme": "bap", "version": "2026-2029", "code": "ASP1"}])
    both = [
        await bench.call("GET", f"/v1/projects?tag={tag}:ASP1") for tag in ("kap", "bap", "kap:2023-2025")
    ]
    assert [[item["id"] for item in one.json()["items"]] for one in both] == [[kigali], [baku], [kigali]]


BAD = [
    ({"countries": ["KE"]}, "/countries/0", "country-code", "KEN"),
    ({"countries": ["EL"]}, "/countries/0", "country-code", "GRC"),
    ({"countries": ["QQQ"]}, "/countries/0", "country-code", "alpha-3"),
    ({"regions": ["EMEA"]}, "/regions/0", "region-code", "EUR"),
    ({"tags": [{"scheme": "bap", "code": "AFR9"}]}, "/tags/0/code", "tag-code", "Use one of"),
    (
        {
            "tags": [
                {"scheme": "bap", "code": "AFR1"},
                {"scheme": "bap", "version": "2026-2029", "code": "AFR1"},
            ]
        },
        "/tags/1",
        "no-repeats",
        "Keep one",
    ),
    (
        {"tags": [{"scheme": "kap", "version": "2030", "code": "AFR1"}]},
        "/tags/0/version",
        "tag-version",
        "2023-2025",
    ),
    ({"tags": [{"scheme": "hap", "code": "AFR1"}]}, "/tags/0/scheme", "tag-scheme", "Use one of"),
    ({"office": "atlantis"}, "/office", "office-code", "Use one of"),
    ({"deadline": "2026-11-23"}, "/deadline", "deadline-past", "later"),
    ({"deadline": "2026-12-31"}, "/deadline", "deadline-before-period", "period"),
    ({"deadline": None, "review_by": "2026-01-01"}, "/review_by", "review-by-past", "later"),
    ({"period": {"start": "2027-02-01", "end": "2027-01-31"}}, "/period/end", "period-order", "later"),
    (
        {"presence_required": {"required": True}},
        "/presence_required/reason",
        "presence-needs-reason",
        "reason",
    ),
    (
        {"presence_required": {"required": True, "reason": "de la"}},
        "/presence_required/reason",
        "text-stop-words-only",
        "sentence",
    ),
    (
        {"titles": [{"language": "en", "text": "of the and"}]},
        "/titles/0/text",
        "text-stop-words-only",
        "sentence",
    ),
    (
        {"titles": [{"language": "ar", "text": "Solar links for schools"}]},
        "/titles/0/text",
        "text-language",
        "language",
    ),
    ({"flagship": OWNER}, "/flagship", "flagship-known", "/v1/flagships"),
]


@pytest.mark.parametrize(("changes", "place"), [(changes, place) for changes, *place in BAD])
async def test_a_rule_that_is_broken_is_named_with_its_place_and_its_fix(
    bench: Any, body: Any, changes: Any, place: Any
) -> None:
    pointer, rule, fix = place
    answer = await bench.call("PUT", f"/v1/projects/{uuid4()}", body(**changes))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body"), answer.text
    found = {(one["pointer"], one["rule"]): one for one in answer.json()["errors"]}
    error = found[pointer, rule]
    assert fix in error["fix"]
    assert await bench.rows("SELECT * FROM projects") == []
    assert await bench.rows("SELECT * FROM audit") == []


async def test_all_faults_are_named_at_once(bench: Any, body: Any) -> None:
    wrong = body(
        countries=["KE"], regions=["XX"], deadline="2020-01-01", tags=[{"scheme": "sdg", "code": "99"}]
    )
    answer = await bench.call("PUT", f"/v1/projects/{uuid4()}", wrong)
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"/countries/0", "/regions/0", "/deadline", "/tags/0/code"}


SHAPES = [
    ({"titles": [{"language": "en", "text": "   "}]}, "/titles/0/text"),
    ({"titles": [{"language": "xx", "text": "Schools"}]}, "/titles/0/language"),
    ({"titles": [{"language": "English", "text": "Schools"}]}, "/titles/0/language"),
    ({"titles": [{"language": "en", "text": "Schools\u0000online"}]}, "/titles/0/text"),
    ({"titles": [{"language": "en", "text": "Schools \u202eenilno"}]}, "/titles/0/text"),
    ({"titles": [{"language": "en", "text": "One"}, {"language": "en", "text": "Two"}]}, "/titles"),
    ({"titles": [{"language": "en", "text": "x" * 301}]}, "/titles/0/text"),
    ({"summaries": [{"language": "en", "text": "x" * 20_001}]}, "/summaries/0/text"),
    ({"needs": [{"id": "n1", "kind": "moonshots"}]}, "/needs/0/kind"),
    ({"needs": [{"id": f"n{n}", "kind": "data"} for n in range(51)]}, "/needs"),
    ({"needs": [{"id": "n1", "kind": "data", "importance": 6}]}, "/needs/0/importance"),
    ({"needs": [{"id": "n1", "kind": "data", "importance": "5"}]}, "/needs/0/importance"),
    ({"needs": [{"id": "n1", "kind": "data"}, {"id": "n1", "kind": "data"}]}, ""),
    ({"tags": [{"scheme": "programme", "code": f"p{n}"} for n in range(101)]}, "/tags"),
    ({"level": "galactic"}, "/level"),
    ({"owner": "me"}, "/owner"),
    ({"deadline": "31/03/2027"}, "/deadline"),
    ({"deadline": 1_800_000_000}, "/deadline"),
    ({"deadline": "2027-02-30"}, "/deadline"),
    ({"exclusive": True}, "/exclusive"),
    ({"amount_sought": {"amount": -1, "currency": "USD"}}, "/amount_sought/amount"),
    ({"amount_sought": {"amount": 1, "currency": "ZZZ"}}, "/amount_sought/currency"),
    ({"documents": [{"title": "T", "url": "javascript:alert(1)", "language": "en"}]}, "/documents/0/url"),
    ({"external_ids": [{"scheme": "a", "value": "1"}, {"scheme": "a", "value": "1"}]}, ""),
    ({"fictional": "yes"}, "/fictional"),
]


@pytest.mark.parametrize(("changes", "pointer"), SHAPES)
async def test_what_has_not_the_shape_of_a_project_is_refused(
    bench: Any, body: Any, changes: Any, pointer: str
) -> None:
    answer = await bench.call("PUT", f"/v1/projects/{uuid4()}", body(**changes))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body"), answer.text
    assert any(error["pointer"].startswith(pointer) for error in answer.json()["errors"]), answer.json()
    assert all(error["fix"] for error in answer.json()["errors"])


RAW = [
    (b'{"owner": "x", "owner": "y"}', 400),
    (b'{"owner": NaN}', 400),
    (b'{"amount_sought": {"amount": 1e400, "currency": "USD"}}', 400),
    (b'{"titles": [{"language": "en", "text": "\\ud800"}]}', 422),
    (b'{"titles": "\xff\xfe"}', 400),
    (b"[" * 40 + b"]" * 40, 400),
    (b"not json", 400),
    (b'{"a": "' + b"x" * 1_000_001 + b'"}', 413),
]


@pytest.mark.parametrize(("content", "status"), RAW)
async def test_a_body_that_is_no_honest_json_is_refused(bench: Any, content: bytes, status: int) -> None:
    answer = await bench.client.put(
        f"/v1/projects/{uuid4()}",
        content=content,
        headers=bench.bearer() | {"Content-Type": "application/json"},
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await bench.rows("SELECT * FROM projects") == []


async def test_another_content_type_is_refused(bench: Any) -> None:
    answer = await bench.client.put(
        f"/v1/projects/{uuid4()}", content=b"<a/>", headers=bench.bearer() | {"Content-Type": "text/xml"}
    )
    assert answer.status_code == 415


async def test_a_record_above_the_log_limit_is_refused_and_nothing_is_stored(bench: Any, body: Any) -> None:
    """A body of escapes is small on the wire of HTTP and large on the log's; the limit is the log's."""
    long = [{"language": "en", "text": "word " * 3_999} for _ in range(46)]
    answer = await bench.call("PUT", f"/v1/projects/{uuid4()}", body(objectives=long))
    assert (answer.status_code, answer.json()["code"]) == (413, "record-too-large"), answer.text
    assert await bench.rows("SELECT * FROM projects") == []
    assert await bench.events() == []


async def test_an_external_id_of_another_project_is_a_conflict(bench: Any, body: Any) -> None:
    ids = [{"scheme": "itu-project", "value": "9RAF26001"}]
    first = await bench.draft(external_ids=ids)
    answer = await bench.call("PUT", f"/v1/projects/{uuid4()}", body(external_ids=ids))
    assert (answer.status_code, answer.json()["code"]) == (409, "duplicate-external-id")
    assert answer.json()["errors"][0]["pointer"] == "/external_ids/0"
    again = await bench.call("PUT", f"/v1/projects/{first}", body(external_ids=ids), If_Match='"1"')
    assert again.status_code == 200
    await bench.call("PUT", f"/v1/projects/{first}", body(), If_Match='"2"')
    freed = await bench.call("PUT", f"/v1/projects/{uuid4()}", body(external_ids=ids))
    assert freed.status_code == 201, "an id that its project gave up can be taken"


async def test_a_project_and_a_flagship_never_share_an_id(bench: Any, body: Any, declaration: Any) -> None:
    shared = str(uuid4())
    assert (await bench.call("PUT", f"/v1/flagships/{shared}", declaration())).status_code == 201
    answer = await bench.call("PUT", f"/v1/projects/{shared}", body())
    assert (answer.status_code, answer.json()["code"]) == (409, "id-in-use")


async def test_project_managers_create_for_their_own_office_and_body_alone(bench: Any, body: Any) -> None:
    def put(who: dict[str, str], **changes: Any) -> Any:
        return bench.call("PUT", f"/v1/projects/{uuid4()}", body(**changes), who=who)

    office = bench.bearer("project_manager", office="addis_ababa")
    assert (await put(office, office="addis_ababa")).status_code == 201
    assert (await put(office, office="bangkok")).status_code == 403
    ministry = bench.bearer("project_manager", organisation=OWNER)
    assert (await put(ministry)).status_code == 201
    assert (await put(ministry, owner=str(uuid4()))).status_code == 403


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("nobody", 401),
        ("public", 403),
        ("organisation_reader", 403),
        ("organisation_editor", 403),
        ("organisation_admin", 403),
        ("project_manager", 201),
        ("office_officer", 403),
        ("bdt_analyst", 403),
        ("bdt_editor", 201),
        ("bdt_admin", 201),
        ("auditor", 403),
    ],
)
async def test_who_may_create_a_project(bench: Any, body: Any, role: str, status: int) -> None:
    answer = await bench.call("PUT", f"/v1/projects/{uuid4()}", body(), who=role)
    assert answer.status_code == status, answer.text


async def test_another_manager_may_not_change_it(bench: Any, body: Any) -> None:
    project_id = await bench.published(who=bench.bearer("project_manager", sub="ann"))
    stranger = bench.bearer("project_manager", sub="bob")
    answer = await bench.call("PUT", f"/v1/projects/{project_id}", body(), who=stranger, If_Match='"2"')
    assert answer.status_code == 403


async def test_nobody_learns_more_of_an_unseen_draft_than_that_its_id_is_taken(bench: Any, body: Any) -> None:
    project_id = await bench.draft(who=bench.bearer("project_manager", sub="ann"))
    path = f"/v1/projects/{project_id}"
    for headers in ({}, {"If_Match": '"1"'}, {"If_Match": '"7"'}):
        stranger = bench.bearer("project_manager", sub="bob")
        answer = await bench.call("PUT", path, body(), who=stranger, **headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "id-in-use")
        taken = await bench.call("PUT", path, body(), who="organisation_admin", **headers)
        free = await bench.call("PUT", f"/v1/projects/{uuid4()}", body(), who="organisation_admin", **headers)
        assert taken.status_code == free.status_code == 403
        assert taken.json()["detail"] == free.json()["detail"]
