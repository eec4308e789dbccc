"""Reminders come before the deadline's own day, wherever their reader is; and what they and ends cost.

Notices are read once a day, once more when something is new, and of the newest the words.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.worker import knowing, reminders
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import Sink, confirmed
from tests.services.notifications.test_what_is_over import by_webhook
from tests.services.notifications.village import Receiver

ZONES = ("Pacific/Kiritimati", "Asia/Shanghai", "Asia/Bangkok", "UTC", "America/Los_Angeles")
MONDAY = date(2026, 12, 21)
CLOSING = "org.comity.opportunity.closing-soon.v1"


async def told_of(hall: Hall, deadline: date) -> None:
    ada = await hall.member("Ada")
    await hall.rank(await hall.open_project(deadline=deadline.isoformat()), 1, {ada: "good"})
    await hall.settle()


async def hours_pass(hall: Hall, deadline: date) -> None:
    """Let each hour be looked at as the herald does it: reminders are looked for once digests have been made."""
    hall.clock.moment = hall.clock.moment.replace(minute=0)
    while hall.clock.moment.date() <= deadline:
        hall.clock.moment += timedelta(hours=1)
        await hall.settle()
        await hall.remind()


async def days_reminded(hall: Hall, receiver: Receiver, zone: str) -> list[date]:
    """Let hours pass until the deadline; the days, where the reader is, on which a reminder left."""
    left: list[date] = []

    async def note(body: bytes) -> None:
        if CLOSING.encode() in body:
            left.append(hall.clock.moment.astimezone(ZoneInfo(zone)).date())

    receiver.look = note
    await hours_pass(hall, MONDAY)
    return left


@pytest.mark.parametrize("zone", ZONES)
async def test_a_weekly_reader_is_reminded_a_week_before_a_deadline_on_the_digests_own_day(
    hall: Hall, receiver: Receiver, zone: str
) -> None:
    await by_webhook(hall, receiver, cadence="weekly", time_zone=zone)
    await told_of(hall, MONDAY)
    hall.clock.moment += timedelta(days=12)
    left = await days_reminded(hall, receiver, zone)
    assert left[0] == MONDAY - timedelta(days=7)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "UTC", "America/Los_Angeles"])
async def test_a_daily_reader_is_reminded_five_days_and_a_day_before(
    hall: Hall, receiver: Receiver, zone: str
) -> None:
    await by_webhook(hall, receiver, cadence="daily", time_zone=zone)
    await told_of(hall, MONDAY)
    hall.clock.moment += timedelta(days=20)
    left = await days_reminded(hall, receiver, zone)
    assert left == [MONDAY - timedelta(days=days) for days in (5, 1)]


@pytest.mark.parametrize("hour", [1, 12, 22])
async def test_who_is_told_in_the_east_on_the_day_before_a_reminder_is_not_reminded_beside_it(
    office: tuple[Hall, Sink], hour: int
) -> None:
    hall, sink = office
    await confirmed(hall, sink, cadence="daily", time_zone="Asia/Tokyo")
    hall.clock.moment = datetime(2026, 12, 15, hour, tzinfo=UTC)  # in the mail of the 16th, five days before
    await told_of(hall, MONDAY)
    await hours_pass(hall, date(2026, 12, 17))
    [notice] = (await hall.call("GET", "/v1/notices"))["items"]
    assert notice["type"] != CLOSING
    assert len(sink.digests()) == 1


@contextmanager
def looks(hall: Hall) -> Iterator[Callable[[], int]]:
    """Count the times that all which was told of a project is read there; other tests' servers may run in this process."""
    statements: list[str] = []

    def executed(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if connection.engine.url == hall.runtime.database.url:
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", executed)
    try:
        yield lambda: sum("min(notices.made_at)" in one for one in statements)
    finally:
        event.remove(Engine, "before_cursor_execute", executed)


async def test_what_was_told_is_read_once_a_day_and_once_more_for_what_is_new(
    post: tuple[Hall, Sink, Receiver],
) -> None:
    hall, _, _ = post
    await hall.subscribe(channel="feed")
    ada, project = await hall.member("Ada"), await hall.open_project(deadline="2026-12-20")
    await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    with looks(hall) as counted:
        seen = []

        async def steps() -> None:
            before = counted()
            for _ in range(5):
                hall.clock.moment += timedelta(seconds=1)
                await reminders.step(hall.runtime)
            seen.append(counted() - before)

        await steps()
        hall.clock.moment += timedelta(hours=1)
        await steps()
        hall.clock.moment += timedelta(days=1)
        await steps()
        await hall.open_project(deadline="2026-12-19")  # revised
        await steps()
        await hall.rank(project, 2, {ada: "strong"})  # told
        await hall.settle()
        await steps()
    assert seen == [1, 0, 1, 1, 1]


async def test_projects_beyond_one_step_are_looked_at_in_the_next(
    post: tuple[Hall, Sink, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    hall, _, _ = post
    monkeypatch.setattr(reminders, "LOOKS_AT_ONCE", 2)
    await hall.subscribe(channel="feed")
    ada = await hall.member("Ada")
    for number in range(3):
        project = await hall.open_project(f"project {number}", deadline=f"2026-12-0{number + 5}")
        await hall.rank(project, 1, {ada: "good"})
    await hall.settle()
    hall.clock.moment += timedelta(days=10)
    made = []
    for _ in range(4):
        made.append(await reminders.step(hall.runtime))
        hall.clock.moment += timedelta(minutes=1)
    assert made == [2, 1, 0, 0]


@pytest.mark.parametrize("ends", [False, True])
async def test_what_was_told_is_read_of_the_newest_notice_of_who_waits_alone(
    post: tuple[Hall, Sink, Receiver], monkeypatch: pytest.MonkeyPatch, *, ends: bool
) -> None:
    hall, _, _ = post
    monkeypatch.setattr(knowing, "AT_ONCE", 2)
    crossed = {}
    for name in ("Ada", "Ben", "Cleo", "Dora", "Emil", "Fay"):
        crossed[await hall.member(name)] = "good"
        subscription = await hall.subscribe(name, channel="feed")
    for number in range(1, 7):  # told of each change
        hall.lists.rows_of = {one: {"shared_terms": [f"word {number}"]} for one in crossed}
        project = await hall.open_project(deadline="2026-12-20", countries=["KEN", "TZA"][: number % 2 + 1])
        await hall.rank(project, number, crossed if number == 1 else {}, above=6)
        await hall.settle()
    path = f"/v1/subscriptions/{subscription}"
    await hall.call("DELETE", path, name="Fay", status=204, If_Match='"1"')
    assert len(await hall.rows("SELECT id FROM notices WHERE state = 'sent'")) == 6 * 6

    read: list[Any] = []
    execute = AsyncConnection.execute

    async def counted(self: AsyncConnection, statement: Any, *given: Any, **named: Any) -> Any:
        found = await execute(self, statement, *given, **named)
        if "notices.data" not in str(statement) or "waiting" in str(statement.compile().params):
            return found
        frozen = found.freeze()
        read.extend(frozen.data)
        return frozen()

    monkeypatch.setattr(AsyncConnection, "execute", counted)
    hall.lists.rows_of = {one: {"shared_terms": ["asked anew"]} for one in crossed}
    hall.clock.moment += timedelta(days=23)
    if ends:
        await hall.open_project(deadline="2026-12-20", state="closed")
        await hall.settle()
    else:
        await hall.remind()
    assert len(read) == 5
    told = await hall.rows("SELECT data FROM notices ORDER BY made_at DESC, id DESC LIMIT 5")
    assert ["word 6" in bytes(one["data"]).decode() for one in told] == [True] * 5
