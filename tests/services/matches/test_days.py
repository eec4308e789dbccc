"""A new day: only lists that hold a dated fact between the two days are ranked, and `ranked_to` moves for all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from matching.epoch import canonical
from matching.view import View
from services.matches.commands import first_epoch
from tests.services.matches.town import Town, analysis, uuid_of

ENDING = [{"state": "active", "from": "2020-01-01", "to": "2026-11-30"}]
HERE = {"required": True, "reason": "The work is on the spot."}


@contextmanager
def ranked_projects() -> Iterator[list[str]]:
    """Note every project that is ranked meanwhile."""
    ranked: list[str] = []
    rank = View.rank

    def note(view: View, project: str, day: str) -> Any:
        ranked.append(project)
        return rank(view, project, day)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(View, "rank", note)
        yield ranked


async def opened(town: Town, day: str) -> list[str]:
    """Open a day, let everything follow, and return the projects that were ranked for it."""
    assert (await town.call("POST", "/v1/days", {"day": day})).status_code == 201
    with ranked_projects() as ranked:
        await town.settle()
    progress = await town.get("/v1/ranking-progress")
    assert (progress["complete"], progress["day"]) == (True, day)
    rows = await town.rows("SELECT ranked_to FROM ranking")
    assert [json.loads(row["ranked_to"])["day"] for row in rows] == [day] * len(rows)
    ours = town.worker.index.projects  # the server of another test in this process may rank its own meanwhile
    return sorted(project for project in ranked if project in ours)


async def test_a_day_without_a_dated_fact_ranks_nothing(town: Town) -> None:
    await town.organisation("Ada", category="associate", membership=ENDING)
    projects = [await town.published(f"project {number}") for number in range(3)]
    await town.settle()
    assert await opened(town, "2026-11-30") == []
    listed = await town.list_of(projects[0])
    assert (listed["reference_date"], listed["changed_since"]) == ("2026-11-30", False)


async def test_a_day_that_has_passed_is_not_opened_again(town: Town) -> None:
    assert await opened(town, "2026-11-30") == []
    assert (await town.call("POST", "/v1/days", {"day": "2026-11-25"})).status_code == 409
    assert (await town.get("/v1/ranking-progress"))["day"] == "2026-11-30"


async def test_the_end_of_a_membership_ranks_the_lists_where_the_member_is_eligible(town: Town) -> None:
    await town.organisation("Ada", category="associate", hq_country="KEN", membership=ENDING)
    await town.organisation("Bea", category="associate", hq_country="UGA")
    kenya = await town.published("kenya", countries=["KEN"], presence_required=HERE)
    await town.published("uganda", countries=["UGA"], presence_required=HERE)
    await town.published("hers", owner=uuid_of("Ada"))
    everywhere = await town.published("everywhere", countries=["UGA"])
    await town.settle()
    assert "non_member" not in (await town.row_of(kenya, "Ada"))["labels"]
    assert await opened(town, "2026-12-01") == sorted([kenya, everywhere])
    assert "non_member" in (await town.row_of(kenya, "Ada"))["labels"]
    assert await opened(town, "2026-12-02") == []


async def test_a_graduation_ranks_the_lists_of_the_country_and_of_those_who_live_there(town: Town) -> None:
    body = json.loads(first_epoch(None))
    groups = [one for one in body["reference"]["groups"] if one[:2] != ["ldc", "UGA"]]
    body["reference"]["groups"] = sorted(
        [*groups, ["ldc", "UGA", None, "2026-11-30"]], key=lambda one: [value or "" for value in one]
    )
    body["analyser"]["golden"] = analysis().golden
    assert (await town.call("POST", "/v1/epochs", canonical(body))).status_code == 201
    await town.organisation("Ada", hq_country="UGA")
    await town.organisation("Bea", hq_country="KEN")
    kenya = await town.published("kenya", countries=["KEN"], presence_required=HERE)
    uganda = await town.published("uganda", countries=["UGA"], owner=uuid_of("Ada"))
    abroad = await town.published("abroad", countries=["KEN"])
    await town.settle()
    before = await town.row_of(abroad, "Ada")
    assert await opened(town, "2026-12-01") == sorted([uganda, abroad])
    after = await town.row_of(abroad, "Ada")
    assert "ldc_entity" in before["labels"]
    assert "ldc_entity" not in after["labels"]
    assert kenya not in await opened(town, "2026-12-24")
