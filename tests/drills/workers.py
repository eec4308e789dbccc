"""The workers drill: however many workers there are, and whatever becomes of them, the lists are the same (promise 7).

By hand: `python -m tests.drills.workers --rounds 6 --seed 1 --json`. On PostgreSQL and Apache Kafka the same writes are made
with 1, with 2 and with 4 matching workers, while workers join, leave in good order, are killed, are frozen past their lease,
or have an index that follows late. Then one owner is frozen between ranking and writing, its successor takes over and
writes nothing either: the version of the frozen one must be refused although nothing else has changed. With a mutant that
lets it through, the drill has to notice.
"""

import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
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
from tests.mutants.catalogue import MUTANTS

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
        self._deck: list[str] = []

    def disturb(self) -> None:
        """Let something befall a worker, each fate once before any comes twice; it works again afterwards."""
        fates: dict[str, Callable[[str], None]] = {
            "leaves and joins": self._leave,
            "is killed": self._kill,
            "is frozen past its lease": self._freeze,
            "has a slow index": self._slow,
        }
        self._deck = self._deck or self.chance.sample(list(fates), len(fates))
        fate = self._deck.pop()
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


def run(
    starter: Starter, folder: Path, *, workers: int, rounds: int, seed: int, mutants: Sequence[str]
) -> dict[str, Any]:
    """Make the writes with so many workers; what the oracle says, with a digest of the lists; with two, one is frozen."""
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
            found["mutants"] = {
                mutant: not frozen_owner(one, door, everybody, mutant=mutant)["its version refused"]
                for mutant in mutants
            }
        return found | {"workers": workers, "befell": dict(crew.befell)}


def frozen_owner(
    one: Split, door: Door, everybody: list[Writer], *, mutant: str | None = None
) -> dict[str, bool]:
    """Freeze an owner that has ranked and not written; its successor takes over, keeps its lease and writes nothing either.

    So nothing but the generation has changed when the frozen one wakes, and writes.
    """
    freeze, hold = one.folder / "freeze", one.folder / "hold"
    names = ("worker-1", "worker-2")
    for name in names:
        one.kill(name)
        one.start(name, line="ranker.ranked", freeze=freeze, hold=hold, mutant=mutant)
    one.ready()
    both = {one.processes[name].pid for name in names}
    until(lambda: owners(door) == both)
    wait_complete(door)
    lists = [item["id"] for item in door.send("GET", "/v1/projects?state=published&limit=50").json()["items"]]

    def versions() -> dict[str, list[int]]:
        return {project: numbers(door, project) for project in lists}

    before = versions()
    hold.touch()
    freeze.touch()
    project = revise(door, everybody, lists)
    until(lambda: any(stopped(pid) for pid in both))
    frozen = next(name for name in names if stopped(one.processes[name].pid))
    (heir,) = both - {one.processes[frozen].pid}
    until(lambda: owners(door) == {heir})  # the lease has run out
    meanwhile = versions()
    one.processes[frozen].signal(SIGCONT)  # the first that it does is to write
    until(
        lambda: (
            "another process ranks this partition now" in one.processes[frozen].output()
            or versions() != meanwhile
        )
    )
    refused = versions() == meanwhile
    hold.unlink()
    found = {"nothing else changed": before == meanwhile, "its version refused": refused}
    if mutant is None:
        wait_complete(door)
        after = versions()
        found["written once"] = after[project] == [*before[project], len(before[project]) + 1]
    return found


def revise(door: Door, everybody: list[Writer], lists: Collection[str]) -> str:
    """Revise one of the projects; which."""
    every = [entry for writer in everybody for entry in writer.accepted]
    last = next(entry for entry in reversed(every) if entry["id"] in lists and entry["body"])
    path, body = f"/v1/projects/{last['id']}", json.loads(last["body"])
    there = door.send("GET", path)
    body["objectives"][0]["text"] += f" After {there.headers['ETag']}."
    headers = {"If-Match": there.headers["ETag"], "Content-Type": "application/json"}
    answer = door.send("PUT", path, headers=headers, body=json.dumps(body))
    assert answer.status_code == 200, answer.text
    return str(last["id"])


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
    options = parser(__doc__, rounds=4, meaning="disturbances of each run")
    options.add_argument(
        "--workers", type=int, nargs="+", default=NUMBERS, help="numbers of workers to compare"
    )
    options.add_argument(
        "--no-mutants", action="store_true", help="without the proof that the drill finds faults"
    )
    given = options.parse_args()
    begun = time.monotonic()
    mutants = () if given.no_mutants else [name for name, one in MUTANTS.items() if "workers" in one.drills]
    with Starter() as starter, tempfile.TemporaryDirectory(prefix="comity-workers-") as folder:
        runs = [
            run(
                starter,
                Path(folder) / str(number),
                workers=number,
                rounds=given.rounds,
                seed=given.seed,
                mutants=mutants,
            )
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
        passed |= {f"catches {name}": caught for name, caught in one.get("mutants", {}).items()}
    figures = {
        "rounds": given.rounds,
        "seed": given.seed,
        "runs": runs,
        "seconds": round(time.monotonic() - begun, 1),
    }
    report(Drill(name="workers", passed=passed, figures=figures), as_json=given.json)


if __name__ == "__main__":
    main()
