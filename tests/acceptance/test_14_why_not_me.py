"""Acceptance 14: an organisation asks why it is not on a list, and gets the coded rule with the published reason."""

from tests.services.matches.town import Town, uuid_of

REASON = "Masts have to be climbed within a day of a storm."


async def test_the_rule_is_named_with_the_projects_published_reason(town: Town) -> None:
    await town.organisation("Near", hq_country="KEN")
    await town.organisation("Far")
    project = await town.published("masts", presence_required={"required": True, "reason": REASON})
    await town.settle()
    far = town.bearer("organisation_reader", organisation=uuid_of("Far"))
    answer = await town.row_of(project, "Far", who=far)
    assert (answer["eligible"], answer["rank"], answer["margin"]) == (False, None, None)
    [rule] = answer["failed_rules"]
    assert (rule["code"], rule["published_reason"]) == ("presence_required", REASON)
    assert REASON in rule["sentence"]
    assert REASON in answer["reasons"][0]
    assert sum(part["points"] for part in answer["parts"]) == answer["points"] > 0
    near = town.bearer("organisation_reader", organisation=uuid_of("Near"))
    mine = await town.row_of(project, "Near", who=near)
    assert (mine["eligible"], mine["rank"], mine["failed_rules"]) == (True, 1, [])
    assert mine["gaps"]
    other = await town.call("GET", f"/v1/lists/{project}/candidates/{uuid_of('Near')}", who=far)
    assert other.status_code == 403


async def test_it_is_answered_on_every_open_project(town: Town) -> None:
    owner = await town.organisation("Owner")
    project = await town.published("masts", owner=owner)
    await town.settle()
    own = town.bearer("organisation_admin", organisation=owner)
    answer = await town.row_of(project, "Owner", who=own)
    assert [rule["code"] for rule in answer["failed_rules"]] == ["owner"]
