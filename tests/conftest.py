"""What every test may ask for: the folder of third-party data, a PostgreSQL server, an Apache Kafka.

The servers are started once, at the first test that asks, and shared by the workers of a parallel run. A server that
runs already is used where `COMITY_TEST_POSTGRESQL_URL` or `COMITY_KAFKA_BOOTSTRAP_SERVERS` names it. Where a part cannot be
had, the test fails with the sentence that says what to install; only third-party data, which is a setting, may be absent.
"""

import gc
import itertools
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi.dependencies import models as classified

from services.console.parts import postgresql
from services.console.parts.cache import REPOSITORY, locked
from tests.logs import captured

TESTS = Path(__file__).resolve().parent
START_SECONDS = 300  # the first time of all, the parts are fetched
MEMORY, ROOM = Path("/dev/shm"), 6 << 30  # noqa: S108 - a file system in memory, and the bytes it must have free


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--mutant", help="break a rule of the product on purpose; see docs/architecture/mutants.md"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set the run up: plain tracebacks in logs, files in memory, and a mutant if one is named.

    Tracebacks with every local value take seconds each.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    # Every accepted write waits for the disk; hundreds of systems wait minutes. A kill is survived by what the kernel holds.
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    name = config.getoption("--mutant")
    if name is not None:
        from tests.mutants.catalogue import MUTANTS

        if name not in MUTANTS:
            raise pytest.UsageError(f"There is no mutant {name!r}; there are {', '.join(MUTANTS)}.")
        MUTANTS[name].patch(pytest.MonkeyPatch())


SERVER_FIXTURES = {"postgresql_url": "postgresql", "kafka_broker": "kafka"}
LONGEST_FIRST = (
    "conformance-kafka",
    "contracts",
    "fuzz-admin",
    "fuzz-others",
    "mutants/test_mutants.py",
    "services/console/test_evaluate.py",
    "journeys",
    "journeys-killed",
    "journeys/test_restoring.py",
    "journeys/test_dead_letters.py",
    "benchmarks/test_form.py",
)
"""Groups that take a minute and more: begun first, so that none of them is left to one worker at the end."""
SLOW_FIXTURES = {"town", "village", "hall", "office", "post"}
"""A whole system in the process, or a whole service with its workers, receivers and mail servers."""
SLOW_FILES = {
    "matching/test_properties.py",
    "services/chassis/bus/test_state_machine.py",
    "services/chassis/bus/test_watchdog.py",
    "services/chassis/test_lifecycle.py",
    "services/console/importing/test_import.py",
    "services/console/test_epoch.py",
    "services/console/test_evaluate.py",
    "services/identity/test_administration.py",
    "services/identity/test_revocation.py",
    "services/identity/test_tokens.py",
    "services/matches/test_another_analyser.py",
    "services/matches/test_epoch_switch.py",
    "services/matches/test_exports_sent.py",
    "services/matches/test_feeds_guide.py",
    "services/matches/test_feeds_order.py",
    "services/matches/test_feeds_stream.py",
    "services/matches/test_ownership.py",
    "services/matches/test_tokens.py",
    "services/matches/test_what_is_ranked.py",
    "services/notifications/test_zoo.py",
}
"""Systems started as processes, real time that has to pass, thousands of drawn cases, hashes that are slow on purpose."""
SLOW_FOLDERS = {
    "acceptance",
    "benchmarks",
    "conformance",
    "contracts",
    "drills",
    "journeys",
    "migrations",
    "mutants",
    "promises",
}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server or a whole system, so that the fast tier (`make check`) can leave it out.

    The tests of a file go to one worker together, as far as they name no other group: they share what the file sets up.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(TESTS))))
        for fixture, mark in SERVER_FIXTURES.items():
            if fixture in getattr(item, "fixturenames", ()) or _group(item) == mark:
                item.add_marker(mark)
        if _is_slow(item):
            item.add_marker("slow")
    items.sort(key=_turn)  # stable: within a group nothing changes its place


def pytest_collection_finish() -> None:
    """Collect no garbage among what was imported: it stays, and going through it took a fifth of the time of small tests."""
    gc.collect()
    gc.freeze()


def _is_slow(item: pytest.Item) -> bool:
    return (
        bool(SLOW_FOLDERS & set(item.path.parts))
        or bool(SLOW_FIXTURES & set(getattr(item, "fixturenames", ())))
        or str(item.path.relative_to(TESTS)) in SLOW_FILES
    )


def _group(item: pytest.Item) -> str:
    marker = item.get_closest_marker("xdist_group")
    return str(marker.args[0]) if marker is not None else ""


def _turn(item: pytest.Item) -> int:
    group = _group(item)
    return LONGEST_FIRST.index(group) if group in LONGEST_FIRST else len(LONGEST_FIRST)


_REMEMBERED = [one for one in vars(classified).values() if hasattr(one, "cache_clear")]


def pytest_runtest_teardown() -> None:
    """Let go of finished systems: FastAPI remembers every endpoint that it ever looked at, and each holds its whole system."""
    for remembered in _REMEMBERED:
        remembered.cache_clear()


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """Collect every log entry of the test."""
    with captured() as entries:
        yield entries


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say whether the tests that need third-party data could run: a skip must not hide them."""
    named = os.environ.get("COMITY_TEST_DATA")
    told = f"measured with, from {named}" if named else "left out: COMITY_TEST_DATA names no folder"
    terminalreporter.write_line(f"third-party data: {told}")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of third-party data that COMITY_TEST_DATA names; the repository does not hold it."""
    named = os.environ.get("COMITY_TEST_DATA")
    if not named:
        pytest.skip("COMITY_TEST_DATA names no folder of third-party data; this test needs it")
    folder = Path(named).absolute()
    if not folder.is_dir():
        pytest.fail(f"COMITY_TEST_DATA names {folder}, which is no folder.", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[], str]:
    """Return a maker of SQLAlchemy URLs, each of a fresh and empty database."""
    server = os.environ.get("COMITY_TEST_POSTGRESQL_URL") or shared(tmp_path_factory, worker_id, "postgresql")
    run, numbers = f"comity_test_{uuid.uuid4().hex[:8]}", itertools.count(1)

    def make() -> str:
        # In a thread of its own: the caller may stand on an event loop.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(postgresql.create_database, server, f"{run}_{next(numbers)}").result()

    return make


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> str:
    """Return the bootstrap servers of an Apache Kafka; tests on it keep apart by `kafka.prefix`."""
    return os.environ.get("COMITY_KAFKA_BOOTSTRAP_SERVERS") or shared(tmp_path_factory, worker_id, "kafka")


def shared(factory: pytest.TempPathFactory, worker: str, part: str) -> str:
    """Return the address of the server that this test run shares; the first who asks has it started."""
    parallel = worker != "master"
    base = factory.getbasetemp()
    folder = (base.parent if parallel else base) / f"shared-{part}"
    address, refused = folder / "address", folder / "refused"
    with locked(folder / "lock"):
        if not address.exists() and not refused.exists():
            run = os.getppid() if parallel else os.getpid()
            keeper = [
                sys.executable,
                str(Path(__file__).with_name("keep_server.py")),
                part,
                str(folder),
                str(run),
            ]
            kept = subprocess.Popen(keeper, cwd=REPOSITORY, start_new_session=True, stdin=subprocess.DEVNULL)
            deadline = time.monotonic() + START_SECONDS
            while not address.exists() and not refused.exists():
                if kept.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"{part} did not start in {START_SECONDS} s.", pytrace=False)
                time.sleep(0.05)
            kept.returncode = 0  # it outlives us by a moment, on purpose
        if refused.exists():
            pytest.fail(refused.read_text(), pytrace=False)
        return address.read_text()
