"""What the service says of itself when it is scraped: how late news and messages are, by age."""

from datetime import timedelta

import pytest

from tests.services.matches.test_metrics import figures
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import crossing
from tests.services.notifications.village import Receiver


async def measured(hall: Hall) -> dict[str, float]:
    measure = hall.runtime.service.measure
    assert measure is not None
    await measure(hall.runtime)
    return {name: value for (name, *_), value in figures(hall.runtime).items()}


async def test_ages_are_those_of_the_oldest_news_and_of_the_oldest_message_that_could_be_sent(
    hall: Hall, receiver: Receiver
) -> None:
    endpoint = await hall.endpoint(receiver)
    await hall.subscribe(channel="webhook", endpoint=endpoint)
    ada, project = await hall.member("Ada"), await hall.open_project()
    hall.lists.away = True
    await hall.rank(project, 1, {ada: "good"})
    await hall.herald()
    hall.clock.moment += timedelta(seconds=40)
    said = await measured(hall)
    assert (said["comity_news_oldest_seconds"], said["comity_messages_due_oldest_seconds"]) == (40, 0)

    hall.lists.away = False
    await hall.herald()
    hall.clock.moment += timedelta(seconds=7)
    said = await measured(hall)
    assert (said["comity_news_oldest_seconds"], said["comity_messages_unsent"]) == (0, 1)
    assert said["comity_messages_due_oldest_seconds"] == 7

    receiver.status = 500
    await hall.dispatch()
    said = await measured(hall)  # between two tries it is not late
    assert said["comity_messages_due_oldest_seconds"] == 0
    assert (said["comity_messages_unsent"], said["comity_endpoints_failing"]) == (1, 1)

    receiver.status = 204
    assert await hall.until_due()
    said = await measured(hall)
    assert (said["comity_messages_unsent"], said["comity_endpoints_failing"]) == (0, 0)


@pytest.mark.parametrize("how", ["dismissed", "resting", "withdrawn"])
async def test_news_that_is_not_to_be_told_now_is_held_up_by_nothing(hall: Hall, how: str) -> None:
    await hall.subscribe(channel="feed")
    hall.lists.away = True
    project = await crossing(hall)
    hall.clock.moment += timedelta(seconds=40)
    assert (await measured(hall))["comity_news_oldest_seconds"] == 40
    if how == "dismissed":
        await hall.call("PUT", f"/v1/dismissals/{project}", {"reason": "other"}, status=201)
    elif how == "resting":
        await hall.open_project(state="dormant")
    else:
        await hall.member("Ada", state="withdrawn")
    assert (await measured(hall))["comity_news_oldest_seconds"] == 0
    assert len(await hall.rows("SELECT id FROM notices WHERE state = 'waiting'")) == 1


async def test_mails_that_wait_for_no_server_are_late_to_nobody(hall: Hall) -> None:
    await hall.subscribe(channel="email", email="desk@example.org", language="en", cadence="instant")
    hall.clock.moment += timedelta(hours=1)
    said = await measured(hall)
    assert said["comity_messages_unsent"] == 1  # the question to the address itself
    assert said["comity_messages_due_oldest_seconds"] == 0
