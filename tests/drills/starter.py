"""Starts the product's processes for a drill, fast and in any state that a drill wants: `python -m tests.drills.starter`.

It imports the product once and forks it for each order (a line of JSON on its input), so that a process stands in a
second and two hundred rounds take minutes. A forked process is the `comity` command with its arguments, in an environment
of its own; a mutant may be switched on in it, its index may be slow, and it may be told to kill or to freeze itself where it
reaches a named line. Whoever is killed is killed as by a power cut. When the drill ends, however it ends, all of them end.
"""

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import ExitStack
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import httpx2
import jwt.api_jwt
import pytest
import uvloop

from services import __main__ as command
from services import matches
from services.catalogue import SERVICES
from services.chassis.bus.delivery import Delivery
from services.chassis.bus.failpoints import armed
from services.chassis.lifecycle import System, run_services
from services.chassis.runtime import Clock
from services.chassis.settings import Settings, load_settings
from services.chassis.telemetry import set_up_logs
from services.console.preparing import prepare
from services.matches.worker import loops
from services.matches.worker.documents import Analysis
from services.matches.worker.index import Index
from tests.mutants.catalogue import MUTANTS

_PARENT_DEATH = 1  # PR_SET_PDEATHSIG


def main() -> None:
    """Serve orders until the input ends: "start" answers with a process id, "poll" and "wait" with an exit code."""
    _end_with_parent()
    _warm()
    _answer({"ready": len(SERVICES)})
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            process = os.fork()
            if process == 0:
                _become(order)
            _answer({"pid": process})
        else:
            found, status = os.waitpid(order["pid"], 0 if order.get("wait") else os.WNOHANG)
            _answer({"code": os.waitstatus_to_exitcode(status) if found else None})


def _warm() -> None:
    """Prove the analyser once for all, and be a whole system once: what is loaded then need not be loaded again."""
    proved = Analysis()
    matches.Analysis = lambda: proved
    with tempfile.TemporaryDirectory(prefix="comity-warm-") as folder:
        settings = load_settings(data_folder=folder, http={"port": 0}, telemetry={"level": "error"})
        set_up_logs(settings.telemetry)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_be_once(settings))
    gc.collect()
    gc.freeze()  # a child need not go through what it shares


async def _be_once(settings: Settings) -> None:
    stop = asyncio.Event()

    async def ready(system: System) -> None:
        await asyncio.to_thread(httpx2.get, f"{system.address}/readyz", trust_env=False, timeout=60.0)
        stop.set()

    await prepare(settings)
    await run_services(settings, tuple(SERVICES.values()), role="all", ready=ready, stop=stop)


def _become(order: dict[str, Any]) -> None:
    """Be the command in this process, to its end."""
    code = 1
    try:
        _end_with_parent()
        os.setsid()
        with Path(order["log"]).open("ab") as log, Path(os.devnull).open("rb") as nothing:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            os.dup2(nothing.fileno(), 0)
        os.environ.update(order["environment"])
        sys.argv = ["comity", *order["start"]]
        with ExitStack() as stack:
            if order.get("mutant"):
                MUTANTS[order["mutant"]].patch(pytest.MonkeyPatch())
            for name, condition in CONDITIONS.items():
                if order.get(name):
                    condition(pytest.MonkeyPatch(), order[name])
            if order.get("line"):
                stack.enter_context(armed(_ender(order)))
            command.main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - the end of the process, whatever it was
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ender(order: dict[str, Any]) -> Any:
    """Return a hook that kills the process at the n-th time that a line is reached; with "freeze" it may stand still there.

    Once the file named by "freeze" has appeared, the first process to reach the line takes it away and stops as a whole.
    Whoever comes there after it waits as long as the file named by "hold" is there, and keeps its lease meanwhile.
    """
    hits: Counter[str] = Counter()
    line, hit = order["line"], order.get("hit", 1)
    freeze, hold = (Path(order[name]) if name in order else None for name in ("freeze", "hold"))

    async def hook(name: str) -> None:
        if name != line:
            return
        hits[name] += 1
        if freeze is None or hold is None:
            if hits[name] == hit:
                os.kill(os.getpid(), signal.SIGKILL)
            return
        try:
            freeze.unlink()
        except FileNotFoundError:
            while hold.exists():  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.02)
        else:
            os.kill(os.getpid(), signal.SIGSTOP)

    return hook


def _slow(patch: pytest.MonkeyPatch, _: bool) -> None:
    """Let the index follow late, as on a machine that is busy with something else."""
    original = Index.follow

    async def follow(self: Index) -> bool:
        await asyncio.sleep(1.0)
        return await original(self)

    patch.setattr(Index, "follow", follow)


def _raises(patch: pytest.MonkeyPatch, key: str) -> None:
    """Let the archive's handler have a bug that shows on one key."""
    original = loops.archive

    async def archive(delivery: Delivery) -> None:
        if delivery.event.key == key:
            raise ArithmeticError("a bug that the drill planted")
        await original(delivery)

    patch.setattr(loops, "archive", archive)


def _clock(patch: pytest.MonkeyPatch, ahead: int) -> None:
    """Let the clock of the process, and with it those of the embedded log and of whoever checks a token, be wrong."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=ahead)

    now, nanoseconds = Clock.now, time.time_ns
    patch.setattr(Clock, "now", lambda self: now(self) + timedelta(seconds=ahead))
    patch.setattr(jwt.api_jwt, "datetime", Ahead)
    patch.setattr(time, "time_ns", lambda: nanoseconds() + ahead * 1_000_000_000)


CONDITIONS = {"slow": _slow, "raises": _raises, "clock": _clock}


def _end_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PARENT_DEATH, signal.SIGKILL)


def _answer(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
