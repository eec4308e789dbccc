"""What reminders and ends cost: notices are read once a day, once more when something is new, and of the newest the words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.worker import readying, reminders
from tests.services.notifications.hall import Hall
from tests.services.notifications.office import Sink
from tests.services.notifications.village import Receiver


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
    monkeypatch.setattr(readying, "TERMS_AT_ONCE", 2)
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
