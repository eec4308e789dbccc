"""`GET /v1/lists/{project}/candidates`: what a page says, filters, order by a need, those left out."""

import pytest

from tests.services.matches.town import Town, uuid_of

SOLAR = [
    {"language": "en", "text": "We deliver solar panels and radios for rural community networks in schools."}
]
FAR = [{"language": "en", "text": "We audit insurance contracts of shipping companies in large harbours."}]


async def crowd(town: Town) -> str:
    """One project in Kenya and six organisations that differ in every fact that can be filtered by."""
    await town.organisation(
        "Ada", hq_country="KEN", category="academia", sme={"flag": False, "basis": "verified"}
    )
    await town.organisation("Bea", hq_country="UGA", sme={"flag": True, "basis": "self_declared"})
    await town.organisation("Cem", category="sector_member", first_involved_on="2020-01-01")
    await town.organisation("Dor", category="member_state", operating_countries=["KEN"])
    await town.organisation("Eli", descriptions=SOLAR, offers=[{"kind": "equipment", "texts": SOLAR}])
    await town.organisation(
        "Fay", descriptions=FAR, offers=[{"kind": "funding", "texts": FAR}], languages=["fr"]
    )
    project = await town.published("schools")
    await town.settle()
    return project


async def test_every_organisation_stands_in_the_list_with_parts_that_add_up(town: Town) -> None:
    project = await crowd(town)
    answer = await town.list_of(project, "include=parts")
    assert answer["state"] == "ranked"
    assert answer["list_version"] == 1
    assert answer["changed_since"] is False
    assert [row["rank"] for row in answer["candidates"]] == [1, 2, 3, 4, 5, 6]
    assert answer["counts"]["candidates"] == 6
    assert answer["next"] is None
    for row in answer["candidates"]:
        assert (
            sum(part["points"] for part in row["parts"]) == row["points"] == sum(row["components"].values())
        )
        assert sum(part["per_mille"] for part in row["parts"]) == row["fit"] == sum(row["shown"].values())
    assert all(row["reasons"] for row in answer["candidates"])
    assert answer["candidates"][-1]["name"] == "Fay"
    assert answer["candidates"][-1]["above_floor"] is False


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("category=academia", {"Ada"}),
        ("sector=public", {"Dor"}),
        ("sector=private", {"Cem"}),
        ("sector=academic", {"Ada"}),
        ("country=UGA", {"Bea"}),
        ("region=AFR", {"Ada", "Bea", "Dor"}),
        ("scope=local", {"Ada"}),
        ("scope=regional", {"Bea", "Dor"}),
        ("scope=international", {"Cem", "Eli", "Fay"}),
        ("sme=true", {"Bea"}),
        ("newcomer=false", {"Cem"}),
        ("ldc=true", {"Bea"}),
        ("need_kind=equipment", {"Eli"}),
        ("need_kind=training&region=AFR", {"Ada", "Bea", "Dor"}),
    ],
)
async def test_a_filter_chooses_rows_and_keeps_their_ranks(town: Town, query: str, names: set[str]) -> None:
    project = await crowd(town)
    ranks = {row["name"]: row["rank"] for row in (await town.list_of(project))["candidates"]}
    rows = (await town.list_of(project, query))["candidates"]
    assert {row["name"] for row in rows} == names
    assert all(row["rank"] == ranks[row["name"]] for row in rows)


async def test_the_least_fit_is_a_filter(town: Town) -> None:
    project = await crowd(town)
    rows = (await town.list_of(project))["candidates"]
    bound = rows[2]["fit"]
    kept = (await town.list_of(project, f"min_fit={bound}"))["candidates"]
    assert {row["name"] for row in kept} == {row["name"] for row in rows if row["fit"] >= bound}


async def test_a_need_orders_by_its_points_and_says_them(town: Town) -> None:
    project = await crowd(town)
    rows = (await town.list_of(project, "need=n2"))["candidates"]
    assert rows[0]["name"] == "Eli"
    assert rows[0]["need_points"] > 0
    assert [row["need_points"] for row in rows[1:]] == [0] * 5
    points = [row["points"] for row in rows[1:]]
    assert points == sorted(points, reverse=True)
    pages = []
    path = f"/v1/lists/{project}/candidates?need=n2&limit=1"
    while path:
        answer = await town.call("GET", path)
        pages += [row["name"] for row in answer.json()["candidates"]]
        path = answer.links.get("next", {}).get("url")
    assert pages == [row["name"] for row in rows]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("need=nothing", "need"),
        ("region=XXX", "region"),
        ("country=KE", "country"),
        ("country=XYZ", "country"),
        ("min_fit=1001", "min_fit"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1000000000", "limit"),
        ("scope=near", "scope"),
        ("eligibility=excluded&sme=true", "sme"),
        ("token=what", "token"),
    ],
)
async def test_a_wrong_value_is_named(town: Town, query: str, parameter: str) -> None:
    project = await crowd(town)
    answer = await town.call("GET", f"/v1/lists/{project}/candidates?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == parameter


async def test_an_unknown_parameter_is_refused(town: Town) -> None:
    project = await crowd(town)
    answer = await town.call("GET", f"/v1/lists/{project}/candidates?sort=name")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown-parameter")


async def test_those_left_out_are_listed_with_their_coded_rules(town: Town) -> None:
    await town.organisation("Near", operating_countries=["KEN"])
    await town.organisation("Far one")
    await town.organisation("Far two")
    reason = "Equipment has to be serviced on the spot."
    project = await town.published("schools", presence_required={"required": True, "reason": reason})
    await town.settle()
    assert await town.names_of(project) == ["Near"]
    found = []
    path = f"/v1/lists/{project}/candidates?eligibility=excluded&limit=1"
    while path:
        answer = await town.call("GET", path)
        assert answer.json()["candidates"] == []
        found += answer.json()["excluded"]
        path = answer.links.get("next", {}).get("url")
    assert {row["name"] for row in found} == {"Far one", "Far two"}
    for row in found:
        assert row["code"] == "presence_required"
        assert row["failed_rules"][0]["published_reason"] == reason
        assert reason in row["failed_rules"][0]["sentence"]


async def test_one_row_says_its_margin_and_what_is_missing(town: Town) -> None:
    project = await crowd(town)
    rows = (await town.list_of(project))["candidates"]
    answer = await town.row_of(project, rows[1]["name"])
    assert answer["rank"] == 2
    assert answer["margin"]["points"] == rows[0]["points"] - rows[1]["points"]
    assert sum(part["points"] for part in answer["parts"]) == answer["points"] == rows[1]["points"]
    assert answer["gaps"]
    first = await town.row_of(project, rows[0]["name"])
    assert first["margin"] is None


async def test_no_row_is_told_a_margin_to_who_stands_above_it_with_fewer_points(town: Town) -> None:
    """A third of one group, and who made room for two newcomers: more points would not help the one, and not to that rank the others."""
    known = {"first_involved_on": "2020-01-01"}
    group = known | {"hq_country": "KEN"}
    await town.organisation("Group", **group)
    for name in ("Group east", "Group west"):
        await town.organisation(name, parent=uuid_of("Group"), **group)
    for number in range(9):
        await town.organisation(f"Known {number}", hq_country="UGA", **known)
    for name in ("New one", "New two"):
        await town.organisation(name, hq_country="UGA", languages=["fr"])
    project = await town.published("schools")
    await town.settle()
    rows = (await town.list_of(project))["candidates"]
    met = set()
    for row in rows:
        margin, codes = (
            (await town.row_of(project, row["name"]))["margin"],
            set(row["steps"]),
        )
        met |= codes
        above = [one for one in rows[: row["rank"] - 1] if one["points"] >= row["points"]]
        if not above or "parent_cap" in codes:
            assert margin is None
        else:
            assert margin["to_rank"] == above[-1]["rank"]
            assert margin["points"] == above[-1]["points"] - row["points"]
    assert {"parent_cap", "made_room", "newcomer_minimum"} <= met


async def test_coverage_names_the_needs_that_nobody_meets(town: Town) -> None:
    await town.organisation("Ada", hq_country="KEN")
    project = await town.published("schools")
    await town.settle()
    answer = await town.get(f"/v1/lists/{project}/coverage")
    by_need = {row["need"]: row for row in answer["needs"]}
    assert (by_need["n1"]["above_floor"], by_need["n1"]["local"], by_need["n1"]["met"]) == (1, 1, True)
    assert by_need["n2"]["met"] is False
    assert by_need["n2"]["texts"][0]["text"] == "Solar panels and radios"
    assert answer["unmet"] == ["n2"]


async def test_before_the_first_list_the_answer_is_that_it_is_being_ranked(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.relay()
    await town.consume()
    answer = await town.list_of(project)
    assert (answer["state"], answer["list_version"], answer["candidates"]) == ("ranking", None, [])
    row = await town.call("GET", f"/v1/lists/{project}/candidates/{uuid_of('Ada')}")
    assert row.status_code == 404
    unknown = await town.call("GET", f"/v1/lists/{project}/candidates?need=nothing")
    assert (unknown.status_code, unknown.json()["errors"][0]["parameter"]) == (400, "need")
    assert (await town.list_of(project, "need=n2"))["state"] == "ranking"
    await town.settle()
    assert (await town.list_of(project))["state"] == "ranked"


async def test_drafts_and_unknown_projects_are_not_found(town: Town) -> None:
    draft = await town.draft("unfinished")
    await town.settle()
    for project in (draft, uuid_of("nobody knows")):
        for path in ("candidates", "coverage", "versions", f"candidates/{uuid_of('Ada')}"):
            answer = await town.call("GET", f"/v1/lists/{project}/{path}")
            assert answer.status_code == 404, path
    assert (await town.call("GET", "/v1/lists/no-uuid/candidates")).status_code == 400


async def test_a_smaller_change_is_in_the_rows_at_once_and_is_said(town: Town) -> None:
    """A candidate below the first 50 and the floor moves: no version, but the computed rows are newer."""
    for number in range(52):
        await town.organisation(f"Near {number:02}", aliases=[f"n{number}"])
    await town.organisation(
        "Fay", descriptions=FAR, offers=[{"kind": "funding", "texts": FAR}], languages=["fr"]
    )
    project = await town.published("schools")
    await town.settle()
    assert (await town.list_of(project))["changed_since"] is False
    await town.organisation(
        "Fay", descriptions=FAR, offers=[{"kind": "funding", "texts": FAR}], languages=["en"]
    )
    await town.settle()
    answer = await town.list_of(project)
    assert (answer["list_version"], answer["changed_since"]) == (1, True)
    assert answer["candidates"][-1]["components"]["languages"] > 0


async def test_the_same_list_read_again_is_not_sent_again(town: Town) -> None:
    project = await crowd(town)
    first = await town.call("GET", f"/v1/lists/{project}/candidates")
    again = await town.call("GET", f"/v1/lists/{project}/candidates", If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
