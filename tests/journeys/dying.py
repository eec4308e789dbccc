"""`comity` in a process that SIGKILLs itself at a step of a restore: `python -m tests.journeys.dying STEP restore …`."""

import inspect
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from migrations import running
from services.__main__ import main
from services.chassis import sqlite
from services.chassis.bus import restoring, said


def die(*_: object, **__: object) -> NoReturn:
    """End as by a power cut of this process."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("The process outlived its own end.")


def before(module: Any, name: str) -> None:
    setattr(module, name, die)


def after(module: Any, name: str) -> None:
    original: Callable[..., Any] = getattr(module, name)

    async def later(*of: Any, **more: Any) -> NoReturn:
        await original(*of, **more)
        die()

    def at_once(*of: Any, **more: Any) -> NoReturn:
        original(*of, **more)
        die()

    setattr(module, name, later if inspect.iscoroutinefunction(original) else at_once)


class Interrupted(sqlite3.Connection):
    """A backup whose pages go to the disk one by one, until half of them are there."""

    def backup(self, target: sqlite3.Connection, **_: Any) -> None:
        def copied(_status: int, remaining: int, total: int) -> None:
            if remaining < total // 2:
                die()

        target.execute("PRAGMA cache_size = 1")
        super().backup(target, pages=1, progress=copied)


def amid_the_pages() -> None:
    original, connect = sqlite.put_back, sqlite3.connect

    def put_back(path: str, backup: str) -> None:
        sqlite3.connect = partial(connect, factory=Interrupted)  # type: ignore[assignment]
        original(path, backup)

    sqlite.put_back = put_back


STEPS: dict[str, Callable[[], None]] = {
    "before the copy is migrated": lambda: before(running, "upgrade"),
    "amid its pages": amid_the_pages,
    "once it is in place": lambda: after(sqlite, "put_back"),
    "before all is committed": lambda: after(said, "know_all"),
    "once all is committed": lambda: after(restoring, "restore"),
}
"""In their order."""

if __name__ == "__main__":
    STEPS[sys.argv.pop(1)]()
    main()
