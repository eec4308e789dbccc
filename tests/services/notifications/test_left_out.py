"""Who stands on a list no more is told why: its floor, or a rule of the project, which says so itself."""

import pytest

from tests.services.notifications.hall import uuid_of
from tests.services.notifications.village import Receiver, Village

ON_SITE = {"required": True, "reason": "Works on site."}


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_who_a_rule_leaves_out_is_told_the_rule_and_not_that_its_profile_fell(
    village: Village, receiver: Receiver, language: str
) -> None:
    await village.town.organisation("One")
    await village.hooked("One", receiver, language=language)
    project = await village.town.published("schools")
    await village.settle()
    await village.town.draft("schools", presence_required=ON_SITE)
    await village.settle()
    path = f"/v1/lists/{project}/candidates/{uuid_of('One')}?language={language}"
    row = (await village.town.call("GET", path, who=village.own("One"))).json()
    assert row["above_floor"]
    proposed, withdrawn = receiver.events()
    assert withdrawn["type"] == "org.comity.match.withdrawn.v1"
    why = withdrawn["data"]["why"]
    assert why["rule"] == "excluded-by-a-rule"
    assert why["reasons"] == [one["sentence"] for one in row["failed_rules"]] != []
    assert why["shared_terms"] == proposed["data"]["why"]["shared_terms"]
    assert {withdrawn["data"][name] for name in ("fit", "band", "confidence")} == {None}
    answer = await village.town.call("GET", "/v1/notices", who=village.own("One"))
    assert [one["rule"] for one in answer.json()["items"]] == ["above-floor", "excluded-by-a-rule"]


async def test_who_falls_below_the_floor_is_told_that(village: Village, receiver: Receiver) -> None:
    await village.town.organisation("One")
    await village.hooked("One", receiver)
    await village.town.published("schools")
    await village.settle()
    await village.town.organisation(
        "One", descriptions=[{"language": "en", "text": "Fish."}], offers=[{"kind": "equipment"}]
    )
    await village.settle()
    assert receiver.events()[-1]["data"]["why"]["rule"] == "fell-below-floor"
    assert receiver.events()[-1]["data"]["why"]["reasons"] == []
