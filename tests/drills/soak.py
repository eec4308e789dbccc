"""The soak drill: hours in minutes on one process, and nothing grows but what should.

By hand: `python -m tests.drills.soak --rounds 60 --seed 1 --json`, where a round is ten seconds. Clients write and read side by
side. After a warm-up of a third, the memory of the process must be flat, and at the end no table may have grown that does not
keep a history, beyond what there is to hold; the outbox is empty and the oracle finds everything that was accepted.
"""

import random
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from tests.drills.deployments import Sqlite
from tests.drills.judging import judged
from tests.drills.processes import Starter
from tests.drills.reporting import Drill, parser, report
from tests.drills.writing import Door, NotAnsweredError, Writer, writers

ROUND_SECONDS = 10.0
FLAT = 0.05
"""By how much of itself the memory may rise from the end of the warm-up to the end."""

READERS = 2
EVERYTHING_ONCE = 30  # writes after which each resource of a writer has been made
EVERYTHING = "everything"
HISTORIES = {
    "log.log_record",  # until compaction, which has a lag of a week
    "matches.documents",
    "matches.feed",
    "matches.list_versions",
    "members.audit",
    "members.revisions",
    "projects.audit",
    "projects.revisions",
    "identity.audit",
}
"""Tables that keep what has been: they grow with every write, and are meant to. Every other holds what is: see `limit`."""


def memory(pid: int) -> int:
    """Return the resident bytes of a process; what it shares with its starter counts, whether it was copied or not."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def rows(folder: Path) -> dict[str, int]:
    """Return how many rows each table of each service holds."""
    found = {}
    for path in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            names = database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
            for (name,) in names:
                (count,) = database.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608
                found[f"{path.stem}.{name}"] = count
    return found


def limit(organisations: int, projects: int) -> int:
    """Return how many rows a table of what is may hold: one for each pair, and a few for each resource."""
    return organisations * projects + 3 * (organisations + projects)


def read(door: Door, everybody: list[Writer], stop: threading.Event, chance: random.Random) -> Counter[int]:
    """Read lists, rows, histories and progress until told to stop; how often each status was answered."""
    answers: Counter[int] = Counter()
    while not stop.is_set():
        entries = chance.choice(everybody).accepted
        entry = chance.choice(entries) if entries else None
        paths = ["/v1/ranking-progress", "/v1/organisations?limit=20", "/v1/projects?limit=20"]
        if entry is not None:
            paths.append(f"/v1/{entry['kind']}/{entry['id']}/revisions")
            if entry["kind"] == "projects":
                paths += [f"/v1/lists/{entry['id']}/candidates?limit=50"] * 3
            else:
                paths.append(f"/v1/opportunities?organisation={entry['id']}")
        try:
            answers[door.send("GET", chance.choice(paths)).status_code] += 1
        except (httpx2.HTTPError, NotAnsweredError):
            answers[0] += 1
        time.sleep(0.02)
    return answers


def drill(starter: Starter, folder: Path, *, rounds: int, seed: int) -> dict[str, Any]:
    """Load one process for so many rounds, and look at it after each."""
    with Sqlite(starter, folder / "town") as one:
        one.prepare()
        one.start(EVERYTHING)
        one.ready()
        pid = one.processes[EVERYTHING].pid
        with Door(one.addresses, one.secret) as door:
            everybody = writers(seed)
            for writer in everybody:
                writer.register(door)
            for writer in everybody:
                writer.publish(door)
            stop = threading.Event()
            for writer in everybody:
                writer.write(door, stop, limit=EVERYTHING_ONCE)
            samples: list[tuple[int, dict[str, int]]] = []
            with ThreadPoolExecutor(len(everybody) + READERS) as pool:
                writing = [pool.submit(writer.write, door, stop) for writer in everybody]
                reading = [
                    pool.submit(read, door, everybody, stop, random.Random(f"{seed} {number}"))
                    for number in range(READERS)
                ]
                for _ in range(rounds):
                    time.sleep(ROUND_SECONDS)
                    samples.append((memory(pid), rows(one.folder / "var")))
                stop.set()
                for each in writing:
                    each.result()
                answers = sum((each.result() for each in reading), Counter[int]())
            verdict = judged(folder, one, everybody)
            at_rest = rows(one.folder / "var")
        code = one.processes[EVERYTHING].stop()
    warm = samples[len(samples) // 3 :]
    third = max(1, len(warm) // 3)
    before, after = (median(size for size, _ in some) for some in (warm[:third], warm[-third:]))
    first, last = warm[0][1], at_rest
    grown = {name: (first.get(name, 0), count) for name, count in last.items() if count > first.get(name, 0)}
    there = Counter(kind for kind, _ in {(one["kind"], one["id"]) for w in everybody for one in w.accepted})
    return {
        "accepted": verdict["accepted"],
        "reads": {str(status): count for status, count in sorted(answers.items())},
        "versions": verdict["versions"],
        "memory after the warm-up (MB)": round(before / 1e6, 1),
        "memory at the end (MB)": round(after / 1e6, 1),
        "flat": after <= before * (1 + FLAT),
        "grown": grown,
        "limit": limit(there["organisations"], there["projects"]),
        "outbox": {name: count for name, count in at_rest.items() if name.endswith(".outbox")},
        "findings": verdict["findings"],
        "exit code": code,
    }


def main() -> None:
    """Soak, and print what was found."""
    given = parser(__doc__, rounds=60, meaning="rounds of ten seconds").parse_args()
    begun = time.monotonic()
    with Starter() as starter, tempfile.TemporaryDirectory(prefix="comity-soak-") as folder:
        found = drill(starter, Path(folder), rounds=given.rounds, seed=given.seed)
    grown = {name for name, (_, count) in found["grown"].items() if count > found["limit"]}
    surprising = sorted(grown - HISTORIES)
    passed = {
        "memory flat": found.pop("flat"),
        f"no table grows that should not {surprising or ''}".strip(): not surprising,
        "outboxes empty": not any(found["outbox"].values()),
        "nothing lost or doubled": not found["findings"],
        "every read answered": set(found["reads"]) <= {"200", "404", "410"},
        "stops in good order": found["exit code"] == 0,
    }
    figures = {
        "rounds": given.rounds,
        "seed": given.seed,
        **found,
        "seconds": round(time.monotonic() - begun, 1),
    }
    report(Drill(name="soak", passed=passed, figures=figures), as_json=given.json)


if __name__ == "__main__":
    main()
