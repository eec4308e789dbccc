"""A server process of our own: started, waited for, and never left behind.

What: `Child` runs one command in a process group of its own, with its output in a file. Why: whatever ends the process
that started it (a return, an error, Ctrl-C, SIGKILL), the server ends too: by `stop`, by `atexit`, or by the kernel's
parent-death signal. That signal fires when the *thread* that started the child ends: start servers in the main thread.
It must not be used for short commands whose result matters; those are plain `subprocess.run`.
"""

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_SETPRIV = "setpriv"  # util-linux; sets the parent-death signal without Python code between fork and exec
# A parent that died before the signal was set sends none: a child that finds itself adopted does not begin.
_UNLESS_ORPHANED = 'test "$PPID" = "$0" && exec "$@"'
_TAIL_BYTES = 2_000


class PartFailedError(RuntimeError):
    """A server did not start or ended by itself; the text quotes the end of its log."""


def free_port() -> int:
    """Pick a port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Child:
    """One running server. `stop_signal` is the one that makes it end in good order; `user` drops root's rights."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        stop_signal: signal.Signals,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._stop_signal = stop_signal
        setpriv = shutil.which(_SETPRIV)
        guard = _guard(setpriv, stop_signal) if setpriv else []
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 -- commands of our own
                [*guard, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment) if environment is not None else None,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The process id, which is the id of its process group too."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait for `ready`. Raises PartFailedError if the process ends first or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise PartFailedError(
                    f"{self.name} ended while starting. The end of {self.log}: {self._tail()}"
                )
            if time.monotonic() > deadline:
                self.stop()
                raise PartFailedError(
                    f"{self.name} was not ready in {seconds:.0f} s. The end of its log: {self._tail()}"
                )
            time.sleep(0.05)

    def stop(self, *, seconds: float = 15.0) -> None:
        """End it in good order; after `seconds`, without. Calling it twice does no harm."""
        if self.running:
            self._signal(self._stop_signal)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        atexit.unregister(self.stop)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(self.pid, number)
            else:  # the server tells its own children; PostgreSQL's must not hear it twice
                self._process.send_signal(number)

    def _tail(self) -> str:
        return self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip() or "(empty)"


def _guard(setpriv: str, stop_signal: signal.Signals) -> list[str]:
    signalled = [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--"]
    return [*signalled, "/bin/sh", "-c", _UNLESS_ORPHANED, str(os.getpid())]
