"""The projections of this service read anew from a log that has forgotten something meanwhile."""

from services.notifications.consumers import absent, erase, forget
from tests.services.notifications.hall import Hall


async def test_what_the_log_does_not_hold_any_more_is_named_and_erased_on_request(hall: Hall) -> None:
    ada, project = await hall.member("Ada"), await hall.open_project()
    await hall.subscribe(channel="feed")
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    bea = await hall.member("Bea")
    await hall.subscribe("Bea", channel="feed")
    said, hall.said = [event for event in hall.said if event.key in {project, bea}], []
    async with hall.runtime.database.write() as connection:
        await forget(connection)
    await hall.say(*said)  # what a log says that lost Ada and her pair longer ago than it keeps tombstones
    async with hall.runtime.database.write() as connection:
        missing = await absent(connection)
        assert missing == [f"organisation:{ada}", f"standing:{project}/{ada}"]
        await erase(connection, missing)
        assert await absent(connection) == []
    assert await hall.rows("SELECT state FROM subscriptions ORDER BY organisation = :ada", ada=ada) == [
        {"state": "active"},
        {"state": "ended"},
    ]
