"""The whole system in this process, on a thread of its own, for as long as a command needs it.

What: migrates, creates topics, starts every service in every role on one port, and stops it in good order. Why: `demo`,
`rank`, `import` and the rest speak HTTP; where nothing runs, this is what they speak to. It must not be used where a
deployment is meant: `comity run` is for that.
"""

import asyncio
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import uvloop

from services.catalogue import SERVICES
from services.chassis.lifecycle import System, run_services
from services.chassis.settings import Settings
from services.console.connection import remember_address
from services.console.preparing import prepare
from services.identity.commands import ensure_first_admin

START_SECONDS = 120.0


class Embedded:
    """A running system: `address` is where it answers. Leaving the context stops it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.address = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._settled = threading.Event()
        # Not the thread's own state: a Ctrl-C during its `join` marks it as ended while it still runs.
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="comity", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._settled.wait(START_SECONDS):
            raise TimeoutError(f"The system did not start within {START_SECONDS:.0f} s.")
        if self._error is not None:
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop within the deadline of the settings; raises what ended the system, if it ended by itself."""
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):  # its loop is closed: it has just ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        self._ended.wait(self.settings.lifecycle.stop_seconds + 10)
        if self._error is not None:
            raise self._error

    def wait(self) -> None:
        """Block until the system ends by itself or the person presses Ctrl-C."""
        self._ended.wait()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._error = error
        finally:
            self._settled.set()
            self._ended.set()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await prepare(self.settings)
        await run_services(
            self.settings, tuple(SERVICES.values()), role="all", ready=self._ready, stop=self._stop
        )

    async def _ready(self, system: System) -> None:
        """Make the first administrator once, and note where this system answers for the other verbs."""
        self.address = system.address
        first = await ensure_first_admin(system.runtime("identity"))
        remember_address(self.settings.data_folder, system.address, first=first)
        self._settled.set()
