"""What the look for reminders costs: a project's notices are read once a day, and once more when there is something new."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from services.notifications.worker import reminders
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
