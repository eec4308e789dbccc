"""The projections of this service read anew from a log that has forgotten something meanwhile."""

from services.notifications.consumers import absent, erase, forget
from services.notifications.worker import cycles, digests, readying
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import Sink, confirmed


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


async def test_a_mail_that_is_due_while_projects_are_read_anew_comes_once_they_are_here(
    office: tuple[Hall, Sink],
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="instant")
    await hall.rank(await hall.open_project(), 1, {await hall.member("Ada"): "good"})
    await cycles.step(hall.runtime)
    await readying.step(hall.runtime)
    said, hall.said = hall.said, []
    async with hall.runtime.database.write() as connection:
        await forget(connection)
    await digests.step(hall.runtime)
    await hall.say(*said)
    hall.clock.moment += digests.LOOK_AGAIN
    await hall.settle()
    assert len(sink.digests()) == 1
