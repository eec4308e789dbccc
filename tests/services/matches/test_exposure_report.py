"""The exposure report: counts that follow from the lists, small cells kept back, months as they were."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.services.matches.town import Town, changed_epoch, uuid_of

SMALL = {
    "attention": {"1": 1_000_000, "2": 630_930, "3": 500_000},
    "lane": 2,
    "head": 4,
    "newcomer_minimum": 1,
}
FAR = [{"language": "en", "text": "We audit insurance contracts of shipping companies in large harbours."}]


@pytest.fixture
async def crowd(town: Town) -> Town:
    """Twelve organisations of which ten fit: six in Europe, four in Africa; and one open project."""
    await town.call("POST", "/v1/epochs", changed_epoch(**SMALL))
    for number in range(6):
        await town.organisation(f"Europe {number}", first_involved_on="2015-01-01")
    for number in range(4):
        await town.organisation(
            f"Africa {number}", hq_country="TCD", sme={"flag": True, "basis": "self_declared"}
        )
    for number in range(2):
        offers = [{"kind": "convening", "texts": FAR}]
        await town.organisation(f"Far {number}", hq_country="TCD", descriptions=FAR, offers=offers)
    await town.published("schools")
    await town.settle()
    return town


def cells(answer: Any, grouping: str) -> dict[tuple[str, ...], Any]:
    found = next(one for one in answer["groups"] if one["grouping"] == grouping)
    return {tuple(cell["codes"]): cell for cell in found["cells"]}


async def test_the_report_counts_what_the_lists_show(crowd: Town) -> None:
    answer = await crowd.get("/v1/exposure")
    listed = await crowd.list_of(uuid_of("schools"))
    rows = {row["organisation"]: row for row in listed["candidates"]}
    lane = {row["organisation"] for row in listed["also_fits"]["candidates"]}
    first = [row for row in listed["candidates"] if row["rank"] <= 3]
    assert (answer["projects"], answer["projects_with_local"]) == (1, 0)
    everybody = answer["organisations"]
    assert (everybody["known"], everybody["fitting"]) == (12, 10)
    assert (everybody["shown"], everybody["shown_first"]) == (5, 3)
    assert (everybody["shown_share"], everybody["shown_first_share"]) == (416, 250)
    assert everybody["gini"] < everybody["gini_first"]
    regions = cells(answer, "region")
    for code, country in (("AFR", "TCD"), ("EUR", "CHE")):
        here = {one for one, row in rows.items() if row["hq_country"] == country}
        cell = regions[code,]
        assert cell["organisations"] == 6
        assert cell["fitting"] == sum(rows[one]["above_floor"] for one in here)
        assert cell["places"] == sum(rows[one]["rank"] <= 4 for one in here)
        assert cell["shown_first"] == sum(row["organisation"] in here for row in first)
        assert cell["shown"] == cell["shown_first"] + len(here & lane)
    for name in ("category", "region", "sme", "ldc", "newcomer"):
        assert sum(cell["organisations"] for cell in cells(answer, name).values()) == 12
        assert sum(cell["places"] for cell in cells(answer, name).values()) == 4
    assert cells(answer, "newcomer")["no",]["organisations"] == 6
    assert cells(answer, "ldc")["yes",]["organisations"] == 6


async def test_no_cell_of_fewer_than_five_is_told_to_who_may_not_see_every_row(crowd: Town) -> None:
    own = crowd.bearer("organisation_reader", organisation=uuid_of("Africa 1"))
    for who in ("nobody", "project_manager", own):
        answer = await crowd.get("/v1/exposure", who=who)
        assert answer["view"] == "cells_of_five"
        assert set(cells(answer, "sme")) == {
            ("no", "yes")
        }  # four are SMEs: with the others, not to be told apart
        assert set(cells(answer, "region")) == {("AFR",), ("EUR",)}
        for group in answer["groups"]:
            assert all(cell["organisations"] >= 5 for cell in group["cells"])
            assert sum(cell["organisations"] for cell in group["cells"]) == 12
    for who in ("office_officer", "auditor", "bdt_analyst"):
        answer = await crowd.get("/v1/exposure", who=who)
        assert answer["view"] == "every_cell"
        assert cells(answer, "sme")["yes",]["organisations"] == 4


async def test_fewer_than_five_organisations_in_all_are_not_told_of(town: Town) -> None:
    for name in ("Ada", "Bea", "Cai"):
        await town.organisation(name)
    await town.published("schools")
    await town.settle()
    answer = await town.get("/v1/exposure", who="nobody")
    assert answer["organisations"] is None
    assert all(not group["cells"] for group in answer["groups"])
    assert (await town.get("/v1/exposure"))["organisations"]["known"] == 3


async def test_an_organisation_sees_its_own_sums_and_they_are_those_of_the_list(crowd: Town) -> None:
    first = (await crowd.list_of(uuid_of("schools")))["candidates"][0]["organisation"]
    who = crowd.bearer("organisation_reader", organisation=first)
    answer = await crowd.get(f"/v1/exposure/organisations/{first}", who=who)
    assert (answer["projects"], answer["fits"], answer["heads"], answer["firsts"], answer["lanes"]) == (
        1,
        1,
        1,
        1,
        0,
    )
    assert (answer["given_first"], answer["given_lane"]) == (1_000_000, 0)
    assert answer["share"] == 1_000_000 * 1000 // answer["deserved"]
    far = await crowd.get(f"/v1/exposure/organisations/{uuid_of('Far 1')}")
    assert (far["fits"], far["deserved"], far["share"]) == (0, 0, 0)
    await crowd.get(f"/v1/exposure/organisations/{uuid_of('nobody')}", status=404)
    await crowd.get(f"/v1/exposure/organisations/{uuid_of('Far 1')}", who=who, status=403)


async def test_a_month_that_has_ended_stays_what_it_was(crowd: Town) -> None:
    assert (await crowd.get("/v1/exposure"))["trend"] == []
    crowd.clock.moment = datetime(2026, 12, 3, 12, tzinfo=UTC)
    await crowd.call("POST", "/v1/days", {"day": "2026-12-03"})
    await crowd.settle()
    before = (await crowd.get("/v1/exposure"))["trend"]
    assert [(one["day"], one["projects"], one["fitting"], one["shown"]) for one in before] == [
        ("2026-12-01", 1, 10, 5)
    ]
    await crowd.step(uuid_of("schools"), "close", body={"reason": "Done."})
    await crowd.settle()
    answer = await crowd.get("/v1/exposure")
    assert answer["trend"] == before
    assert (answer["projects"], answer["organisations"]["shown"]) == (0, 0)
    crowd.runtimes["matches"].state["exposure"].months.clear()
    assert (await crowd.get("/v1/exposure"))["trend"] == before


async def test_a_report_is_not_sent_twice_and_takes_no_unknown_parameter(crowd: Town) -> None:
    answer = await crowd.call("GET", "/v1/exposure", who="nobody")
    again = await crowd.call("GET", "/v1/exposure", who="nobody", If_None_Match=answer.headers["ETag"])
    assert again.status_code == 304
    assert (await crowd.call("GET", "/v1/exposure?by=region", who="nobody")).status_code == 400


async def test_the_export_holds_what_everybody_may_see(crowd: Town) -> None:
    file = await crowd.call("GET", "/v1/exports/exposure.csv", who="bdt_admin")
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
    answer = await crowd.get("/v1/exposure", who="nobody")
    assert [(row["grouping"], row["codes"], int(row["places"])) for row in rows] == [
        (group["grouping"], "; ".join(cell["codes"]), cell["places"])
        for group in answer["groups"]
        for cell in group["cells"]
    ]
    assert {row["data_as_of"] for row in rows} == {answer["data_as_of"]}
