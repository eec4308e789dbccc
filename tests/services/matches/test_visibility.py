"""Who sees how much of a list, by role and route: what is not named here is refused."""

from typing import Any

import pytest

from tests.services.matches.town import Town, uuid_of

WHOLE = {"office_officer", "bdt_analyst", "bdt_editor", "bdt_admin", "auditor"}
OWN = {"organisation_reader", "organisation_editor", "organisation_admin"}
ROLES = sorted(WHOLE | OWN | {"project_manager"})
ANYBODY = {*ROLES, "nobody"}

ALLOWED: dict[tuple[str, str], set[str]] = {
    ("GET", "/v1/lists/{project}/candidates"): WHOLE | OWN,
    ("GET", "/v1/lists/{project}/candidates/{own}"): WHOLE | OWN,
    ("GET", "/v1/lists/{project}/candidates/{other}"): WHOLE,
    ("POST", "/v1/lists/{project}/reasons"): WHOLE,
    ("GET", "/v1/lists/{project}/coverage"): WHOLE,
    ("GET", "/v1/lists/{project}/versions"): WHOLE,
    ("GET", "/v1/lists/{project}/versions/1"): WHOLE,
    ("GET", "/v1/opportunities?organisation={own}"): WHOLE | OWN,
    ("GET", "/v1/opportunities?organisation={other}"): WHOLE,
    ("GET", "/v1/exposure"): ANYBODY,
    ("GET", "/v1/exposure/organisations/{own}"): WHOLE | OWN,
    ("GET", "/v1/exposure/organisations/{other}"): WHOLE,
    ("GET", "/v1/ranking-statement"): ANYBODY,
    ("GET", "/v1/epochs"): ANYBODY,
    ("GET", "/v1/epochs/0"): ANYBODY,
    ("GET", "/v1/epochs/0/body"): {"bdt_analyst", "bdt_editor", "bdt_admin", "auditor"},
    ("GET", "/v1/ranking-progress"): WHOLE | {"project_manager"},
    ("POST", "/v1/ranking-progress"): WHOLE | {"project_manager"},
    ("GET", "/v1/audit/matches"): {"bdt_admin", "auditor"},
    ("POST", "/v1/days"): {"bdt_admin"},
    ("POST", "/v1/epochs"): {"bdt_admin"},
}
BODIES: dict[str, Any] = {
    "/v1/lists/{project}/reasons": {"organisations": [uuid_of("Bea")], "languages": ["en"]},
    "/v1/ranking-progress": {"tokens": []},
    "/v1/days": {"day": "2026-11-25"},
    "/v1/epochs": {},
}


def who(town: Town, role: str) -> Any:
    if role in OWN:
        return town.bearer(role, organisation=uuid_of("Ada"))
    return role


async def two(town: Town) -> str:
    await town.organisation("Ada")
    await town.organisation("Bea", hq_country="KEN")
    project = await town.published("schools")
    await town.settle()
    return project


async def test_every_role_on_every_route(town: Town) -> None:
    project = await two(town)
    unexpected = []
    for (method, template), allowed in ALLOWED.items():
        path = template.format(project=project, own=uuid_of("Ada"), other=uuid_of("Bea"))
        for role in sorted(ANYBODY):
            answer = await town.call(
                method, path, BODIES.get(template) if method == "POST" else None, who=who(town, role)
            )
            seen = answer.status_code not in {401, 403}
            refused = 401 if role == "nobody" else 403
            if seen != (role in allowed) or (not seen and answer.status_code != refused):
                unexpected.append((method, template, role, answer.status_code))
    assert unexpected == []


async def test_every_route_stands_in_the_matrix(town: Town) -> None:
    document = (await town.call("GET", "/openapi.json", who="nobody")).json()
    ours = (
        "/v1/lists",
        "/v1/opportunities",
        "/v1/exposure",
        "/v1/ranking",
        "/v1/epochs",
        "/v1/days",
        "/v1/audit/matches",
    )
    routes = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        if path.startswith(ours)
        for method in operations
    }
    names = {"{project}": "{project_id}", "{own}": "{organisation_id}", "{other}": "{organisation_id}"}
    covered = set()
    for method, template in ALLOWED:
        path = template.partition("?")[0]
        for short, long in names.items():
            path = path.replace(short, long)
        covered.add(
            (method, path.replace("versions/1", "versions/{number}").replace("epochs/0", "epochs/{number}"))
        )
    assert covered == routes


async def test_the_team_sees_the_whole_list_and_its_manager_alone_does_not(town: Town) -> None:
    manager = town.bearer("project_manager", sub="maya")
    await town.organisation("Ada")
    project = await town.published("schools", who=manager)
    await town.settle()
    assert len((await town.list_of(project, who=manager))["candidates"]) == 1
    other = await town.call(
        "GET", f"/v1/lists/{project}/candidates", who=town.bearer("project_manager", sub="otto")
    )
    assert (other.status_code, other.json()["code"]) == (403, "list-restricted")


async def test_of_a_project_at_rest_or_withdrawn_only_its_own_people_see_the_list(town: Town) -> None:
    manager = town.bearer("project_manager", sub="maya")
    for name in ("Ada", "Bea"):
        await town.organisation(name, hq_country="KEN")
    project = await town.published("schools", who=manager, review_by="2026-12-01")
    await town.settle()
    ada = town.bearer("organisation_reader", organisation=uuid_of("Ada"))
    paths = (
        f"/v1/lists/{project}/candidates",
        f"/v1/lists/{project}/candidates/{uuid_of('Ada')}",
        f"/v1/exports/lists/{project}.csv",
        f"/v1/lists/{project}/candidates/{uuid_of('Bea')}",
        f"/v1/lists/{project}/coverage",
        f"/v1/lists/{project}/versions",
    )

    async def answered(reader: Any) -> list[int]:
        return [(await town.call("GET", path, who=reader)).status_code for path in paths]

    its_own = [200, 200, 200, 403, 403, 403]
    assert await answered(ada) == its_own
    await town.rest(project)
    assert await answered(ada) == [404] * len(paths)
    assert (await town.get("/v1/opportunities", who=ada))["total"] == 0
    for reader in (manager, *sorted(WHOLE)):
        assert await answered(reader) == [200] * len(paths), reader
    assert await answered("nobody") == [401] * len(paths)
    await town.draft("schools", who=manager, review_by="2027-06-01")
    await town.step(project, "publish", who=manager)
    await town.settle()
    assert await answered(ada) == its_own
    await town.step(project, "withdraw", who=manager, body={"reason": "No money."})
    await town.settle()
    assert await answered(ada) == [404] * len(paths)
    assert await answered(manager) == [200, 200, 200, 200, 200, 200]


async def test_an_organisation_gets_its_own_row_and_no_other(town: Town) -> None:
    project = await two(town)
    ada = town.bearer("organisation_reader", organisation=uuid_of("Ada"))
    answer = await town.list_of(project, "include=parts", who=ada)
    assert [row["name"] for row in answer["candidates"]] == ["Ada"]
    assert (answer["view"], answer["coverage"], answer["next"]) == ("own", [], None)
    assert set(answer["counts"].values()) <= {None, 0}, "two candidates are few enough to be recognised"
    assert (await town.list_of(project))["counts"]["candidates"] == 2
    assert uuid_of("Bea") not in str(answer)
    row = await town.row_of(project, "Ada", who=ada)
    assert row["rank"] == 2
    assert row["margin"]["points"] is None
    assert row["margin"]["fit"] % 10 == 0


@pytest.mark.parametrize("query", ["need=n1", "eligibility=excluded", "limit=1", "scope=local"])
async def test_no_parameter_shows_an_organisation_more_than_its_own(town: Town, query: str) -> None:
    project = await two(town)
    ada = town.bearer("organisation_admin", organisation=uuid_of("Ada"))
    answer = await town.list_of(project, query, who=ada)
    assert uuid_of("Bea") not in str(answer)


async def test_an_organisation_role_without_an_organisation_sees_nothing(town: Town) -> None:
    project = await two(town)
    lost = town.bearer("organisation_reader")
    assert (await town.call("GET", f"/v1/lists/{project}/candidates", who=lost)).status_code == 403
    assert (await town.call("GET", "/v1/opportunities", who=lost)).status_code == 400


async def test_opportunities_default_to_the_callers_own(town: Town) -> None:
    project = await two(town)
    await town.published(
        "ships",
        titles=[{"language": "en", "text": "Harbour insurance audit"}],
        summaries=[{"language": "en", "text": "Audit insurance contracts of shipping companies."}],
        needs=[{"id": "n1", "kind": "funding", "texts": [{"language": "en", "text": "Money for audits"}]}],
    )
    await town.settle()
    answer = await town.get(
        "/v1/opportunities", who=town.bearer("organisation_reader", organisation=uuid_of("Ada"))
    )
    assert [one["project"] for one in answer["opportunities"]] == [project]
    row = await town.row_of(project, "Ada")
    [one] = answer["opportunities"]
    assert (one["points"], one["fit"], one["band"]) == (row["points"], row["fit"], row["band"])
    assert "rank" not in one
    assert one["reasons"]
