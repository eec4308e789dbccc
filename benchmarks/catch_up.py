"""A new matching worker from zero: how long until its first correct list.

    python benchmarks/catch_up.py [--profiles 100000] [--json]

Three times, each time from the start of a process until a list version of it covers every profile:

- *joining*: the archive of `matches` holds every profile, as it does wherever a worker has been; the new one has nothing.
  It builds its index from the archive, takes the partitions over, consumes a project that was published meanwhile, ranks it;
- *from the log*: the database of `matches` is empty too. The log is read, each text analysed and archived (which workers
  do once between them, and never again), the index built, the list ranked;
- *starting again*: as *joining*, with the snapshot that the one before left at its stop (`matching/snapshots.py`).

Correct means that every profile is archived, that each list is ranked up to the archive's positions, and that the process says
its lists are complete. The log is the embedded one. The peer in the same run is the analysis of the same texts alone, in this process,
with nothing around it.
"""

import argparse
import asyncio
import json
import os
import resource
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
from schemas.contracts import written
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
_LOOK_SECONDS = 0.5  # an answer is work of the process that is measured
_ANALYSED = 2_000
_PROJECTS = tuple(f"018f3c2a-7d10-7000-8000-0000000000a{number}" for number in range(3))
_OWNER = "018f3c2a-7d10-7000-8000-0000000000bb"
_OPEN = 'comity_lists_open{service="matches"}'
_WHOLE = {
    'comity_lists_missing{service="matches"}': 0.0,
    'comity_lists_incomplete_seconds{service="matches"}': 0.0,
}


def project(identifier: str) -> Event:
    """Return a published project that everybody is ranked on: an initiative of the demo."""
    found = next(one for one in records(DEMO_FOLDER, "initiatives") if one["titles"][0]["language"] == "en")
    kept = ("titles", "summaries", "objectives", "level", "countries", "regions", "languages")
    body = {name: found[name] for name in kept if name in found} | {
        "needs": [
            {name: need[name] for name in ("id", "kind", "texts") if name in need} for need in found["needs"]
        ],
        "id": identifier,
        "revision": 2,
        "state": "published",
        "owner": _OWNER,
        "published_at": "2026-11-01T00:00:00.000000Z",
        "presence_required": {"required": False},
    }
    sequence = Sequence(1, 2)
    event = new_event(
        "projects.v1", PROJECT_REVISED, key=identifier, sequence=sequence, data=body, source="/comity/projects", clock=Clock()
    )  # fmt: skip
    written(event)  # it goes past the outbox, which would have checked it
    return event


async def fill(events: list[Event], projects: str) -> None:
    """Make tables and topics where there are none, and put the events and a project on the log past any outbox."""
    await prepare(load_settings())
    async with open_transport(load_settings()) as transport:
        async with transport.appender("members") as appender:
            for begin in range(0, len(events), _BATCH):
                await appender.append(events[begin : begin + _BATCH])
        async with transport.appender("projects") as appender:
            await appender.append([project(projects)])


def analysed_alone(events: list[Event]) -> float:
    """Return the seconds that the analysis of all texts takes, from a part of them."""
    analysis, some = Analysis(), events[:_ANALYSED]
    began = time.perf_counter()
    for event in some:
        analysis.of("member", event.data or b"")
    return (time.perf_counter() - began) * len(events) / len(some)


def catch_up(folder: Path, lists: int) -> tuple[float, float]:
    """Start the service, wait until its lists are complete, so many; the seconds from the start of its process.

    And how many of a processor's it took by its end, which other work on the machine changes less.
    """
    port, before = free_port(), _children()
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
        time.sleep(_LOOK_SECONDS)
        with suppress(httpx2.HTTPError):
            text = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=60.0, trust_env=False).text
            lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
            figures.update((name, float(value)) for name, value in lines)
        return all(figures.get(name) == value for name, value in (_WHOLE | {_OPEN: float(lists)}).items())

    child.wait_until(whole, seconds=1_200)
    seconds = time.perf_counter() - began
    child.stop()
    return seconds, _children() - before


def _children() -> float:
    """Return the processor seconds of the processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check(folder: Path, count: int, lists: int) -> None:
    """End the benchmark unless every profile is archived, and so many lists stand, ranked up to where the archive is.

    A version counts those who were there when something material changed last, which need not be everybody.
    """
    with closing(sqlite3.connect(folder / "matches.db")) as connection:
        ((archived,),) = connection.execute("SELECT count(*) FROM documents WHERE kind = 'member' AND latest")
        ((stand,),) = connection.execute("SELECT count(DISTINCT project) FROM list_versions")
        reached = connection.execute(
            "SELECT topic, partition, next_offset FROM positions WHERE group_name = 'matches'"
        ).fetchall()
        ranked = [
            json.loads(row)["positions"] for (row,) in connection.execute("SELECT ranked_to FROM ranking")
        ]
    covered = bool(ranked) and all(one == {f"{t}/{p}": offset for t, p, offset in reached} for one in ranked)
    if (archived, stand, covered) != (count, lists, True):
        raise SystemExit(
            f"{count} profiles are on the log, {lists} lists are to be ranked on them; archived {archived}, lists {stand}, "
            f"positions {reached}, ranked to {ranked}"
        )


def measure(count: int) -> dict[str, Any]:
    """Fill a log, let a worker archive and index it, then another one join, and start again. A list that is not correct ends it."""
    events = make_events(count)
    with tempfile.TemporaryDirectory() as name:
        os.environ.update(settings(Path(name)))
        asyncio.run(fill(events, _PROJECTS[0]))
        alone = analysed_alone(events)
        first, first_used = catch_up(Path(name), 1)
        check(Path(name), count, 1)
        snapshot = Path(name) / "matches-all.snapshot"
        snapshot.unlink()
        asyncio.run(fill([], _PROJECTS[1]))
        joined, joined_used = catch_up(Path(name), 2)
        check(Path(name), count, 2)
        size = snapshot.stat().st_size
        asyncio.run(fill([], _PROJECTS[2]))
        again, again_used = catch_up(Path(name), 3)
        check(Path(name), count, 3)
    return {
        "joining_seconds": round(joined, 2),
        "from_the_log_seconds": round(first, 2),
        "starting_again_seconds": round(again, 2),
        "analysis_alone_seconds": round(alone, 2),
        "processor_seconds": {
            "joining": round(joined_used, 2),
            "from the log": round(first_used, 2),
            "starting again": round(again_used, 2),
        },
        "snapshot_bytes_a_profile": round(size / count),
        "profiles_a_second": {"joining": round(count / joined), "from the log": round(count / first)},
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
    alone = figures["analysis_alone_seconds"]
    report(
        ratios={
            "joining / analysis alone": round(figures["joining_seconds"] / alone, 2),
            "from the log / analysis alone": round(figures["from_the_log_seconds"] / alone, 2),
            "starting again / joining": round(
                figures["starting_again_seconds"] / figures["joining_seconds"], 2
            ),
        },
        claims=[
            Claim(
                name=f"{how} with {arguments.profiles:,} profiles to the first correct list",
                value=figures[f"{how.replace(' ', '_')}_seconds"],
                unit="s",
                goal=GOAL,
                at_least=False,
            )
            for how in ("joining", "from the log", "starting again")
        ],
        figures=figures,
        machine=before,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
