"""News that is read page by page: nothing that can be read later than a page stands before its end."""

import pytest

from tests.services.notifications.hall import Hall
from tests.services.notifications.test_other_conditions import saved
from tests.services.notifications.test_subscriptions import notices
from tests.services.notifications.test_what_is_over import by_webhook
from tests.services.notifications.village import Receiver


@pytest.mark.parametrize("by", ["rest", "pause"])
async def test_what_was_out_of_sight_is_behind_what_its_reader_has(
    hall: Hall, receiver: Receiver, by: str
) -> None:
    subscription = await by_webhook(hall, receiver, cadence="weekly")
    ada, first = await hall.member("Ada"), await hall.open_project("first")
    await hall.rank(first, 1, {ada: "good"})
    await hall.settle()
    [shown] = await notices(hall)
    if by == "rest":
        await hall.open_project("first", state="dormant")
    else:
        await hall.subscribe(channel="feed")
        await saved(hall, subscription, {}, paused=True)
    await hall.settle()
    second = await hall.open_project("second")
    await hall.rank(second, 1, {ada: "good"})
    await hall.settle()
    page = await hall.call("GET", "/v1/notices")
    assert [one["project"] for one in page["items"]] == [second]
    if by == "rest":
        await hall.open_project("first")
        await hall.rank(first, 2, {}, above=1)
    else:
        await saved(hall, subscription, {})
    await hall.settle()
    later = await hall.call("GET", f"/v1/notices?cursor={page['behind']}")
    assert [one["id"] for one in later["items"]] == [shown["id"]]
