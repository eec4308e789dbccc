"""Promise 5: fees, sponsorship, pledge value, size, age and volume of past work are no inputs; changing them changes nothing."""

from typing import Any

import pytest

from tests.services.matches.town import Town

WORK = [{"language": "en", "text": "Community networks for rural schools in Kenya with technicians trained."}]


def item(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": f"e{number}", "kind": "project", "role": "lead", "texts": WORK} | changes


VARIED = [
    [{"language": "en", "text": f"{subject} for rural schools in {place}, {detail}."}]
    for subject, place, detail in (
        ("Solar networks", "Kenya", "with courses for technicians of the villages"),
        ("Wireless links", "Uganda", "measured every day by pupils and their teachers"),
        ("Fibre lines", "Samoa", "paid by a fund of island administrations together"),
        ("Radio masts", "Peru", "climbed and serviced by women from the valleys"),
        ("Satellite dishes", "Nepal", "kept warm through winters at four thousand metres"),
    )
]

NO_INPUTS: list[dict[str, Any]] = [
    {"category": "sector_member"},
    {"category": "associate", "study_group": "SG2"},
    {"category": "prospect"},
    {"membership": [{"state": "active", "from": "1999-01-01"}]},
    {"membership": [{"state": "suspended", "from": "2024-01-01"}]},
    {"external_ids": [{"scheme": "sponsor", "value": "platinum"}]},
    {"aliases": ["The Biggest Sponsor of Everything"]},
    {"contact": {"name": "Somebody Important", "email": "boss@example.org"}},
    {"sme": {"flag": True, "basis": "self_declared"}},
    {"organisation_type": "70"},
    {"size_band": "large"},
    {"first_involved_on": "1999-01-01"},
    {"involvements": [{"kind": "pledge", "on": "1999-01-01", "source": "Pledge 1 of the register"}]},
    {
        "involvements": [
            {"kind": "meeting", "on": f"20{year:02}-01-01", "source": "List of participants"}
            for year in range(20)
        ]
    },
    {"evidence": [item(1, kind="pledge", year=2020)]},
    {"evidence": [item(1, kind="pledge", year=1990, url="https://example.org/1000000000-usd")]},
    {"evidence": [item(1, kind="publication", countries=["FRA"])]},
]


async def rows_of(town: Town, project: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return await town.row_of(project, "Ada"), await town.row_of(project, "Bea")


@pytest.mark.parametrize("change", NO_INPUTS, ids="-".join)
async def test_changing_it_changes_no_point(town: Town, change: dict[str, Any]) -> None:
    base = {"evidence": [item(1)]}
    for name in ("Ada", "Bea"):
        await town.organisation(name, **base)
    project = await town.published("schools")
    await town.settle()
    before = await rows_of(town, project)
    await town.organisation("Ada", **(base | change))
    await town.settle()
    after = await rows_of(town, project)
    for old, new in zip(before, after, strict=True):
        assert (new["points"], new["components"], new["fit"]) == (
            old["points"],
            old["components"],
            old["fit"],
        )


async def test_a_sum_paid_or_pledged_has_no_field_to_stand_in(town: Town) -> None:
    paid = ("contribution_class", "sponsor", "pledge_value", "paid_until", "score", "rank")
    for field in (*paid, "clicks", "views", "outcomes", "seconds_on_platform"):
        body = {"legal_name": "Ada", field: 1}
        answer = await town.call("PUT", "/v1/organisations/018f3c2a-7d10-7000-8000-000000000001", body)
        assert answer.status_code == 422
        assert any(error["pointer"] == f"/{field}" for error in answer.json()["errors"])


async def test_past_work_beyond_the_best_three_adds_nothing(town: Town) -> None:
    evidence = [item(number, texts=texts) for number, texts in enumerate(VARIED)]
    await town.organisation("Ada", evidence=evidence)
    project = await town.published("schools")
    await town.settle()
    everything = await town.row_of(project, "Ada")
    counted = {part["evidence"] for part in everything["parts"] if part["code"] == "threshold"}
    assert len(counted) == 3
    assert [part["points"] for part in everything["parts"] if part["code"] == "further"] == [0]
    await town.organisation("Ada", evidence=[one for one in evidence if one["id"] in counted])
    await town.settle()
    three = await town.row_of(project, "Ada")
    assert three["components"]["evidence"] == everything["components"]["evidence"] > 0
    await town.organisation("Ada", evidence=[*evidence, *(item(10 + n, texts=VARIED[0]) for n in range(20))])
    await town.settle()
    copied = await town.row_of(project, "Ada")
    assert copied["components"]["evidence"] == everything["components"]["evidence"]
    assert sum(part["code"] == "duplicate" for part in copied["parts"]) == 20


async def test_the_date_of_first_involvement_decides_the_newcomer_label_and_nothing_else(town: Town) -> None:
    await town.organisation("Ada")
    project = await town.published("schools")
    await town.settle()
    new = await town.row_of(project, "Ada")
    await town.organisation("Ada", first_involved_on="2001-02-03")
    await town.settle()
    old = await town.row_of(project, "Ada")
    assert set(new["labels"]) - set(old["labels"]) == {"newcomer"}
    assert set(old["labels"]) <= set(new["labels"])
    assert (new["points"], new["components"], new["fit"]) == (old["points"], old["components"], old["fit"])
