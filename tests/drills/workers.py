"""The workers drill: however many workers there are, and whatever becomes of them, the lists are the same (promise 7).

By hand: `python -m tests.drills.workers --rounds 6 --seed 1 --json`. On PostgreSQL and Apache Kafka the same writes are made
with 1, with 2 and with 4 matching workers, while workers join, leave in good order, are killed, are frozen past their lease,
or have an index that follows late. Then one owner is frozen between ranking and writing, its successor takes over and
writes nothing either: the version of the frozen one must be refused although nothing else has changed.
"""

import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

from services.console.split import PROCESSES
from services.console.split import Process as Role
from tests.drills.deployments import Split
from tests.drills.judging import judged
from tests.drills.processes import Starter
from tests.drills.reporting import Drill, parser, report
from tests.drills.writing import Door, Writer, writers

NUMBERS = (1, 2, 4)
LEASE_SECONDS = 3.0
WRITES = 40  # of each writer, so that every run accepts the same ones


def roles(workers: int) -> tuple[Role, ...]:
    """Return the processes of the split deployment with another number of workers."""
    others = tuple(role for role in PROCESSES if role.role != "worker")
    return others + tuple(
        Role(name=f"worker-{number}", service="matches", role="worker") for number in range(1, workers + 1)
    )


class Crew:
    """The workers of one deployment, and what may befall them."""

    def __init__(self, deployment: Split, chance: random.Random) -> None:
        self.deployment = deployment
        self.chance = chance
        self.names = [name for name in deployment.roles if name.startswith("worker")]
        self.befell: Counter[str] = Counter()

    def disturb(self) -> None:
        """Let something befall a worker; it works again afterwards."""
        fates: dict[str, Callable[[str], None]] = {
            "leaves and joins": self._leave,
            "is killed": self._kill,
            "is frozen past its lease": self._freeze,
            "has a slow index": self._slow,
        }
        fate = self.chance.choice(list(fates))
        fates[fate](self.chance.choice(self.names))
        self.befell[fate] += 1

    def _leave(self, name: str) -> None:
        self.deployment.processes[name].stop()
        time.sleep(self.chance.uniform(0.2, 1.0))
        self.deployment.start(name)

    def _kill(self, name: str) -> None:
        self.deployment.kill(name)
        self.deployment.start(name)

    def _freeze(self, name: str) -> None:
        self.deployment.processes[name].signal(SIGSTOP)
        time.sleep(LEASE_SECONDS + self.chance.uniform(0.5, 2.0))
        self.deployment.processes[name].signal(SIGCONT)

    def _slow(self, name: str) -> None:
        self.deployment.kill(name)
        self.deployment.start(name, slow=True)


def run(starter: Starter, folder: Path, *, workers: int, rounds: int, seed: int) -> dict[str, Any]:
    """Make the writes with so many workers; what the oracle says, with a digest of the lists."""
    with ExitStack() as stack:
        one = stack.enter_context(Split(starter, folder, roles=roles(workers)))
        one.prepare()
        for part in one.coded:
            one.start(part)
        one.ready()
        door = stack.enter_context(Door(one.addresses, one.secret))
        crew = Crew(one, random.Random(f"{seed} {workers}"))
        everybody = writers(seed)
        stop = threading.Event()
        for writer in everybody:
            writer.register(door)
        for writer in everybody:
            writer.publish(door)
        with ThreadPoolExecutor(len(everybody)) as pool:
            writing = [pool.submit(writer.write, door, stop, limit=WRITES) for writer in everybody]
            for _ in range(rounds):
                crew.disturb()
            for done in writing:
                done.result()
        one.ready()
        found = judged(folder, one, everybody)
        if workers == 2:
            found["frozen owner"] = frozen_owner(one, door, everybody)
        return found | {"workers": workers, "befell": dict(crew.befell)}


def frozen_owner(one: Split, door: Door, everybody: list[Writer]) -> dict[str, Any]:
    """Freeze an owner that has ranked and not written; its successor has taken over and not written either."""
    triggers = {name: one.folder / f"freeze {name}" for name in ("worker-1", "worker-2")}
    for name, trigger in triggers.items():
        one.kill(name)
        one.start(name, line="ranker.ranked", freeze=trigger)
    one.ready()
    both = {one.processes[name].pid for name in triggers}
    until(lambda: owners(door) == both)
    wait_complete(door)
    lists = [item["id"] for item in door.send("GET", "/v1/projects?state=published&limit=50").json()["items"]]
    before = {project: numbers(door, project) for project in lists}
    first, second = "worker-1", "worker-2"
    # Whoever ranks a change next stops before writing it, and so does whoever takes over.
    for trigger in triggers.values():
        trigger.touch()
    every = [entry for writer in everybody for entry in writer.accepted]
    last = next(entry for entry in reversed(every) if entry["id"] in lists and entry["body"])
    project, body = last["id"], json.loads(last["body"])
    body["objectives"][0]["text"] += " Once more."
    there = door.send("GET", f"/v1/projects/{project}")
    answer = door.send(
        "PUT",
        f"/v1/projects/{project}",
        headers={"If-Match": there.headers["ETag"], "Content-Type": "application/json"},
        body=json.dumps(body),
    )
    assert answer.status_code == 200, answer.text
    until(lambda: any(stopped(one.processes[name].pid) for name in (first, second)))
    if stopped(one.processes[second].pid):
        first, second = second, first
    until(lambda: stopped(one.processes[second].pid))  # it has taken over, and has ranked
    meanwhile = {project: numbers(door, project) for project in lists}
    one.processes[first].signal(SIGCONT)
    until(lambda: one.answers(first))  # it is awake, and the first that it does is to write
    time.sleep(LEASE_SECONDS)
    refused = {project: numbers(door, project) for project in lists}
    one.processes[second].signal(SIGCONT)
    wait_complete(door)
    after = {project: numbers(door, project) for project in lists}
    return {
        "nothing changed meanwhile": before == meanwhile,
        "refused": refused == meanwhile,
        "written once": after[project] == before[project] + [len(before[project]) + 1],
    }


def numbers(door: Door, project: str) -> list[int]:
    """Return the numbers of a list's versions, rising."""
    answer = door.send("GET", f"/v1/lists/{project}/versions?limit=200")
    return sorted(item["number"] for item in answer.json()["items"])


def owners(door: Door) -> set[int]:
    """Return the processes that rank now."""
    partitions = door.send("GET", "/v1/ranking-progress").json().get("partitions", ())
    return {int(line["owner"].rpartition(":")[2]) for line in partitions if line["owner"]}


def wait_complete(door: Door) -> None:
    """Wait until every list is complete."""
    until(lambda: door.send("GET", "/v1/ranking-progress").json().get("complete") is True)


def stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def until(condition: Callable[[], bool], *, seconds: float = 90.0) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("What the drill waits for has not happened.")
        time.sleep(0.05)


def main() -> None:
    """Run with each number of workers, compare, and print what was found."""
    options = parser(__doc__, rounds=3, meaning="disturbances of each run")
    options.add_argument(
        "--workers", type=int, nargs="+", default=NUMBERS, help="numbers of workers to compare"
    )
    given = options.parse_args()
    begun = time.monotonic()
    with Starter() as starter, tempfile.TemporaryDirectory(prefix="comity-workers-") as folder:
        runs = [
            run(starter, Path(folder) / str(number), workers=number, rounds=given.rounds, seed=given.seed)
            for number in given.workers
        ]
    passed = {
        "same writes": len({one["accepted"] for one in runs}) == 1,
        "nothing lost": not any(one["lost"] for one in runs),
        "nothing doubled": not any(one["doubled"] for one in runs),
        "lists identical": len({one["lists"] for one in runs}) == 1
        and None not in {one["lists"] for one in runs},
    }
    for one in runs:
        passed |= {f"the frozen owner: {name}": fine for name, fine in one.get("frozen owner", {}).items()}
    figures = {
        "rounds": given.rounds,
        "seed": given.seed,
        "runs": runs,
        "seconds": round(time.monotonic() - begun, 1),
    }
    report(Drill(name="workers", passed=passed, figures=figures), as_json=given.json)


if __name__ == "__main__":
    main()
