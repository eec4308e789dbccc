"""Scenarios 20, and the notices of 7, 9 and 12, with the real ranking behind."""

from tests.services.matches.town import uuid_of
from tests.services.notifications.village import Receiver, Village


async def test_a_dismissed_pair_is_silent_until_needs_or_countries_change(
    village: Village, receiver: Receiver
) -> None:
    town = village.town
    await town.organisation("Ada")
    await village.hooked("Ada", receiver)
    project = await town.published("schools")
    await village.settle()
    assert len(receiver.events()) == 1
    answer = await town.call("PUT", f"/v1/dismissals/{project}", {"reason": "timing"}, who=village.own("Ada"))
    assert answer.status_code == 201
    await town.draft("schools", deadline="2027-07-31")
    await village.settle()
    assert len(receiver.events()) == 1  # a new deadline is neither a need nor a country
    await town.draft("schools", countries=["KEN", "UGA"])
    await village.settle()
    [_, updated] = receiver.events()
    assert (updated["type"], updated["data"]["why"]["rule"]) == (
        "org.comity.opportunity.updated.v1",
        "project-changed",
    )


async def test_the_same_profile_event_five_times_is_one_notice(village: Village, receiver: Receiver) -> None:
    town = village.town
    await town.organisation("Ada")
    await village.hooked("Ada", receiver)
    await town.published("schools")
    await village.settle()
    for _ in range(5):
        for topic in ("members.v1", "projects.v1", "standings.v1", "matches.v1"):
            await village.deliver_again(topic)
        await village.settle()
    assert len(receiver.events()) == 1


async def test_a_withdrawn_organisation_hears_nothing_of_its_leaving(
    village: Village, receiver: Receiver
) -> None:
    town = village.town
    ada = await town.organisation("Ada")
    await village.hooked("Ada", receiver)
    await town.published("schools")
    await village.settle()
    await town.withdraw(ada)
    await village.settle()
    await town.published("another")
    await village.settle()
    assert len(receiver.events()) == 1


async def test_a_closed_project_is_told_once_and_then_no_more(village: Village, receiver: Receiver) -> None:
    town = village.town
    await town.organisation("Ada")
    await village.hooked("Ada", receiver)
    project = await town.published("schools")
    await village.settle()
    await town.step(project, "close", body={"reason": "Found."})
    await village.settle()
    await town.organisation("Ada", aliases=["Ada and friends"])
    await village.settle()
    assert [event["type"] for event in receiver.events()] == [
        "org.comity.match.proposed.v1",
        "org.comity.opportunity.closed.v1",
    ]
    assert receiver.events()[-1]["subject"] == f"{project}/{uuid_of('Ada')}"
