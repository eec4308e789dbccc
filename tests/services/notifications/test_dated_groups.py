"""A country that leaves the least developed ones, or comes to be one, changes who asks for a project: it is told with the first list of that day."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import Sink
from tests.services.notifications.test_coming_back import heard
from tests.services.notifications.test_what_is_over import by_webhook
from tests.services.notifications.village import Receiver

BEFORE, SINCE = "2024-12-10", "2024-12-14"
"""Days about 13 December 2024, when São Tomé and Príncipe graduated."""
CHANGED: dict[str, Any] = {"countries": ["STP"], "deadline": "2025-03-01"}


async def listed(hall: Hall, number: int, day: str, crossed: dict[str, str] | None = None) -> None:
    """Say a list version with Ada above the floor."""
    hall.clock.moment = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    if number == 1:
        await hall.open_project(**CHANGED)
    await hall.rank(uuid_of("schools"), number, crossed or {}, above=1, day=day)
    await hall.settle()


@pytest.mark.parametrize("cadence", ["instant", "monthly"])
async def test_who_was_told_hears_that_it_is_not_asked_for_and_what_waits_is_not_sent(
    post: tuple[Hall, Sink, Receiver], cadence: str
) -> None:
    hall, _, receiver = post
    hall.clock.moment = datetime(2024, 12, 10, 11, tzinfo=UTC)
    await by_webhook(hall, receiver, conditions={"ldc_only": True}, cadence=cadence)
    await listed(hall, 1, BEFORE, {await hall.member("Ada"): "good"})
    await listed(hall, 2, SINCE)
    await listed(hall, 3, SINCE)
    await hall.say_again(rebuilding=True)
    for day in (datetime(2025, 1, 1, 9, tzinfo=UTC), datetime(2025, 2, 28, 12, tzinfo=UTC)):
        hall.clock.moment = day
        await hall.remind()
    first = [("match.proposed", "above-floor"), ("opportunity.updated", "left-conditions")]
    assert heard(receiver) == (first if cadence == "instant" else [])


async def test_who_stands_is_told_of_a_project_whose_country_came_to_be_one(
    hall: Hall, receiver: Receiver
) -> None:
    reference = hall.runtime.state["reference"]
    graduated = next(one for one in reference.group_terms if (one.country, one.group) == ("STP", "ldc"))
    acceded = replace(graduated, valid_from=graduated.valid_to, valid_to=None)
    hall.runtime.state["reference"] = replace(reference, group_terms=(acceded,))
    hall.clock.moment = datetime(2024, 12, 10, 11, tzinfo=UTC)
    await by_webhook(hall, receiver, conditions={"ldc_only": True})
    await listed(hall, 1, BEFORE, {await hall.member("Ada"): "good"})
    assert heard(receiver) == []
    await listed(hall, 2, SINCE)
    assert heard(receiver) == [("match.proposed", "meets-conditions")]
