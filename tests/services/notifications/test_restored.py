"""The database is put back from an older backup: what was sent since comes again, under the ids that it had."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, insert, select

from services.notifications.rules.yearly import ASK_AFTER
from services.notifications.tables import METADATA
from services.notifications.worker import endpoints, yearly
from tests.services.notifications.hall import Hall, uuid_of
from tests.services.notifications.office import ADDRESS, Sink, confirmed, crossing
from tests.services.notifications.test_contacts import about_endpoints
from tests.services.notifications.village import Receiver

Backup = Mapping[str, Sequence[Mapping[str, Any]]]
TABLES = [table for table in METADATA.sorted_tables if table.name != "audit"]  # that one lets no row go


async def backup_of(hall: Hall) -> Backup:
    async with hall.runtime.database.read() as connection:
        return {
            table.name: [dict(row) for row in (await connection.execute(select(table))).mappings()]
            for table in TABLES
        }


async def restore(hall: Hall, backup: Backup) -> None:
    """Put the rows back and read the log from where they were."""
    async with hall.runtime.database.write() as connection:
        for table in reversed(TABLES):
            await connection.execute(delete(table))
        for table in TABLES:
            if backup[table.name]:
                await connection.execute(insert(table), list(backup[table.name]))
    await hall.say_again()


def message_ids(sink: Sink) -> list[str]:
    return [str(one["Message-ID"]) for one in sink.digests()]


async def test_what_was_told_since_the_backup_comes_again_under_its_ids(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, sink, _ = post
    await hall.member("Ada")
    await hall.subscribe(channel="webhook", endpoint=await hall.endpoint(receiver))
    for cadence in ("instant", "daily"):
        await confirmed(hall, sink, cadence=cadence)
    backup = await backup_of(hall)
    project = await crossing(hall)
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    sent = (
        [event["id"] for event in receiver.events("match")],
        message_ids(sink),
        {(one["subscription"], one["id"]) for one in (await hall.call("GET", "/v1/notices"))["items"]},
    )
    assert [len(one) for one in sent] == [1, 2, 3]
    headers = [taken["webhook-id"] for taken, _ in receiver.taken]
    assert headers[-1:] == sent[0]
    hall.clock.moment += timedelta(hours=1)
    await restore(hall, backup)
    await hall.settle()
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    assert [event["id"] for event in receiver.events("match")] == sent[0] * 2
    assert message_ids(sink)[2:] in (sent[1], sent[1][::-1])
    notices = (await hall.call("GET", "/v1/notices"))["items"]
    assert {(one["subscription"], one["id"]) for one in notices} == sent[2]
    await hall.rank(project, 2, {uuid_of("Ada"): "strong"})  # and what is new has an id that nothing had
    await hall.settle()
    assert len({event["id"] for event in receiver.events("match")}) == 2


async def test_a_digest_that_has_news_beside_what_was_told_is_another_mail(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, sink, _ = post
    await hall.member("Ada")
    await confirmed(hall, sink, cadence="daily")
    backup = await backup_of(hall)
    await crossing(hall)
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    await restore(hall, backup)
    await crossing(hall, name="another")
    hall.clock.moment += timedelta(days=1)
    await hall.settle()
    [first, second] = message_ids(sink)
    assert first != second


async def test_what_was_said_of_an_endpoint_and_asked_after_a_year_comes_again_under_its_ids(
    post: tuple[Hall, Sink, Receiver], receiver: Receiver
) -> None:
    hall, sink, other = post
    await hall.member("Ada")
    await confirmed(hall, sink, cadence="instant")
    failing = await hall.endpoint(receiver)
    await hall.endpoint(other)
    receiver.status = 503
    await hall.call("POST", f"/v1/endpoints/{failing}/test", status=202)
    await hall.dispatch()
    backup, moment = await backup_of(hall), hall.clock.moment

    async def told() -> tuple[list[str], list[str]]:
        hall.clock.moment += timedelta(days=1)
        await endpoints.step(hall.runtime)
        hall.clock.moment += ASK_AFTER
        await yearly.step(hall.runtime)
        await hall.dispatch()
        mails = [str(message["Message-ID"]) for to, message in sink.taken if to == ADDRESS]
        return [one["id"] for one in other.events("failing")], mails[1:]

    first = await told()
    assert [len(one) for one in first] == [1, 2]
    assert len(about_endpoints(sink)) == 1
    await restore(hall, backup)
    hall.clock.moment = moment + timedelta(hours=1)
    again = await told()
    assert [sorted(one) for one in again] == [sorted(one * 2) for one in first]


async def test_what_somebody_asks_for_is_another_message_each_time(hall: Hall, receiver: Receiver) -> None:
    endpoint = await hall.endpoint(receiver)
    backup = await backup_of(hall)
    for _ in range(2):
        await hall.call("POST", f"/v1/endpoints/{endpoint}/test", status=202)
        await hall.dispatch()
        await restore(hall, backup)
    assert len({event["id"] for event in receiver.events("tested")}) == 2
