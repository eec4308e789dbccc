"""The drill's end of the starter: processes of the product that start in a second and are killed as by a power cut."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE_SECONDS = 300.0


class DidNotStartError(RuntimeError):
    """A process ended, or stayed silent, where it should have said something; the text quotes its log."""


class Starter:
    """A running `tests.drills.starter`. Leaving the context ends every process that it started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.drills.starter"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            text=True,
        )
        self._ask(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def start(self, *arguments: str, log: Path, environment: Mapping[str, str], **how: Any) -> "Process":
        """Start the `comity` command with these arguments; its output is appended to `log`.

        `how`: `mutant` switches one on; at the n-th `hit` of a named `line` it kills itself, or, with files `freeze` and
        `hold`, stands still there as `tests.drills.starter` says; `slow` lets its index follow late; `raises` is a key on which its archive raises; `clock` is by
        how many seconds its clock is ahead.
        """
        log.touch()
        begin = log.stat().st_size
        order = {"start": arguments, "log": str(log), "environment": dict(environment), **how}
        answer = self._ask(order)
        return Process(starter=self, pid=answer["pid"], log=log, begin=begin, name=" ".join(arguments))

    def ended(self, pid: int, *, wait: bool = False) -> int | None:
        """Return the exit code of a process (minus the signal's number if one ended it), None while it runs."""
        code: int | None = self._ask({"pid": pid, "wait": wait})["code"]
        return code

    def _ask(self, order: dict[str, Any] | None) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            if order is not None:
                self._process.stdin.write(json.dumps(order, default=str) + "\n")
                self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise DidNotStartError("The starter ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(kw_only=True)
class Process:
    """One process of the product."""

    starter: Starter
    pid: int
    log: Path
    begin: int
    name: str
    code: int | None = None

    @property
    def running(self) -> bool:
        if self.code is None:
            self.code = self.starter.ended(self.pid)
        return self.code is None

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            os.kill(self.pid, number)

    def kill(self) -> int:
        """End it as a power cut would; its exit code."""
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def stop(self, *, seconds: float = 60.0) -> int:
        """Ask it to end; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float) -> int:
        """Wait for its end; its exit code."""
        deadline = time.monotonic() + seconds
        while self.running:
            if time.monotonic() > deadline:
                raise DidNotStartError(f"{self.name} did not end in {seconds:.0f} s. {self.tail()}")
            time.sleep(0.01)
        assert self.code is not None
        return self.code

    def said(self, pattern: str, *, seconds: float = PATIENCE_SECONDS) -> re.Match[str]:
        """Wait until its output holds the pattern. Raises DidNotStartError if it ends first."""
        deadline = time.monotonic() + seconds
        while True:
            alive = self.running
            found = re.search(pattern, self.output())
            if found:
                return found
            if not alive or time.monotonic() > deadline:
                raise DidNotStartError(f"{self.name} did not say {pattern!r}. {self.tail()}")
            time.sleep(0.01)

    def output(self) -> str:
        with self.log.open("rb") as file:
            file.seek(self.begin)
            return file.read().decode(errors="replace")

    def tail(self) -> str:
        """Say how it is, with the end of its log: what it has not said yet, earlier ones of its name may have."""
        state = "It runs." if self.running else f"It ended with {self.code}."
        said = self.log.read_text(errors="replace")
        return f"{state} It said {len(self.output())} characters. The end of its log: {said[-2_000:]}"


def _environment() -> dict[str, str]:
    """Return an environment without settings, except where the parts and the third-party data are."""
    kept = {"COMITY_CACHE", "COMITY_TEST_DATA"}
    return {
        name: value for name, value in os.environ.items() if not name.startswith("COMITY_") or name in kept
    }
