"""A new matching worker from zero: how long until its first correct list.

    python benchmarks/catch_up.py [--profiles 100000] [--json]

An embedded log is filled with so many current profiles and one published project; the database of `matches` is empty.
Then the service is started on it, and the clock runs from the start of its process until its first list version stands and
covers every profile: the log read, each text analysed and archived, the index built, the list ranked and stored. Correct
means that the version counts as many candidates as there are profiles, and that the process says its lists are complete.

The peer in the same run is the analysis of the same texts alone, in this process, with nothing around it.
"""

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.bus import make_events
from benchmarks.report import Claim, machine, report
from benchmarks.write_to_list import settings
from schemas.envelope import Event, Sequence, new_event
from schemas.topics import PROJECT_REVISED
from services.chassis.lifecycle import open_transport
from services.chassis.runtime import Clock
from services.chassis.settings import load_settings
from services.console.loading import DEMO_FOLDER, records
from services.console.parts.processes import Child, free_port
from services.console.preparing import prepare
from services.matches.worker.documents import Analysis

GOAL = 30.0  # seconds, with 100,000 profiles
_BATCH = 500
_ANALYSED = 2_000
_PROJECT = "018f3c2a-7d10-7000-8000-0000000000aa"
_OWNER = "018f3c2a-7d10-7000-8000-0000000000bb"
_WHOLE = {
    'comity_lists_open{service="matches"}': 1.0,
    'comity_lists_missing{service="matches"}': 0.0,
    'comity_lists_incomplete_seconds{service="matches"}': 0.0,
}


def project() -> Event:
    """Return the published project that everybody is ranked on: an initiative of the demo."""
    found = next(one for one in records(DEMO_FOLDER, "initiatives") if one["titles"][0]["language"] == "en")
    kept = ("titles", "summaries", "objectives", "needs", "level", "countries", "regions", "languages")
    body = {name: found[name] for name in kept if name in found} | {
        "id": _PROJECT,
        "revision": 2,
        "state": "published",
        "owner": _OWNER,
        "published_at": "2026-11-01T00:00:00.000000Z",
        "presence_required": {"required": False},
    }
    sequence = Sequence(1, 2)
    return new_event(
        "projects.v1", PROJECT_REVISED, key=_PROJECT, sequence=sequence, data=body, source="/comity/projects", clock=Clock()
    )  # fmt: skip


async def fill(events: list[Event]) -> None:
    """Make tables and topics, and put the events on the log past any outbox."""
    await prepare(load_settings())
    async with open_transport(load_settings()) as transport:
        async with transport.appender("members") as appender:
            for begin in range(0, len(events), _BATCH):
                await appender.append(events[begin : begin + _BATCH])
        async with transport.appender("projects") as appender:
            await appender.append([project()])


def analysed_alone(events: list[Event]) -> float:
    """Return the seconds that the analysis of all texts takes, from a part of them."""
    analysis, some = Analysis(), events[:_ANALYSED]
    began = time.perf_counter()
    for event in some:
        analysis.of("member", event.data or b"")
    return (time.perf_counter() - began) * len(events) / len(some)


def catch_up(folder: Path) -> float:
    """Start the service, wait until its lists are complete; the seconds from the start of its process."""
    port = free_port()
    began = time.perf_counter()
    child = Child(
        "comity",
        [sys.executable, "-m", "services", "run", "matches"],
        log=folder / "matches.log",
        stop_signal=signal.SIGTERM,
        environment={**os.environ, "COMITY_HTTP__PORT": str(port)},
    )
    figures: dict[str, float] = {}

    def whole() -> bool:
        with suppress(httpx2.HTTPError):
            text = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=60.0, trust_env=False).text
            lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
            figures.update((name, float(value)) for name, value in lines)
        return all(figures.get(name) == value for name, value in _WHOLE.items())

    child.wait_until(whole, seconds=3_600)
    seconds = time.perf_counter() - began
    child.stop()
    return seconds


def candidates(folder: Path) -> int:
    """Return how many candidates the newest list version counts."""
    with closing(sqlite3.connect(folder / "matches.db")) as connection:
        row = connection.execute("SELECT counts FROM list_versions ORDER BY number DESC LIMIT 1").fetchone()
    return int(json.loads(row[0])["candidates"])


def measure(count: int) -> dict[str, Any]:
    """Fill a log, and let a new worker catch up. A list that is not correct ends the benchmark."""
    events = make_events(count)
    with tempfile.TemporaryDirectory() as name:
        os.environ.update(settings(Path(name)))
        asyncio.run(fill(events))
        alone = analysed_alone(events)
        seconds = catch_up(Path(name))
        if (found := candidates(Path(name))) != count:
            raise SystemExit(f"{count} profiles are on the log, the list counts {found} candidates")
    return {
        "seconds": round(seconds, 2),
        "analysis_alone_seconds": round(alone, 2),
        "profiles_a_second": round(count / seconds, 1),
        "profiles": count,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    before, figures = machine(), measure(arguments.profiles)
    report(
        ratios={
            "catching up / analysis alone": round(figures["seconds"] / figures["analysis_alone_seconds"], 2)
        },
        claims=[
            Claim(
                name=f"from zero to the first list that covers {arguments.profiles:,} profiles",
                value=figures["seconds"],
                unit="s",
                goal=GOAL,
                at_least=False,
            )
        ],
        figures=figures,
        machine=before,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
